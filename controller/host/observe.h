#pragma once
// What the host driver sees of a site. Changes nothing.

#include "controller/host/place.h"

namespace tidegate {

/// A site, from the records of its environments and what is known of its repository. What cannot be
/// read of one environment's memory holds that one and no other.
Result<ObservedSite> observe_site(const HostServices& services, Engines& engines, const Site& site);

/// Adds who vouches for the commits that environments may be brought to, where a rule asks: by the
/// allowed signers' list. After everything else of `out` is known.
void observe_signatures(const HostServices& services, const Site& site, ObservedSite& out);

/// The record of an environment; rebuilt from its releases when it is lost; nothing when it never
/// was.
Result<std::optional<EnvironmentRecord>> known_record(const EnvironmentLayout& layout);

/// A person may have pointed `current` at a kept release: that is then the record's current one.
/// True when the record says something else now.
Result<bool> follow_link(const EnvironmentLayout& layout, EnvironmentRecord& record);

/// Which declared content of a release is not there, and the mend; "" when all is, as far as its
/// engines tell.
std::string missing_content(Engines& engines, const HostDriverSpec& driver, const Site& site,
                            const ReleaseRecord& release);

/// An environment that no manifest declares any more, as far as taking up its interrupted operation
/// needs to know it; nothing when there is none.
std::optional<Environment> let_go_environment(const Site& site, const std::string& name);

}  // namespace tidegate
