#include "controller/host/roots.h"

#include <filesystem>

#include "controller/host/files/marks.h"

namespace tidegate {
namespace {

/// Sandboxes bind no path that leads over a symbolic link, for a site could have made it.
Result<void> refuse_links(const std::string& root) {
  std::error_code error;
  const auto real = std::filesystem::canonical(root, error);
  if (error || !root.starts_with('/')) return {};  // What is not there is told by claiming it.
  auto written = std::filesystem::path(root).lexically_normal();
  if (!written.has_filename()) written = written.parent_path();
  if (written == real) return {};
  return Error{ErrorKind::invalid, "root \"" + root + "\" leads over a symbolic link; write \"" +
                                       real.string() + "\" instead"};
}

}  // namespace

std::string root_problem(RootMemory& memory, const std::string& root) {
  auto id = root_id(root);
  if (!id) return id.error().message;
  const auto known = memory.recall(root);
  if (!known) return "";
  if (!*id) return "root \"" + root + "\" lost what it held; is its file system mounted?";
  if (**id != *known) {
    return "root \"" + root + "\" is another one than before; is the right file system mounted?";
  }
  return "";
}

Result<void> claim_and_remember(RootMemory& memory, const std::string& root) {
  if (auto refused = refuse_links(root); !refused) return refused;
  if (const std::string problem = root_problem(memory, root); !problem.empty()) {
    return Error{ErrorKind::transient, problem};
  }
  if (auto claimed = claim_root(root); !claimed) return claimed;
  auto id = root_id(root);
  if (!id) return std::move(id.error());
  if (*id) memory.remember(root, **id);
  return {};
}

}  // namespace tidegate
