#pragma once
// A plan in a file: what somebody looked at, so that exactly this is done later, or nothing.

#include <map>
#include <string>
#include <vector>

#include "controller/service/json.h"
#include "controller/service/sources.h"
#include "reconcilers/basis.h"
#include "schemas/result.h"

namespace tidegate {

struct SavedPlan {
  std::string id;
  ManifestsOrigin origin;  ///< Where its manifests are read again.
  std::string revision;    ///< Their commit then; "" when there was none.
  std::string state;       ///< The store's file.
  std::vector<Basis> covers;

  std::map<std::string, std::vector<Basis>> by_site() const;
};

/// What plans of these sites rest on: of all sites and environments where there is nothing to do at
/// all, of those that a plan speaks of otherwise.
std::vector<Basis> bases_of(const std::vector<PlannedSite>& sites);

/// The plan as CONTRACT has it, with what `apply` needs besides. Replaces `file` as a whole, for
/// its owner alone.
Result<void> save_plan(const std::string& file, const SavedPlan& plan, const std::string& json);
/// Invalid when it is no saved plan, or not as it was written.
Result<SavedPlan> read_plan(const std::string& file);

/// Why the saved plan holds no more: "acme/test: desired moved (…)"; "" when nothing that it rests
/// on has moved. `now`: the sites it speaks of.
std::string moved_since(const SavedPlan& saved, const std::vector<PlannedSite>& now);

}  // namespace tidegate
