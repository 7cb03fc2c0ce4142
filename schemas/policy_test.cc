#include "schemas/policy.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

Site acme() {
  Site site;
  site.name = "acme-shop";
  site.labels = {{"tier", "gold"}, {"team", ""}};
  site.stages = {"dev", "test", "live"};
  return site;
}

TEST(PolicyTest, MatchesGlobs) {
  struct Row {
    const char *glob, *text;
    bool matches;
  };
  const Row rows[] = {
      {"acme", "acme", true},
      {"acme", "acme-", false},
      {"acme", "acm", false},
      {"*", "", true},
      {"*", "acme", true},
      {"**", "acme", true},
      {"?", "", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"acme-*", "acme-", true},
      {"acme-*", "acme", false},
      {"*-live", "acme-live", true},
      {"*-live", "live", false},
      {"a*b*c", "axxbyybzc", true},
      {"a*b*c", "axxbyybz", false},
      {"a?c", "abc", true},
      {"a?c", "ac", false},
      {"*a", "aaab", false},
      {"*ab", "aaab", true},
      {"", "", true},
      {"", "a", false},
      {"30m", "30m", true},
      {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", false},
      {"https://*.example", "https://a.example", true},
  };
  for (const Row& row : rows)
    EXPECT_EQ(glob_matches(row.glob, row.text), row.matches) << row.glob << " " << row.text;
}

TEST(PolicyTest, MatchesALongGlobInNoTime) {
  std::string glob;
  for (int i = 0; i < 500; ++i) glob += "*a";
  EXPECT_FALSE(glob_matches(glob + "b", std::string(8'000, 'a')));
}

TEST(PolicyTest, SelectsEverythingWhenItSaysNothing) {
  EXPECT_TRUE(Selector{}.selects(acme()));
  EXPECT_TRUE(Selector{}.selects(acme(), "dev"));
}

TEST(PolicyTest, SelectsSitesByAnyNameAndAllLabels) {
  Selector selector;
  selector.sites = {"beta", "acme-*"};
  EXPECT_TRUE(selector.selects(acme()));
  selector.labels = {{"tier", "gold"}, {"team", ""}};
  EXPECT_TRUE(selector.selects(acme()));
  selector.labels["tier"] = "silver";
  EXPECT_FALSE(selector.selects(acme()));
  selector.labels = {{"region", ""}};
  EXPECT_FALSE(selector.selects(acme())) << "a label that is not there is not an empty one";
  EXPECT_FALSE((Selector{{"acme"}, {}, {}, {}, {}}).selects(acme()));
}

TEST(PolicyTest, SelectsEnvironmentsByNameStageAndAuthorityTogether) {
  const auto selected = [](const Selector& selector) {
    std::string names;
    for (const std::string& stage : acme().stages)
      if (selector.selects(acme(), stage)) names += stage + " ";
    return names;
  };
  EXPECT_EQ(selected({{}, {}, {"*e*"}, {}, {}}), "dev test live ");
  EXPECT_EQ(selected({{}, {}, {"?e*"}, {}, {}}), "dev test ");
  EXPECT_EQ(selected({{}, {}, {}, {"test", "live"}, {}}), "test live ");
  EXPECT_EQ(selected({{}, {}, {}, {}, true}), "live ");
  EXPECT_EQ(selected({{}, {}, {}, {}, false}), "dev test ");
  EXPECT_EQ(selected({{}, {}, {"t*"}, {"test", "live"}, true}), "");
}

TEST(PolicyTest, ComparesGovernanceByValue) {
  const auto of = [](const std::string& name) {
    Governance governance;
    governance.policies = {std::make_shared<Policy>(Policy{name, {}, {}})};
    return governance;
  };
  EXPECT_EQ(of("a"), of("a"));
  EXPECT_FALSE(of("a") == of("b"));
  EXPECT_FALSE(of("a") == Governance{});
}

}  // namespace
}  // namespace tidegate
