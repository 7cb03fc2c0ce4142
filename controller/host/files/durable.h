#pragma once
// Small files, directories and links that are whole after a crash: the old text or the new one.
//
// Every error names the path and what the system said. A full disk or quota is `transient`
// ("disk full: …: 12 MiB free"); permissions and things of another kind in the way are `invalid`.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/result.h"

namespace tidegate {

/// Replaces or creates a regular file with exactly this mode (the umask does not count), owned by
/// the caller. Durable on return: file and directory are fsynced. Idempotent. Of two writers at
/// once one wins whole. Refuses (invalid) to replace anything but a regular file.
Result<void> write_durably(const std::string& path, std::string_view text, unsigned mode);

/// The text of a regular file of at most `limit` bytes; nothing when there is none. A longer file
/// is an error, read or not. Follows symbolic links, never waits on a FIFO.
Result<std::optional<std::string>> read_small(const std::string& path, std::size_t limit);

/// Removes a file or symbolic link, durably. Idempotent.
Result<void> remove_durably(const std::string& path);

/// Creates a directory with this mode, and its missing parents with 0755, durably. Directories
/// that exist keep their mode. Idempotent.
Result<void> make_directory(const std::string& path, unsigned mode);

/// Makes a symbolic link point at `target`, in one atomic step for whoever resolves it, durably.
/// Idempotent, and changes no time stamp when it does so already. Refuses (invalid) to replace
/// anything but a symbolic link.
Result<void> point_link(const std::string& link, const std::string& target);

/// Where a symbolic link points, as written; nothing when there is none. Invalid when something
/// else is there.
Result<std::optional<std::string>> read_link(const std::string& path);

/// Waits until everything written to the file system of `path` is on disk (syncfs): one call for
/// a whole tree instead of an fsync for each file.
Result<void> sync_tree_filesystem(const std::string& path);

}  // namespace tidegate
