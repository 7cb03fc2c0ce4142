#pragma once
// The rules of policies that one site alone cannot answer: how much may happen at once. Asked of a
// step before it starts by who sees all sites, and not again before its switch.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace tidegate {

/// Where an operation counts: "fleet", "driver NAME", "site NAME".
using Places = std::set<std::string>;
Places places_of(const Site& site, const std::string& environment);

/// What is the case in the whole fleet now, counted by who sees all of it.
struct FleetFacts {
  std::map<std::string, int> running;                   ///< Operations by place, recoveries apart.
  std::map<std::string, std::vector<Timestamp>> wipes;  ///< Starts of the last hour, by site.
};

struct LimitsSaid {
  std::vector<Verdict> verdicts;
  Places full;  ///< Where no operation fits any more.
};
/// What `limits` say about a step. A limit on operations opens when one of them ends, which no
/// clock knows.
LimitsSaid judge_limits(const Site& site, const Step& step, const FleetFacts& fleet, Timestamp now);

/// Whether limits count a step: recovering and recording a launch are nobody's to hold.
bool counts(const Step& step);
/// Counts a step that was let in, so that the next one asked about meets it.
void note_start(FleetFacts& fleet, const Site& site, const Step& step, Timestamp now);

/// Who sees what runs in the whole fleet, and lets steps in.
class Admission {
 public:
  virtual ~Admission() = default;
  /// What limits say to each of the steps that a site is ready for, as it was just observed. A step
  /// that none of them holds counts as running from then on, until the site is observed again. To
  /// be told of every look, steps or none. Any thread.
  virtual std::vector<std::vector<Verdict>> admit(const Site& site, const ObservedSite& observed,
                                                  const std::vector<Step>& steps,
                                                  Timestamp now) = 0;
};

}  // namespace tidegate
