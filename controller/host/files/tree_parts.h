#pragma once
// What sealing, linking, scanning and patching of trees share. For the files of this folder only.

#include <sys/stat.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/host/files/tree.h"

namespace tidegate::files {

/// Reading and linking is bound by the kernel's locks beyond that.
inline constexpr unsigned tree_threads = 2;

/// sha256 hex of what an open file holds from its start; nothing leaves errno.
std::optional<std::string> sha256_of(int descriptor);
std::string sha256_of(std::string_view text);

/// TreeManifest::digest of these entries.
std::string digest_of(const std::vector<TreeEntry>& entries);

/// Whether `path` is one of `excluded` or below one.
bool is_excluded(const std::string& path, const std::vector<std::string>& excluded);

/// Writes down inode and times as stat says. `now_ns` was read from the real-time clock before the
/// file's bytes were: a ctime that close to it could be shared by a later change, and is not
/// trusted.
void record(TreeEntry& entry, const struct stat& status, std::int64_t now_ns);
std::int64_t real_time_ns();

/// Entries that lie in one directory, so that it is opened once for all of them.
struct Siblings {
  std::string directory;
  std::vector<std::size_t> entries;
};
/// Groups these indexes into `entries`, in the order in which their directories come first.
std::vector<Siblings> by_directory(const std::vector<TreeEntry>& entries,
                                   const std::vector<std::size_t>& indexes);

}  // namespace tidegate::files
