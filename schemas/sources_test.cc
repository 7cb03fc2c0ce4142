// What each source of manifests may say, by its role.

#include <gtest/gtest.h>

#include <algorithm>

#include "schemas/fleet.h"
#include "schemas/policy.h"
#include "schemas/test_document.h"

namespace tidegate {
namespace {

using Texts = std::vector<std::string>;
using Names = std::set<std::string>;

std::string driver(const std::string& name = "hosts") {
  return document("Driver", "name: " + name, "host: {root: /srv/" + name + "}");
}
std::string site_class(const std::string& name, const std::string& of = "hosts") {
  return document("SiteClass", "name: " + name, "driver: " + of);
}
std::string site(const std::string& name, const std::string& how = "class: plain",
                 const std::string& url = "https://git.example.org/site.git") {
  return document("Site", "name: " + name,
                  how + ", repository: {url: \"" + url + "\"}, stages: [live]");
}
std::string live(const std::string& name, const std::string& more = "") {
  return document("Environment", "name: live, site: " + name, "code: {branch: main}" + more);
}
std::string whole(const std::string& name) { return site(name) + live(name); }
std::string policy(const std::string& name) {
  return document("Policy", "name: " + name, "rules: [{name: a, forbid: {verbs: [wipe]}}]");
}

SourceRole platform(const std::string& name) { return {name, true, name + "/", {}, {}, {}, false}; }
SourceRole team(const std::string& name, const std::vector<std::string>& sites) {
  return {name, false, name + "/", sites, {"plain"}, {"hosts"}, false};
}
// The platform team's fleet, and two teams.
const std::vector<SourceRole> roles{team("a", {"a-*", "shared"}), team("b", {"b-*", "shared"}),
                                    platform("fleet")};
Fleet from(const Fleet& fleet, const std::string& source, const std::string& text) {
  return fleet.with({{source + "/x.yaml", text}}, "r-" + source, "ann", source);
}
Fleet start(const std::string& more = "") {
  return from(
      Fleet{}.with_sources(roles), "fleet",
      driver() + driver("vault") + site_class("plain") + site_class("gold", "vault") + more);
}
// All three read.
Fleet all(const std::string& fleet, const std::string& a, const std::string& b) {
  return from(from(start(fleet), "a", a), "b", b);
}
Texts spell(const std::vector<Problem>& problems) {
  Texts result;
  for (const Problem& problem : problems) result.push_back(to_string(problem));
  return result;
}
Names names_of(const Fleet& fleet) {
  Names names;
  for (const auto& [name, site] : fleet.sites()) names.insert(name);
  return names;
}

TEST(SourcesTest, TeamsBringTheirOwnSites) {
  const Fleet fleet = all("", whole("a-shop"), site("b-shop", "driver: hosts") + live("b-shop"));
  EXPECT_EQ(spell(fleet.problems()), Texts{});
  EXPECT_EQ(names_of(fleet), (Names{"a-shop", "b-shop"}));
  EXPECT_EQ(fleet.find("a-shop")->governance->unreadable, Texts{});
}

TEST(SourcesTest, ATeamMayNotGiveWhatIsThePlatforms) {
  const std::string freeze = document("Freeze", "name: f", "reason: x");
  const std::string grant = document(
      "Grant", "name: g",
      "site: a-shop, environment: live, allow: {unlaunch: {}}, reason: x, by: me, expires: "
      "2026-11-22T00:00:00Z");
  const Fleet good = all("", whole("a-shop"), "");
  const Fleet fleet = from(good, "a",
                           policy("mine") + driver() + site_class("plain", "vault") + freeze +
                               grant + document("Polcy", "name: typo", "a: b") + whole("a-shop"));
  const auto refused = [](int line, const std::string& what) {
    return "a/x.yaml:" + std::to_string(line) + ":18: metadata.name: source \"a\" may not give " +
           what + ": its role is sites, which gives Site and Environment";
  };
  EXPECT_EQ(spell(fleet.problems()),
            (Texts{refused(4, "Policy \"mine\""), refused(9, "Driver \"hosts\""),
                   refused(14, "SiteClass \"plain\""), refused(19, "Freeze \"f\""),
                   refused(24, "Grant \"g\""), refused(29, "Policy \"typo\"")}));
  EXPECT_EQ(Fleet::changed(good, fleet), Names{}) << "what is refused does nothing at all";
  EXPECT_EQ(fleet.find("a-shop")->find("live")->driver->root, "/srv/hosts");
}

TEST(SourcesTest, ATeamMayNotSpeakOfAnothersSite) {
  const Fleet good = all(whole("own"), whole("a-shop"), whole("b-shop"));
  const Fleet fleet =
      from(good, "a", whole("a-shop") + site("b-shop") + live("b-shop") + live("own"));
  EXPECT_EQ(spell(fleet.problems()),
            (Texts{"a/x.yaml:14:18: metadata.name: source \"a\" may not speak of site \"b-shop\": "
                   "it is allowed a-* or shared",
                   "a/x.yaml:19:30: metadata.site: source \"a\" may not speak of site \"b-shop\": "
                   "it is allowed a-* or shared",
                   "a/x.yaml:24:30: metadata.site: source \"a\" may not speak of site \"own\": it "
                   "is allowed a-* or shared"}));
  EXPECT_EQ(Fleet::changed(good, fleet), Names{});
  EXPECT_EQ(spell(fleet.problems_of("b-shop")), Texts{});
}

TEST(SourcesTest, ATeamMayNotNameOtherClassesAndDrivers) {
  const Fleet fleet = all("",
                          site("a-one", "class: gold") + live("a-one") +
                              site("a-two", "class: plain, driver: vault") + live("a-two") +
                              site("a-three") + live("a-three", ", driver: vault"),
                          "");
  EXPECT_EQ(spell(fleet.problems()),
            (Texts{"a/x.yaml:5:15: spec.class: source \"a\" may not name SiteClass \"gold\": it is "
                   "allowed plain",
                   "a/x.yaml:15:30: spec.driver: source \"a\" may not name Driver \"vault\": it is "
                   "allowed hosts",
                   "a/x.yaml:30:38: spec.driver: source \"a\" may not name Driver \"vault\": it is "
                   "allowed hosts"}));
  EXPECT_EQ(names_of(fleet), Names{});
  std::vector<SourceRole> bare = roles;
  bare[0].classes = bare[0].drivers = {};
  EXPECT_EQ(spell(all("", whole("a-shop"), "").with_sources(bare).problems()),
            Texts{"a/x.yaml:5:15: spec.class: source \"a\" may not name SiteClass \"plain\": it is "
                  "allowed none"});
}

TEST(SourcesTest, ATeamsSiteStaysWhatItWasWhenItAsksForTooMuch) {
  const Fleet good = all("", whole("a-shop"), "");
  const Fleet greedy = from(good, "a", site("a-shop", "class: gold") + live("a-shop"));
  EXPECT_EQ(greedy.find("a-shop")->find("live")->driver->root, "/srv/hosts");
  EXPECT_EQ(greedy.find("a-shop")->invalid, spell(greedy.problems_of("a-shop")).at(0));
}

TEST(SourcesTest, ATeamMayNotHaveTheControllerReadThisMachinesFiles) {
  for (const std::string url : {"/etc/tidegate/secrets", "file:///srv/git/other.git"}) {
    const Fleet fleet = all("", site("a-shop", "class: plain", url) + live("a-shop"), "");
    EXPECT_EQ(spell(fleet.problems()),
              Texts{"a/x.yaml:5:40: spec.repository.url: source \"a\" may not name files of this "
                    "machine, and \"" +
                    url + "\" does: write an https:// or ssh:// address"});
    EXPECT_EQ(names_of(fleet), Names{});
    std::vector<SourceRole> trusted = roles;
    trusted[0].local_repositories = true;
    EXPECT_EQ(names_of(fleet.with_sources(trusted)), Names{"a-shop"});
  }
  const Fleet own = all(site("own", "class: plain", "/srv/git/own.git") + live("own"), "", "");
  EXPECT_EQ(spell(own.problems()), Texts{});
}

TEST(SourcesTest, WhoHadASiteKeepsIt) {
  const Fleet good = all("", "", whole("shared"));
  const Fleet fleet = from(good, "a", whole("shared"));
  const std::string taken = " site \"shared\" is given by source \"b\", in b/x.yaml:4: take this ";
  EXPECT_EQ(spell(fleet.problems()),
            (Texts{"a/x.yaml:4:18: metadata.name:" + taken + "Site out of source \"a\"",
                   "a/x.yaml:9:30: metadata.site:" + taken + "Environment out of source \"a\""}));
  EXPECT_EQ(Fleet::changed(good, fleet), Names{});
  EXPECT_EQ(spell(fleet.problems_of("shared")), Texts{});
  // It is its own to change, and to let go.
  const Fleet next = from(fleet, "b", site("shared") + live("shared", ", url: \"https://x\""));
  EXPECT_EQ(next.find("shared")->find("live")->url, "https://x");
  const Fleet left = from(next, "b", "");
  EXPECT_EQ(spell(left.problems()), Texts{});
  EXPECT_EQ(left.find("shared")->revision, "r-b") << "the same value, whoever gives it";
  EXPECT_EQ(spell(from(from(left, "b", whole("shared")), "a", "").problems()), Texts{});
}

TEST(SourcesTest, TheOrderOfTheFirstReadingDecidesNothing) {
  const std::vector<std::pair<std::string, std::string>> texts{
      {"fleet", driver() + site_class("plain") + site("shared") + live("shared")},
      {"a", site("shared") + live("shared")},
      {"b", site("shared") + live("shared")}};
  std::vector<std::size_t> order{0, 1, 2};
  do {
    Fleet fleet = Fleet{}.with_sources(roles);
    for (const std::size_t i : order) fleet = from(fleet, texts[i].first, texts[i].second);
    Names told;
    for (const Problem& problem : fleet.problems()) told.insert(problem.file);
    EXPECT_EQ(told, (Names{"a/x.yaml", "b/x.yaml"})) << order[0] << order[1] << order[2];
    ASSERT_TRUE(fleet.find("shared"));
    EXPECT_EQ(fleet.find("shared")->invalid, "");
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(SourcesTest, APlatformSourceThatCameLateIsNoThief) {
  const Fleet good = all("", whole("shared"), "");
  const Fleet fleet = good.with({{"fleet/late.yaml", whole("shared")}}, "r", "ann", "fleet");
  EXPECT_EQ(spell(fleet.problems()).size(), 2U);
  EXPECT_EQ(fleet.problems().at(0).file, "fleet/late.yaml");
  EXPECT_EQ(Fleet::changed(good, fleet), Names{});
}

TEST(SourcesTest, PlatformSourcesShareTheirSites) {
  const Fleet fleet =
      Fleet{}
          .with_sources({platform("one"), platform("two")})
          .with({{"one/x.yaml", driver() + site_class("plain") + site("shop")}}, "r", "a", "one")
          .with({{"two/x.yaml", live("shop")}}, "r", "a", "two");
  EXPECT_EQ(spell(fleet.problems()), Texts{});
  EXPECT_TRUE(fleet.find("shop")->find("live"));
}

TEST(SourcesTest, NothingIsFreeBeforeThePlatformWasHeard) {
  const std::vector<SourceRole> two{platform("fleet"), platform("rules"), team("a", {"a-*"}),
                                    team("b", {"*"})};
  const std::string own = driver() + site_class("plain") + whole("own");
  const Fleet fleet = from(Fleet{}.with_sources(two), "fleet", own);
  const auto waits = [](const std::string& source) {
    return "source \"" + source + "\" was not read yet: what it says of this site is not known";
  };
  EXPECT_EQ(fleet.find("own")->governance->unreadable, Texts{waits("rules")});
  const Fleet late = from(fleet, "b", whole("a-shop"));
  EXPECT_EQ(late.find("a-shop")->governance->unreadable, (Texts{waits("rules"), waits("a")}))
      << "it may be team a's";
  const Fleet ruled = from(late, "rules", policy("all"));
  EXPECT_EQ(ruled.find("own")->governance->unreadable, Texts{});
  EXPECT_EQ(ruled.find("own")->governance->policies.size(), 1U);
  EXPECT_EQ(Fleet::changed(late, ruled), (Names{"own", "a-shop"}));
  EXPECT_EQ(ruled.find("a-shop")->governance->unreadable, Texts{waits("a")});
  EXPECT_EQ(from(ruled, "a", "").find("a-shop")->governance->unreadable, Texts{});
}

TEST(SourcesTest, OtherRolesJudgeTheSameFilesAnew) {
  const Fleet wide = all("", whole("a-shop") + whole("a-blog"), whole("b-shop"));
  EXPECT_EQ(Fleet::changed(wide, wide.with_sources(roles)), Names{});
  std::vector<SourceRole> narrow = roles;
  narrow[0].sites = {"a-blog"};
  const Fleet fleet = wide.with_sources(narrow);
  EXPECT_EQ(names_of(fleet), (Names{"a-blog", "b-shop"}));
  EXPECT_EQ(spell(fleet.problems()).size(), 2U);
  EXPECT_EQ(spell(fleet.with_sources(roles).problems()), Texts{});
}

TEST(SourcesTest, WhatIsOfNoSourceIsRefused) {
  const Fleet fleet = start().with({{"elsewhere.yaml", policy("x")}}, "r", "ann");
  EXPECT_EQ(spell(fleet.problems()),
            Texts{"elsewhere.yaml:4:18: metadata.name: source \"\" may not give Policy \"x\": its "
                  "role is sites, which gives Site and Environment"});
}

}  // namespace
}  // namespace tidegate
