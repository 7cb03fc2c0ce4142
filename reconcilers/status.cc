#include "reconcilers/status.h"

#include <algorithm>

#include "reconcilers/diff.h"

namespace tidegate {
namespace {

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
  const auto& operation = e.observed.operation;
  if (operation && !operation->as_source) {
    add("Ready", "False", "Progressing", "operation " + operation->id + " is running");
    add("Reconciling", "True", "Progressing", "operation " + operation->id + " is running");
    return out;
  }
  for (const Step& step : plan.ready) {
    if (step.environment != e.name) continue;
    add("Ready", "False", "Progressing", describe(step.actions) + ": " + step.because);
    add("Reconciling", "True", "Progressing", describe(step.actions) + ": " + step.because);
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
  add("Ready", "True", suspended ? "Suspended" : "Converged", "");
  return out;
}

void site_conditions(SiteStatus& status, const Site& site, const ObservedSite& observed,
                     const std::string& problem) {
  auto add = [&](const char* reason, const std::string& message) {
    status.conditions.push_back({"Ready", "False", reason, message, {}});
  };
  if (!site.invalid.empty()) add("Invalid", site.invalid);
  if (!problem.empty()) add("ObserveFailed", problem);
  if (!observed.repository_problem.empty() && !observed.repository_pending)
    add("RepositoryUnreachable", observed.repository_problem);
}

}  // namespace

SiteStatus make_status(const Site& site, const ObservedSite& observed, const Plan& plan,
                       const std::string& problem, const SiteStatus* before, Timestamp now) {
  SiteStatus out;
  out.name = site.name;
  out.revision = site.revision;
  out.launched = site.launched || observed_of(observed, site.authority()).launched;
  site_conditions(out, site, observed, problem);
  keep_transitions(out.conditions, before ? &before->conditions : nullptr, now);
  for (std::size_t stage = 0; stage < site.stages.size(); ++stage) {
    const Environment* declared = site.find(site.stages[stage]);
    if (!declared) continue;
    EnvironmentStatus e;
    e.name = declared->name;
    e.stage = stage;
    e.desired_commit = resolve(*declared, site, observed, now).commit;
    e.desired_content = declared->content;
    e.observed = observed_of(observed, e.name);
    for (const Hold& hold : plan.held)
      if (hold.environment == e.name) e.holds.push_back(hold);
    for (const std::string& warning : plan.warnings) {
      if (warning.starts_with(e.name + ": ")) e.warnings.push_back(warning);
    }
    const EnvironmentStatus* old = find(before, e.name);
    const bool suspended =
        declared->suspend && (!declared->suspend->until || *declared->suspend->until > now);
    e.conditions = conditions_of(e, plan, suspended, problem);
    keep_transitions(e.conditions, old ? &old->conditions : nullptr, now);
    out.environments.push_back(std::move(e));
  }
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
    if (old && old->ready().reason == ready.reason && old->ready().message == ready.message)
      continue;
    if (!old && ready.status == "True") continue;
    tell(e.name, ready.reason, ready.message);
  }
  return out;
}

}  // namespace tidegate
