#pragma once
// What the host driver sees of a site. Changes nothing.

#include "controller/host/place.h"

namespace tidegate {

/// A site, from the records of its environments and what is known of its repository.
Result<ObservedSite> observe_site(const HostServices& services, const Site& site);

/// The record of an environment; rebuilt from its releases when it is lost; nothing when it never
/// was.
Result<std::optional<EnvironmentRecord>> known_record(const EnvironmentLayout& layout);

}  // namespace tidegate
