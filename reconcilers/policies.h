#pragma once
// What the platform team's policies and freezes say about a step. They yield holds, never actions;
// what cannot be evaluated holds. Pure.

#include "reconcilers/plan.h"
#include "schemas/policy.h"

namespace tidegate {

/// What a rule may want to know of the step that an action is part of.
struct StepSoFar {
  std::vector<Action> actions;     ///< All of them.
  std::optional<Timestamp> began;  ///< Of one that runs; windows are asked about its beginning.
};

/// What each rule and freeze that looked at the action said, by name. Recording or undoing a launch
/// and recovering are nobody's to hold. Rules that need facts about other sites are in limits.h.
std::vector<Verdict> judge(const Site& site, const ObservedSite& observed,
                           const Environment& environment, const Action& action,
                           const Calendar& calendar, Timestamp now, const StepSoFar& step = {});

/// The hold that stands: one that only a person lifts before any that time does, and of those the
/// one that opens last. Nothing when none holds.
std::optional<Hold> strictest(const std::vector<Verdict>& verdicts);

/// What the rules about proofs (`provenIn`) alone say about a commit.
std::vector<Verdict> judge_proofs(const Site& site, const ObservedSite& observed,
                                  const Environment& environment, const CommitId& commit,
                                  Timestamp now);

/// What would hold a step at a later time, which clocks showed before they were set back.
std::optional<Verdict> held_at(const Site& site, const ObservedSite& observed, const Step& step,
                               const Calendar& calendar, Timestamp later);

/// When the oldest of the content was taken that an environment has from stages above it.
std::optional<Timestamp> taken_from_above(const Site& site, const std::string& environment,
                                          const std::map<Part, Stamp>& content);

}  // namespace tidegate
