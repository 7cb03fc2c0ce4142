#pragma once
// When a manifest commit is to be taken back: the step it asked for failed where visitors look, and
// the environment went back from it. Who writes it is controller/service/reverter.h.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/state.h"

namespace tidegate {

/// One Environment document is to say again what it said before.
struct Revert {
  std::string site, environment;
  CommitId runs;    ///< What the environment went back to, "" for nothing: what the document must
                    ///< have named.
  CommitId failed;  ///< What the document names.
  Failure failure;  ///< Of the step that it asked for.
  std::string made_by;  ///< The manifest revision that the running release was made by; or "".
  std::string branch;   ///< Where it is proposed; "" for the branch that manifests are read from.
  bool operator==(const Revert&) const = default;
};

/// The reverts that a site's manifests ask for, as things are: an environment with
/// `onFailure.revertManifest`, whose pinned code is in quarantine after it failed behind the
/// switch. Nothing for one that works, is suspended, stays on what failed (`rollback: false`), or
/// that a person asked to be tried again (`retries`); nor where the code came from a branch or
/// `from`, for then no manifest commit asked.
std::vector<Revert> reverts_of(const Site& site, const ObservedSite& observed, Timestamp now,
                               const std::set<std::string>& retries);

/// Who asked for it: the commit that made the document say what it says.
struct Asked {
  CommitId commit;
  std::string author, subject;
};

/// The message of the commit that takes it back: who asked, what was done, why it failed, with the
/// evidence; and the operation, for programs.
std::string revert_message(const Revert& revert, const Asked& asked);

}  // namespace tidegate
