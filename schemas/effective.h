#pragma once
// The one place where layers are merged and defaults filled in: preset < SiteClass < Site for a
// site's fields, SiteClass.environments < Environment for an environment's. Maps merge by key;
// lists and single values replace; `repository`, `code` and `suspend` replace as a whole, so that a
// site's own url never meets its class's credentials.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "schemas/manifest.h"

namespace tidegate {

/// The Driver documents there are, by name; one that is broken or ambiguous has no value.
using Drivers = std::map<std::string, std::shared_ptr<const HostDriverSpec>>;

/// The good documents a site is made of, and what else there is.
struct SiteInput {
  const Document* site = nullptr;
  std::vector<const Document*> environments;
  std::set<std::string> environment_names;  ///< Of broken documents too.
  const Document* site_class = nullptr;     ///< Absent when the site names none.
  const Drivers* drivers = nullptr;         ///< Empty: environments get no driver, with a warning.
};

/// The site these documents make, and what is wrong with them together. With an error among
/// `problems` the site must not be used.
struct Effective {
  Site site;
  std::vector<Problem> problems;
};
Effective make_effective(const SiteInput& input);

/// Whether both say the same about what should be; `invalid`, revision and author do not count.
bool same_documents(const Site& left, const Site& right);
/// The same, and the platform team says the same about both.
bool same_value(const Site& left, const Site& right);

/// What digests are made of: the effective value as YAML, all defaults written out. `with_suspend`:
/// a suspension is told too.
std::string canonical_site(const Site& site);
std::string canonical_environment(const std::string& site, const Environment& environment,
                                  bool with_suspend);
std::string canonical_driver(const HostDriverSpec& driver);

}  // namespace tidegate
