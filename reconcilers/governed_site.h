#pragma once
// For tests: the site at rest under policies, freezes and Grants.

#include <algorithm>

#include "reconcilers/policies.h"
#include "reconcilers/site_at_rest.h"
#include "schemas/policy.h"

namespace tidegate {

class GovernedSite : public SiteAtRest {
 protected:
  GovernedSite() { site.governance = std::make_shared<Governance>(); }

  static Selector only(const std::string& e) {
    Selector select;
    select.environments = {e};
    return select;
  }
  void rule(const std::string& name, RuleSpec spec, Selector select = {},
            const std::string& policy = "gold") {
    change().policies.push_back(
        std::make_shared<Policy>(Policy{policy, std::move(select), {Rule{name, std::move(spec)}}}));
  }
  void freeze(Freeze f) { change().freezes.push_back(std::make_shared<Freeze>(std::move(f))); }
  void grant(const std::string& e, GrantedAction allow, const std::string& id = "g1") {
    change().grants.push_back(std::make_shared<Grant>(
        Grant{id, id, "acme", e, std::move(allow), "INC-1", "ada", noon + std::chrono::hours(1)}));
  }
  void no_rules() { site.governance = std::make_shared<Governance>(); }
  Governance& change() {
    auto copy = std::make_shared<Governance>(*site.governance);
    Governance& changed = *copy;
    site.governance = std::move(copy);
    return changed;
  }

  /// What was said, a line each: "gold/soaked allows: …", "gold/soaked Soaking: …".
  static std::string text_of(const std::vector<Verdict>& verdicts) {
    std::string out;
    for (const Verdict& v : verdicts) {
      out += v.name() + " " + (v.hold ? v.hold->reason : "allows") + ": " + v.said;
      if (v.hold && v.hold->opens_at) out += " | opens " + to_rfc3339(*v.hold->opens_at);
      out += "\n";
    }
    return out;
  }
  std::string said(const std::string& e, const Action& action, const StepSoFar& step = {}) const {
    return text_of(judge(site, observed, site.environments.at(e), action, calendar, now, step));
  }
  Proof proven_at(Timestamp at, std::optional<Timestamp> content = {}, std::uint64_t turn = 0) {
    return {at, content, turn};
  }
};

inline const ContentSource from_live = ContentSource::from("live");
inline const Sync sync_databases{Part::databases, "live", 1, {}};

}  // namespace tidegate
