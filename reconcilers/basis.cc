#include "reconcilers/basis.h"

#include <algorithm>
#include <set>

#include "reconcilers/diff.h"
#include "reconcilers/plan_text.h"
#include "schemas/digest.h"
#include "schemas/match.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

constexpr const char* ready = "ready ";
constexpr const char* waiting = "waiting ";

/// Lines that are digested: none of the texts in it holds a line break.
class Lines {
 public:
  void add(const std::string& text) { text_ += text + "\n"; }
  void add(const char* what, bool is) { add(std::string(what) + (is ? " yes" : " no")); }
  std::string digest() const { return sha256_hex(text_); }

 private:
  std::string text_;
};

/// What the platform team says about an environment.
void add_rules(const Site& site, const std::string& environment, Lines& lines) {
  if (!site.governance) return;
  for (const auto& policy : site.governance->policies)
    if (policy->select.selects(site, environment))
      lines.add("policy " + policy->name + " " + policy->digest);
  for (const auto& freeze : site.governance->freezes)
    if (freeze->select.selects(site, environment))
      lines.add("freeze " + freeze->name + " " + freeze->digest);
  for (const auto& grant : site.governance->grants)
    if (grant->environment == environment) lines.add("grant " + grant->id);
  for (const auto& text : site.governance->unreadable) lines.add("unreadable " + text);
}

/// What a branch or tag stands for. What `from` follows is proven there, and shows in the steps.
std::string ref_of(const Environment& e, const ObservedSite& observed) {
  std::string name;
  if (const auto* branch = std::get_if<BranchName>(&e.code)) name = "refs/heads/" + branch->text;
  if (const auto* tag = std::get_if<TagName>(&e.code)) name = "refs/tags/" + tag->text;
  const auto found = observed.refs.find(name);
  return found == observed.refs.end() ? "" : found->second.hex;
}

std::string desired_of(const Site& site, const ObservedSite& observed, const std::string& name) {
  Lines lines;
  lines.add("site " + site.digest);
  if (const Environment* e = site.find(name)) {
    lines.add("environment " + e->digest);
    lines.add("ref " + ref_of(*e, observed));
    lines.add("inputs " + observed_of(observed, name).wanted_inputs);
  }
  if (!name.empty()) add_rules(site, name, lines);
  return lines.digest();
}

void add_content(const ObservedEnvironment& s, Lines& lines) {
  for (Part part : parts) {
    const ObservedPart& seen = part_of(s, part);
    lines.add(std::string(to_string(part)) + " " + seen.id + " " + to_string(seen.stamp.source) +
              " " + std::to_string(seen.stamp.generation) + " " +
              (seen.stamp.taken_at ? to_rfc3339(*seen.stamp.taken_at) : ""));
  }
}

std::string observed_text(const ObservedEnvironment& s, bool content_alone) {
  Lines lines;
  add_content(s, lines);
  if (content_alone) return lines.digest();
  lines.add("exists", s.exists);
  lines.add("commit " + (s.commit ? s.commit->hex : ""));
  lines.add("release " + s.release);
  lines.add("healthy", s.healthy);
  lines.add("drifted", s.drifted);
  lines.add("inputs " + s.inputs);
  lines.add("launched", s.launched);
  return lines.digest();
}

std::vector<std::string> steps_of(const Plan& plan, const std::string& e) {
  std::vector<std::string> out;
  for (const Step& s : plan.ready)
    if (s.environment == e) out.push_back(ready + exactly(s.actions));
  for (const Waiting& w : plan.waiting)
    if (w.environment == e) out.push_back(waiting + exactly(w.actions));
  for (const Hold& h : plan.held)
    if (h.environment == e || h.environment.empty()) out.push_back("held " + h.reason);
  return out;
}

Basis basis_of(const Site& site, const ObservedSite& observed, const Plan& plan,
               const std::string& e, bool only_copied_from) {
  Basis out{site.name, e, {}, observed_text(observed_of(observed, e), only_copied_from), {}};
  if (only_copied_from) return out;
  out.desired = desired_of(site, observed, e);
  out.steps = steps_of(plan, e);
  return out;
}

/// What the plan speaks of, and below `sources` what it copies from.
std::set<std::string> covered(const Site& site, const Plan& plan, bool everything,
                              std::set<std::string>& sources) {
  std::set<std::string> out;
  const auto note = [&](const std::string& e, const std::vector<Action>& actions) {
    out.insert(e);
    for (const Action& a : actions)
      if (const auto* sync = std::get_if<Sync>(&a)) sources.insert(sync->from);
  };
  for (const Step& s : plan.ready) note(s.environment, s.actions);
  for (const Waiting& w : plan.waiting) note(w.environment, w.actions);
  for (const Hold& h : plan.held) {
    everything |= h.environment.empty();
    if (!h.environment.empty()) out.insert(h.environment);
  }
  if (everything)
    for (const auto& [name, e] : site.environments) out.insert(name);
  if (everything && out.empty()) out.insert("");
  return out;
}

std::string exactly(const Action& action) {
  const auto of = [](Part part, std::uint64_t generation) {
    return std::string(to_string(part)) + " (generation " + std::to_string(generation) + ")";
  };
  const std::string verb_of = std::string(verb(action)) + " ";
  return std::visit(
      Match{[&](const Promote& a) { return verb_of + a.commit.hex; },
            [&](const Sync& a) {
              return std::string(a.due ? "refresh " : verb_of) + of(a.part, a.generation) +
                     " from " + a.from;
            },
            [&](const Wipe& a) { return verb_of + of(a.part, a.generation); },
            [&](const Activate& a) {
              return verb_of + of(a.part, a.stamp.generation) + " of " + to_string(a.stamp.source) +
                     ", " + a.content;
            },
            [&](const Declare& a) { return verb_of + to_string(a.part) + " " + a.name; },
            [&](const Launch& a) { return verb_of + a.took_over; },
            [&](const Unlaunch&) { return verb_of; },
            [&](const Recover& a) { return verb_of + a.operation; }},
      action);
}

}  // namespace

std::string exactly(const std::vector<Action>& actions) {
  std::vector<std::string> texts;
  for (const Action& action : actions) texts.push_back(exactly(action));
  return join(texts, ", ");
}

std::vector<Basis> bases_of(const Site& site, const ObservedSite& observed, const Plan& plan,
                            bool everything) {
  std::set<std::string> sources;
  const auto spoken_of = covered(site, plan, everything, sources);
  std::vector<Basis> out;
  for (const auto& e : spoken_of) out.push_back(basis_of(site, observed, plan, e, false));
  for (const auto& e : sources)
    if (!spoken_of.contains(e)) out.push_back(basis_of(site, observed, plan, e, true));
  return out;
}

Basis basis_now(const Basis& before, const Site& site, const ObservedSite& observed,
                const Plan& plan) {
  return basis_of(site, observed, plan, before.environment, before.only_copied_from());
}

std::string digest_of(const std::vector<Basis>& bases) {
  Lines lines;
  for (const Basis& b : bases) {
    lines.add("of " + b.site + "/" + b.environment);
    lines.add(b.desired);
    lines.add(b.observed);
    for (const auto& step : b.steps) lines.add(step);
  }
  return "sha256:" + lines.digest();
}

bool shows(const Basis& saved, const Step& step) {
  // Recording a launch only protects, and comes by itself once Live is there.
  const auto* launch = step.actions.size() == 1 ? std::get_if<Launch>(&step.actions[0]) : nullptr;
  if (launch && launch->took_over.empty()) return true;
  const std::string text = exactly(step.actions);
  return std::ranges::any_of(
      saved.steps, [&](const auto& s) { return s == ready + text || s == waiting + text; });
}

}  // namespace tidegate
