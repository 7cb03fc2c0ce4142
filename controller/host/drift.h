#pragma once
// What of a release was changed by hand: its code, its places for content, its variables.

#include <string>
#include <vector>

#include "controller/host/files/content_links.h"
#include "controller/host/files/hand_changes.h"
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

/// What the release's code was when it was made; nothing when that is lost.
Result<std::optional<TreeManifest>> manifest_of(const EnvironmentLayout& layout,
                                                const ReleaseRecord& release);

/// Paths are relative to the code. Places and variables count only while the release was made with
/// what is declared now; else another is on its way. `renew`: saves stat records that were renewed.
Result<ReleaseChanges> changes_in(const Place& place, const ReleaseRecord& release, bool renew);

/// What people changed in the code of a writable release; empty for any other.
Result<std::vector<HandChange>> hand_changes_in(const Place& place, const ReleaseRecord& release,
                                                const ReleaseChanges& changes);

/// A look at what was changed by hand, as it is recorded; nothing when all is as it was made.
/// `before`: what the last look recorded. Where a writable release has changes, it asks whether the
/// commit that the environment follows has them.
Result<std::optional<Drift>> look_for_drift(const Place& place, const ReleaseRecord& release,
                                            const std::optional<Drift>& before, bool renew);
/// Whether two looks saw the same.
bool same_drift(const std::optional<Drift>& one, const std::optional<Drift>& other);

/// What people put where a release's links to content were, moved out of it before the release is
/// left behind or removed: ENVIRONMENT/aside/RELEASE. The link comes back. Gives where each lies.
Result<std::vector<std::string>> keep_aside(const EnvironmentLayout& layout,
                                            const ReleaseRecord& release);

}  // namespace tidegate
