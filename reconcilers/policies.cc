#include "reconcilers/policies.h"

#include <algorithm>

#include "reconcilers/diff.h"
#include "reconcilers/plan_text.h"
#include "reconcilers/policy_rules.h"
#include "reconcilers/windows.h"

namespace tidegate {
namespace {

const Governance& governance_of(const Site& site) {
  static const Governance none;
  return site.governance ? *site.governance : none;
}

/// Whatever is recorded about a launch only protects, and what lost its process is nobody's to keep
/// broken.
bool may_be_held(const Action& action) {
  return !std::holds_alternative<Launch>(action) && !std::holds_alternative<Unlaunch>(action) &&
         !std::holds_alternative<Recover>(action);
}

Said windows_say(const RuleQuestion& q, const WindowsRule& rule) {
  const WindowState state = q.calendar.windows(rule, q.step.began.value_or(q.now));
  if (!state.open) return held("WindowClosed", state.because, state.changes);
  return passed("open" + (state.changes ? " until " + to_rfc3339(*state.changes) : "") + ": " +
                state.because);
}

Said limits_say(const RuleQuestion& q, const LimitsRule& rule) {
  if (!rule.environments || q.seen().exists) return {};
  int before = 0;  // That are there, or come first among those that are not.
  for (const auto& [name, seen] : q.observed.environments) before += seen.exists ? 1 : 0;
  for (const auto& stage : q.site.stages) {
    if (stage == q.environment.name) break;
    before += q.site.find(stage) && !observed_of(q.observed, stage).exists ? 1 : 0;
  }
  const std::string text = "a site may have " + std::to_string(*rule.environments) +
                           " environments, and " + q.site.name + " has " + std::to_string(before);
  return before < *rule.environments ? passed(text)
                                     : held("LimitReached", text + ": remove one first");
}

std::string text_of(const FieldCondition& field) {
  std::vector<std::string> texts;
  if (field.equals) texts.push_back("\"" + *field.equals + "\"");
  for (const auto& value : field.one_of) texts.push_back("\"" + value + "\"");
  if (!field.matches.empty()) texts.push_back("like \"" + field.matches + "\"");
  return field.pointer + (texts.empty() ? "" : " being " + join(texts, " or "));
}

Said require_says(const RuleQuestion& q, const RequireRule& rule) {
  if (q.fields.fit(rule.field)) return passed(text_of(rule.field) + " is there");
  return held("Required", rule.message.empty() ? "needs " + text_of(rule.field) : rule.message);
}

Said forbid_says(const RuleQuestion& q, const ForbidRule& rule) {
  const std::string word = verb(q.action);
  if (!rule.verbs.empty() && std::ranges::find(rule.verbs, word) == rule.verbs.end()) return {};
  if (rule.field && !q.fields.fit(*rule.field))
    return passed("forbids " + word + " only with " + text_of(*rule.field));
  const std::string why = rule.field ? " with " + text_of(*rule.field) : "";
  return held("Forbidden", rule.message.empty() ? word + " is forbidden" + why : rule.message);
}

Said ask(const RuleQuestion& q, const RuleSpec& spec) {
  if (const auto* rule = std::get_if<ProvenRule>(&spec)) {
    const auto* promote = std::get_if<Promote>(&q.action);
    return promote ? proofs_say(q.site, q.observed, q.environment, promote->commit, q.now, *rule)
                   : Said{};
  }
  if (const auto* rule = std::get_if<WindowsRule>(&spec)) return windows_say(q, *rule);
  if (const auto* rule = std::get_if<SignedRule>(&spec)) return signatures_say(q, *rule);
  if (const auto* rule = std::get_if<ContentRule>(&spec)) return content_says(q, *rule);
  if (const auto* rule = std::get_if<LimitsRule>(&spec)) return limits_say(q, *rule);
  if (const auto* rule = std::get_if<RequireRule>(&spec)) return require_says(q, *rule);
  if (const auto* rule = std::get_if<ForbidRule>(&spec)) return forbid_says(q, *rule);
  if (std::holds_alternative<BackupRule>(spec) && q.seen().exists) {
    return held("BackupMissing",
                "there is no backup of " + q.environment.name + ": backups are not supported yet");
  }
  return {};
}

Said freeze_says(const RuleQuestion& q, const Freeze& freeze) {
  const bool past = freeze.until && *freeze.until <= q.now;
  if (past || (freeze.from && *freeze.from > q.now)) return {};
  const std::string word = verb(q.action);
  if (std::ranges::find(freeze.except, word) != freeze.except.end())
    return passed("frozen, but for " + word + ": " + freeze.reason);
  return held("Frozen",
              "frozen: " + freeze.reason + (freeze.until ? "" : "; remove the Freeze to go on"),
              freeze.until);
}

/// Verdicts in the making: who said nothing did not look.
class Verdicts {
 public:
  explicit Verdicts(std::string environment) : environment_(std::move(environment)) {}
  void add(const std::string& policy, const std::string& rule, Said said) {
    if (said.text.empty()) return;
    if (out_.empty()) out_.reserve(16);
    Verdict& verdict = out_.emplace_back(Verdict{policy, rule, {}, std::move(said.text)});
    if (said.reason.empty()) return;
    const std::string name = verdict.name();
    verdict.hold = Hold{environment_, said.reason,
                        name.empty() ? verdict.said : name + ": " + verdict.said, said.opens_at};
  }
  std::vector<Verdict> take() && { return std::move(out_); }

 private:
  std::string environment_;
  std::vector<Verdict> out_;
};

}  // namespace

std::vector<Verdict> judge(const Site& site, const ObservedSite& observed,
                           const Environment& environment, const Action& action,
                           const Calendar& calendar, Timestamp now, const StepSoFar& step) {
  if (!may_be_held(action)) return {};
  const Governance& governance = governance_of(site);
  const RuleQuestion q{site, observed, environment, action, calendar, now, step};
  Verdicts out(environment.name);
  for (const auto& text : governance.unreadable) out.add("", "", held("PolicyBroken", text));
  for (const auto& freeze : governance.freezes) {
    if (freeze->select.selects(site, environment.name))
      out.add(freeze->name, "", freeze_says(q, *freeze));
  }
  for (const auto& policy : governance.policies) {
    if (!policy->select.selects(site, environment.name)) continue;
    for (const Rule& rule : policy->rules) out.add(policy->name, rule.name, ask(q, rule.spec));
  }
  return std::move(out).take();
}

std::vector<Verdict> judge_proofs(const Site& site, const ObservedSite& observed,
                                  const Environment& environment, const CommitId& commit,
                                  Timestamp now) {
  Verdicts out(environment.name);
  for (const auto& policy : governance_of(site).policies) {
    if (!policy->select.selects(site, environment.name)) continue;
    for (const Rule& rule : policy->rules) {
      if (const auto* proven = std::get_if<ProvenRule>(&rule.spec)) {
        out.add(policy->name, rule.name,
                proofs_say(site, observed, environment, commit, now, *proven));
      }
    }
  }
  return std::move(out).take();
}

std::optional<Verdict> held_at(const Site& site, const ObservedSite& observed, const Step& step,
                               const Calendar& calendar, Timestamp later) {
  const Environment* environment = site.find(step.environment);
  if (!environment) return std::nullopt;
  std::optional<Verdict> held;
  for (const Action& action : step.actions) {
    for (Verdict& v :
         judge(site, observed, *environment, action, calendar, later, {step.actions, {}})) {
      if (v.hold && !held) held = std::move(v);
    }
  }
  const auto broken = held ? std::nullopt : broken_rule(site, observed, step, calendar, later);
  if (broken) held = Verdict{"", "", Hold{step.environment, "ClockWentBack", *broken, {}}, *broken};
  if (held)
    held->hold->message += ": so it was at " + to_rfc3339(later) + ", before the clock went back";
  return held;
}

std::optional<Hold> strictest(const std::vector<Verdict>& verdicts) {
  const Hold* stands = nullptr;
  for (const Verdict& verdict : verdicts) {
    if (!verdict.hold) continue;
    if (!verdict.hold->opens_at) return verdict.hold;
    if (!stands || *verdict.hold->opens_at > *stands->opens_at) stands = &*verdict.hold;
  }
  return stands ? std::optional(*stands) : std::nullopt;
}

}  // namespace tidegate
