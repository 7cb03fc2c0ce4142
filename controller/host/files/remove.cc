#include "controller/host/files/remove.h"

#include <linux/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "controller/host/files/handle.h"

namespace tidegate {
namespace {

using files::failure;
using files::Handle;
using files::quoted;

/// Directories opened at once. What lies deeper is moved up to the top of the tree first, so that
/// no depth somebody makes costs more than this many descriptors and stack frames.
constexpr int depth_limit = 64;
/// Rounds in which new files may appear behind our back before we call it busy.
constexpr int rounds = 10;

std::uint64_t mount_of(int descriptor) {
  struct statx status {};
  if (statx(descriptor, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0 &&
      (status.stx_mask & STATX_MNT_ID)) {
    return status.stx_mnt_id;
  }
  struct stat old {};
  return fstat(descriptor, &old) == 0 ? std::uint64_t{old.st_dev} : 0;
}

bool plain(const std::string& path) {
  if (path.empty() || path[0] != '/') return false;
  if (path == "/") return true;
  for (std::string_view rest = std::string_view(path).substr(1);;) {
    const std::string_view name = rest.substr(0, rest.find('/'));
    if (name.empty() || name == "." || name == "..") return false;
    if (name.size() == rest.size()) return true;
    rest.remove_prefix(name.size() + 1);
  }
}

/// One removal: knows where deep directories go.
class Removal {
 public:
  /// Deletes `name` in the open directory `parent`, known to people as `path`.
  Result<void> remove(int parent, const std::string& name, const std::string& path, int depth) {
    for (int round = 0; round < rounds; ++round) {
      if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
      const int code = errno;
      // EPERM is POSIX's word for a directory here, and Linux's for an immutable file.
      if (code != EISDIR && code != EPERM) return failure("remove", path, code);
      if (code == EPERM && !is_directory(parent, name)) return failure("remove", path, code);
      const std::uint64_t moved_before = moved_;
      if (auto emptied = empty(parent, name, path, depth); !emptied) return emptied;
      if (moved_ != moved_before) round = 0;  // Our own doing, and one level less each time.
      if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
      if (errno == EBUSY) return mounted(path);
      // Filled again, or swapped for something else.
      if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) {
        return failure("remove", path, errno);
      }
    }
    return Error{ErrorKind::transient,
                 "remove " + quoted(path) + ": somebody keeps creating files in it"};
  }

 private:
  static Error mounted(const std::string& path) {
    return {ErrorKind::invalid,
            "remove " + quoted(path) + ": something is mounted there; unmount it first"};
  }

  /// Opens a directory of ours to delete, even one that keeps its owner out.
  static Handle open_for_removal(int parent, const std::string& name) {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    Handle directory(openat(parent, name.c_str(), flags));
    if (!directory && errno == EACCES &&
        fchmodat(parent, name.c_str(), 0700, AT_SYMLINK_NOFOLLOW) == 0) {
      directory = Handle(openat(parent, name.c_str(), flags));
    }
    struct stat status {};
    if (directory && fstat(directory.get(), &status) == 0 && (status.st_mode & 0700) != 0700) {
      fchmod(directory.get(), 0700);  // If it fails, what is in there says why.
    }
    return directory;
  }

  Result<void> empty(int parent, const std::string& name, const std::string& path, int depth) {
    const Handle directory = open_for_removal(parent, name);
    if (!directory) {
      // Swapped for something else, or gone: the next round sees what it is now.
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return {};
      return failure("open directory", path, errno);
    }
    if (mount_of(directory.get()) != mount_of(parent)) return mounted(path);
    if (depth == 0) top_directory_ = directory.get();
    const files::Listing listing = files::list(directory.get());
    if (listing.error != 0) return failure("list", path, listing.error);
    for (const std::string& child : listing.names) {
      const std::string child_path = path + '/' + child;
      auto removed = depth < depth_limit || !is_directory(directory.get(), child)
                         ? remove(directory.get(), child, child_path, depth + 1)
                         : move_up(directory.get(), child, child_path);
      if (!removed) return removed;
    }
    return {};
  }

  static bool is_directory(int parent, const std::string& name) {
    struct stat status {};
    return files::status_of(parent, name, status) && S_ISDIR(status.st_mode);
  }

  /// Moves a directory to the top of the tree, where the next round finds it.
  Result<void> move_up(int directory, const std::string& child, const std::string& path) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const std::string name = ".deep-" + std::to_string(moved_++);
      if (renameat(directory, child.c_str(), top_directory_, name.c_str()) == 0) return {};
      if (errno == ENOENT) return {};
      // Without write permission on it, its ".." cannot be changed.
      if (errno == EACCES) fchmodat(directory, child.c_str(), 0700, AT_SYMLINK_NOFOLLOW);
      // Taken by what an earlier call moved there and did not come to delete.
      else if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        break;
    }
    return failure("move up", path, errno);
  }

  int top_directory_ = -1;
  std::uint64_t moved_ = 0;
};

}  // namespace

Result<void> remove_tree(const std::string& path, const std::string& inside) {
  if (!plain(path) || !plain(inside) || path == inside || !files::at_or_below(path, inside)) {
    return Error{ErrorKind::invalid, "remove " + quoted(path) + ": not strictly below " +
                                         quoted(inside) + "; nothing was removed"};
  }
  const Handle root(open(inside.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) {
    if (errno == ENOENT) return {};
    return failure("open directory", inside, errno);
  }
  const std::string relative = path.substr(inside == "/" ? 1 : inside.size() + 1);
  const Handle parent = files::open_parent_below(root.get(), relative);
  if (!parent) {
    if (errno == ENOENT) return {};
    return failure("open without following links", files::parent_of(path), errno);
  }
  return Removal().remove(parent.get(), std::string(files::name_of(relative)), path, 0);
}

}  // namespace tidegate
