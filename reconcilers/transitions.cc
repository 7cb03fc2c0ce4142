#include "reconcilers/transitions.h"

#include <algorithm>

#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

constexpr const char* quarantined = "Quarantined";

/// Which of a step's failures it is, of those filed under one digest.
std::string time_of(const Failure& failure) {
  return failure.operation.empty() ? to_rfc3339(failure.ended_at) : failure.operation;
}

/// Tells of one environment, or of a site's documents.
class Teller {
 public:
  Teller(const std::string& site, const std::string& environment, const Unrest& before)
      : site_(site), environment_(environment), before_(before), after_(before) {}

  void failures(const EnvironmentStatus& e) {
    // A root that is not mounted has forgotten nothing.
    if (e.observed.gone.empty()) after_.failures.clear();
    std::set<std::string> told;  // One operation may have failed under two digests.
    for (const Failure& f : e.observed.failures) {
      const auto known = before_.failures.find(f.digest);
      const bool same =
          known != before_.failures.end() && (!f.quarantined || known->second == time_of(f));
      after_.failures[f.digest] = same ? known->second : time_of(f);
      // What is Ready in spite of it failed before anybody was there to be told.
      if (same || e.ready().status == "True" || !told.insert(time_of(f)).second) continue;
      const std::string what = f.actions.empty() ? "" : join(f.actions, ", ") + ": ";
      tell(f.after_switch ? TransitionType::rolled_back : TransitionType::failed,
           f.quarantined ? quarantined : "TriedAgain", what + f.message);
      told_.back().operation = f.operation;
      told_.back().evidence = f.evidence;
      if (f.quarantined) after_.holds.insert(quarantined);
    }
  }

  /// `settled`: these are all there are; else those told of before stand too.
  void holds(const std::vector<std::pair<std::string, std::string>>& reasons, bool settled) {
    std::set<std::string> now;
    for (const auto& [reason, message] : reasons) {
      if (now.insert(reason).second && !after_.holds.contains(reason))
        tell(TransitionType::held, reason, message);
    }
    if (settled)
      after_.holds = std::move(now);
    else
      after_.holds.merge(now);
  }

  void ready(const std::string& reason) {
    if (after_.called) tell(TransitionType::normal, reason, "");
    after_.called = false;
    after_.holds.clear();
  }

  void into(TransitionsTold& out) && {
    std::ranges::move(told_, std::back_inserter(out.transitions));
    if (after_ != Unrest{}) out.unrest[environment_] = std::move(after_);
  }

 private:
  void tell(TransitionType type, const std::string& reason, const std::string& message) {
    told_.push_back({type, site_, environment_, reason, message});
    after_.called = true;
  }

  const std::string &site_, &environment_;
  const Unrest& before_;
  Unrest after_;
  std::vector<Transition> told_;
};

void tell_environment(Teller& teller, const EnvironmentStatus& e) {
  const Condition& ready = e.ready();
  if (ready.status == "Unknown") return;
  teller.failures(e);
  if (ready.status == "True") return teller.ready(ready.reason);
  std::vector<std::pair<std::string, std::string>> reasons;
  for (const Hold& hold : e.holds) reasons.emplace_back(hold.reason, hold.message);
  teller.holds(reasons, !e.holds.empty() && ready.reason == e.holds.front().reason);
}

void tell_site(Teller& teller, const SiteStatus& now) {
  const auto invalid = std::ranges::find(now.conditions, "Invalid", &Condition::reason);
  if (invalid == now.conditions.end()) return teller.ready("Valid");
  teller.holds({{invalid->reason, invalid->message}}, true);
}

}  // namespace

const char* to_string(TransitionType type) {
  switch (type) {
    case TransitionType::failed:
      return "failed";
    case TransitionType::rolled_back:
      return "rolledBack";
    case TransitionType::held:
      return "held";
    case TransitionType::normal:
      break;
  }
  return "normal";
}

TransitionsTold transitions_between(const SiteUnrest& before, const SiteStatus& now) {
  TransitionsTold out;
  const auto teller = [&](const std::string& environment) {
    static const Unrest none;
    const auto known = before.find(environment);
    return Teller(now.name, environment, known == before.end() ? none : known->second);
  };
  static const std::string itself;
  Teller site = teller(itself);
  tell_site(site, now);
  std::move(site).into(out);
  if (now.broken) {  // Nothing of it was looked at.
    for (const auto& [name, unrest] : before)
      if (name != itself) out.unrest.emplace(name, unrest);
    return out;
  }
  for (const EnvironmentStatus& e : now.environments) {
    Teller one = teller(e.name);
    tell_environment(one, e);
    std::move(one).into(out);
  }
  return out;
}

Transition transition_of(const Revert& revert, const std::string& type,
                         const std::string& message) {
  return {TransitionType::rolled_back, revert.site, revert.environment, type, message,
          revert.failure.operation};
}

}  // namespace tidegate
