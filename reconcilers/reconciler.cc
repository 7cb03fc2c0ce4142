#include "reconcilers/reconciler.h"

#include <algorithm>

#include "reconcilers/policies.h"

namespace tidegate {

Look Reconciler::look(const Site& site, const std::set<std::string>& retries,
                      const SiteStatus* before) {
  Look out;
  const Timestamp now = clock_.now();
  observe(site, retries, out, now);
  tell(site, before, out, now);
  return out;
}

Look Reconciler::reconcile(const Site& site, const std::set<std::string>& retries,
                           const SiteStatus* before, Admission& admission,
                           const StepFilter& only) {
  Look out;
  const Timestamp now = clock_.now();
  observe(site, retries, out, now);
  if (!out.problem) find_bug(site, out, now);
  const bool starts = !out.problem && out.bug.empty();
  std::vector<Step> steps;
  if (starts) steps = admit(site, admission, only, out, now);
  tell(site, before, out, now);
  if (!out.bug.empty()) next_look(out, now + cadence_.resync, "bug");
  if (starts) start(site, steps, out, now);
  return out;
}

void Reconciler::observe(const Site& site, const std::set<std::string>& retries, Look& look,
                         Timestamp now) {
  auto observed = driver_.observe(site);
  if (!observed) {
    look.problem = std::move(observed.error()).within("observe " + site.name);
    return;
  }
  look.observed = std::move(*observed);
  look.plan = make_plan(site, look.observed, calendar_, now, retries);
}

void Reconciler::find_bug(const Site& site, Look& look, Timestamp now) const {
  for (const Step& step : look.plan.ready) {
    const auto broken = broken_rule(site, look.observed, step, calendar_, now);
    if (!broken) continue;
    look.bug = step.environment + ": " + describe(step.actions) + ": " + *broken;
    return;
  }
}

/// What limits hold by now is ready no more. Gives what may start.
std::vector<Step> Reconciler::admit(const Site& site, Admission& admission, const StepFilter& only,
                                    Look& look, Timestamp now) {
  std::vector<Step> asked, let_in, left;
  for (Step& step : look.plan.ready)
    (!only || only(step) ? asked : left).push_back(std::move(step));
  const auto said = admission.admit(site, look.observed, asked, now);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    auto& verdicts = look.plan.verdicts[asked[i].environment];
    verdicts.insert(verdicts.end(), said[i].begin(), said[i].end());
    if (verdicts.empty()) look.plan.verdicts.erase(asked[i].environment);
    auto hold = strictest(said[i]);
    if (!hold) {
      let_in.push_back(std::move(asked[i]));
      continue;
    }
    const auto opens = hold->opens_at;
    if (opens && (!look.plan.look_again_at || *opens < *look.plan.look_again_at))
      look.plan.look_again_at = opens;
    look.plan.held.push_back(std::move(*hold));
  }
  look.plan.ready = let_in;
  look.plan.ready.insert(look.plan.ready.end(), left.begin(), left.end());
  return let_in;
}

void Reconciler::tell(const Site& site, const SiteStatus* before, Look& look, Timestamp now) const {
  if (look.problem) {
    look.status = make_status(site, {}, {}, look.problem->message, before, now);
    return next_look(look, now + cadence_.resync, "error");
  }
  look.status = make_status(site, look.observed, look.plan, {}, before, now);
  choose_next(look, now);
}

void Reconciler::start(const Site& site, const std::vector<Step>& steps, Look& look,
                       Timestamp now) {
  for (const Step& step : steps) {
    auto started = driver_.start(site, step);
    if (started)
      look.started.push_back(step);
    else
      refuse(look, step, std::move(started.error()));
  }
  if (!steps.empty() && look.again > now + cadence_.busy)
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
