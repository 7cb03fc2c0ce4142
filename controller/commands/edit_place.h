#pragma once
// Where a change of manifests is committed: read as it stands there, so that nobody's commit is
// lost and the work tree does not matter unless it is what is changed.

#include <functional>
#include <string>
#include <vector>

#include "controller/commands/options.h"
#include "controller/git/writer.h"
#include "schemas/fleet.h"

namespace tidegate {

/// One source of manifests at the head of the branch that gets the commit; where that is new, at
/// the commit it begins with.
struct EditPlace {
  std::string prefix;             ///< Of its files among those of several sources; "" or "fleet/".
  std::vector<FileChange> files;  ///< With the prefix.
  std::string revision;
  std::string folder;  ///< The files' folder in the repository; "" or "folder/".
  std::string branch;  ///< That gets the commit; "" for a directory that is in no clone.
  std::string clone;   ///< A directory in whose clone git may be asked; "" for none.
  /// Commits an edit of the file at a path below the folder, on top of exactly what was read.
  /// `transient`: the branch moved meanwhile.
  std::function<Result<CommitId>(const FileEdit&)> commit;
};

/// The places that --manifests, or else the configuration's sources, name.
Result<std::vector<EditPlace>> edit_places(const Options& options);

}  // namespace tidegate
