// The sequence of one plan: what must be recovered, whether the site is still the one that was
// launched, what differs, and then each environment in the order of the stages.

#include "reconcilers/plan.h"

#include <algorithm>

#include "reconcilers/planner.h"

namespace tidegate {

Plan make_plan(const Site& site, const ObservedSite& observed, const Calendar& calendar,
               Timestamp now, const std::set<std::string>& retries) {
  Plan plan = Planner(site, observed, calendar, now, retries).run();
  for (Step& step : plan.ready) {
    const auto said = plan.verdicts.find(step.environment);
    if (said == plan.verdicts.end()) continue;
    for (const Verdict& v : said->second)
      step.policies.push_back({v.name(), v.hold.has_value(), v.said});
  }
  return plan;
}

Plan Planner::run() && {
  claim_what_runs();
  if (!site_.invalid.empty()) hold({"", "Invalid", site_.invalid, {}});
  if (!site_.withheld.empty()) hold({"", "BlastRadius", site_.withheld, {}});
  recover_interrupted();
  if (authority_moved()) return std::move(plan_);
  launch();
  for (const auto& stage : site_.stages) {
    if (const Environment* e = site_.find(stage)) compare(*e);
  }
  for (const auto& stage : site_.stages) {
    if (diffs_.contains(stage)) plan_environment(*site_.find(stage));
    if (const Environment* e = site_.find(stage)) follow(*e);
  }
  return std::move(plan_);
}

void Planner::claim_what_runs() {
  for (const auto& [name, s] : observed_.environments) {
    if (!s.operation) continue;
    if (s.operation->as_source) {
      claims_.read(name);
    } else if (!s.operation->interrupted) {
      claims_.write(name);
    }
  }
}

// An operation that lost its process comes before everything, also on what is suspended, let go
// or moved: until it is finished or undone nobody knows what the environment is.
void Planner::recover_interrupted() {
  for (const auto& [name, s] : observed_.environments) {
    if (!s.operation || !s.operation->interrupted) continue;
    recovering_.insert(name);
    const std::vector<Action> actions{Recover{s.operation->id}};
    const std::string digest = "recover " + s.operation->id;
    const Failure* failed = failure_of(s, digest);
    if (failed && retry_at(*failed) > now_) {
      wait(name, actions, "for undoing to be tried again; it failed: " + failed->message,
           retry_at(*failed));
    } else if (!claims_.can_write(name)) {
      wait(name, actions, "until nothing copies from " + name + " any more");
    } else {
      claims_.write(name);
      plan_.ready.push_back({name,
                             actions,
                             "operation " + s.operation->id + " was interrupted in phase " +
                                 s.operation->phase + "; it is finished or undone",
                             s.commit.value_or(CommitId{}),
                             false,
                             {},
                             false,
                             digest,
                             false});
    }
  }
}

/// With the order of its stages in doubt nothing of a site may move, neither code nor content.
bool Planner::authority_moved() {
  const std::string& authority = site_.authority();
  for (const auto& [name, s] : observed_.environments) {
    if (!s.launched || name == authority) continue;
    if (hands_over(name, authority)) return true;
    const std::string text =
        name + " is the content authority of a launched site; the manifest makes it " + authority +
        ": put " + name + " last in stages again";
    if (!site_.find(name)) hold({name, "LaunchedOnce", text, {}});
    for (const auto& stage : site_.stages) {
      if (site_.find(stage)) hold({stage, "LaunchedOnce", text, {}});
    }
    return true;
  }
  if (seen(authority).launched && !site_.launched) {
    if (allowed(authority, Unlaunch{})) {
      record(authority, Unlaunch{}, "the manifest and a Grant undo the launch");
      return false;
    }
    hold({authority,
          "LaunchedOnce",
          site_.name + " was launched and stays so; set launched: true again",
          {}});
  }
  return false;
}

/// A Grant moves the authority: the new one is protected before the old one is let go. Nothing else
/// of the site moves meanwhile.
bool Planner::hands_over(const std::string& from, const std::string& to) {
  const bool latched = seen(to).launched;
  const std::string& e = latched ? from : to;
  const Action action = latched ? Action(Unlaunch{}) : Action(Launch{from});
  if (!allowed(e, action)) return false;
  const std::string because = "a Grant moves the authority from " + from + " to " + to;
  if (claims_.can_write(e) && !recovering_.contains(e))
    record(e, action, because);
  else
    wait(e, {action}, "until nothing uses " + e + " any more: " + because);
  return true;
}

/// Its own step, before any other: whatever becomes of the rest, a launched site stays launched.
/// While something is gone nobody knows whether another environment was launched before.
void Planner::launch() {
  const std::string& name = site_.authority();
  const ObservedEnvironment& s = seen(name);
  if (!site_.find(name) || !site_.launched || s.launched || !s.exists) return;
  if (something_is_gone()) return;
  record(name, Launch{}, "the site is launched; " + name + " is its content authority from now on");
}

void Planner::record(const std::string& e, const Action& action, const std::string& because) {
  const Environment* declared = site_.find(e);
  // Recording a launch only protects: it is done on a suspended environment too.
  if (declared && suspended(*declared) && std::holds_alternative<Unlaunch>(action)) {
    return hold({e, "Suspended", suspend_text(*declared->suspend), declared->suspend->until});
  }
  if (recovering_.contains(e) || !claims_.can_write(e)) return;
  claims_.write(e);
  Step step{e,     {action},     because, seen(e).commit.value_or(CommitId{}), false, {},
            false, verb(action), false};
  step.grants = grants_for(site_, observed_, step, now_);
  plan_.ready.push_back(std::move(step));
}

/// Notes what differs; an environment that cannot be acted upon at all is told of and left out.
void Planner::compare(const Environment& e) {
  const std::string& name = e.name;
  const ObservedEnvironment& s = seen(name);
  const Resolved code = resolve(e, site_, observed_, now_);
  if (recovering_.contains(name)) return note_coming(name, code);
  if (!s.gone.empty()) return hold({name, "EnvironmentGone", s.gone, {}});
  if (!e.driver) {
    return hold({name, "Invalid", "its driver is not defined by any document", {}});
  }
  if (!s.exists && name == site_.authority() && (site_.launched || s.launched)) {
    return hold({name,
                 "AuthorityMissing",
                 name +
                     " is the authority of a launched site and is not there; it is never created "
                     "empty: bring it back; launched: false is only for a site that never was "
                     "launched",
                 {}});
  }
  if (s.exists) {
    if (auto changed = changed_declaration(s)) return hold({name, "ContentChanged", *changed, {}});
  }
  if (is_busy(name)) {
    note_coming(name, code);
    return wait(name, {},
                "until operation " + s.operation->id + " has ended, which is in phase " +
                    s.operation->phase);
  }
  diffs_[name] = diff(site_, e, observed_, calendar_, now_);
  for (const auto& [part, d] : diffs_[name].content) {
    if (d.next_due) look_again(*d.next_due);
  }
}

std::optional<std::string> Planner::changed_declaration(const ObservedEnvironment& s) const {
  auto differs = [&](Part part, const std::string& name, const std::string& now_is,
                     const char* what) -> std::optional<std::string> {
    const auto& declared = part_of(s, part).declared;
    auto it = declared.find(name);
    if (it == declared.end() || it->second == now_is) return std::nullopt;
    return std::string(what) + " \"" + name + "\" is " + it->second + " here and is declared " +
           now_is + " now; declare it as it was, or give the new one another name";
  };
  for (const auto& d : site_.databases) {
    if (auto text = differs(Part::databases, d.name, engine_text(d.engine), "database"))
      return text;
  }
  for (const auto& f : site_.files) {
    if (auto text = differs(Part::files, f.name, f.path, "files")) return text;
  }
  return std::nullopt;
}

void Planner::plan_environment(const Environment& e) {
  Outcome code = plan_code(e, diffs_.at(e.name).code);
  Content content;
  warn_of_hotfix(e);
  for (Part part : parts) content[part] = plan_part(e, part, code);
  if (suspended(e)) return tell_suspended(e, code, content);
  const std::string& secret = seen(e.name).missing_secret;
  // Every release is made with the secrets: without them neither code nor content can go on.
  if (!secret.empty()) return hold({e.name, "Invalid", secret, {}});
  hold_uncommitted(e, code, content);
  ask_policies(e, code, content);
  const LeftOut left = leave_out_failed(e, code, content);
  // Rules may have let the code pass for content that does not come with it.
  if (left.failure) ask_policies(e, code, content);
  // Where they hold the code now, the content waits by itself, or not at all.
  if (left.failure && (code.kind == Kind::act || left.failure->quarantined))
    tell(e, *left.failure, left.actions);
  combine(e, std::move(code), std::move(content));
}

// ---- small questions and notes ----

bool Planner::something_is_gone() const {
  return std::ranges::any_of(observed_.environments,
                             [](const auto& e) { return !e.second.gone.empty(); });
}

/// What is gone may have been launched: missing memory protects.
bool Planner::launched() const {
  return site_.launched || seen(site_.authority()).launched || something_is_gone();
}

bool Planner::is_busy(const std::string& e) const {
  const auto& operation = seen(e).operation;
  return operation && !operation->as_source && !operation->interrupted;
}

void Planner::hold(Hold held) {
  if (std::ranges::find(plan_.held, held) != plan_.held.end()) return;
  if (held.opens_at) look_again(*held.opens_at);
  plan_.held.push_back(std::move(held));
}

void Planner::wait(const std::string& e, std::vector<Action> actions, std::string because,
                   std::optional<Timestamp> until) {
  if (until) look_again(*until);
  note_coming(e, actions);
  plan_.waiting.push_back({e, std::move(actions), std::move(because), until});
}

void Planner::look_again(Timestamp at) {
  if (!plan_.look_again_at || at < *plan_.look_again_at) plan_.look_again_at = at;
}

void Planner::note_coming(const std::string& e, const std::vector<Action>& actions) {
  if (const Promote* promote = promote_in(actions)) coming_[e].insert(promote->commit);
}

void Planner::note_coming(const std::string& e, const Resolved& code) {
  coming_[e];
  if (code.commit || code.comes_by_itself) coming_[e].insert(code.commit);
}

/// What follows another stage goes on to where that one goes, unless something keeps it.
void Planner::follow(const Environment& e) {
  const auto* from = std::get_if<ProvenIn>(&e.code);
  const bool kept = !diffs_.contains(e.name) && !coming_.contains(e.name);
  if (!from || kept || suspended(e) || !seen(e.name).missing_secret.empty()) return;
  const auto ahead = coming_.find(from->environment);
  if (ahead == coming_.end()) return;
  for (const auto& commit : ahead->second) {
    if (!commit) {
      coming_[e.name].insert(commit);
      continue;
    }
    const auto refused = not_proven(e, *commit);
    const bool held = refused && refused->kind == Kind::hold;
    if (!held && !code_quarantined(e, *commit)) coming_[e.name].insert(commit);
  }
}

/// Whether an environment is on its way to a commit: or to one that nobody knows yet.
bool Planner::is_coming(const std::string& e, const std::optional<CommitId>& commit) const {
  const auto found = coming_.find(e);
  return found != coming_.end() &&
         (found->second.contains(commit) || found->second.contains(std::nullopt));
}

bool Planner::quarantined(const Environment& e, const std::string& digest) const {
  const Failure* failed = failure_of(seen(e.name), digest);
  return failed && failed->quarantined && !retries_.contains(e.name);
}

bool Planner::code_quarantined(const Environment& e, const CommitId& commit) const {
  return quarantined(e, step_digest(site_, e, seen(e.name), commit));
}

}  // namespace tidegate
