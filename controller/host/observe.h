#pragma once
// What the host driver sees of a site. Changes nothing.

#include "controller/host/place.h"

namespace tidegate {

/// A site, from the records of its environments and what is known of its repository.
Result<ObservedSite> observe_site(const HostServices& services, const Site& site);

/// Adds who vouches for the commits that environments may be brought to, where a rule asks: by the
/// allowed signers' list. After everything else of `out` is known.
void observe_signatures(const HostServices& services, const Site& site, ObservedSite& out);

/// The record of an environment; rebuilt from its releases when it is lost; nothing when it never
/// was.
Result<std::optional<EnvironmentRecord>> known_record(const EnvironmentLayout& layout);

}  // namespace tidegate
