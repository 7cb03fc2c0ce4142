// The rules that must never break (DESIGN § 5), asked of every step before it starts and before it
// switches. Written apart from the planner and sharing none of its decisions.

#include <algorithm>

#include "reconcilers/diff.h"
#include "reconcilers/plan.h"
#include "reconcilers/plan_text.h"
#include "reconcilers/policies.h"
#include "schemas/match.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

using Broken = std::optional<std::string>;

bool launched(const Site& site, const ObservedSite& observed) {
  return site.launched || std::ranges::any_of(observed.environments,
                                              [](const auto& e) { return e.second.launched; });
}

/// What is gone may have been launched, and nobody can ask it.
bool something_is_gone(const ObservedSite& observed) {
  return std::ranges::any_of(observed.environments,
                             [](const auto& e) { return !e.second.gone.empty(); });
}

/// Never the target of anything that changes content: the declared authority of a launched site,
/// and whatever was recorded as one.
bool is_authority(const Site& site, const ObservedSite& observed, const std::string& environment) {
  const ObservedEnvironment& seen = observed_of(observed, environment);
  if (seen.launched) return true;
  const bool doubtful = seen.exists && something_is_gone(observed);
  return (launched(site, observed) || doubtful) && site.authority() == environment;
}

// ---- exceptions ----

/// Whether a Grant for its environment names exactly this.
bool names(const Grant& grant, const Action& action) {
  return std::visit(
      Match{[&](const GrantedPromote& a) {
              const auto* promote = std::get_if<Promote>(&action);
              return promote && promote->commit == a.commit;
            },
            [&](const GrantedSync& a) {
              const auto* sync = std::get_if<Sync>(&action);
              return sync && !sync->due && sync->from == a.source &&
                     sync->generation == a.generation;
            },
            [&](const GrantedWipe& a) {
              const auto* wipe = std::get_if<Wipe>(&action);
              return wipe && wipe->generation == a.generation;
            },
            [&](const GrantedUnlaunch&) { return std::holds_alternative<Unlaunch>(action); },
            [&](const GrantedAuthority& a) {
              const auto* launch = std::get_if<Launch>(&action);
              return launch && launch->took_over == a.from;
            }},
      grant.allow);
}

std::vector<const Grant*> grants_naming(const Site& site, const ObservedSite& observed,
                                        const std::string& environment, const Action& action,
                                        Timestamp now) {
  std::vector<const Grant*> out;
  if (!site.governance) return out;
  for (const auto& grant : site.governance->grants) {
    if (grant->site != site.name || grant->environment != environment) continue;
    if (grant->expires <= now || !names(*grant, action)) continue;
    if (!observed_of(observed, environment).grants_used.contains(grant->id))
      out.push_back(grant.get());
  }
  return out;
}

bool is_granted(const Site& site, const ObservedSite& observed, const std::string& environment,
                const Action& action, Timestamp now) {
  return !grants_naming(site, observed, environment, action, now).empty();
}

/// Rule 1.
Broken touches_busy(const ObservedSite& observed, const Step& step, const std::string& running) {
  auto busy = [&](const std::string& e) -> const Operation* {
    const auto& operation = observed_of(observed, e).operation;
    return operation && operation->id != running ? &*operation : nullptr;
  };
  if (const Operation* operation = busy(step.environment)) {
    return step.environment + " is busy with operation " + operation->id;
  }
  for (const Action& action : step.actions) {
    const auto* sync = std::get_if<Sync>(&action);
    if (!sync) continue;
    const Operation* operation = busy(sync->from);
    if (operation && !operation->as_source)
      return sync->from + " is busy with operation " + operation->id;
  }
  return {};
}

/// Rule 2.
Broken skips_a_stage(const Site& site, const ObservedSite& observed, const std::string& environment,
                     const CommitId& commit, Timestamp now) {
  const std::size_t stage = site.stage_of(environment);
  if (stage == 0 || observed_of(observed, environment).proven.contains(commit)) return {};
  const std::string& below = site.stages[stage - 1];
  if (observed_of(observed, below).proven.contains(commit)) return {};
  if (is_granted(site, observed, environment, Promote{commit}, now)) return {};
  return "commit " + commit.brief() + " skips " + below;
}

/// Whether a refresh of this part is due, read from the stamp and the manifest alone (rule 6).
bool refresh_is_due(const Environment& e, const ObservedEnvironment& seen, const Sync& sync,
                    const Step& step, const Calendar& calendar, Timestamp now) {
  const Stamp& stamp = part_of(seen, sync.part).stamp;
  if (!e.content.refresh || !e.content.includes(sync.part)) return false;
  if (stamp.generation != sync.generation || stamp.generation != e.content.generation) return false;
  if (stamp.source != e.content.source && stamp.source.kind != ContentSource::Kind::adopted) {
    return false;
  }
  const Refresh& refresh = *e.content.refresh;
  if (stamp.taken_at && last_due(refresh, *stamp.taken_at, calendar, now, nullptr)) return true;
  if (!refresh.on_promote) return false;
  const bool old = stamp.taken_at ? *stamp.taken_at + refresh.if_older_than <= now
                                  : refresh.if_older_than == Duration::zero();
  const bool retried = step.asked && std::ranges::find(seen.failures, step.digest,
                                                       &Failure::digest) != seen.failures.end();
  if (!old || retried) return false;
  return std::ranges::any_of(step.actions, [&](const Action& a) {
    const auto* promote = std::get_if<Promote>(&a);
    return promote && promote->commit != seen.commit && !seen.proven.contains(promote->commit);
  });
}

/// Rules 3 and 6 for one action that changes content.
Broken breaks_content(const Site& site, const Environment& e, const ObservedSite& observed,
                      const Action& action, const Step& step, const Calendar& calendar,
                      Timestamp now) {
  const ObservedEnvironment& seen = observed_of(observed, e.name);
  const ContentSpec& spec = e.content;
  const bool first = !seen.exists;
  const bool sacred =
      is_authority(site, observed, e.name) && !is_granted(site, observed, e.name, action, now);
  auto undone = [&](Part part, std::uint64_t generation) {
    return spec.includes(part) && spec.generation == generation &&
           (first || generation > part_of(seen, part).highest_generation);
  };
  if (const auto* wipe = std::get_if<Wipe>(&action)) {
    if (sacred) return e.name + " is the authority of a launched site";
    if (wipe->generation == 0)
      return first ? Broken{} : Broken("it would empty content that is there");
    if (spec.source != ContentSource::empty() || !undone(wipe->part, wipe->generation)) {
      return Broken("the manifest does not ask for this wipe");
    }
  }
  if (const auto* sync = std::get_if<Sync>(&action)) {
    if (sacred) return e.name + " is the authority of a launched site";
    const std::size_t from = site.stage_of(sync->from);
    if (from == site.stages.size() || sync->from == e.name)
      return Broken("it copies from no stage above");
    if (!site.find(sync->from)) return Broken("its source is not declared");
    const bool up = from < site.stage_of(e.name);
    if (up && (launched(site, observed) || something_is_gone(observed)) &&
        !is_granted(site, observed, e.name, action, now))
      return Broken("content flows up");
    if (spec.source != ContentSource::from(sync->from))
      return Broken("the manifest does not name this source");
    if (!sync->due && !undone(sync->part, sync->generation))
      return Broken("the generation is done already");
    if (sync->due && !refresh_is_due(e, seen, *sync, step, calendar, now))
      return Broken("no refresh is due");
  }
  if (const auto* activate = std::get_if<Activate>(&action)) {
    if (sacred) return e.name + " is the authority of a launched site";
    const auto& kept = part_of(seen, activate->part).kept;
    const bool there = std::ranges::any_of(kept, [&](const KeptContent& k) {
      return k.id == activate->content && k.stamp == activate->stamp;
    });
    if (!there) return Broken("the content to bring back is not kept");
    const Stamp& stamp = activate->stamp;
    const bool named =
        stamp.generation == spec.generation && spec.includes(activate->part) &&
        (stamp.source == spec.source || stamp.source.kind == ContentSource::Kind::adopted);
    if (!named) return Broken("the manifest does not name this content");
  }
  return {};
}

Broken breaks_declaration(const Site& site, const ObservedEnvironment& seen,
                          const Declare& declare) {
  const auto& recorded = part_of(seen, declare.part).declared;
  if (recorded.contains(declare.name)) return "\"" + declare.name + "\" is there already";
  const bool named =
      declare.part == Part::databases
          ? std::ranges::any_of(site.databases,
                                [&](const auto& d) { return d.name == declare.name; })
          : std::ranges::any_of(site.files, [&](const auto& f) { return f.name == declare.name; });
  return named ? Broken{} : Broken("\"" + declare.name + "\" is not declared");
}

/// Two launched environments in one site could never both be its authority, but while a Grant moves
/// it from one to the other.
Broken launches_wrongly(const Site& site, const ObservedSite& observed, const Environment& e,
                        const Launch& launch, Timestamp now) {
  if (site.authority() != e.name || !site.launched) {
    return Broken("it launches what is not declared launched");
  }
  if (!observed_of(observed, e.name).exists) return Broken("it launches what is not there");
  if (something_is_gone(observed)) return Broken("what is gone may have been launched before");
  const std::string& from = launch.took_over;
  if (!from.empty() && !is_granted(site, observed, e.name, launch, now))
    return "no Grant moves the authority from " + from;
  for (const auto& [name, seen] : observed.environments) {
    if (seen.launched && name != e.name && name != from) return name + " is launched already";
  }
  return {};
}

/// What is recorded about a launch is undone by a Grant alone; where one has moved the authority,
/// it is recorded at the new one from where.
Broken unlaunches_wrongly(const Site& site, const ObservedSite& observed, const Environment& e,
                          Timestamp now) {
  if (!observed_of(observed, e.name).launched) return Broken(e.name + " is not launched");
  if (something_is_gone(observed)) return Broken("what is gone may have been launched before");
  const std::string& authority = site.authority();
  if (authority != e.name) {
    const ObservedEnvironment& now_is = observed_of(observed, authority);
    const bool moved = now_is.launched && now_is.took_over == e.name;
    return moved ? Broken{} : Broken(e.name + " is the authority of a launched site");
  }
  if (site.launched) return Broken("the manifest declares it launched");
  return is_granted(site, observed, e.name, Unlaunch{}, now)
             ? Broken{}
             : Broken(e.name + " is the authority of a launched site");
}

template <class Wanted>
bool only(const Step& step) {
  return step.actions.size() == 1 && std::holds_alternative<Wanted>(step.actions[0]);
}

/// Rule 8: an operation that lost its process is the only thing that may be recovered, and while it
/// is there nothing else may start.
Broken recovers_wrongly(const ObservedSite& observed, const Step& step,
                        const std::string& running) {
  const auto& operation = observed_of(observed, step.environment).operation;
  const auto& recover = std::get<Recover>(step.actions[0]);
  if (operation && operation->id == running) return {};
  if (!operation || operation->id != recover.operation)
    return "there is no operation " + recover.operation;
  if (!operation->interrupted) return "operation " + recover.operation + " is running";
  return {};
}

}  // namespace

std::optional<std::string> broken_rule(const Site& site, const ObservedSite& observed,
                                       const Step& step, const Calendar& calendar, Timestamp now,
                                       const std::string& running) {
  if (only<Recover>(step)) return recovers_wrongly(observed, step, running);
  if (auto broken = touches_busy(observed, step, running)) return broken;
  const Environment* e = site.find(step.environment);
  if (!e) return step.environment + " is not declared";
  const ObservedEnvironment& seen = observed_of(observed, e->name);
  if (!seen.gone.empty()) return seen.gone;
  if (step.actions.empty()) return Broken("it does nothing");
  if (!seen.exists && is_authority(site, observed, e->name)) {
    return e->name + " is the authority of a launched site and would be created";
  }
  for (const Action& action : step.actions) {
    if (const auto* promote = std::get_if<Promote>(&action)) {
      if (auto broken = skips_a_stage(site, observed, e->name, promote->commit, now)) return broken;
    }
    if (const auto* declare = std::get_if<Declare>(&action)) {
      if (auto broken = breaks_declaration(site, seen, *declare)) return broken;
    }
    if (const auto* launch = std::get_if<Launch>(&action)) {
      if (auto broken = launches_wrongly(site, observed, *e, *launch, now)) return broken;
    }
    if (std::holds_alternative<Unlaunch>(action)) {
      if (auto broken = unlaunches_wrongly(site, observed, *e, now)) return broken;
    }
    if (auto broken = breaks_content(site, *e, observed, action, step, calendar, now))
      return broken;
  }
  const bool failed_before = std::ranges::any_of(seen.failures, [&](const Failure& f) {
    return f.quarantined && (f.digest == step.digest || f.digest == step.content_digest);
  });
  if (failed_before && !step.asked) return Broken("it failed before and is in quarantine");
  return {};
}

std::vector<std::string> grants_for(const Site& site, const ObservedSite& observed,
                                    const Step& step, Timestamp now) {
  std::vector<std::string> ids;
  for (const Action& action : step.actions) {
    for (const Grant* grant : grants_naming(site, observed, step.environment, action, now)) {
      if (std::ranges::find(ids, grant->id) == ids.end()) ids.push_back(grant->id);
    }
  }
  return ids;
}

std::optional<Hold> held_now(const Site& site, const ObservedSite& observed, const Step& step,
                             const Calendar& calendar, Timestamp now) {
  if (only<Recover>(step)) return {};
  const Environment* e = site.find(step.environment);
  if (!e) return Hold{step.environment, "Invalid", "it is not declared any more", {}};
  // Recording a launch only protects: it is done on a suspended environment too.
  if (!only<Launch>(step) && e->suspend && (!e->suspend->until || *e->suspend->until > now)) {
    return Hold{e->name, "Suspended", "suspended meanwhile: " + e->suspend->reason,
                e->suspend->until};
  }
  const auto& uncommitted = observed_of(observed, e->name).uncommitted;
  if (!uncommitted.empty() && !only<Launch>(step) && !only<Unlaunch>(step)) {
    return Hold{
        e->name, "UncommittedChanges", uncommitted_text(site.name, e->name, uncommitted), {}};
  }
  // Whether a Grant moves or undoes a launch, broken_rule says.
  if (only<Unlaunch>(step) || (only<Launch>(step) && !step.grants.empty())) return {};
  // An undone launch holds nothing here: what was recorded still protects, by broken_rule.
  for (const auto& [name, seen] : observed.environments) {
    if (seen.launched && name != site.authority()) {
      return Hold{name, "LaunchedOnce", name + " is the authority of a launched site", {}};
    }
  }
  StepSoFar so_far{step.actions, {}};
  const auto& operation = observed_of(observed, e->name).operation;
  if (operation && !operation->as_source) so_far.began = operation->started_at;
  std::vector<Verdict> verdicts;
  for (const Action& action : step.actions) {
    for (Verdict& verdict : judge(site, observed, *e, action, calendar, now, so_far))
      verdicts.push_back(std::move(verdict));
  }
  return strictest(verdicts);
}

}  // namespace tidegate
