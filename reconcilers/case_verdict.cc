#include "reconcilers/case_verdict.h"

#include <algorithm>

#include "reconcilers/diff.h"
#include "reconcilers/blast_radius.h"
#include "reconcilers/limits.h"
#include "reconcilers/plan_text.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

const Timestamp long_ago{};
const CommitId unnamed{std::string(40, '0')};  // What a branch stands for in an example.

template <class Names>
std::string mend(const std::string& name, const Names& names) {
  return did_you_mean(name, {names.begin(), names.end()});
}

CommitId declared_commit(const Environment& e) {
  const auto* commit = std::get_if<CommitId>(&e.code);
  return commit ? *commit : unnamed;
}

/// A described environment, or with null one of which nothing is said.
ObservedEnvironment observed_in(const Site& site, const Environment& e, Timestamp now,
                                const CaseEnvironment* described) {
  ObservedEnvironment s;
  if (described && !described->exists) return s;
  s.exists = true;
  s.commit = described && described->commit ? *described->commit : declared_commit(e);
  s.launched = site.launched && e.name == site.authority();
  Stamp stamp{e.content.source, e.content.generation, {}, now};
  if (described) {
    stamp.source = described->source.value_or(stamp.source);
    stamp.generation = described->generation.value_or(stamp.generation);
    stamp.taken_at = described->taken_at.value_or(now);
  }
  std::map<Part, Stamp> stamps;
  for (Part part : parts) {
    stamps[part] = stamp;
    s.content[part] = {"1", stamp, stamp.generation, {}, {}};
  }
  const auto taken = taken_from_above(site, e.name, stamps);
  s.proven[*s.commit] = {long_ago, taken, 1};
  s.last_proven = s.commit;
  if (!described) return s;
  std::uint64_t turn = 1;
  for (const CaseProof& proof : described->proven) {
    s.proven[proof.commit] = {proof.since.value_or(long_ago),
                              proof.content_taken_at ? proof.content_taken_at : taken, ++turn};
    s.last_proven = proof.commit;
  }
  for (const auto& grant : site.governance->grants)
    if (std::ranges::find(described->used_grants, grant->name) != described->used_grants.end())
      s.grants_used[grant->id] = {};
  return s;
}

std::string follows_text(const Environment& e) {
  if (const auto* branch = std::get_if<BranchName>(&e.code)) return "branch " + quote(branch->text);
  if (const auto* tag = std::get_if<TagName>(&e.code)) return "tag " + quote(tag->text);
  return quote(std::get<ProvenIn>(e.code).environment);
}

/// One example, with the fleet it is about.
class Scene {
 public:
  Scene(const PolicyCase& example, const Fleet& fleet) : example_(example), fleet_(fleet) {}

  CaseAnswer ask(const Expectation& expected, const Calendar& calendar) {
    CaseAnswer out;
    std::vector<const CaseTarget*> named;
    for (const auto& described : example_.observed) named.push_back(&described.target);
    for (const auto& running : example_.running) named.push_back(&running);
    named.push_back(&expected.target);
    for (const CaseTarget* target : named) {
      out.at = target;
      if (out.problem = unknown(*target); !out.problem.empty()) return out;
    }
    for (const auto& described : example_.observed) {
      out.at = &described.target;
      if (out.problem = unknown_grant(described); !out.problem.empty()) return out;
    }
    out.at = &expected.target;
    Site site = *fleet_.find(expected.target.site);
    const Environment& e = *site.find(expected.target.environment);
    out.actions = actions_of(expected, e, out.problem);
    if (!out.problem.empty()) return out;
    ObservedSite observed = observe(site);
    sign(site, observed, out.actions);
    judge_all(site, observed, e, calendar, out);
    return out;
  }

 private:
  std::string unknown(const CaseTarget& target) const {
    const auto site = fleet_.find(target.site);
    if (!site) {
      const std::string why = fleet_.invalid(target.site);
      if (!why.empty()) return "site " + quote(target.site) + " is broken: " + why;
      return "no manifest declares site " + quote(target.site) +
             mend(target.site, fleet_.named_sites());
    }
    if (site->find(target.environment)) return "";
    return "site " + quote(target.site) + " declares no environment " + quote(target.environment) +
           mend(target.environment, site->stages);
  }

  std::string unknown_grant(const CaseEnvironment& described) const {
    const CaseTarget& target = described.target;
    std::vector<std::string> names;
    for (const auto& grant : fleet_.find(target.site)->governance->grants)
      if (grant->environment == target.environment) names.push_back(grant->name);
    for (const std::string& used : described.used_grants)
      if (std::ranges::find(names, used) == names.end())
        return "no Grant for " + target.site + "/" + target.environment + " is called " +
               quote(used) + mend(used, names);
    return "";
  }

  ObservedSite observe(const Site& site) const {
    ObservedSite out;
    for (const auto& [name, e] : site.environments) {
      const auto described = std::ranges::find_if(example_.observed, [&](const auto& d) {
        return d.target.site == site.name && d.target.environment == name;
      });
      out.environments[name] = observed_in(
          site, e, example_.now, described == example_.observed.end() ? nullptr : &*described);
    }
    return out;
  }

  static std::vector<Action> actions_of(const Expectation& expected, const Environment& e,
                                        std::string& problem) {
    std::vector<Action> out;
    if (expected.verb == "promote") {
      const auto* pinned = std::get_if<CommitId>(&e.code);
      if (!expected.commit && !pinned)
        problem = "commit is missing: " + e.name + " follows " + follows_text(e) +
                  ", so write which commit is to enter";
      else
        out.push_back(Promote{expected.commit ? *expected.commit : *pinned});
      return out;
    }
    const ContentSource& declared = e.content.source;
    const bool copies = declared.kind == ContentSource::Kind::environment;
    const std::string source =
        expected.source.value_or(copies || expected.verb == "activate" ? to_string(declared) : "");
    const std::uint64_t generation =
        expected.generation.value_or(std::max<std::uint64_t>(e.content.generation, 1));
    if (expected.verb == "sync" && source.empty())
      problem = "source is missing: the content of " + e.name + " is " + to_string(declared) +
                ", so write where it is to come from";
    for (Part part : parts) {
      if (expected.verb == "sync") out.push_back(Sync{part, source, generation, {}});
      if (expected.verb == "wipe") out.push_back(Wipe{part, generation});
      if (expected.verb == "create") out.push_back(Wipe{part, 0});
      if (expected.verb == "activate")
        out.push_back(Activate{part, "kept", {ContentSource::parse(source), generation, {}, {}}});
    }
    return out;
  }

  /// Everybody signed everything but what the example says.
  void sign(Site& site, ObservedSite& observed, const std::vector<Action>& actions) const {
    const auto fact = [](bool unsigned_one, const std::string& what) {
      return unsigned_one ? SignatureFact{false, "", what + " is not signed"}
                          : SignatureFact{true, "an allowed signer", ""};
    };
    for (const auto& policy : site.governance->policies) {
      for (const Rule& rule : policy->rules) {
        const auto* asked = std::get_if<SignedRule>(&rule.spec);
        if (!asked) continue;
        const std::string& list = asked->allowed_signers.name;
        const bool nobody =
            std::ranges::find(example_.unsigned_sites, site.name) != example_.unsigned_sites.end();
        site.manifest_signature[list] = fact(nobody, "manifests: the commit");
        for (const Action& action : actions) {
          const auto* promote = std::get_if<Promote>(&action);
          if (!promote) continue;
          const bool bare = std::ranges::find(example_.unsigned_commits, promote->commit) !=
                            example_.unsigned_commits.end();
          observed.signatures[promote->commit][list] =
              fact(bare, "commit " + promote->commit.brief());
        }
      }
    }
  }

  FleetFacts facts() const {
    FleetFacts out;
    for (const CaseTarget& target : example_.running) {
      const auto site = fleet_.find(target.site);
      Step step;
      step.environment = target.environment;
      note_start(out, *site, step, example_.now);
    }
    out.wipes = example_.wiped;
    return out;
  }

  std::vector<Verdict> judge_strikes(const Site& site) const {
    std::vector<Verdict> out;
    const auto& struck = example_.struck;
    if (!struck || std::ranges::find(struck->sites, site.name) == struck->sites.end()) return out;
    const std::string& commit = struck->commit.hex;
    const bool known = struck->acknowledged || fleet_.acknowledged_commits().contains(commit);
    for (const auto& policy : site.governance->policies) {
      for (const Rule& rule : policy->rules)
        if (std::holds_alternative<BlastRadiusRule>(rule.spec))
          out.push_back(judge_strike(policy->name, rule, commit, struck->sites.size(), known));
    }
    return out;
  }

  void judge_all(const Site& site, const ObservedSite& observed, const Environment& e,
                 const Calendar& calendar, CaseAnswer& out) const {
    const auto note = [&](std::vector<Verdict> said) {
      for (Verdict& v : said)
        if (std::ranges::find(out.verdicts, v) == out.verdicts.end())
          out.verdicts.push_back(std::move(v));
    };
    for (const Action& action : out.actions)
      note(judge(site, observed, e, action, calendar, example_.now, {out.actions, {}}));
    Step step;
    step.environment = e.name;
    step.actions = out.actions;
    note(judge_limits(site, step, facts(), example_.now).verdicts);
    note(judge_strikes(site));
  }

  const PolicyCase& example_;
  const Fleet& fleet_;
};

std::string held_text(const std::string& reason, const std::string& rule,
                      const std::optional<Timestamp>& opens_at) {
  return "held" + (reason.empty() ? "" : " " + reason) + (rule.empty() ? "" : " by " + rule) +
         (opens_at ? ", opens " + to_rfc3339(*opens_at) : "");
}

}  // namespace

CaseAnswer answer(const PolicyCase& example, const Expectation& expected, const Fleet& fleet,
                  const Calendar& calendar) {
  CaseAnswer out = Scene(example, fleet).ask(expected, calendar);
  if (!out.problem.empty()) return out;
  std::vector<Verdict> counting = out.verdicts;
  if (!expected.rule.empty()) {
    std::erase_if(counting, [&](const Verdict& v) { return v.name() != expected.rule; });
    out.looked = !counting.empty();
  }
  out.hold = strictest(counting);
  const bool fits = out.hold
                        ? expected.held &&
                              (expected.reason.empty() || expected.reason == out.hold->reason) &&
                              (!expected.opens_at || expected.opens_at == out.hold->opens_at)
                        : !expected.held;
  out.as_expected = out.looked && fits;
  return out;
}

std::string expected_text(const Expectation& expected) {
  if (expected.held) return held_text(expected.reason, expected.rule, expected.opens_at);
  return "allowed" + (expected.rule.empty() ? "" : " by " + expected.rule);
}

std::string seen_text(const Expectation& expected, const CaseAnswer& answer) {
  if (!answer.looked) {
    std::vector<std::string> names;
    for (const Verdict& v : answer.verdicts) names.push_back(v.name());
    return expected.rule + " did not look at it" +
           (names.empty() ? ", nor did any other rule" : "; these did: " + join(names, ", "));
  }
  std::vector<std::string> said;
  if (answer.hold) {
    return held_text(answer.hold->reason, "", answer.hold->opens_at) + " (" + answer.hold->message +
           ")";
  }
  for (const Verdict& v : answer.verdicts)
    if (expected.rule.empty() || v.name() == expected.rule)
      said.push_back(v.name() + ": " + v.said);
  return "allowed" + (said.empty() ? ": no rule looked at it" : " (" + join(said, "; ") + ")");
}

}  // namespace tidegate
