#include "reconcilers/status.h"

#include <algorithm>

#include "reconcilers/diff.h"
#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

bool runs(const EnvironmentStatus& e) {
  return e.observed.operation && !e.observed.operation->as_source;
}

/// Whether there is nothing new to tell: nothing changed, or the step that was told of is running
/// now.
bool goes_on(const EnvironmentStatus& before, const EnvironmentStatus& after) {
  const Condition &was = before.ready(), &is = after.ready();
  if (was.reason == is.reason && was.message == is.message) return true;
  return was.reason == "Progressing" && !runs(before) && runs(after);
}

/// Holds that more time or a proof below will lift by themselves do not stall an environment.
bool needs_a_person(const Hold& hold) { return !hold.opens_at; }

const EnvironmentStatus* find(const SiteStatus* status, const std::string& name) {
  if (!status) return nullptr;
  auto it = std::ranges::find(status->environments, name, &EnvironmentStatus::name);
  return it == status->environments.end() ? nullptr : &*it;
}

void keep_transitions(std::vector<Condition>& now_are, const std::vector<Condition>* before,
                      Timestamp now) {
  for (Condition& condition : now_are) {
    condition.last_transition = now;
    if (!before) continue;
    auto it = std::ranges::find(*before, condition.type, &Condition::type);
    if (it != before->end() && it->status == condition.status)
      condition.last_transition = it->last_transition;
  }
}

std::vector<Condition> conditions_of(const EnvironmentStatus& e, const Plan& plan, bool suspended,
                                     const std::string& problem) {
  std::vector<Condition> out;
  auto add = [&](const char* type, const char* status, std::string reason, std::string message) {
    out.push_back({type, status, std::move(reason), std::move(message), {}});
  };
  if (!problem.empty()) {
    add("Ready", "Unknown", "ObserveFailed", problem);
    return out;
  }
  auto progressing = [&](const std::string& message) {
    add("Ready", "False", "Progressing", message);
    add("Reconciling", "True", "Progressing", message);
  };
  if (runs(e)) {
    const Operation& operation = *e.observed.operation;
    progressing("operation " + operation.id + " is running: " + join(operation.actions, ", "));
    return out;
  }
  for (const Step& step : plan.ready) {
    if (step.environment != e.name) continue;
    progressing(describe(step.actions) + ", because " + step.because);
    return out;
  }
  if (!e.holds.empty()) {
    const Hold& hold = e.holds.front();
    add("Ready", "False", hold.reason, hold.message);
    if (needs_a_person(hold)) add("Stalled", "True", hold.reason, hold.message);
    return out;
  }
  for (const Waiting& waiting : plan.waiting) {
    if (waiting.environment != e.name) continue;
    add("Ready", "False", "Waiting", waiting.because);
    add("Reconciling", "True", "Waiting", waiting.because);
    return out;
  }
  if (const Revocation* revoked = revocation_of(e.observed)) {
    add("Ready", "False", "VerificationFailed", revocation_text(*revoked));
    return out;
  }
  add("Ready", "True", suspended ? "Suspended" : "Converged", "");
  return out;
}

/// The repository's mirror lies below the root: what is said of it is the root's problem.
bool root_is_gone(const ObservedSite& observed) {
  return std::ranges::any_of(observed.environments, [&](const auto& entry) {
    const std::string& gone = entry.second.gone;
    return !gone.empty() && observed.repository_problem.find(gone) != std::string::npos;
  });
}

void site_conditions(SiteStatus& status, const Site& site, const ObservedSite& observed,
                     const std::string& problem) {
  auto add = [&](const char* reason, const std::string& message) {
    status.conditions.push_back({"Ready", "False", reason, message, {}});
  };
  if (!site.invalid.empty()) add("Invalid", site.invalid);
  if (!site.withheld.empty()) add("BlastRadius", site.withheld);
  if (!problem.empty()) add("ObserveFailed", problem);
  if (!observed.repository_problem.empty() && !observed.repository_pending)
    add(root_is_gone(observed) ? "RootGone" : "RepositoryUnreachable", observed.repository_problem);
}

}  // namespace

SiteStatus make_status(const Site& site, const ObservedSite& observed, const Plan& plan,
                       const std::string& problem, const SiteStatus* before, Timestamp now) {
  SiteStatus out;
  out.name = site.name;
  out.revision = site.revision;
  out.author = site.author;
  out.launched = site.launched || observed_of(observed, site.authority()).launched;
  site_conditions(out, site, observed, problem);
  keep_transitions(out.conditions, before ? &before->conditions : nullptr, now);
  for (std::size_t stage = 0; stage < site.stages.size(); ++stage) {
    const Environment* declared = site.find(site.stages[stage]);
    if (!declared) continue;
    EnvironmentStatus e;
    e.name = declared->name;
    e.stage = stage;
    const auto* pinned = std::get_if<CommitId>(&declared->code);
    e.desired_commit = pinned ? *pinned : resolve(*declared, site, observed, now).commit;
    e.desired_content = declared->content;
    e.observed = observed_of(observed, e.name);
    for (const Hold& hold : plan.held)
      if (hold.environment == e.name) e.holds.push_back(hold);
    for (const std::string& warning : plan.warnings) {
      if (warning.starts_with(e.name + ": ")) e.warnings.push_back(warning);
    }
    for (const Waiting& waiting : plan.waiting)
      if (waiting.environment == e.name && waiting.until) e.tried_again_at = waiting.until;
    const EnvironmentStatus* old = find(before, e.name);
    const bool suspended =
        declared->suspend && (!declared->suspend->until || *declared->suspend->until > now);
    e.conditions = conditions_of(e, plan, suspended, problem);
    // A repository that was not asked yet, after a restart, is no news of what runs.
    if (old && observed.repository_pending && e.ready().reason == "Waiting")
      e.conditions = old->conditions;
    keep_transitions(e.conditions, old ? &old->conditions : nullptr, now);
    out.environments.push_back(std::move(e));
  }
  return out;
}

SiteStatus broken_status(const std::string& site, const std::string& invalid,
                         const SiteStatus* before, Timestamp now) {
  SiteStatus out = before ? *before : SiteStatus{};
  out.name = site;
  out.conditions = {{"Ready", "False", "Invalid", invalid, {}}};
  out.broken = true;
  keep_transitions(out.conditions, before ? &before->conditions : nullptr, now);
  return out;
}

std::vector<Event> events_between(const SiteStatus* before, const SiteStatus& after,
                                  Timestamp now) {
  std::vector<Event> out;
  auto tell = [&](const std::string& environment, const std::string& type,
                  const std::string& message) {
    out.push_back({now, after.name, environment, type, message});
  };
  for (const Condition& condition : after.conditions) {
    const bool known = before && std::ranges::any_of(before->conditions, [&](const Condition& c) {
                         return c.reason == condition.reason && c.message == condition.message;
                       });
    if (!known) tell("", condition.reason, condition.message);
  }
  if (before && !before->conditions.empty() && after.conditions.empty()) tell("", "Recovered", "");
  for (const EnvironmentStatus& e : after.environments) {
    const EnvironmentStatus* old = find(before, e.name);
    const Condition& ready = e.ready();
    if (ready.status == "Unknown") continue;  // Told of the site.
    const bool known = old && old->ready().status != "Unknown";
    if (known ? goes_on(*old, e) : ready.status == "True") continue;
    tell(e.name, ready.reason, ready.message);
  }
  return out;
}

}  // namespace tidegate
