// What policies, freezes and Grants make of what an environment needs: code and each part are asked
// about on their own, so that one goes on when another is held.

#include <algorithm>

#include "reconcilers/plan_text.h"
#include "reconcilers/planner.h"
#include "reconcilers/policies.h"

namespace tidegate {
namespace {

void note(std::vector<Verdict>& verdicts, Verdict verdict) {
  if (std::ranges::find(verdicts, verdict) == verdicts.end())
    verdicts.push_back(std::move(verdict));
}

}  // namespace

void Planner::ask_policies(const Environment& e, Outcome& code, Content& content) {
  if (!site_.governance) return;
  const bool creates = !seen(e.name).exists;
  if (creates && code.kind != Kind::act) return;
  std::vector<Verdict> verdicts;
  ask_content(e, code, content, verdicts);
  std::vector<Action> step = code.actions;
  for (const auto& [part, o] : content) {
    if (o.kind == Kind::act) step.insert(step.end(), o.actions.begin(), o.actions.end());
  }
  if (auto held = ask(e, code, step, verdicts)) {
    code = held_by(e, *held, step);
    // What would have come because of the new code does not come without it.
    for (Part part : parts) content[part] = plan_part(e, part, code);
    ask_content(e, code, content, verdicts);
  }
  const auto part_held =
      std::ranges::find(content, Kind::hold, [](const auto& c) { return c.second.kind; });
  if (creates && code.kind == Kind::act && part_held != content.end())
    code = Outcome::hold(part_held->second.held);  // An environment is created whole.
  const Resolved& want = diffs_.at(e.name).code.want;
  for (const Verdict& verdict : want.soaking) note(verdicts, verdict);
  if (want.next_at) look_again(*want.next_at);
  if (!verdicts.empty()) plan_.verdicts[e.name] = std::move(verdicts);
}

/// The hold that stands among what is said about everything an outcome does.
std::optional<Hold> Planner::ask(const Environment& e, const Outcome& outcome,
                                 const std::vector<Action>& step,
                                 std::vector<Verdict>& verdicts) const {
  if (outcome.kind != Kind::act) return std::nullopt;
  std::vector<Verdict> said;
  for (const Action& action : outcome.actions) {
    auto more = judge(site_, observed_, e, action, calendar_, now_, {step, {}});
    if (said.empty())
      said = std::move(more);
    else
      std::ranges::move(more, std::back_inserter(said));
  }
  auto held = strictest(said);
  if (verdicts.empty() && outcome.actions.size() == 1)
    verdicts = std::move(said);  // Each rule was asked once.
  else
    for (Verdict& verdict : said) note(verdicts, std::move(verdict));
  return held;
}

void Planner::ask_content(const Environment& e, const Outcome& code, Content& content,
                          std::vector<Verdict>& verdicts) const {
  std::vector<Action> alone;
  for (const auto& [part, o] : content)
    alone.insert(alone.end(), o.actions.begin(), o.actions.end());
  std::vector<Action> step = code.actions;
  step.insert(step.end(), alone.begin(), alone.end());
  for (auto& [part, o] : content) {
    auto held = ask(e, o, step, verdicts);
    if (held && !seen(e.name).exists) {
      // As with a source that is not there: it is created empty, and its sync follows.
      o = Outcome::act(Wipe{part, 0}, {"its content is held: " + held->message});
      held = ask(e, o, step, verdicts);
    }
    if (held) o = held_by(e, *held, alone);
  }
}

/// What failed for good does not become a matter of time: a quarantine stands before what opens by
/// itself.
Outcome Planner::held_by(const Environment& e, const Hold& held,
                         const std::vector<Action>& step) const {
  if (!held.opens_at || retries_.contains(e.name)) return Outcome::hold(held);
  Step asked;
  asked.actions = step;
  file(e, asked);
  const Failure* failed = failure_of(seen(e.name), asked.digest);
  if (!failed || !failed->quarantined) return Outcome::hold(held);
  return Outcome::hold({e.name, "Quarantined", quarantine_text(site_.name, e.name, *failed), {}});
}

/// Whether a Grant makes it no broken rule to do what would be held otherwise. Who is busy is asked
/// of the step as a whole.
bool Planner::allowed(const std::string& e, const Action& action) const {
  Step candidate;
  candidate.environment = e;
  candidate.actions = {action};
  // The Grant of a move that was begun is used already.
  const bool ends_move = std::holds_alternative<Unlaunch>(action);
  if (!ends_move && grants_for(site_, observed_, candidate, now_).empty()) return false;
  ObservedSite quiet = observed_;
  for (auto& [name, s] : quiet.environments) s.operation.reset();
  return !broken_rule(site_, quiet, candidate, calendar_, now_);
}

/// A commit that a Grant let in past the stages below would be lost with the next one from there.
void Planner::warn_of_hotfix(const Environment& e) {
  const ObservedEnvironment& s = seen(e.name);
  const std::string& lowest = site_.stages.front();
  const bool by_grant = s.commit && std::ranges::any_of(s.grants_used, [&](const auto& used) {
                          return used.second == *s.commit;
                        });
  if (!by_grant || e.name == lowest) return;
  if (seen(lowest).proven.contains(*s.commit) || observed_.contained.contains(*s.commit)) return;
  plan_.warnings.push_back(e.name + ": runs hotfix " + s.commit->brief() +
                           ", which is not in what " + lowest +
                           " runs: merge it there, or the next promotion takes it away again");
}

}  // namespace tidegate
