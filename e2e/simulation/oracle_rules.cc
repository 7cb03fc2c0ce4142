// What the platform team's documents allow and keep back, read from them alone.

#include <algorithm>

#include "e2e/simulation/oracle.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using Verdict = std::optional<std::string>;

bool stands(const Grant& grant, const Site& site, const Estate& estate, const std::string& e,
            Timestamp now) {
  return grant.site == site.name && grant.environment == e && now < grant.expires &&
         !place_of(estate, e).grants_used.contains(grant.id);
}

/// Windows here begin at full hours and are shorter than one.
bool inside(const Window& window, Timestamp now) {
  return now - std::chrono::floor<std::chrono::hours>(now) < window.duration;
}
bool inside_any(const std::vector<Window>& windows, Timestamp now) {
  return std::ranges::any_of(windows, [&](const Window& w) { return inside(w, now); });
}

Verdict too_early(const Site& site, const Estate& estate, const std::string& e,
                  const CommitId& commit, const ProvenRule& rule, Timestamp now) {
  const Place& place = place_of(estate, e);
  if (place.exists && place.current.commit == commit) return {};
  if (place.proven.contains(commit)) return {};
  const auto at = std::ranges::find(site.stages, rule.environment);
  if (at == site.stages.end()) return "nothing can be proven in " + rule.environment;
  if (at >= std::ranges::find(site.stages, e)) return {};
  if (is_granted(site, estate, e, Promote{commit}, now)) return {};
  const auto& proven = place_of(estate, rule.environment).proven;
  const auto proof = proven.find(commit);
  if (proof == proven.end()) return commit.brief() + " is not proven in " + rule.environment;
  return proof->second.at + rule.soak <= now ? Verdict{}
                                             : Verdict(commit.brief() + " has not soaked");
}

Verdict against(const Site& site, const Estate& estate, const Step& step, const Action& action,
                const Rule& rule, Timestamp now, bool begins) {
  const auto* promote = std::get_if<Promote>(&action);
  if (const auto* proven = std::get_if<ProvenRule>(&rule.spec); proven && promote) {
    return too_early(site, estate, step.environment, promote->commit, *proven, now);
  }
  if (const auto* windows = std::get_if<WindowsRule>(&rule.spec); windows && begins) {
    if (!windows->allow.empty() && !inside_any(windows->allow, now)) return "the window is closed";
    if (inside_any(windows->deny, now)) return "the window is denied";
  }
  if (const auto* forbid = std::get_if<ForbidRule>(&rule.spec)) {
    const bool named = std::ranges::find(forbid->verbs, verb(action)) != forbid->verbs.end();
    if (named) return std::string(verb(action)) + " is forbidden";
  }
  return {};
}

}  // namespace

bool is_granted(const Site& site, const Estate& estate, const std::string& e, const Action& action,
                Timestamp now) {
  const auto* promote = std::get_if<Promote>(&action);
  const auto* sync = std::get_if<Sync>(&action);
  const auto* wipe = std::get_if<Wipe>(&action);
  return std::ranges::any_of(site.governance->grants, [&](const auto& grant) {
    if (!stands(*grant, site, estate, e, now)) return false;
    if (const auto* a = std::get_if<GrantedPromote>(&grant->allow))
      return promote && promote->commit == a->commit;
    if (const auto* a = std::get_if<GrantedSync>(&grant->allow))
      return sync && !sync->due && sync->from == a->source && sync->generation == a->generation;
    if (const auto* a = std::get_if<GrantedWipe>(&grant->allow))
      return wipe && wipe->generation == a->generation;
    return std::holds_alternative<GrantedUnlaunch>(grant->allow) &&
           std::holds_alternative<Unlaunch>(action);
  });
}

bool may_take_over(const Site& site, const Estate& estate, const std::string& e, Timestamp now) {
  return site.launched && site.stages.back() == e &&
         std::ranges::any_of(site.governance->grants, [&](const auto& grant) {
           const auto* move = std::get_if<GrantedAuthority>(&grant->allow);
           return move && move->from == estate.was_authority &&
                  stands(*grant, site, estate, e, now);
         });
}

std::optional<std::string> kept_back(const Site& site, const Estate& estate, const Step& step,
                                     Timestamp now, bool begins) {
  const std::string& e = step.environment;
  for (const Action& action : step.actions) {
    if (std::holds_alternative<Launch>(action) || std::holds_alternative<Unlaunch>(action))
      continue;
    for (const auto& freeze : site.governance->freezes) {
      if (!freeze->select.selects(site, e)) continue;
      const bool now_is =
          (!freeze->from || *freeze->from <= now) && (!freeze->until || now < *freeze->until);
      if (now_is && std::ranges::find(freeze->except, verb(action)) == freeze->except.end())
        return e + " is frozen";
    }
    for (const auto& policy : site.governance->policies) {
      if (!policy->select.selects(site, e)) continue;
      for (const Rule& rule : policy->rules) {
        if (auto why = against(site, estate, step, action, rule, now, begins)) return why;
      }
    }
  }
  return {};
}

}  // namespace tidegate
