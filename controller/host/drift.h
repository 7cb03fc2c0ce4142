#pragma once
// What of a release was changed by hand: its code, its places for content, its variables.

#include <string>
#include <vector>

#include "controller/host/files/content_links.h"
#include "controller/host/files/tree.h"
#include "controller/host/place.h"

namespace tidegate {

/// Where content goes in the code of a release.
ContentPlaces places_of(const Place& place, const ReleaseRecord& release);

struct ReleaseChanges {
  bool known = false;        ///< There is a manifest to compare its code with.
  std::vector<Change> code;  ///< What the build made.
  std::vector<Change> rest;  ///< Places for content, "../environment", and "." when all is gone.
  bool none() const { return code.empty() && rest.empty(); }
};

/// Paths are relative to the code. Places and variables count only while the release was made with
/// what is declared now; else another is on its way. `renew`: saves stat records that were renewed.
Result<ReleaseChanges> changes_in(const Place& place, const ReleaseRecord& release, bool renew);

/// What people put where a release's links to content were, moved out of it before the release is
/// left behind or removed: ENVIRONMENT/aside/RELEASE. The link comes back. Gives where each lies.
Result<std::vector<std::string>> keep_aside(const EnvironmentLayout& layout,
                                            const ReleaseRecord& release);

}  // namespace tidegate
