#pragma once
// The rules of policies that one site alone cannot answer: how much may happen at once, and how
// many sites one manifest commit may strike. The loop, which sees all sites, asks them of a step
// before it starts; they are not asked again before the switch.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace tidegate {

/// A manifest commit that struck at least one site.
struct Strike {
  std::set<std::string> sites;  ///< That it removes, wipes or moves.
  bool acknowledged = false;    ///< By a later commit of the platform team.
  bool operator==(const Strike&) const = default;
};

/// What is the case in the whole fleet now, counted by whoever sees all of it.
struct FleetFacts {
  int operations = 0;                    ///< That run, recoveries apart.
  std::map<std::string, int> by_driver;  ///< By the Driver document's name.
  std::map<std::string, int> by_site;
  std::map<std::string, std::vector<Timestamp>> wipes;  ///< Starts of late, by site.
  /// By manifest revision, as long as what it asks for is not done and not taken back: a later
  /// commit to the same sites does not let them out.
  std::map<std::string, Strike> strikes;
};

/// What `limits` and `blastRadius` say about a step. A limit on operations opens when one of them
/// ends, which no clock knows.
std::vector<Verdict> judge_limits(const Site& site, const Step& step, const FleetFacts& fleet,
                                  Timestamp now);

/// Counts a step that was started, so that the next one asked about meets it.
void note_start(FleetFacts& fleet, const Site& site, const Step& step, Timestamp now);

/// Whether a change of a site's manifests removes it or an environment of it, asks for a wipe, or
/// moves it: to another repository, another driver's root, or another authority. Null: no such
/// site.
bool strikes(const Site* before, const Site* after);

}  // namespace tidegate
