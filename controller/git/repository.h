#pragma once
// Reading a git repository's object database: commits, trees, blobs, and a commit's files written
// out. There is never a work tree to read from, and nothing here touches the network.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schemas/result.h"
#include "schemas/site.h"
#include "schemas/time.h"

struct git_repository;

namespace tidegate {

/// One tracked file. Also a symbolic link (mode 0120000, the blob holds its target) or a submodule
/// (mode 0160000, `blob` is the commit it names, size 0).
struct TrackedFile {
  std::string path;   ///< From the root of the repository, without "./" or a leading slash.
  std::string blob;   ///< Object id, 40 hex digits; "" for a file that is gone.
  unsigned mode = 0;  ///< Git's: 0100644, 0100755, 0120000 or 0160000. 0 for a file that is gone.
  std::uint64_t size = 0;  ///< Bytes.
  bool operator==(const TrackedFile&) const = default;
};

struct CommitFacts {
  CommitId id;
  std::string author;   ///< "Name <mail>": valid UTF-8, one line.
  std::string subject;  ///< First paragraph in one line, valid UTF-8, at most 500 bytes.
  Timestamp at;         ///< When it was committed.
};

struct Checkout {
  std::uint64_t files = 0;  ///< Regular files and symbolic links.
  std::uint64_t bytes = 0;  ///< Content of the regular files.
};

/// An annotated tag.
struct TagObject {
  std::string object;  ///< Its bytes, as they were signed.
  CommitId leads_to;
};

struct CommitAndParents {
  CommitId id;
  std::vector<CommitId> parents;
};

/// One repository, opened. Opening costs well under a millisecond, so open one per use. An object
/// may be used by one thread at a time; several objects on one repository, in several threads and
/// processes, are fine, also while it is fetched into.
class GitRepository {
 public:
  /// A bare repository, or a work tree's (its ".git" is found). invalid: there is no repository.
  static Result<GitRepository> open(const std::string& path);
  GitRepository(GitRepository&&) noexcept;
  GitRepository& operator=(GitRepository&&) noexcept;
  ~GitRepository();

  /// The commit a full reference name ("refs/heads/main") leads to, through annotated tags. Nothing
  /// when there is no such reference or it leads to something else than a commit.
  std::optional<CommitId> resolve(const std::string& full_ref) const;
  /// Full names of branches and tags, sorted.
  std::vector<std::string> references() const;
  bool has(const CommitId& commit) const;
  Result<CommitFacts> facts(const CommitId& commit) const;

  /// The bytes of the commit's object, of which its id is the digest: verified while reading.
  /// invalid: no such commit, or above 1 MiB.
  Result<std::string> read_commit(const CommitId& commit) const;
  /// The annotated tag that a full reference name points at. Nothing for a plain tag, for one that
  /// leads to another annotated tag or to no commit, and above 1 MiB.
  std::optional<TagObject> read_tag(const std::string& full_ref) const;
  /// What `after` has in its history and `before` has not, newest first. invalid: either is
  /// unknown, or there are more than `limit`.
  Result<std::vector<CommitAndParents>> between(const CommitId& before, const CommitId& after,
                                                std::size_t limit) const;

  /// Every file at or below `under` ("" or "." is everything), sorted by path. invalid: no such
  /// commit or path, or more than 1 000 000 files.
  Result<std::vector<TrackedFile>> list(const CommitId& commit, const std::string& under) const;
  /// Files at or below `under` that differ, sorted by path, as they are after; its cost follows the
  /// difference. A path that is missing on one side counts as an empty folder.
  Result<std::vector<TrackedFile>> changed(const CommitId& before, const CommitId& after,
                                           const std::string& under) const;
  /// A blob's bytes. Its size is looked at first: larger than `limit` is invalid.
  Result<std::string> read_blob(const std::string& oid, std::uint64_t limit) const;
  /// Whether any tracked file lies at or below `path`. False also for an unknown commit.
  bool has_path(const CommitId& commit, const std::string& path) const;
  /// Whether `descendant` is `ancestor` or has it in its history. False when either is unknown.
  bool is_ancestor(const CommitId& ancestor, const CommitId& descendant) const;

  /// Writes every file of the commit into an existing, empty, absolute directory that nobody else
  /// writes to: 0644, executables 0755, directories 0755, symbolic links as they are.
  /// invalid, naming the path: submodules, links that are absolute or lead out of the tree, paths
  /// with
  /// "..", ".git" in any spelling, more than 1 000 000 files, a file above 1 GiB; a directory that
  /// is not empty or not absolute. transient: the disk. All refusals but the disk's and a too large
  /// file's come before the first write; after an error the caller removes what was written.
  /// Files above 16 MiB are held in memory one at a time. Durable when it returns (one syncfs).
  Result<Checkout> check_out(const CommitId& commit, const std::string& directory) const;
  /// Whether it would be refused, whatever the directory.
  Result<void> can_check_out(const CommitId& commit) const;

 private:
  struct Release {
    void operator()(git_repository* repository) const;
  };
  explicit GitRepository(git_repository* opened);
  std::unique_ptr<git_repository, Release> repository_;
};

}  // namespace tidegate
