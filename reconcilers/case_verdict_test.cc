#include "reconcilers/case_verdict.h"

#include <gtest/gtest.h>

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

const char* const manifests = R"(apiVersion: tidegate/v1
kind: Driver
metadata: {name: hosts}
spec: {host: {root: /srv/sites}}
---
apiVersion: tidegate/v1
kind: Site
metadata: {name: acme}
spec: {driver: hosts, repository: {url: "https://git.example.org/acme.git"}, stages: [test, live]}
---
apiVersion: tidegate/v1
kind: Environment
metadata: {name: test, site: acme}
spec: {code: {branch: main}, content: {source: live}}
---
apiVersion: tidegate/v1
kind: Environment
metadata: {name: live, site: acme}
spec: {code: {commit: "1111111111111111111111111111111111111111"}}
---
apiVersion: tidegate/v1
kind: Policy
metadata: {name: gold}
spec:
  select: {environments: {authority: true}}
  rules:
    - {name: soaked, provenIn: {environment: test, for: 2h}}
    - {name: no-wipe, forbid: {verbs: [wipe]}}
)";

class CaseVerdictTest : public testing::Test {
 protected:
  CaseVerdictTest() : fleet(Fleet{}.with({{"fleet.yaml", manifests}}, "", "")) {}

  /// The first expectation of an example with this in its spec.
  std::string asked(const std::string& spec) {
    const auto file = read_policy_cases(
        "a.case.yaml",
        "apiVersion: tidegate/v1\nkind: PolicyTest\nmetadata: {name: a}\nspec: {now: "
        "2026-11-20T12:00:00Z, " +
            spec + "}\n");
    for (const auto& p : file.problems) return to_string(p);
    const Expectation& expected = file.cases.at(0).expect.at(0);
    const CaseAnswer said = answer(file.cases[0], expected, fleet, calendar);
    if (!said.problem.empty()) return said.at->path + ": " + said.problem;
    return (said.as_expected ? "as expected: " : "expected " + expected_text(expected) + ": ") +
           seen_text(expected, said);
  }
  Fleet fleet;
  SmallCalendar calendar;
};

const std::string two = "\"2222222222222222222222222222222222222222\"";
const std::string promote_two =
    "expect: [{environment: acme/live, verb: promote, commit: " + two + ", ";

TEST_F(CaseVerdictTest, WhatIsNotDescribedIsAtRest) {
  EXPECT_EQ(asked("expect: [{environment: acme/live, verb: promote, verdict: allowed}]"),
            "as expected: allowed (gold/soaked: 1111111 runs here already)");
  EXPECT_EQ(asked(promote_two + "verdict: held}]"),
            "as expected: held NotProven (gold/soaked: 2222222 has not been proven in test; let "
            "test run it first)");
}

TEST_F(CaseVerdictTest, WhatIsDescribedIsSo) {
  const std::string proven = "observed: {acme/test: {proven: [{commit: " + two;
  EXPECT_EQ(asked(proven + "}]}}, " + promote_two + "verdict: allowed}]"),
            "as expected: allowed (gold/soaked: 2222222 is proven in test since "
            "1970-01-01T00:00:00Z)");
  EXPECT_EQ(asked(proven + ", since: 2026-11-20T11:00:00Z}]}}, " + promote_two +
                  "verdict: held, opensAt: 2026-11-20T13:00:00Z}]"),
            "as expected: held Soaking, opens 2026-11-20T13:00:00Z (gold/soaked: 2222222 is proven "
            "in test since 2026-11-20T11:00:00Z and has to be for 2h)");
}

TEST_F(CaseVerdictTest, TellsWhatIsOtherwiseThanExpected) {
  EXPECT_EQ(asked(promote_two + "verdict: held, reason: Soaking}]"),
            "expected held Soaking: held NotProven (gold/soaked: 2222222 has not been proven in "
            "test; let test run it first)");
  EXPECT_EQ(asked("expect: [{environment: acme/test, verb: wipe, verdict: held}]"),
            "expected held: allowed: no rule looked at it");
}

TEST_F(CaseVerdictTest, ANamedRuleMustHaveLooked) {
  EXPECT_EQ(asked(promote_two + "verdict: allowed, rule: gold/no-wipe}]"),
            "expected allowed by gold/no-wipe: gold/no-wipe did not look at it; these did: "
            "gold/soaked");
  EXPECT_EQ(asked("expect: [{environment: acme/live, verb: wipe, verdict: held, rule: "
                  "gold/no-wipe}]"),
            "as expected: held Forbidden (gold/no-wipe: wipe is forbidden)");
}

TEST_F(CaseVerdictTest, WhatCannotBeAskedIsTold) {
  EXPECT_EQ(
      asked("expect: [{environment: acne/live, verb: promote, verdict: held}]"),
      "spec.expect[0].environment: no manifest declares site \"acne\"; did you mean \"acme\"?");
  EXPECT_EQ(
      asked("observed: {acme/tset: {exists: false}}, " + promote_two + "verdict: held}]"),
      "spec.observed[\"acme/tset\"]: site \"acme\" declares no environment \"tset\"; did you mean "
      "\"test\"?");
  EXPECT_EQ(asked("expect: [{environment: acme/test, verb: promote, verdict: held}]"),
            "spec.expect[0].environment: commit is missing: test follows branch \"main\", so write "
            "which commit is to enter");
  EXPECT_EQ(asked("expect: [{environment: acme/live, verb: sync, verdict: held}]"),
            "spec.expect[0].environment: source is missing: the content of live is keep, so write "
            "where it is to come from");
  EXPECT_EQ(
      asked("observed: {acme/live: {usedGrants: [inc-1]}}, " + promote_two + "verdict: held}]"),
      "spec.observed[\"acme/live\"]: no Grant for acme/live is called \"inc-1\"");
}

}  // namespace
}  // namespace tidegate
