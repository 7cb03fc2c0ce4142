#include "controller/host/files/marks.h"

#include <sys/file.h>
#include <sys/random.h>

#include <cerrno>

#include "controller/host/files/durable.h"
#include "controller/host/files/handle.h"

namespace tidegate {
namespace {

using files::failure;
using files::Handle;
using files::quoted;

constexpr std::string_view before_id = R"({"apiVersion": "tidegate/v1", "kind": "Root", "id": ")";
constexpr std::string_view after_id = "\"}\n";
constexpr std::size_t id_digits = 32;

std::string mark_directory(const std::string& root) { return files::joined(root, ".tidegate"); }
std::string mark_path(const std::string& root) { return mark_directory(root) + "/root.json"; }

Result<std::string> new_id() {
  unsigned char bytes[id_digits / 2];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
    return failure("read random bytes for", "root.json", errno);
  }
  std::string id;
  for (const unsigned char byte : bytes) {
    id += "0123456789abcdef"[byte >> 4];
    id += "0123456789abcdef"[byte & 15];
  }
  return id;
}

/// What keeps a root without a mark from being claimed: the first thing in it that is not of an
/// empty file system, or of a claim cut short.
Result<std::optional<std::string>> first_foreign(int directory, const std::string& root) {
  const files::Listing listing = files::list(directory);
  if (listing.error != 0) return failure("list", root, listing.error);
  for (const std::string& name : listing.names) {
    if (name == "lost+found") continue;
    if (name != ".tidegate") return std::optional(name);
    const Handle marks = files::open_below(directory, name);
    if (!marks) return std::optional(name);
    const files::Listing left = files::list(marks.get());
    if (left.error != 0) return failure("list", mark_directory(root), left.error);
    for (const std::string& inner : left.names) {
      if (inner != ".root.json.new") return std::optional(files::joined(name, inner));
    }
  }
  return std::optional<std::string>();
}

}  // namespace

Result<void> claim_root(const std::string& root) {
  if (root.empty() || root[0] != '/' || root == "/") {
    return Error{ErrorKind::invalid, "root " + quoted(root) + " is not an absolute path below /"};
  }
  const Handle directory(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory && errno == ENOENT) {
    return Error{ErrorKind::invalid,
                 "root " + quoted(root) + " does not exist: create the directory, or mount it"};
  }
  if (!directory && errno == ENOTDIR) {
    return Error{ErrorKind::invalid, "root " + quoted(root) + " is not a directory"};
  }
  if (!directory) return failure("open root", root, errno);
  // Of two that claim it at once, the second finds the mark of the first.
  while (flock(directory.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failure("lock root", root, errno);
  }
  const auto marked = root_id(root);
  if (!marked) return marked.error();
  if (*marked) return {};
  const auto foreign = first_foreign(directory.get(), root);
  if (!foreign) return foreign.error();
  if (*foreign) {
    return Error{ErrorKind::invalid, "root " + quoted(root) + " holds " + quoted(**foreign) +
                                         ", which is not Tidegate's: choose an empty directory"};
  }
  const auto id = new_id();
  if (!id) return id.error();
  if (auto made = make_directory(mark_directory(root), 0755); !made) return made;
  return write_durably(mark_path(root), std::string(before_id) + *id + std::string(after_id), 0644);
}

Result<std::optional<std::string>> root_id(const std::string& root) {
  const auto text = read_small(mark_path(root), 4096);
  if (!text) return text.error();
  if (!*text) return std::optional<std::string>();
  const std::string_view mark = **text;
  if (mark.size() == before_id.size() + id_digits + after_id.size() &&
      mark.starts_with(before_id) && mark.ends_with(after_id)) {
    const std::string_view id = mark.substr(before_id.size(), id_digits);
    if (id.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
      return std::optional(std::string(id));
    }
  }
  return Error{ErrorKind::invalid,
               "the mark " + quoted(mark_path(root)) + " is damaged: put it back from a backup"};
}

Result<bool> is_ours(const std::string& root) {
  const auto id = root_id(root);
  if (!id) return id.error();
  return id->has_value();
}

}  // namespace tidegate
