#pragma once
// Where manifests come from: a path below a branch or tag of a git repository, or a plain
// directory.

#include <optional>
#include <string>
#include <vector>

#include "controller/git/mirror.h"
#include "schemas/fleet.h"
#include "schemas/result.h"

namespace tidegate {

/// The manifests at a commit, told as what changed.
struct Snapshot {
  CommitId commit;
  std::string author, subject;
  Timestamp at;
  /// Sorted by path; relative to the source's path. A file too large to be a manifest has a text
  /// that is too large as well, and a link or submodule one that is no manifest: the reader reports
  /// them in their place, and what they said before stands. Each with every commit since the last
  /// look that touched it, so that a signature on the newest one hides none below it; when
  /// `complete`, with the commit of this look alone.
  std::vector<FileChange> changes;
  /// `changes` names every file there is; a file it does not name is gone. So on the first look,
  /// and when the commit given is not known any more.
  bool complete = false;
  /// The branch was rewritten: the commit given is not in its history.
  bool rewritten = false;
  /// What bears a manifest's name but is no file (a link, a submodule), one sentence each.
  std::vector<std::string> skipped;
};

class GitManifests {
 public:
  /// `ref` is a branch or a tag by its short name (a branch wins), a full name, or a commit's 40
  /// hex digits; `path` a folder, "" or "." the whole tree.
  GitManifests(Mirror mirror, std::string ref, std::string path);

  /// Refreshes the mirror and says what changed since the commit given (nothing: since ever). No
  /// value: nothing did. An unreadable or empty repository, a missing branch or path, and a tree
  /// without any manifest are errors, never "everything is gone": the caller keeps what it has.
  Result<std::optional<Snapshot>> changed_since(const std::optional<CommitId>& since);

  const Mirror& mirror() const { return mirror_; }

 private:
  Mirror mirror_;
  std::string ref_, path_;
};

/// Every manifest below `folder` ("": everywhere) of a commit. Errors as changed_since, `source` is
/// what they call the repository.
Result<Snapshot> manifests_at(const GitRepository& repository, const std::string& source,
                              const CommitId& commit, const std::string& folder);

/// Every manifest below a plain directory, sorted by path. Links are followed while they stay below
/// it; one that leaves it is invalid, naming it, as are a file that cannot be read and a missing
/// directory. A file too large to be a manifest comes as in Snapshot.
Result<std::vector<FileChange>> read_directory(const std::string& directory);

}  // namespace tidegate
