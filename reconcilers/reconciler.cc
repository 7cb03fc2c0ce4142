#include "reconcilers/reconciler.h"

#include <algorithm>

namespace tidegate {

Look Reconciler::look(const Site& site, const std::set<std::string>& retries,
                      const SiteStatus* before) {
  Look out;
  const Timestamp now = clock_.now();
  auto observed = driver_.observe(site);
  if (!observed) {
    out.problem = std::move(observed.error()).within("observe " + site.name);
    out.status = make_status(site, {}, {}, out.problem->message, before, now);
    next_look(out, now + cadence_.resync, "error");
    return out;
  }
  out.observed = std::move(*observed);
  out.plan = make_plan(site, out.observed, calendar_, now, retries);
  out.status = make_status(site, out.observed, out.plan, {}, before, now);
  choose_next(out, now);
  return out;
}

Look Reconciler::reconcile(const Site& site, const std::set<std::string>& retries,
                           const SiteStatus* before) {
  Look out = look(site, retries, before);
  act(site, out);
  return out;
}

void Reconciler::act(const Site& site, Look& look) {
  if (look.problem) return;
  const Timestamp now = clock_.now();
  for (const Step& step : look.plan.ready) {
    if (auto broken = broken_rule(site, look.observed, step, calendar_, now)) {
      look.bug = step.environment + ": " + describe(step.actions) + ": " + *broken;
      return next_look(look, now + cadence_.resync, "bug");
    }
  }
  start(site, look, now);
}

void Reconciler::start(const Site& site, Look& look, Timestamp now) {
  for (const Step& step : look.plan.ready) {
    auto started = driver_.start(site, step);
    if (started)
      look.started.push_back(step);
    else
      refuse(look, step, std::move(started.error()));
  }
  if (!look.plan.ready.empty() && look.again > now + cadence_.busy)
    next_look(look, now + cadence_.busy, "operation");
}

void Reconciler::refuse(Look& look, const Step& step, Error error) {
  for (EnvironmentStatus& e : look.status.environments) {
    if (e.name != step.environment) continue;
    for (Condition& condition : e.conditions)
      condition.message += "; cannot start yet: " + error.message;
  }
  look.refused.emplace_back(step, std::move(error).within(describe(step.actions)));
}

void Reconciler::next_look(Look& look, Timestamp at, const char* because) {
  look.again = look.status.next_look = at;
  look.because = look.status.because = because;
}

void Reconciler::choose_next(Look& look, Timestamp now) const {
  next_look(look, now + cadence_.resync, "resync");
  const bool something_runs = std::ranges::any_of(
      look.observed.environments, [](const auto& e) { return e.second.operation.has_value(); });
  if (something_runs || !look.plan.ready.empty()) next_look(look, now + cadence_.busy, "operation");
  if (look.plan.look_again_at && *look.plan.look_again_at < look.again)
    next_look(look, std::max(*look.plan.look_again_at, now), "time");
}

}  // namespace tidegate
