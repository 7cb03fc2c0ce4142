// What becomes of an environment's code.

#include "reconcilers/planner.h"

namespace tidegate {

Outcome Planner::plan_code(const Environment& e, const CodeDifference& d) const {
  if (!d.want.commit) return unknown_code(e, d.want);
  if (d.cause == CodeCause::none) return {};
  const CommitId& want = *d.want.commit;
  if (auto held = tracked(e, want)) return Outcome::hold(*held);
  if (auto refused = not_proven(e, want)) return *refused;
  if (observed_.unread_commits.contains(want)) {
    const std::string& problem = observed_.repository_problem;
    return Outcome::wait(
        {Promote{want}},
        "for the repository: " + (problem.empty() ? looked_for("commit", want.brief()) : problem));
  }
  return Outcome::act(Promote{want}, {code_text(d, seen(e.name))});
}

/// What to run is not known: it comes by itself, or a person has to say.
Outcome Planner::unknown_code(const Environment& e, const Resolved& want) const {
  if (!want.comes_by_itself) return Outcome::hold({e.name, "Invalid", want.problem, {}});
  const auto* from = std::get_if<ProvenIn>(&e.code);
  if (!from) return Outcome::wait({}, "for the repository: " + want.problem);
  const auto ahead = coming_.find(from->environment);
  if (ahead == coming_.end() || ahead->second.empty()) {
    return Outcome::hold(
        {e.name, "NotProven", want.problem + "; let " + from->environment + " run one first", {}});
  }
  const auto& next = *ahead->second.rbegin();
  if (!next) return Outcome::wait({}, "until " + from->environment + " has proven a commit");
  return Outcome::wait({Promote{*next}},
                       "until " + from->environment + " has proven " + next->brief());
}

/// Every step prepares a release whose code comes from its build.
void Planner::hold_uncommitted(const Environment& e, Outcome& code, Content& content) {
  if (seen(e.name).uncommitted.empty()) return;
  const Hold held{e.name,
                  "UncommittedChanges",
                  uncommitted_text(site_.name, e.name, seen(e.name).uncommitted),
                  {}};
  hold(held);
  if (code.kind != Kind::hold) code = Outcome::hold(held);
  for (auto& [part, o] : content)
    if (o.kind == Kind::act) o = Outcome::hold(held);
}

std::optional<Hold> Planner::tracked(const Environment& e, const CommitId& commit) const {
  auto it = observed_.tracked_content.find(commit);
  if (it == observed_.tracked_content.end()) return std::nullopt;
  return Hold{e.name,
              "Invalid",
              "commit " + commit.brief() + " has tracked files under \"" + it->second +
                  "\", which the Site declares as content; remove them from the code, or declare "
                  "another path",
              {}};
}

std::optional<Outcome> Planner::not_proven(const Environment& e, const CommitId& want) const {
  const std::size_t stage = site_.stage_of(e.name);
  if (stage == 0 || seen(e.name).proven.contains(want)) return std::nullopt;
  const std::string& below = site_.stages[stage - 1];
  if (seen(below).proven.contains(want) || allowed(e.name, Promote{want})) return std::nullopt;
  if (is_coming(below, want)) {
    return Outcome::wait({Promote{want}}, "until " + below + " has proven " + want.brief());
  }
  return Outcome::hold({e.name, "NotProven", unproven_text(want, below, seen(below)), {}});
}

}  // namespace tidegate
