#include <iostream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/host/layout.h"
#include "controller/service/installation.h"
#include "reconcilers/diff.h"

namespace tidegate {
namespace {

template <class... F>
struct Match : F... {
  using F::operator()...;
};
template <class... F>
Match(F...) -> Match<F...>;

std::string code_rule(const Environment& e) {
  return std::visit(
      Match{[](const CommitId& c) { return "commit " + c.hex; },
            [](const TagName& t) { return "tag " + t.text; },
            [](const BranchName& b) { return "branch " + b.text; },
            [](const ProvenIn& p) { return "what " + p.environment + " has proven last"; }},
      e.code);
}

std::string stamp_line(const ObservedPart& part) {
  std::string text = to_string(part.stamp.source) + ", generation " +
                     std::to_string(part.stamp.generation) + " (highest done " +
                     std::to_string(part.highest_generation) + ")";
  if (part.stamp.taken_at) text += ", taken " + to_rfc3339(*part.stamp.taken_at);
  return text;
}

void print_observation(const ObservedEnvironment& seen) {
  std::cout << "observed\n";
  if (!seen.gone.empty()) std::cout << "  gone: " << seen.gone << "\n";
  if (!seen.exists) {
    std::cout << "  it does not exist yet\n";
  } else {
    std::cout << "  release " << seen.release << ", commit "
              << (seen.commit ? seen.commit->hex : "–")
              << (seen.healthy ? ", healthy" : ", not verified")
              << (seen.drifted ? ", changed by hand" : "") << "\n";
    for (Part part : parts)
      std::cout << "  " << to_string(part) << ": " << stamp_line(part_of(seen, part)) << "\n";
    std::cout << "  kept releases:";
    for (const auto& kept : seen.kept)
      std::cout << " " << kept.id << " (" << kept.commit.brief() << ")";
    std::cout << (seen.kept.empty() ? " none\n" : "\n");
    if (seen.launched) std::cout << "  recorded as the authority of a launched site\n";
  }
  if (seen.operation)
    std::cout << "  operation " << seen.operation->id << ": " << seen.operation->phase << ", by "
              << seen.operation->owner << "\n";
  for (const Failure& f : seen.failures) {
    std::cout << "  failed " << to_rfc3339(f.ended_at)
              << (f.quarantined ? ", in quarantine: "
                                : ", " + std::to_string(f.attempts) + " times: ")
              << f.message << "\n";
  }
}

void print_rules(const Site& site, const Environment& e, const ObservedSite& observed,
                 Timestamp now) {
  std::cout << "declared\n";
  const Resolved want = resolve(e, site, observed, now);
  std::cout << "  code: " << code_rule(e)
            << (want.commit ? " → " + want.commit->brief() : "; " + want.problem) << "\n";
  std::cout << "  content: " << to_string(e.content.source) << ", generation "
            << e.content.generation << "\n";
  const std::size_t stage = site.stage_of(e.name);
  std::cout << "  stage " << stage + 1 << " of " << site.stages.size()
            << (stage == 0 ? ": any commit of the repository may run here"
                           : ": runs what " + site.stages[stage - 1] + " has proven")
            << "\n";
  if (e.name == site.authority())
    std::cout << "  it is the content authority"
              << (site.launched ? " of a launched site: nothing overwrites its content"
                                : "; the site is not launched")
              << "\n";
}

void print_decision(const Environment& e, const Look& look) {
  std::cout << "decided\n";
  bool any = false;
  for (const Step& s : look.plan.ready)
    if (s.environment == e.name)
      any = true,
      std::cout << "  ready: " << describe(s.actions) << ", because " << s.because << "\n";
  for (const Waiting& w : look.plan.waiting)
    if (w.environment == e.name)
      any = true, std::cout << "  waits: " << (w.actions.empty() ? "" : describe(w.actions) + ": ")
                            << w.because << (w.until ? "; until " + to_rfc3339(*w.until) : "")
                            << "\n";
  for (const Hold& h : look.plan.held)
    if (h.environment == e.name || h.environment.empty())
      any = true, std::cout << "  held " << h.reason << ": " << h.message
                            << (h.opens_at ? "; opens " + to_rfc3339(*h.opens_at) : "") << "\n";
  if (!any) std::cout << "  nothing to do\n";
  if (auto said = look.plan.verdicts.find(e.name); said != look.plan.verdicts.end())
    for (const Verdict& v : said->second) std::cout << "  " << verdict_line(v) << "\n";
  for (const auto& w : look.plan.warnings)
    if (w.starts_with(e.name + ": ")) std::cout << "  warning: " << w << "\n";
  std::cout << "next look\n  " << to_rfc3339(look.again) << ", because of " << look.because << "\n";
}

}  // namespace

int run_explain(const Options& options) {
  auto given = given_fleet(options);
  if (!given) return fail(given.error().message);
  const auto site = given->fleet.find(options.target.site);
  if (!site) return fail("no manifest declares site \"" + options.target.site + "\"");
  const Environment* environment = site->find(options.target.environment);
  if (!environment)
    return fail("site \"" + site->name + "\" declares no environment \"" +
                options.target.environment + "\"");
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return fail(secrets.error().message);
  if (!state) return fail(state.error().message);
  Observer observer(*state, Secrets(*secrets));
  if (!mirrors_of(*site).empty()) observer.repositories().look_now(*site, mirrors_of(*site));
  const Look look =
      Reconciler(observer.driver(), observer.clock, observer.calendar).look(*site, {}, nullptr);
  if (look.problem) return fail(look.problem->message);
  if (options.json) {
    std::cout << plan_json({{site.get(), &look.observed, &look.plan, ""}}) << "\n";
    return exit_done;
  }
  std::cout << site->name << "/" << environment->name << "\n";
  print_rules(*site, *environment, look.observed, observer.clock.now());
  print_observation(observed_of(look.observed, environment->name));
  print_decision(*environment, look);
  return exit_done;
}

}  // namespace tidegate
