#pragma once
// Looking an environment over for changes made by hand, and clearing away what nothing names.

#include <set>
#include <string>

#include "controller/host/place.h"

namespace tidegate {

struct Tended {
  bool news = false;             ///< Something changed that a look should see.
  bool unhealthy = false;        ///< What it runs does not pass its verification.
  std::set<std::string> builds;  ///< What its releases are linked from, as it was read.
};
/// See HostDriver::tend. One environment.
Result<Tended> tend_environment(const Place& place, bool renew_stat_cache);

/// Clears away builds that no release of the site names. Where all that are there are among
/// `known`, it looks no further.
Result<void> tend_builds(const Site& site, const std::set<std::string>& known);

}  // namespace tidegate
