#include "controller/host/in_force.h"

#include "controller/host/files/durable.h"
#include "controller/host/files/marks.h"
#include "controller/host/layout.h"

namespace tidegate {
namespace {

constexpr std::size_t bytes_max = 4096;

}  // namespace

Result<bool> note_in_force(const std::string& root, const std::string& source,
                           const InForce& in_force) {
  auto ours = is_ours(root);
  if (!ours || !*ours) return ours;
  const RootLayout layout{root};
  if (auto made = make_directory(layout.in_force(), 0755); !made) return std::move(made.error());
  const std::string text = in_force.revision + " " + to_rfc3339(in_force.at) + "\n";
  if (auto put = write_durably(layout.in_force() + "/" + source, text, 0644); !put)
    return std::move(put.error());
  return true;
}

std::optional<InForce> noted_in_force(const std::string& root, const std::string& source) {
  const auto text = read_small(RootLayout{root}.in_force() + "/" + source, bytes_max);
  if (!text || !*text) return std::nullopt;
  const std::size_t space = (*text)->find(' ');
  if (space == std::string::npos || !(*text)->ends_with('\n')) return std::nullopt;
  const auto at = parse_rfc3339((*text)->substr(space + 1, (*text)->size() - space - 2));
  if (!at) return std::nullopt;
  return InForce{(*text)->substr(0, space), *at};
}

}  // namespace tidegate
