#include "schemas/policy_case.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

std::string told(const std::string& text) {
  std::string out;
  for (const Problem& p : read_policy_cases("a.case.yaml", text).problems)
    out += to_string(p) + "\n";
  return out;
}

const std::string head =
    "apiVersion: tidegate/v1\nkind: PolicyTest\nmetadata: {name: soak}\nspec:\n";

TEST(PolicyCaseTest, ReadsEveryField) {
  const auto file = read_policy_cases("a.case.yaml", head + R"(  manifests: [../fleet, extra.yaml]
  now: 2026-11-20T12:00:00Z
  observed:
    acme/test:
      commit: "1111111111111111111111111111111111111111"
      proven: [{commit: 9fceb02d0ae598e95dc970b74767f19372d61af8, since: 2026-11-20T11:00:00Z, contentTakenAt: 2026-11-20T03:00:00Z}]
      content: {source: live, generation: 7, takenAt: 2026-11-20T04:00:00Z}
      usedGrants: [inc-1]
    acme/dev: {exists: false}
  unsigned: {manifests: [acme], commits: [9fceb02d0ae598e95dc970b74767f19372d61af8]}
  running: [acme/dev]
  wiped: {acme: [2026-11-20T11:30:00Z]}
  struck: {sites: [acme, bonn], acknowledged: true}
  expect:
    - {environment: acme/live, verb: promote, commit: 9fceb02d0ae598e95dc970b74767f19372d61af8, verdict: held, reason: Soaking, rule: gold/soaked, opensAt: 2026-11-20T13:00:00Z}
    - {environment: acme/test, verb: sync, source: live, generation: 8, verdict: allowed}
)");
  EXPECT_TRUE(file.problems.empty()) << to_string(file.problems[0]);
  ASSERT_EQ(file.cases.size(), 1u);
  const PolicyCase& c = file.cases[0];
  EXPECT_EQ(c.name, "soak");
  EXPECT_EQ(c.manifests, (std::vector<std::string>{"../fleet", "extra.yaml"}));
  EXPECT_EQ(to_rfc3339(c.now), "2026-11-20T12:00:00Z");
  ASSERT_EQ(c.observed.size(), 2u);
  EXPECT_EQ(c.observed[0].target.environment, "test");
  EXPECT_EQ(c.observed[0].commit->brief(), "1111111");
  EXPECT_EQ(to_rfc3339(*c.observed[0].proven.at(0).since), "2026-11-20T11:00:00Z");
  EXPECT_EQ(to_rfc3339(*c.observed[0].proven.at(0).content_taken_at), "2026-11-20T03:00:00Z");
  EXPECT_EQ(c.observed[0].source, ContentSource::from("live"));
  EXPECT_EQ(c.observed[0].generation, 7u);
  EXPECT_EQ(c.observed[0].used_grants, std::vector<std::string>{"inc-1"});
  EXPECT_FALSE(c.observed[1].exists);
  EXPECT_EQ(c.unsigned_sites, std::vector<std::string>{"acme"});
  EXPECT_EQ(c.unsigned_commits.at(0).brief(), "9fceb02");
  EXPECT_EQ(c.running.at(0).environment, "dev");
  EXPECT_EQ(c.wiped.at("acme").size(), 1u);
  EXPECT_TRUE(c.struck->acknowledged);
  EXPECT_EQ(c.expect.at(0).rule, "gold/soaked");
  EXPECT_TRUE(c.expect[0].held);
  EXPECT_EQ(c.expect[0].target.line, 19);
  EXPECT_EQ(c.expect[1].generation, 8u);
}

TEST(PolicyCaseTest, TellsEverythingThatIsWrongInItsPlace) {
  EXPECT_EQ(told(head + R"(  observed: {acme: {}, acme/test: {comit: 1}}
  expect:
    - {environment: acme, verb: deploy, verdict: alowed}
    - {environment: acme/live, verb: sync, commit: 9fceb02d0ae598e95dc970b74767f19372d61af8, verdict: allowed, reason: Soaking}
    - {environment: acme/live, verb: wipe, verdict: held, reason: Soak, rule: Gold}
)"),
            R"(a.case.yaml:5:3: spec.now: is missing: write the point in time at which it is asked
a.case.yaml:5:14: spec.observed.acme: "acme" names no environment: write SITE/ENV
a.case.yaml:5:36: spec.observed["acme/test"].comit: unknown field "comit"; did you mean "commit"?
a.case.yaml:7:21: spec.expect[0].environment: "acme" names no environment: write SITE/ENV
a.case.yaml:7:33: spec.expect[0].verb: "deploy" is not promote, sync, wipe, create or activate
a.case.yaml:7:50: spec.expect[0].verdict: "alowed" is not allowed or held; did you mean "allowed"?
a.case.yaml:8:52: spec.expect[1].commit: goes with verb: promote only: remove it
a.case.yaml:8:120: spec.expect[1].reason: goes with verdict: held only: remove it
a.case.yaml:9:67: spec.expect[2].reason: "Soak" is not NotProven, Soaking, WindowClosed, Unsigned, ContentRefused, BackupMissing, LimitReached, BlastRadius, Required, Forbidden, Frozen or PolicyBroken
a.case.yaml:9:79: spec.expect[2].rule: "Gold" names no rule: write POLICY/RULE, or the name of a Freeze
)");
}

TEST(PolicyCaseTest, AFileOfNoExampleIsToldSo) {
  EXPECT_EQ(told("# nothing\n"), "a.case.yaml:1:1: holds no document of kind PolicyTest\n");
  EXPECT_EQ(told("apiVersion: tidegate/v1\nkind: Policy\nmetadata: {name: a}\nspec: {now: "
                 "2026-11-20T12:00:00Z, expect: []}\n"),
            "a.case.yaml:2:7: kind: \"Policy\" is not PolicyTest\n"
            "a.case.yaml:4:43: spec.expect: is empty: write at least one expectation\n");
  EXPECT_NE(told(head + "  now: [").find("a.case.yaml:"), std::string::npos);
}

}  // namespace
}  // namespace tidegate
