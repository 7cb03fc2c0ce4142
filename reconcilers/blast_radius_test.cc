#include "reconcilers/blast_radius.h"

#include <gtest/gtest.h>

#include "reconcilers/governed_site.h"

namespace tidegate {
namespace {

class StrikesTest : public GovernedSite {
 protected:
  bool struck(const std::function<void(Site&)>& change) {
    Site after = site;
    change(after);
    return strikes(&site, &after);
  }
};

TEST_F(StrikesTest, RemovingWipingAndMovingAreStrikes) {
  EXPECT_TRUE(strikes(&site, nullptr));
  EXPECT_TRUE(struck([](Site& s) {
    s.environments["dev"].content = {ContentSource::empty(), 1, true, true, {}};
  }));
  EXPECT_TRUE(struck([](Site& s) { s.environments.erase("dev"); }));
  EXPECT_TRUE(struck([](Site& s) { s.stages = {"dev", "live", "test"}; }));
  EXPECT_TRUE(struck([](Site& s) { s.repository.url = "other.git"; }));
  EXPECT_TRUE(struck([](Site& s) {
    auto driver = std::make_shared<HostDriverSpec>();
    driver->root = "/elsewhere";
    s.environments["dev"].driver = driver;
  }));
}

TEST_F(StrikesTest, CodeAndContentFromAboveAreNone) {
  EXPECT_FALSE(strikes(nullptr, &site));
  EXPECT_FALSE(struck([](Site&) {}));
  EXPECT_FALSE(struck([](Site& s) { s.environments["dev"].code = c2; }));
  EXPECT_FALSE(struck([](Site& s) { s.environments["dev"].content = {from_live, 1, {}, {}, {}}; }));
}

/// Sites a, b and c, each in a file of its own, and a policy that lets one commit strike one.
class WithholdTest : public testing::Test {
 protected:
  WithholdTest() {
    std::vector<FileChange> all{{"driver.yaml", document("Driver", "here", "host: {root: /srv}")},
                                {"policy.yaml", policy("1")}};
    for (const char* name : {"a", "b", "c"}) all.push_back(site_file(name, "keep"));
    commit('0', std::move(all));
  }
  static std::string document(const std::string& kind, const std::string& name,
                              const std::string& spec, const std::string& site = "") {
    return "apiVersion: tidegate/v1\nkind: " + kind + "\nmetadata: {name: " + name +
           (site.empty() ? "" : ", site: " + site) + "}\nspec: {" + spec + "}\n";
  }
  static std::string policy(const std::string& max, const std::string& more = "") {
    return document("Policy", "gold",
                    "rules: [{name: small, blastRadius: {maxSites: " + max + more + "}}]");
  }
  static FileChange site_file(const std::string& name, const std::string& content,
                              const std::string& commit = std::string(40, '1')) {
    const std::string source =
        content == "keep" ? "" : ", content: {source: " + content + ", generation: 1}";
    return {name + ".yaml",
            document("Site", name,
                     "driver: here, repository: {url: \"https://git.example/x\"}, stages: "
                     "[dev, live], application: {type: custom}") +
                "---\n" + document("Environment", "dev", "code: {branch: main}" + source, name) +
                "---\n" + document("Environment", "live", "code: {commit: " + commit + "}", name),
            {}};
  }
  static CommitId id(char digit) { return {std::string(40, digit)}; }

  /// Brings files in a commit of that digit; gives the names of what is withheld then.
  std::string commit(char digit, std::vector<FileChange> changes) {
    for (FileChange& change : changes) change.commits = {id(digit)};
    const Fleet after = fleet.with(changes, id(digit).hex, "ada");
    EXPECT_TRUE(after.problems().empty()) << to_string(after.problems().front());
    withheld = withhold(fleet, withheld, after, changes, id(digit).hex);
    fleet = after;
    std::string names;
    for (const auto& [name, kept] : withheld) names += name + " ";
    return names;
  }
  bool wipes(const std::string& site) const {
    const auto now_is = in_force(fleet, withheld, site);
    return now_is && now_is->environments.at("dev").content.source == ContentSource::empty();
  }
  Fleet fleet;
  WithheldSites withheld;
};

TEST_F(WithholdTest, WhatStrikesNoMoreThanIsAllowedPasses) {
  EXPECT_EQ(commit('1', {site_file("a", "empty")}), "");
  EXPECT_TRUE(wipes("a"));
  EXPECT_EQ(commit('2', {site_file("b", "empty")}), "") << "another commit";
}

TEST_F(WithholdTest, NoneOfTheSitesThatOneCommitStrikesFollowsIt) {
  EXPECT_EQ(commit('1', {site_file("a", "empty"), site_file("b", "empty"), site_file("c", "live")}),
            "a b ");
  EXPECT_FALSE(wipes("a") || wipes("b"));
  EXPECT_EQ(
      in_force(fleet, withheld, "a")->withheld,
      "gold/small: manifest commit 111111111111 removes, wipes or moves 2 sites, more than 1: "
      "take it back, or let the platform team add it to the rule's acknowledge");
  EXPECT_EQ(in_force(fleet, withheld, "c")->withheld, "") << "content from above strikes nobody";
}

TEST_F(WithholdTest, ASiteThatWasTakenOutOfTheManifestsStays) {
  EXPECT_EQ(
      commit('1', {{"a.yaml", std::nullopt}, {"b.yaml", std::nullopt}, {"c.yaml", std::nullopt}}),
      "a b c ");
  EXPECT_EQ(fleet.find("b"), nullptr);
  ASSERT_NE(in_force(fleet, withheld, "b"), nullptr);
  EXPECT_EQ(commit('2', {site_file("a", "keep")}), "b c ");
  EXPECT_EQ(commit('3', {{"policy.yaml", policy("1", ", acknowledge: [" + id('1').hex + "]")}}),
            "");
  EXPECT_EQ(in_force(fleet, withheld, "b"), nullptr);
}

TEST_F(WithholdTest, TakingItBackEndsIt) {
  commit('1', {site_file("a", "empty"), site_file("b", "empty")});
  EXPECT_EQ(commit('2', {site_file("a", "keep"), site_file("b", "keep")}), "");
}

TEST_F(WithholdTest, TakingPartOfItBackLeavesTheRestToPass) {
  commit('1', {site_file("a", "empty"), site_file("b", "empty")});
  EXPECT_EQ(commit('2', {site_file("a", "keep")}), "") << "it strikes but one now";
  EXPECT_TRUE(wipes("b"));
}

TEST_F(WithholdTest, ALaterCommitToTheSameSitesLetsNothingOut) {
  commit('1', {site_file("a", "empty"), site_file("b", "empty")});
  EXPECT_EQ(commit('2', {site_file("a", "empty", std::string(40, '2'))}), "a b ");
}

TEST_F(WithholdTest, ThePlatformTeamLetsItPass) {
  commit('1', {site_file("a", "empty"), site_file("b", "empty")});
  EXPECT_EQ(commit('2', {{"policy.yaml", policy("1", ", acknowledge: [" + id('9').hex + "]")}}),
            "a b ");
  EXPECT_EQ(commit('3', {{"policy.yaml", policy("1", ", acknowledge: [" + id('1').hex + "]")}}),
            "");
  EXPECT_TRUE(wipes("a") && wipes("b"));
}

TEST_F(WithholdTest, ThatVeryCommitDoesNotAllowItselfMore) {
  EXPECT_EQ(
      commit('1', {{"policy.yaml", policy("5")}, site_file("a", "empty"), site_file("b", "empty")}),
      "a b ");
  EXPECT_EQ(commit('2', {{"policy.yaml", policy("6")}}), "") << "but the next one does";
}

TEST_F(WithholdTest, ARuleThatIsTakenAwayByALaterCommitWithholdsNoMore) {
  commit('1', {site_file("a", "empty"), {"b.yaml", std::nullopt}});
  EXPECT_EQ(commit('2', {{"policy.yaml", std::nullopt}}), "");
  EXPECT_TRUE(wipes("a"));
  EXPECT_EQ(in_force(fleet, withheld, "b"), nullptr);
}

TEST_F(WithholdTest, ARuleThatIsTakenAwayByThatVeryCommitWithholdsUntilItSaysOtherwise) {
  commit('1', {{"policy.yaml", std::nullopt}, site_file("a", "empty"), {"b.yaml", std::nullopt}});
  EXPECT_EQ(commit('2', {site_file("c", "live")}), "a b ") << "says nothing of the rules";
  EXPECT_EQ(commit('3', {{"policy.yaml", policy("1")}}), "a b ");
  EXPECT_EQ(commit('4', {{"policy.yaml", policy("1", ", acknowledge: [" + id('1').hex + "]")}}),
            "");
  EXPECT_TRUE(wipes("a"));
}

TEST_F(WithholdTest, AnotherCommitOfTheSamePushMayTakeARuleAway) {
  std::vector<FileChange> changes{
      site_file("a", "empty"), site_file("b", "empty"), {"policy.yaml", std::nullopt}};
  changes[0].commits = changes[1].commits = {id('2')};
  changes[2].commits = {id('1')};
  const Fleet after = fleet.with(changes, id('2').hex, "ada");
  EXPECT_TRUE(withhold(fleet, {}, after, changes, id('2').hex).empty());
}

TEST_F(WithholdTest, WhatIsKeptIsUnderTheRulesOfNow) {
  commit('1', {site_file("a", "empty"), site_file("b", "empty")});
  commit('2', {{"freeze.yaml", document("Freeze", "stop", "select: {}, reason: incident")}});
  EXPECT_EQ(in_force(fleet, withheld, "a")->governance->freezes.size(), 1U);
}

TEST_F(WithholdTest, ADriverThatMovesStrikesAllItsSites) {
  EXPECT_EQ(commit('1', {{"driver.yaml", document("Driver", "here", "host: {root: /other}")}}),
            "a b c ");
}

}  // namespace
}  // namespace tidegate
