#pragma once
// Commits many changed files at once, on top of a branch that may have moved on meanwhile.

#include <set>
#include <string>
#include <vector>

#include "schemas/result.h"
#include "schemas/site.h"
#include "schemas/time.h"

namespace tidegate {

struct TreeChange {
  std::string path;   ///< From the root of the repository.
  unsigned mode = 0;  ///< Git's: 0100644, 0100755, 0120000 (`bytes` is the target); 0: it is gone.
  std::string bytes{};
};

struct TreeEdit {
  std::vector<TreeChange> changes;  ///< Made to the files of the commit `base`.
  std::string author_name, author_mail;
  std::string message;  ///< Subject first; a final newline is added when missing.
  Timestamp at;
};

/// Writes a commit on top of `tip` into the object database at `repository_path`. No reference
/// moves. Where `tip` has all of the changes already, it is `tip` itself. invalid, naming the
/// files: what was changed on both sides of `base`, and what GitRepository::check_out would refuse.
Result<CommitId> commit_tree(const std::string& repository_path, const CommitId& base,
                             const CommitId& tip, const TreeEdit& edit);

/// Those of `paths` that the commit's own .gitignore, at its top, names.
Result<std::set<std::string>> ignored_in(const std::string& repository_path, const CommitId& commit,
                                         const std::vector<std::string>& paths);

}  // namespace tidegate
