#pragma once
// How many sites one manifest commit may strike: those of a commit that strikes more than a policy
// allows keep what they were until the platform team acknowledges it, or it is taken back. Pure.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/plan.h"
#include "schemas/fleet.h"
#include "schemas/policy.h"

namespace tidegate {

/// Rules about what one commit may strike, each with its policy's name.
using Bounds = std::vector<std::pair<std::string, Rule>>;

/// A site that keeps what it was.
struct Withheld {
  std::shared_ptr<const Site> site;  ///< As it was, with Site::withheld set.
  std::set<std::string> commits;     ///< That strike it.
  /// What keeps it: as it was before it was struck, until the platform team says otherwise.
  Bounds judged_by;
};
using WithheldSites = std::map<std::string, Withheld>;  ///< By name.

/// Whether a change of a site's manifests removes it or an environment of it, asks for a wipe, or
/// moves it: to another repository, another driver's root, or another authority. Null: no such
/// site.
bool strikes(const Site* before, const Site* after);

/// What a `blastRadius` rule says of a commit that strikes so many sites.
Verdict judge_strike(const std::string& policy, const Rule& rule, const std::string& commit,
                     std::size_t sites, bool acknowledged);

/// What is in force of a site: its newest good value, or what it keeps. Null for none.
std::shared_ptr<const Site> in_force(const Fleet& fleet, const WithheldSites& withheld,
                                     const std::string& site);

/// Which sites keep what is in force, after `changes` of `revision` made `after` of `before`. What
/// was withheld before and strikes no more, was acknowledged, or is allowed by now, is not among
/// them. A change whose commits are not known counts as brought by `revision`.
WithheldSites withhold(const Fleet& before, const WithheldSites& withheld, const Fleet& after,
                       const std::vector<FileChange>& changes, const std::string& revision);

}  // namespace tidegate
