// One environment's step: code and content that can go on become one operation with one switch;
// what cannot is told of, and keeps nothing else back.

#include <algorithm>

#include "reconcilers/planner.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration backoff_first = 30s;
constexpr Duration backoff_max =
    10min;  // A full disk is somebody's to empty, not ours to know when.

bool replaces(const Step& step, Part part) {
  return std::ranges::any_of(step.actions, [&](const Action& a) {
    if (auto* x = std::get_if<Sync>(&a)) return x->part == part;
    if (auto* x = std::get_if<Wipe>(&a)) return x->part == part;
    if (auto* x = std::get_if<Activate>(&a)) return x->part == part;
    return false;
  });
}

bool brings_content(const Action& a) {
  return std::holds_alternative<Sync>(a) || std::holds_alternative<Wipe>(a) ||
         std::holds_alternative<Activate>(a);
}

/// The latest due time of content that is only refreshed.
std::optional<Timestamp> refresh_due(const std::vector<Action>& actions) {
  std::optional<Timestamp> due;
  for (const Action& a : actions) {
    auto* sync = std::get_if<Sync>(&a);
    if (brings_content(a) && !(sync && sync->due)) return std::nullopt;
    if (sync) due = std::max(due, sync->due);
  }
  return due;
}

/// Ids of the content after the step; "" for content that does not exist yet.
std::map<Part, std::string> content_after(const ObservedEnvironment& s, const Step& step) {
  std::map<Part, std::string> ids;
  for (Part part : parts) ids[part] = replaces(step, part) ? "" : part_of(s, part).id;
  for (const Action& a : step.actions) {
    if (auto* x = std::get_if<Activate>(&a)) ids[x->part] = x->content;
  }
  return ids;
}

bool ran_here(const ObservedEnvironment& s, const CommitId& commit,
              const std::map<Part, std::string>& ids) {
  auto it = s.ran_on.find(commit);
  const std::string& databases = ids.at(Part::databases);
  return !databases.empty() && it != s.ran_on.end() && it->second.contains(databases);
}

std::string reusable(const ObservedEnvironment& s, const Step& step,
                     const std::map<Part, std::string>& ids) {
  const bool declares = std::ranges::any_of(
      step.actions, [](const Action& a) { return std::holds_alternative<Declare>(a); });
  if (declares || !promote_in(step.actions)) return "";
  for (const KeptRelease& k : s.kept) {
    if (k.commit == step.commit && k.inputs == s.wanted_inputs && k.healthy && k.content == ids) {
      return k.id;
    }
  }
  return "";
}

/// Whether going back after the switch would put databases back that visitors write into.
bool may_lose_writes(const Site& site, const Environment& e, const ObservedEnvironment& s,
                     const Step& step) {
  const Commands& commands = site.application.commands;
  const bool kept = std::ranges::none_of(step.actions, [](const Action& a) {
    const auto* sync = std::get_if<Sync>(&a);
    const auto* wipe = std::get_if<Wipe>(&a);
    return (sync && sync->part == Part::databases) || (wipe && wipe->part == Part::databases);
  });
  const bool updates = step.update && !commands.update.empty() && !site.databases.empty() &&
                       (step.commit != s.commit || !commands.update_pending.empty());
  return e.restore_content && e.rollback && s.exists && kept && updates;
}

template <class Map>
std::vector<Action> actions_of(const Map& content, std::vector<Action> out = {}) {
  for (const auto& [part, o] : content) out.insert(out.end(), o.actions.begin(), o.actions.end());
  return out;
}

bool comes_back(const Outcome& o) {
  return std::ranges::any_of(o.actions,
                             [](const Action& a) { return std::holds_alternative<Activate>(a); });
}

}  // namespace

const Failure* failure_of(const ObservedEnvironment& seen, const std::string& digest) {
  auto it = std::ranges::find(seen.failures, digest, &Failure::digest);
  return it == seen.failures.end() ? nullptr : &*it;
}

/// Doubles with each failure, for ever, less up to a quarter: drawn from the digest, so that the
/// same failure always waits the same time and a thousand sites do not come back at once.
Timestamp retry_at(const Failure& failure) {
  const Duration full = std::min<Duration>(
      backoff_first * (1 << std::clamp(failure.attempts - 1, 0, 10)), backoff_max);
  unsigned hash = static_cast<unsigned>(failure.attempts);
  for (unsigned char c : failure.digest) hash = hash * 31 + c;
  return failure.ended_at + (full - full * (hash % 256) / 1024);
}

const Promote* promote_in(const std::vector<Action>& actions) {
  for (const Action& a : actions) {
    if (auto* promote = std::get_if<Promote>(&a)) return promote;
  }
  return nullptr;
}

void Planner::tell_suspended(const Environment& e, const Outcome& code, const Content& content) {
  bool differs = code.kind != Kind::nothing;
  for (const auto& [part, outcome] : content) differs |= outcome.kind != Kind::nothing;
  if (differs) hold({e.name, "Suspended", suspend_text(*e.suspend), e.suspend->until});
}

void Planner::combine(const Environment& e, Outcome code, Content content) {
  const bool creates = !seen(e.name).exists;
  if (code.kind == Kind::hold) hold(code.held);
  for (const auto& [part, o] : content) {
    if (o.kind == Kind::hold) hold(o.held);
  }
  if (code.kind == Kind::hold && creates) return;
  // Kept content comes back with the code the manifest names, or not yet.
  for (auto& [part, o] : content) {
    if (code.kind == Kind::hold && comes_back(o)) o = {};
  }
  const bool back =
      std::ranges::any_of(content, [](const auto& c) { return comes_back(c.second); });
  if (code.kind == Kind::wait) {
    if (code.actions.empty()) coming_[e.name].insert(std::nullopt);
    if (!code.actions.empty() || creates || back) {
      return wait(e.name, actions_of(content, code.actions), code.because.text);
    }
    wait(e.name, {}, code.because.text);
  }
  const auto late =
      std::ranges::find(content, Kind::wait, [](const auto& c) { return c.second.kind; });
  if (late != content.end()) {
    // Busy ends by itself: worth waiting for, to switch code and content together.
    if (creates || (code.kind == Kind::act && is_busy(e.content.source.environment))) {
      return wait(e.name, actions_of(content, code.actions), late->second.because.text);
    }
    Content waiting = content;
    std::erase_if(waiting, [](const auto& c) { return c.second.kind != Kind::wait; });
    wait(e.name, actions_of(waiting), late->second.because.text);
  }
  Step step;
  step.environment = e.name;
  step.creates = creates;
  std::vector<Reason> reasons;
  auto take = [&](const Outcome& o) {
    if (o.kind != Kind::act) return;
    step.actions.insert(step.actions.end(), o.actions.begin(), o.actions.end());
    reasons.push_back(o.because);
  };
  take(code);
  for (const auto& [part, o] : content) take(o);
  if (step.actions.empty()) return;
  step.because = sentence(reasons);
  finish(e, std::move(step));
}

bool Planner::keeps_back(const Failure* failure) const {
  return failure && (failure->quarantined || retry_at(*failure) > now_);
}

void Planner::tell(const Environment& e, const Failure& failure, std::vector<Action> actions) {
  if (failure.quarantined) {
    hold({e.name, "Quarantined", quarantine_text(site_.name, e.name, failure), {}});
  } else {
    wait(e.name, std::move(actions), "to be tried again; it failed: " + failure.message,
         retry_at(failure));
  }
}

/// Content that could not be brought, neither by itself nor with this commit, does not keep the
/// commit back.
LeftOut Planner::leave_out_failed(const Environment& e, const Outcome& code,
                                  Content& content) const {
  if (code.kind != Kind::act || !seen(e.name).exists ||
      std::ranges::any_of(content, [](const auto& c) { return comes_back(c.second); }))
    return {};
  const CommitId& commit = promote_in(code.actions)->commit;
  const ObservedEnvironment& s = seen(e.name);
  // With code in quarantine it is the content that goes alone.
  if (retries_.contains(e.name) || code_quarantined(e, commit)) return {};
  std::vector<Action> all, alone;  // Alone goes what is not fetched because of the commit.
  for (const auto& [part, o] : content) {
    if (o.kind != Kind::act || !brings_content(o.actions.front())) continue;
    const bool with_commit = diffs_.at(e.name).content.at(part).row == ContentRow::satisfied;
    all.insert(all.end(), o.actions.begin(), o.actions.end());
    if (!with_commit) alone.insert(alone.end(), o.actions.begin(), o.actions.end());
  }
  auto failed_on = [&](const CommitId& on, const std::vector<Action>& actions) {
    return failure_of(s, content_digest(site_, e, s, on, refresh_due(actions)));
  };
  const Failure* failed = all.empty() ? nullptr : failed_on(commit, all);
  if (!keeps_back(failed))
    failed = alone.empty() ? nullptr : failed_on(s.commit.value_or(CommitId{}), alone);
  if (!keeps_back(failed)) return {};
  for (auto& [part, o] : content) {
    if (o.kind == Kind::act && brings_content(o.actions.front())) o = {};
  }
  return {failed, std::move(all)};
}

/// Says which commit a step ends on, and what its failures are filed under.
void Planner::file(const Environment& e, Step& step) const {
  const ObservedEnvironment& s = seen(e.name);
  const Promote* promote = promote_in(step.actions);
  step.commit = promote ? promote->commit : s.commit.value_or(CommitId{});
  step.digest = step_digest(site_, e, s, step.commit);
  if (std::ranges::none_of(step.actions, brings_content)) return;
  step.content_digest = content_digest(site_, e, s, step.commit, refresh_due(step.actions));
  if (!promote) step.digest = step.content_digest;
}

void Planner::finish(const Environment& e, Step step) {
  const ObservedEnvironment& s = seen(e.name);
  file(e, step);
  const auto ids = content_after(s, step);
  step.update = e.deploy.update && !ran_here(s, step.commit, ids);
  step.reuse = reusable(s, step, ids);
  step.asked = retries_.contains(e.name);
  step.grants = grants_for(site_, observed_, step, now_);
  const bool goes_back = promote_in(step.actions) && diffs_.at(e.name).code.rollback;
  if (goes_back && s.updated_since && !replaces(step, Part::databases)) {
    plan_.warnings.push_back(e.name + ": update changed the databases since " +
                             step.commit.brief() + " ran here; only the code goes back");
  }
  if (may_lose_writes(site_, e, s, step))
    plan_.warnings.push_back(e.name + ": " + loss_text(e.verify));
  offer(e, std::move(step));
}

/// Ready, unless it failed before or somebody else needs what it touches.
void Planner::offer(const Environment& e, Step step) {
  for (const std::string& digest : {step.digest, step.content_digest}) {
    const Failure* failed = failure_of(seen(e.name), digest);
    if (step.asked || !keeps_back(failed)) continue;
    tell(e, *failed, step.actions);
    if (failed->quarantined)
      if (auto rest = content_alone(e, step)) finish(e, std::move(*rest));
    return;
  }
  if (!claims_.can_write(e.name)) {
    return wait(e.name, step.actions,
                claims_.can_read(e.name) ? "until nothing copies from " + e.name + " any more"
                                         : "until the launch of " + e.name + " is recorded");
  }
  for (const Action& a : step.actions) {
    auto* sync = std::get_if<Sync>(&a);
    if (sync && !claims_.can_read(sync->from)) {
      return wait(e.name, step.actions, "until the operation on " + sync->from + " has ended");
    }
  }
  claims_.write(e.name);
  for (const Action& a : step.actions) {
    if (auto* sync = std::get_if<Sync>(&a)) claims_.read(sync->from);
  }
  note_coming(e.name, step.actions);
  plan_.ready.push_back(std::move(step));
}

/// What a new commit in quarantine does not keep back: the content, on the code that runs. What is
/// fetched because of that commit, or comes back with it, stays with it.
std::optional<Step> Planner::content_alone(const Environment& e, const Step& step) const {
  const ObservedEnvironment& s = seen(e.name);
  const Promote* promote = promote_in(step.actions);
  if (!promote || step.creates || !s.healthy || promote->commit == s.commit) return std::nullopt;
  Step rest;
  rest.environment = e.name;
  std::vector<Reason> reasons;
  for (const Action& a : step.actions) {
    Part part = Part::databases;
    if (auto* sync = std::get_if<Sync>(&a)) {
      part = sync->part;
    } else if (auto* wipe = std::get_if<Wipe>(&a)) {
      part = wipe->part;
    } else {
      continue;
    }
    const ContentRow row = diffs_.at(e.name).content.at(part).row;
    if (row == ContentRow::satisfied) continue;
    rest.actions.push_back(a);
    reasons.push_back(row == ContentRow::refresh
                          ? Reason{"its refresh is due"}
                          : Reason{stamp_text(part_of(s, part).stamp), part});
  }
  if (rest.actions.empty()) return std::nullopt;
  rest.because = sentence(reasons);
  return rest;
}

}  // namespace tidegate
