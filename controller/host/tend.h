#pragma once
// Looking an environment over for changes made by hand, and clearing away what nothing names.

#include "controller/host/place.h"

namespace tidegate {

/// See HostDriver::tend. One environment. True when something changed that a look should see.
Result<bool> tend_environment(const Place& place, bool renew_stat_cache);
/// Builds that no release of the site names.
Result<void> tend_builds(const HostServices& services, const Site& site);

}  // namespace tidegate
