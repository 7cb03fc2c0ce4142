#pragma once
// Code trees: a build is made once for a commit, sealed, and linked into each release.
//
// What is seen of a change made by hand:
// - By ordinary means (an editor, `touch`, an update of a plugin, a file put back with its old
//   mtime): by stat. Size, mtime, inode and ctime are compared with the manifest; what differs is
//   hashed. A ctime cannot be set, so writing in place and putting the mtime back is seen too.
// - By means that leave no ctime behind (a clock set back, a disk written below its file system):
//   by hash alone, so by a thorough scan.
// Linking and removing releases changes ctimes as well. The scan after that hashes those files
// once and renews the stat records in the manifest (`renewed`), for the caller to save.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schemas/result.h"

namespace tidegate {

enum class EntryKind : std::uint8_t { file, directory, link };

struct TreeEntry {
  std::string path;  ///< Relative, any bytes but NUL.
  EntryKind kind = EntryKind::file;
  unsigned mode = 0;  ///< Permission bits; 0 for links.
  std::uint64_t size = 0;
  std::string sha256;  ///< Hex, of files.
  std::string target;  ///< Of links, as written.

  /// Stat records, a cache only: when all equal what stat says, the hash need not be asked.
  std::uint64_t inode = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;  ///< 0: too fresh when recorded to tell a later change from it.
};

struct TreeManifest {
  std::vector<TreeEntry> entries;  ///< Ordered by path, without the tree's own root.
  std::string digest;              ///< sha256 hex of kinds, paths, modes, hashes and targets.
  bool renewed = false;            ///< Stat records changed since it was loaded: worth saving.
};

struct SealOptions {
  /// Absolute directories below which symbolic links may point although they leave the tree.
  std::vector<std::string> allowed;
  /// Who owns everything afterwards (user, group); absent: stays as it is.
  std::optional<std::pair<unsigned, unsigned>> owner;
};

/// Makes a finished build read-only and records it. Everything in it can be read by all who reach
/// it (files 0444 or 0555, directories 0555 or 0755); its own root by its owner alone. Idempotent.
/// Nothing of the build's processes may still run. Not durable: sync_tree_filesystem() after it,
/// then save(). `site`: a symbolic link leads out of the tree, or something is no file, directory
/// or link.
Result<TreeManifest> seal_tree(const std::string& directory, const SealOptions& options = {});

/// Writes a manifest durably as text, beside the tree, never in it.
Result<void> save(const TreeManifest& manifest, const std::string& path);
/// Nothing when there is none; `invalid` when it is damaged (its digest does not fit).
Result<std::optional<TreeManifest>> load_manifest(const std::string& path);

struct LinkReport {
  std::uint64_t linked = 0;
  /// Files that could not be hard-linked (another file system, too many links). Their stat records
  /// are not the build's: keep a copy of the manifest of its own for such a release, or every scan
  /// of it hashes them.
  std::uint64_t copied = 0;
};

/// Makes a release's code from a sealed build: real directories, hard-linked files, symbolic links
/// as written. `release_directory` must not exist yet; its parent does. What is at or below an
/// excluded path is left out. Not durable: sync_tree_filesystem() before the switch. After an
/// error, remove what is there and start again.
Result<LinkReport> link_tree(const std::string& build_directory, const TreeManifest& manifest,
                             const std::string& release_directory,
                             const std::vector<std::string>& excluded);

/// The same as files of the release's own (reflinks where possible), for people to write to: what
/// is done to them is not done to the build. Their modes are those of as_writable().
Result<LinkReport> copy_tree(const std::string& build_directory, const TreeManifest& manifest,
                             const std::string& release_directory,
                             const std::vector<std::string>& excluded);
/// The manifest of a tree that copy_tree() makes. Its stat records are the build's.
TreeManifest as_writable(TreeManifest manifest);
/// Hands a tree over that nobody but the caller has written to so far, itself last. Never follows a
/// link.
Result<void> give_tree(const std::string& directory, std::pair<unsigned, unsigned> user);

enum class ChangeKind : std::uint8_t { added, removed, changed, mode, type };
const char* to_string(ChangeKind kind);

struct Change {
  std::string path;
  ChangeKind kind = ChangeKind::changed;
  bool operator==(const Change&) const = default;
};

/// What in a build or release differs from the manifest, ordered by path. Excluded paths, what is
/// below them, and directories that only lead to them are not looked at. `thorough` hashes
/// everything. Writes nothing but stat records into `manifest`.
Result<std::vector<Change>> scan(const std::string& directory, TreeManifest& manifest,
                                 const std::vector<std::string>& excluded, bool thorough);

/// Whether a build is still what was sealed; to be asked before it is linked again or healed from.
Result<std::vector<Change>> verify_build(const std::string& build_directory, TreeManifest& manifest,
                                         bool thorough = false);

/// The bytes a path had when it was sealed; nothing when they are not at hand.
using Original = std::function<std::optional<std::string>(const std::string& path)>;
/// Takes them from a tree, as far as it still has exactly what was sealed. Both arguments must
/// outlive the result.
Original originals_in(const std::string& directory, const TreeManifest& manifest);

/// The changes as a unified diff for people, at most about `limit` bytes. Binary files are named
/// with their sha256 only. It may show secrets that somebody wrote into a file.
std::string patch_of(const std::string& directory, const TreeManifest& manifest,
                     const std::vector<Change>& changes, const Original& original,
                     std::size_t limit = 1 << 20);

}  // namespace tidegate
