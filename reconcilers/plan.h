#pragma once
// The decision, and nothing but the decision: which steps bring a site from what it is to what it
// should be, in which order, and why. Pure: same arguments, same plan.

#include "reconcilers/driver.h"
#include "reconcilers/state.h"

namespace tidegate {

/// Needed, but waits for something that comes by itself.
struct Waiting {
  std::string environment;
  std::vector<Action> actions;
  std::string because;  ///< Goes on after "waits": "until dev has proven 2222222".
  std::optional<Timestamp> until;
  bool operator==(const Waiting&) const = default;
};

/// Only a person, a policy or time can go on.
struct Hold {
  std::string environment;
  std::string reason;   ///< A word of CONTRACT: NotProven, GenerationUsed, …
  std::string message;  ///< What would satisfy it.
  std::optional<Timestamp> opens_at;
  bool operator==(const Hold&) const = default;
};

/// What one rule of a policy, or one freeze, said about what an environment needs.
struct Verdict {
  std::string policy;        ///< Or the freeze's name.
  std::string rule;          ///< "" of a freeze, and of what keeps rules from being read.
  std::optional<Hold> hold;  ///< Absent: it lets it pass.
  std::string said;
  bool operator==(const Verdict&) const = default;
  /// "gold-live/office-hours".
  std::string name() const { return rule.empty() ? policy : policy + "/" + rule; }
};

struct Plan {
  std::vector<Step> ready;  ///< May start now, together: they touch different environments.
  std::vector<Waiting> waiting;
  std::vector<Hold> held;
  std::vector<std::string> warnings;  ///< "test: update changed the databases since …".
  std::map<std::string, std::vector<Verdict>> verdicts;  ///< By environment; of all that looked.
  std::optional<Timestamp> look_again_at;                ///< When time alone may change this plan.
  bool converged() const { return ready.empty() && waiting.empty() && held.empty(); }
  bool operator==(const Plan&) const = default;
};

/// `retries`: environments for which `tidegate retry` was asked and not yet carried out.
Plan make_plan(const Site& site, const ObservedSite& observed, const Calendar& calendar,
               Timestamp now, const std::set<std::string>& retries = {});

/// The rule of DESIGN § 5 that a step would break, or nothing. Independent of make_plan on purpose:
/// asked before every start and every switch, in production too, and by the simulation.
/// `running`: the operation that asks before its own switch; it does not count as busy.
/// What `grants_for` this step allow is no objection.
std::optional<std::string> broken_rule(const Site& site, const ObservedSite& observed,
                                       const Step& step, const Calendar& calendar, Timestamp now,
                                       const std::string& running = {});

/// Ids of the Grants, neither expired nor used, that name what this step does. Who asks about the
/// Grants asks here: nothing else reads them.
std::vector<std::string> grants_for(const Site& site, const ObservedSite& observed,
                                    const Step& step, Timestamp now);

/// Why a step that runs may not switch after all, as things are by now; nothing when it may.
/// Recovering is never held. A branch or `from` that merely moved on holds nothing. What policies
/// say counts, but a window that closes does not stop what began inside it.
std::optional<Hold> held_now(const Site& site, const ObservedSite& observed, const Step& step,
                             const Calendar& calendar, Timestamp now);

/// "promote 4f2c3d1, sync databases and files from live (generation 7)": parts to which the same
/// happens are told of together.
std::string describe(const std::vector<Action>& actions);

}  // namespace tidegate
