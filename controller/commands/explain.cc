#include <algorithm>
#include <iostream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/host/layout.h"
#include "controller/service/installation.h"
#include "reconcilers/plan_text.h"
#include "schemas/match.h"

namespace tidegate {
namespace {

constexpr std::size_t failures_shown = 3;  // The last ones; more are in the history.

std::string code_rule(const Environment& e, const Resolved& want) {
  const std::string now_is = want.commit ? ", now " + want.commit->brief() : "; " + want.problem;
  return std::visit(Match{[&](const CommitId& c) {
                            return "commit " + c.hex + (want.commit ? "" : "; " + want.problem);
                          },
                          [&](const TagName& t) { return "tag " + t.text + now_is; },
                          [&](const BranchName& b) { return "branch " + b.text + now_is; },
                          [&](const ProvenIn& p) {
                            return "what " + p.environment + " has proven last" + now_is;
                          }},
                    e.code);
}

std::string content_rule(const ContentSpec& content) {
  if (content.source == ContentSource::keep()) return "keep, its own";
  std::vector<std::string> names;
  for (Part part : parts)
    if (content.includes(part)) names.emplace_back(to_string(part));
  return enumerate(names) +
         (content.source == ContentSource::empty() ? " empty"
                                                   : " from " + to_string(content.source)) +
         " (generation " + std::to_string(content.generation) + ")";
}

/// "of live (generation 7), taken 3m ago; generation 9 was done here before".
std::string content_line(const ObservedPart& part, Timestamp now) {
  std::string text = stamp_text(part.stamp);
  const bool copied = part.stamp.source.kind == ContentSource::Kind::environment;
  if (copied && part.stamp.taken_at) text += ", taken " + ago(*part.stamp.taken_at, now);
  if (part.highest_generation > part.stamp.generation)
    text += "; generation " + std::to_string(part.highest_generation) + " was done here too";
  return text;
}

class Explanation {
 public:
  Explanation(const Site& site, const Environment& e, const Look& look, Timestamp now,
              const Paint& paint)
      : site_(site), e_(e), look_(look), now_(now), paint_(paint) {}

  void print() const {
    std::cout << paint_.strong(site_.name + "/" + e_.name) << "\n";
    rules();
    observation();
    decision();
    std::cout << paint_.strong("next look") << "\n  by a running controller, "
              << ago(look_.again, now_) << " at the latest (" << look_.because << ")\n";
  }

 private:
  void rules() const {
    std::cout << paint_.strong("declared") << "\n";
    std::cout << "  code: " << code_rule(e_, resolve(e_, site_, look_.observed, now_)) << "\n";
    std::cout << "  content: " << content_rule(e_.content) << "\n";
    const std::size_t stage = site_.stage_of(e_.name);
    std::cout << "  stage " << stage + 1 << " of " << site_.stages.size() << ": "
              << (stage == 0 ? "any commit of the repository may run here"
                             : "runs what " + site_.stages[stage - 1] + " has proven")
              << "\n";
    if (e_.name != site_.authority()) return;
    std::cout << "  it is the content authority"
              << (site_.launched ? " of a launched site: nothing overwrites its content"
                                 : "; the site is not launched")
              << "\n";
  }

  void observation() const {
    const ObservedEnvironment& seen = observed_of(look_.observed, e_.name);
    std::cout << paint_.strong("observed") << "\n";
    if (!seen.gone.empty()) std::cout << "  gone: " << seen.gone << "\n";
    if (!seen.exists) std::cout << "  it does not exist yet\n";
    if (seen.exists) release(seen);
    if (seen.operation)
      std::cout << "  operation " << seen.operation->id << ": "
                << join(seen.operation->actions, ", ") << ", in phase " << seen.operation->phase
                << ", by " << seen.operation->owner << "\n";
    failures(seen);
  }

  void release(const ObservedEnvironment& seen) const {
    std::cout << "  release " << seen.release << ": commit "
              << (seen.commit ? seen.commit->hex : "unknown")
              << (seen.healthy ? ", healthy" : ", not verified")
              << (seen.drifted ? ", changed by hand" : "") << "\n";
    if (const Revocation* revoked = revocation_of(seen)) {
      std::cout << "  " << revocation_text(*revoked) << "\n";
      evidence(revoked->evidence);
    }
    const std::string databases = content_line(part_of(seen, Part::databases), now_),
                      files = content_line(part_of(seen, Part::files), now_);
    if (databases == files) {
      std::cout << "  databases and files: " << databases << "\n";
    } else {
      std::cout << "  databases: " << databases << "\n  files: " << files << "\n";
    }
    std::vector<std::string> kept;
    for (const auto& k : seen.kept) kept.push_back(k.id + " (" + k.commit.brief() + ")");
    if (!kept.empty()) std::cout << "  kept releases: " << join(kept, ", ") << "\n";
    if (seen.launched) std::cout << "  recorded as the authority of a launched site\n";
  }

  /// Each check, and of one that failed what it said.
  static void evidence(const std::vector<Evidence>& all) {
    for (const Evidence& e : all) {
      std::cout << "    " << e.check << ": " << (e.passed ? "passed" : "failed");
      if (e.status != 0) std::cout << ", " << e.status;
      std::cout << " after " << to_string(e.took) << "\n";
      if (e.passed) continue;
      for (std::size_t at = 0; at < e.said.size();) {
        const auto end = std::min(e.said.find('\n', at), e.said.size());
        std::cout << "      " << e.said.substr(at, end - at) << "\n";
        at = end + 1;
      }
    }
  }

  /// A message that a hold tells of below is not told here.
  void failures(const ObservedEnvironment& seen) const {
    std::vector<Failure> failures = seen.failures;
    std::ranges::sort(failures, std::greater{}, &Failure::ended_at);
    for (std::size_t i = 0; i < std::min(failures.size(), failures_shown); ++i) {
      const Failure& f = failures[i];
      const bool told = std::ranges::any_of(look_.plan.held, [&](const Hold& h) {
        return h.environment == e_.name && h.message.starts_with(f.message);
      });
      std::cout << "  failed " << ago(f.ended_at, now_) << ", "
                << (f.quarantined ? "in quarantine" : std::to_string(f.attempts) + " times")
                << (f.after_switch ? ", after visitors were let in" : "")
                << (told ? "" : ": " + f.message) << "\n";
      evidence(f.evidence);
    }
    if (failures.size() > failures_shown)
      std::cout << "  " << failures.size() - failures_shown << " earlier failures\n";
  }

  void decision() const {
    std::cout << paint_.strong("decided") << "\n";
    std::vector<std::string> lines;
    for (const Step& s : look_.plan.ready)
      if (s.environment == e_.name)
        lines.push_back(paint_.change("ready: ") + describe(s.actions) + ", because " + s.because);
    for (const Waiting& w : look_.plan.waiting)
      if (w.environment == e_.name)
        lines.push_back(paint_.change("waiting: ") + describe(w.actions) +
                        (w.actions.empty() ? "" : " ") + waiting_text(w));
    for (const Hold& h : look_.plan.held)
      if (h.environment == e_.name || h.environment.empty())
        lines.push_back(paint_.bad("held " + h.reason + ": ") + h.message +
                        (h.opens_at ? "; opens " + to_rfc3339(*h.opens_at) : ""));
    if (lines.empty()) lines.push_back(paint_.good("nothing to do"));
    if (auto said = look_.plan.verdicts.find(e_.name); said != look_.plan.verdicts.end())
      for (const Verdict& v : said->second) lines.push_back(verdict_line(v));
    for (const auto& w : look_.plan.warnings)
      if (w.starts_with(e_.name + ": "))
        lines.push_back(paint_.change("warning: ") + w.substr(e_.name.size() + 2));
    for (const auto& line : lines) std::cout << "  " << line << "\n";
  }

  const Site& site_;
  const Environment& e_;
  const Look& look_;
  const Timestamp now_;
  const Paint paint_;
};

}  // namespace

int run_explain(const Options& asked) {
  const auto found = with_manifests(asked);
  if (!found) return exit_usage;
  const Options& options = *found;
  auto given = given_fleet(options);
  if (!given) return fail(given.error().message);
  const auto site = given->fleet.find(options.target.site);
  if (!site && given->fleet.named_sites().contains(options.target.site) && !options.json) {
    std::cerr << "tidegate: the manifests of site \"" << options.target.site
              << "\" are broken; its last good state is:\n";
    return run_status(options);
  }
  if (!site) return fail(no_such_site(given->fleet, options.target.site).message);
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
  Cadence cadence;
  const auto configuration = given_configuration(options);
  if (configuration && *configuration) cadence.resync = (*configuration)->resync;
  const Look look = Reconciler(observer.driver(), observer.clock, observer.calendar, cadence)
                        .look(*site, {}, nullptr);
  if (look.problem) return fail(look.problem->message);
  if (options.json) {
    std::cout << explain_json({site.get(), &look.observed, &look.plan, ""}, environment->name)
              << "\n";
    return exit_done;
  }
  Explanation(*site, *environment, look, observer.clock.now(), Paint(options.color)).print();
  return exit_done;
}

}  // namespace tidegate
