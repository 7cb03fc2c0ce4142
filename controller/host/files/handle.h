#pragma once
// File descriptors, and ways below a directory on which no symbolic link is ever followed. For the
// files of this folder only.

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/result.h"

namespace tidegate::files {

/// Owns a file descriptor.
class Handle {
 public:
  Handle() = default;
  explicit Handle(int descriptor) : descriptor_(descriptor) {}
  Handle(Handle&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Handle();

  int get() const { return descriptor_; }
  int give_up() { return std::exchange(descriptor_, -1); }  ///< The caller closes it.
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// `DOING "PATH": what errno says`, of the kind that fits; ENOSPC and EDQUOT say how much is free.
Error failure(std::string_view doing, const std::string& path, int code);

/// Paths as messages show them: quoted, with control characters and quotes escaped.
std::string quoted(std::string_view path);

/// "a" + "b" = "a/b"; "" + "b" = "b".
std::string joined(std::string_view directory, std::string_view name);
/// What stands before the last slash: "" for a name alone, "/" for "/name".
std::string parent_of(std::string_view path);
std::string_view name_of(std::string_view path);
/// Whether `path` is `top` or below it, by their text.
bool at_or_below(std::string_view path, std::string_view top);

/// Opens a directory. Symbolic links are followed on the way but not at its end.
Result<Handle> open_directory(const std::string& path);

/// Opens a directory below another, one name at a time, following nothing. On failure the
/// descriptor is absent and errno says why (ELOOP or ENOTDIR for a link).
Handle open_below(int root, std::string_view relative);
/// The directory in which the last name of `relative` lies; same rules.
Handle open_parent_below(int root, std::string_view relative);

/// The names in an open directory but "." and "..", sorted, each once; or errno.
struct Listing {
  std::vector<std::string> names;
  int error = 0;
};
Listing list(int directory);

/// stat without following. False leaves errno.
bool status_of(int directory, const std::string& name, struct stat& status);
/// Where a link in an open directory points; nothing leaves errno.
std::optional<std::string> link_target(int directory, const std::string& name);

std::int64_t nanoseconds(const timespec& time);

/// Runs `work(0 … count-1)` on several threads; each index once, in no order. After a failure no
/// new index is begun; of several failures the one with the lowest index is returned.
Result<void> in_parallel(unsigned threads, std::size_t count,
                         const std::function<Result<void>(std::size_t)>& work);

}  // namespace tidegate::files
