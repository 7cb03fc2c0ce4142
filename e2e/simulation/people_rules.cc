// What a platform team commits while site teams do their work.

#include <algorithm>

#include "e2e/simulation/people.h"
#include "e2e/simulation/world.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

std::string select_sites(const std::string& site, const std::string& environments) {
  return "select: {sites: {names: [" + site + "]}" +
         (environments.empty() ? "" : ", environments: {" + environments + "}") + "}";
}

std::string some_environments(World& world, const WrittenSite& site) {
  if (world.random.chance(300)) return "";
  if (world.random.chance(500))
    return world.random.chance(500) ? "authority: true" : "authority: false";
  return "stages: [" + world.random.pick(site.stages) + "]";
}

std::string toggle_policy(World& world, const std::string& name, const WrittenSite& site) {
  auto& policies = world.people.rules.policies;
  static const std::vector<std::string> kinds{"hours", "quiet", "soak", "no", "few", "radius"};
  const std::string kind = world.random.pick(kinds), policy = kind + "-" + name;
  if (policies.erase(policy) > 0) return "policy " + policy + " goes";
  const std::string select = select_sites(name, some_environments(world, site));
  if (kind == "hours") {
    policies[policy] =
        select + ", rules: [{name: r, windows: {allow: [{cron: \"0 * * * *\", duration: 20m}]}}]";
  } else if (kind == "quiet") {
    policies[policy] =
        select + ", rules: [{name: r, windows: {deny: [{cron: \"0 * * * *\", duration: 20m}]}}]";
  } else if (kind == "soak") {
    policies[policy] = soak_rule(name, world.random.pick(site.stages));
  } else if (kind == "radius") {
    policies[policy] = select + ", rules: [{name: r, blastRadius: {maxSites: 0}}]";
  } else if (kind == "few") {
    policies[policy] = select + ", rules: [{name: r, limits: {operations: {inFleet: 1}}}]";
  } else {
    static const std::vector<std::string> verbs{"wipe", "sync", "promote", "create"};
    policies[policy] = select + ", rules: [{name: r, forbid: {verbs: [" + world.random.pick(verbs) +
                       "], message: ask us}}]";
  }
  return "policy " + policy + " comes";
}

std::string toggle_freeze(World& world, const std::string& name) {
  auto& freezes = world.people.rules.freezes;
  const bool all = world.random.chance(300);
  const std::string freeze = all ? "all" : name;
  if (freezes.erase(freeze) > 0) return "freeze " + freeze + " goes";
  std::string text = all ? "select: {}" : select_sites(name, "");
  text += ", reason: peak";
  if (world.random.chance(200)) text += ", except: [sync]";
  if (world.random.chance(300))
    text += ", from: " + to_rfc3339(world.time + world.random.between(1s, 20min));
  if (world.random.chance(800))
    text += ", until: " + to_rfc3339(world.time + world.random.between(21min, 2h));
  freezes[freeze] = text;
  return "freeze " + freeze + " comes";
}

/// "live" of "source: live, generation: 7".
std::string value_of(const std::string& text, const std::string& key) {
  const auto at = text.find(key + ": ");
  if (at == std::string::npos) return "";
  const auto begin = at + key.size() + 2;
  return text.substr(begin, text.find(',', begin) - begin);
}

/// Mostly for what is asked for already.
std::string allowed(World& world, const std::string& name, const WrittenSite& site,
                    const std::string& e) {
  const auto written = site.environments.find(e);
  if (written == site.environments.end()) return "";
  const std::string& was = world.estate(name).was_authority;
  const std::string commit = value_of(written->second.code, "commit");
  const std::string source = value_of(written->second.content, "source");
  const std::string generation = value_of(written->second.content, "generation");
  if (e == site.stages.back() && !was.empty() && was != e) return "authority: {from: " + was + "}";
  if (!site.launched && e == was) return "unlaunch: {}";
  if (!generation.empty() && world.random.chance(600)) {
    if (source == "empty") return "wipe: {generation: " + generation + "}";
    return "sync: {source: " + source + ", generation: " + generation + "}";
  }
  return commit.empty() ? "" : "promote: {commit: " + commit + "}";
}

std::string give_grant(World& world, const std::string& name, const WrittenSite& site) {
  auto& grants = world.people.rules.grants;
  if (grants.size() > 4 && world.random.chance(700)) {
    const std::string gone = grants.begin()->first;
    grants.erase(gone);
    return "grant " + gone + " goes";
  }
  const std::string e =
      world.random.chance(600) ? site.stages.back() : world.random.pick(site.stages);
  const std::string allow = allowed(world, name, site, e);
  if (allow.empty()) return "";
  const std::string grant = "g" + std::to_string(world.random.below(1000));
  grants[grant] = "site: " + name + ", environment: " + e + ", allow: {" + allow +
                  "}, reason: INC-1, by: ada, expires: " +
                  to_rfc3339(world.time + world.random.between(5min, 2h));
  return "grant " + grant + " for " + name + "/" + e + ": " + allow;
}

}  // namespace

std::string soak_rule(const std::string& site, const std::string& stage) {
  return select_sites(site, "") + ", rules: [{name: soaked, provenIn: {environment: " + stage +
         ", for: 20m}}]";
}

void commit_a_rule(World& world) {
  std::vector<std::string> names;
  for (const auto& [name, site] : world.people.sites) names.push_back(name);
  const std::string name = world.random.pick(names);
  const WrittenSite& site = world.people.sites[name];
  if (site.stages.empty()) return;
  std::string did;
  switch (world.random.below(5)) {
    case 0:
    case 1:
      did = toggle_policy(world, name, site);
      break;
    case 2:
      did = toggle_freeze(world, name);
      break;
    default:
      did = give_grant(world, name, site);
  }
  if (!did.empty()) world.commit(did);
}

}  // namespace tidegate
