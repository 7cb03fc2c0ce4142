// Policies, Freezes and Grants among the sites they concern.

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

#include "schemas/fleet.h"
#include "schemas/policy.h"
#include "schemas/test_document.h"

namespace tidegate {
namespace {

using Texts = std::vector<std::string>;
using Names = std::set<std::string>;

std::string driver() { return document("Driver", "name: hosts", "host: {root: /srv/sites}"); }
std::string site(const std::string& name, const std::string& tier = "gold") {
  return document(
             "Site", "name: " + name + ", labels: {tier: " + tier + "}",
             "driver: hosts, repository: {url: \"https://h/" + name + "\"}, stages: [dev, live]") +
         document("Environment", "name: dev, site: " + name, "code: {branch: main}") +
         document("Environment", "name: live, site: " + name, "code: {from: dev}");
}
std::string policy(const std::string& name, const std::string& select,
                   const std::string& rule = "forbid: {verbs: [wipe]}") {
  return document("Policy", "name: " + name,
                  "select: {" + select + "}, rules: [{name: a, " + rule + "}]");
}
std::string freeze(const std::string& name, const std::string& more = "") {
  return document("Freeze", "name: " + name, "reason: peak" + more);
}
std::string grant(const std::string& name, const std::string& site_name,
                  const std::string& environment = "live", const std::string& generation = "8") {
  return document("Grant", "name: " + name,
                  "site: " + site_name + ", environment: " + environment +
                      ", allow: {wipe: {generation: " + generation +
                      "}}, reason: r, by: ada, expires: 2026-11-22T00:00:00Z");
}
const std::string gold = "sites: {matchLabels: {tier: gold}}";

// acme is gold, beta is not.
Fleet start(const std::string& rules = "") {
  return Fleet{}.with({{"driver.yaml", driver()},
                       {"acme.yaml", site("acme")},
                       {"beta.yaml", site("beta", "silver")},
                       {"rules.yaml", rules}},
                      "r1", "ann");
}
Fleet with_rules(const Fleet& fleet, const std::string& rules) {
  return fleet.with({{"rules.yaml", rules}}, "r2", "bob");
}
Texts spell(const std::vector<Problem>& problems) {
  Texts result;
  for (const Problem& problem : problems) result.push_back(to_string(problem));
  return result;
}
// What concerns a site: names of policies, freezes, grants; then why rules are unreadable.
Texts governing(const Fleet& fleet, const std::string& name) {
  Texts result;
  const Governance& governance = *fleet.find(name)->governance;
  for (const auto& one : governance.policies) result.push_back(one->name);
  for (const auto& one : governance.freezes) result.push_back(one->name);
  for (const auto& one : governance.grants) result.push_back(one->name);
  for (const auto& one : governance.unreadable) result.push_back(one);
  return result;
}

TEST(GovernanceTest, IsEmptyAndThereWhereNothingIsSaid) {
  const Fleet fleet = start();
  ASSERT_TRUE(fleet.find("acme")->governance);
  EXPECT_EQ(*fleet.find("acme")->governance, Governance{});
}

TEST(GovernanceTest, GivesEachSiteWhatSelectsIt) {
  const Fleet fleet = start(policy("z-all", "") + policy("gold", gold) +
                            policy("others", "sites: {names: [\"b*\"]}") +
                            freeze("peak", ", select: {" + gold + "}") + grant("hotfix", "acme"));
  EXPECT_EQ(spell(fleet.problems()), Texts{});
  EXPECT_EQ(governing(fleet, "acme"), (Texts{"gold", "z-all", "peak", "hotfix"}));
  EXPECT_EQ(governing(fleet, "beta"), (Texts{"others", "z-all"}));
}

TEST(GovernanceTest, ChangesExactlyTheSitesWhoseRulesChanged) {
  const Fleet none = start();
  const Fleet one = with_rules(none, policy("gold", gold));
  EXPECT_EQ(Fleet::changed(none, one), Names{"acme"});
  EXPECT_EQ(one.find("beta"), none.find("beta"));
  EXPECT_EQ(one.find("acme")->digest, none.find("acme")->digest) << "no quarantine is lifted";
  EXPECT_EQ(one.find("acme")->revision, "r1") << "its own documents brought no change";

  const Fleet wider = with_rules(one, policy("gold", ""));
  EXPECT_EQ(Fleet::changed(one, wider), (Names{"acme", "beta"}));
  const Fleet narrow = with_rules(wider, policy("gold", "sites: {names: [beta]}"));
  EXPECT_EQ(Fleet::changed(wider, narrow), (Names{"acme", "beta"})) << "one lost it";
  EXPECT_EQ(Fleet::changed(narrow, with_rules(narrow, "")), Names{"beta"});
  const Fleet granted = with_rules(none, grant("a", "acme"));
  EXPECT_EQ(Fleet::changed(none, granted), Names{"acme"});
}

TEST(GovernanceTest, ChangesNobodyWhenOnlySpellingChanged) {
  const Fleet before = start(policy("gold", gold) + freeze("peak") + grant("a", "acme"));
  const Fleet after = before.with(
      {{"rules.yaml", std::nullopt},
       {"moved.yaml", "# moved\n" + grant("a", "acme") + freeze("peak") + policy("gold", gold)}},
      "r2", "bob");
  EXPECT_EQ(Fleet::changed(before, after), Names{});
  EXPECT_EQ(after.find("acme"), before.find("acme"));
  EXPECT_EQ(after.find("acme")->governance, before.find("acme")->governance);
}

TEST(GovernanceTest, FollowsTheLabelsOfASite) {
  const Fleet before = start(policy("gold", gold));
  const Fleet after = before.with({{"beta.yaml", site("beta")}}, "r2", "bob");
  EXPECT_EQ(governing(after, "beta"), Texts{"gold"});
  EXPECT_EQ(after.find("acme"), before.find("acme"));
}

TEST(GovernanceTest, GovernsASiteWhoseOwnDocumentsAreBroken) {
  const Fleet broken = start().with({{"acme.yaml", "spec: ["}}, "r2", "bob");
  ASSERT_NE(broken.find("acme")->invalid, "");
  const Fleet ruled = with_rules(broken, policy("gold", gold));
  EXPECT_EQ(governing(ruled, "acme"), Texts{"gold"});
  EXPECT_EQ(ruled.find("acme")->invalid, broken.find("acme")->invalid);
  EXPECT_EQ(Fleet::changed(broken, ruled), Names{"acme"});
}

TEST(GovernanceTest, KeepsABrokenPolicyAtItsLastGoodValue) {
  const Fleet good = start(policy("gold", gold) + freeze("peak"));
  const Fleet broken =
      with_rules(good, policy("gold", gold, "forbid: {}") + freeze("peak", ", until: soon"));
  EXPECT_EQ(spell(broken.problems()),
            (Texts{"rules.yaml:5:80: spec.rules[0].forbid: would forbid everything: write verbs, a "
                   "field, or both",
                   "rules.yaml:10:29: spec.until: \"soon\" is not a time: write one like "
                   "2026-12-01T00:00:00Z"}));
  EXPECT_EQ(Fleet::changed(good, broken), Names{});
  EXPECT_EQ(governing(broken, "acme"), (Texts{"gold", "peak"}));
  const Fleet unreadable = with_rules(good, "spec: [");
  EXPECT_EQ(Fleet::changed(good, unreadable), Names{});
  EXPECT_EQ(Fleet::changed(good, with_rules(unreadable, "")), (Names{"acme", "beta"})) << "removed";
}

TEST(GovernanceTest, HoldsWhatAPolicyWouldSelectThatNeverWasGood) {
  const Fleet fleet = start(policy("gold", gold, "forbid: {}"));
  const std::string why =
      "Policy \"gold\" is broken: rules.yaml:5:80: spec.rules[0].forbid: would forbid everything: "
      "write verbs, a field, or both";
  EXPECT_EQ(governing(fleet, "acme"), Texts{why});
  EXPECT_EQ(governing(fleet, "beta"), Texts{});
  EXPECT_EQ(governing(with_rules(fleet, policy("gold", gold)), "acme"), Texts{"gold"});
}

TEST(GovernanceTest, HoldsAllWhereASelectorCannotBeRead) {
  for (const std::string& poison :
       {policy("gold", "sites: {names: [\"Beta\"]}"), policy("gold", "site: {names: [beta]}"),
        document("Polcy", "name: gold", "rules: []"), document("Policy", "name: gold", "selct: {}"),
        policy("gold", "sites: {names: [beta]}") + policy("gold", "sites: {names: [beta]}"),
        freeze("peak", ", select: {sites: [beta]}")}) {
    const Fleet fleet = start(poison);
    EXPECT_EQ(fleet.find("acme")->governance->unreadable.size(), 1U) << poison;
    EXPECT_TRUE(fleet.find("acme")->governance->policies.empty()) << poison;
    EXPECT_EQ(fleet.find("acme")->invalid, "") << poison;
  }
}

TEST(GovernanceTest, TellsOfTheSecondOfTwoOfOneName) {
  const Fleet good = start(policy("gold", gold));
  const Fleet twice = good.with({{"z.yaml", policy("gold", "")}}, "r2", "bob");
  EXPECT_EQ(spell(twice.problems()), Texts{"z.yaml:4:18: metadata.name: Policy \"gold\" is already "
                                           "given in rules.yaml:4: remove one of them"});
  EXPECT_EQ(Fleet::changed(good, twice), Names{}) << "the one there was stays";
  EXPECT_EQ(spell(start(grant("a", "acme") + grant("a", "beta")).problems()),
            Texts{"rules.yaml:9:18: metadata.name: Grant \"a\" is already given in rules.yaml:4: "
                  "remove one of them"});
}

TEST(GovernanceTest, ABrokenGrantAllowsNothing) {
  const Fleet good = start(grant("a", "acme"));
  EXPECT_EQ(governing(good, "acme"), Texts{"a"});
  const Fleet broken = with_rules(good, grant("a", "acme", "live", "0"));
  EXPECT_EQ(governing(broken, "acme"), Texts{});
  EXPECT_EQ(Fleet::changed(good, broken), Names{"acme"});
}

TEST(GovernanceTest, AChangedGrantIsAnotherOne) {
  const auto id = [](const std::string& rules) {
    return start(rules).find("acme")->governance->grants.at(0)->id;
  };
  EXPECT_EQ(id(grant("a", "acme")), id("# again\n" + grant("a", "acme")));
  EXPECT_EQ(id(grant("a", "acme")).substr(0, 2), "a@");
  EXPECT_EQ(id(grant("a", "acme")).size(), 18U);
  EXPECT_NE(id(grant("a", "acme")), id(grant("b", "acme")));
  EXPECT_NE(id(grant("a", "acme")), id(grant("a", "acme", "dev")));
  EXPECT_NE(id(grant("a", "acme")), id(grant("a", "acme", "live", "9")));
}

TEST(GovernanceTest, AGrantNamesASiteAndAnEnvironmentThatAreThere) {
  EXPECT_EQ(spell(start(grant("a", "acmee") + grant("b", "acme", "liv")).problems()),
            (Texts{"rules.yaml:5:14: spec.site: no Site is called \"acmee\"; did you mean "
                   "\"acme\"?",
                   "rules.yaml:10:33: spec.environment: \"liv\" is no environment of site "
                   "\"acme\"; did you mean \"live\"?"}));
  // The platform team's own repository, checked on its own.
  const Fleet alone = Fleet{}.with({{"rules.yaml", grant("a", "acme")}}, "r1", "ann");
  EXPECT_EQ(spell(alone.problems()),
            Texts{"rules.yaml:5:14: warning: spec.site: no Site is called \"acme\""});
  const Fleet other = alone.with({{"d.yaml", driver()}, {"b.yaml", site("beta")}}, "r2", "ann");
  EXPECT_EQ(spell(other.problems()),
            Texts{"rules.yaml:5:14: spec.site: no Site is called \"acme\""});
  const Fleet there = other.with({{"a.yaml", site("acme")}}, "r3", "ann");
  EXPECT_EQ(spell(there.problems()), Texts{});
  EXPECT_EQ(governing(there, "acme"), Texts{"a"});
  const Fleet gone = there.with({{"a.yaml", std::nullopt}}, "r4", "ann");
  EXPECT_EQ(spell(gone.problems()),
            Texts{"rules.yaml:5:14: spec.site: no Site is called \"acme\""});
}

TEST(GovernanceTest, ComesToTheSameInAnyOrderOfCommits) {
  const std::vector<FileChange> files{{"driver.yaml", driver()},
                                      {"acme.yaml", site("acme")},
                                      {"beta.yaml", site("beta", "x")},
                                      {"gold.yaml", policy("gold", gold)},
                                      {"bad.yaml", policy("bad", gold, "forbid: {}")},
                                      {"peak.yaml", freeze("peak")},
                                      {"grant.yaml", grant("a", "acme") + grant("b", "nobody")}};
  const Fleet at_once = Fleet{}.with(files, "r", "b");
  Fleet one_by_one;
  for (auto file = files.rbegin(); file != files.rend(); ++file)
    one_by_one = one_by_one.with({*file}, "r", "b");
  EXPECT_EQ(Fleet::changed(at_once, one_by_one), Names{});
  EXPECT_EQ(spell(at_once.problems()), spell(one_by_one.problems()));
}

TEST(GovernanceTest, AHundredPoliciesOverTenThousandSites) {
  using Clock = std::chrono::steady_clock;
  const auto milliseconds = [](Clock::time_point from) {
    return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
  };
  std::vector<FileChange> files{{"driver.yaml", driver()}};
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "site-" + std::to_string(i);
    files.push_back({name + ".yaml", site(name, "tier-" + std::to_string(i % 100))});
  }
  auto from = Clock::now();
  const Fleet plain = Fleet{}.with(files, "r1", "ann");
  std::cout << "10 000 sites: " << milliseconds(from) << " ms\n";
  std::string rules;
  for (int i = 0; i < 99; ++i)
    rules += policy("p-" + std::to_string(i),
                    "sites: {matchLabels: {tier: tier-" + std::to_string(i) + "}}");
  from = Clock::now();
  const Fleet ruled = with_rules(plain, rules + policy("all", ""));
  std::cout << "and a hundred policies: " << milliseconds(from) << " ms\n";
  EXPECT_EQ(Fleet::changed(plain, ruled).size(), 10'000U);
  from = Clock::now();
  const Fleet frozen = ruled.with({{"freeze.yaml", freeze("stop")}}, "r2", "ann");
  std::cout << "a freeze of all: " << milliseconds(from) << " ms\n";
  from = Clock::now();
  const Fleet one = frozen.with({{"site-1.yaml", site("site-1", "tier-7")}}, "r3", "ann");
  std::cout << "one site: " << milliseconds(from) << " ms\n";
  EXPECT_EQ(Fleet::changed(frozen, one), Names{"site-1"});
  EXPECT_EQ(governing(one, "site-1"), (Texts{"all", "p-7", "stop"}));
  from = Clock::now();
  const Fleet narrow = with_rules(one, rules);
  std::cout << "a policy less: " << milliseconds(from) << " ms\n";
  EXPECT_EQ(narrow.find("site-0")->governance, narrow.find("site-100")->governance)
      << "what is alike is kept once";
}

}  // namespace
}  // namespace tidegate
