// What becomes of an environment's code.

#include "reconcilers/plan_text.h"
#include "reconcilers/planner.h"

namespace tidegate {

Outcome Planner::plan_code(const Environment& e, const CodeDifference& d) const {
  if (!d.want.problem.empty()) {
    if (d.want.comes_by_itself) return Outcome::wait({}, d.want.problem);
    return Outcome::hold({e.name, "Invalid", d.want.problem, {}});
  }
  if (d.cause == CodeCause::none) return {};
  const CommitId& want = *d.want.commit;
  if (auto held = tracked(e, want)) return Outcome::hold(*held);
  if (auto refused = not_proven(e, want)) return *refused;
  return Outcome::act(Promote{want}, code_text(d, seen(e.name)));
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
  auto coming = coming_.find(below);
  if (coming != coming_.end() && coming->second == want) {
    return Outcome::wait({Promote{want}}, "until " + below + " has proven " + want.brief());
  }
  return Outcome::hold(
      {e.name,
       "NotProven",
       want.brief() + " has not been proven in " + below + "; let " + below + " run it first",
       {}});
}

}  // namespace tidegate
