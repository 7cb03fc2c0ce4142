#pragma once
// Commits one changed file: into an object database without a work tree, or into a person's clone
// so that the clone is as clean afterwards as it was before. Never runs hooks, never signs.

#include <optional>
#include <string>

#include "schemas/result.h"
#include "schemas/site.h"
#include "schemas/time.h"

namespace tidegate {

struct FileEdit {
  std::string path;  ///< Relative to the repository (commit_file) or the directory given.
  std::optional<std::string> before;  ///< What the new text was made from; nothing for a new file.
  std::string text;                   ///< What the file holds afterwards.
  std::string author_name, author_mail;
  std::string message;  ///< Subject first; a final newline is added when missing.
  Timestamp at;
};

/// Writes a commit on top of `parent` into the object database at `repository_path` (a bare mirror
/// or a clone's .git). No reference moves: push it, or leave it. The same edit at the same time is
/// the same commit. invalid: the file does not hold `before` in `parent`, an unusable path, an
/// empty change.
Result<CommitId> commit_file(const std::string& repository_path, const CommitId& parent,
                             const FileEdit& edit);

/// Commits on the branch that is checked out in the work tree `directory` lies in, and updates file
/// and index with it; other changes, staged or not, stay as they are. invalid, saying the mend: no
/// work tree, another user's, the file has uncommitted changes or is not tracked, a detached HEAD,
/// a merge under way.
Result<CommitId> commit_in_work_tree(const std::string& directory, const FileEdit& edit);

/// Commits on another branch of that repository, made from `start` (nothing: HEAD) when it is new,
/// without touching the work tree. The branch that is checked out: as commit_in_work_tree.
Result<CommitId> commit_on_branch(const std::string& directory, const std::string& branch,
                                  const FileEdit& edit, const std::optional<CommitId>& start = {});

/// The edit as `git apply` takes it; its path is the repository's.
Result<std::string> patch_of(const FileEdit& edit);

}  // namespace tidegate
