// What policies and freezes make of a plan: one part goes on when another is held, and what is held
// starts again by itself.

#include "reconcilers/governed_site.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class PlanPoliciesTest : public GovernedSite {
 protected:
  const WindowsRule night{{{"0 3 * * *", 8h, "UTC"}}, {}};
  const std::string closed = "steps begin from \"0 3 * * *\" (UTC) for 8h";
  std::string verdicts(const std::string& e) const {
    const Plan made = plan();
    auto it = made.verdicts.find(e);
    return it == made.verdicts.end() ? "" : text_of(it->second);
  }
  std::string held(const std::string& e, std::vector<Action> actions) const {
    Step step;
    step.environment = e;
    step.actions = std::move(actions);
    const auto hold = held_now(site, observed, step, calendar, now);
    return hold ? hold->reason + ": " + hold->message : "";
  }
};

TEST_F(PlanPoliciesTest, NobodyIsAskedAboutASiteAtRest) {
  rule("none", ForbidRule{});
  EXPECT_EQ(planned(), "");
  EXPECT_TRUE(plan().verdicts.empty());
}

TEST_F(PlanPoliciesTest, AHeldStepIsToldOnceWithWhenItOpens) {
  rule("hours", night);
  want("dev").code = c2;
  want_content("dev", from_live, 1);
  EXPECT_EQ(planned(), "held dev WindowClosed: gold/hours: " + closed +
                           " | opens 2026-11-21T03:00:00Z\n"
                           "look again at 2026-11-21T03:00:00Z\n");
  EXPECT_EQ(verdicts("dev"),
            "gold/hours WindowClosed: " + closed + " | opens 2026-11-21T03:00:00Z\n");
  now = noon + 15h;
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222, sync databases and files from live (generation 1) | it "
            "runs 1111111, and its databases and files are its own\n");
}

TEST_F(PlanPoliciesTest, ContentGoesOnWhenCodeIsHeld) {
  rule("soaked", ProvenRule{"dev", 2h, {}});
  seen("dev").proven[c2] = proven_at(noon - 1h);
  want("test").code = c2;
  want_content("test", from_live, 1);
  EXPECT_EQ(planned(),
            "ready test: sync databases and files from live (generation 1) | its databases and "
            "files are its own\n"
            "held test Soaking: gold/soaked: 2222222 is proven in dev since 2026-11-20T11:00:00Z "
            "and has to be for 2h | opens 2026-11-20T13:00:00Z\n"
            "look again at 2026-11-20T13:00:00Z\n");
}

TEST_F(PlanPoliciesTest, CodeGoesOnWhenContentIsHeld) {
  rule("from", ContentRule{{"keep"}, false, {}});
  want("dev").code = c2;
  want_content("dev", from_live, 1);
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "held dev ContentRefused: gold/from: content \"live\" is not allowed here; allowed: "
            "keep\n");
}

TEST_F(PlanPoliciesTest, ContentThatComesWithACommitStaysWithTheHeldOne) {
  rule("none", ForbidRule{{"promote"}, {}, ""});
  want("dev").code = c2;
  want_content("dev", from_live, 1);
  has_content("dev", from_live, 1, noon - 24h);
  want("dev").content.refresh = Refresh{};
  want("dev").content.refresh->on_promote = true;
  EXPECT_EQ(planned(), "held dev Forbidden: gold/none: promote is forbidden\n");
}

TEST_F(PlanPoliciesTest, FreshContentInTheSameStepIsNewEnoughForACommit) {
  rule("age", ContentRule{{}, false, 24h});
  want("dev").code = c2;
  want_content("dev", from_live, 1);
  has_content("dev", from_live, 1, noon - 48h);
  const std::string refused =
      "held dev ContentRefused: gold/age: its databases are of 2026-11-18T12:00:00Z, older than 1d "
      "may be under a new commit; ask for content from live anew\n";
  EXPECT_EQ(planned(), refused);
  want("dev").content.generation = 2;
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222, sync databases and files from live (generation 2) | it "
            "runs 1111111, and its databases and files are of live (generation 1)\n");
  rule("from", ContentRule{{"dev"}, false, {}});
  EXPECT_EQ(planned(), refused +
                           "held dev ContentRefused: gold/from: content \"live\" is not allowed "
                           "here; allowed: dev\n");
}

TEST_F(PlanPoliciesTest, ContentThatFailedDoesNotMakeACommitPass) {
  rule("age", ContentRule{{}, false, 24h});
  want("dev").code = c2;
  want_content("dev", from_live, 2);
  has_content("dev", from_live, 1, noon - 48h);
  failed_content("dev", true);
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from live (generation 2) | its databases and "
            "files are of live (generation 1)\n"
            "held dev Quarantined: afterCopy: exit code 1; change the commit or the manifest, or "
            "run: tidegate retry acme/dev\n"
            "held dev ContentRefused: gold/age: its databases are of 2026-11-18T12:00:00Z, older "
            "than 1d may be under a new commit; ask for content from live anew\n");
}

TEST_F(PlanPoliciesTest, ANewEnvironmentIsCreatedWholeOrNotAtAll) {
  is_missing("dev");
  rule("none", ForbidRule{{"create"}, {}, ""});
  EXPECT_EQ(planned(), "held dev Forbidden: gold/none: create is forbidden\n");
  no_rules();
  rule("none", ForbidRule{{"promote"}, {}, ""});
  EXPECT_EQ(planned(), "held dev Forbidden: gold/none: promote is forbidden\n");
}

TEST_F(PlanPoliciesTest, ANewEnvironmentDoesNotWaitForContentThatIsHeld) {
  is_missing("dev");
  want_content("dev", from_live, 1);
  rule("from", ContentRule{{"keep"}, false, {}});
  const std::string because =
      "its content is held: gold/from: content \"live\" is not allowed here; allowed: keep";
  EXPECT_EQ(planned(),
            "ready dev: promote 1111111, create empty databases and files | it is new, and " +
                because + " | creates\n");
}

TEST_F(PlanPoliciesTest, TheStrictestStandsAndAllAreShown) {
  rule("hours", night);
  rule("none", ForbidRule{{"promote"}, {}, "ask us"}, {}, "silver");
  want("dev").code = c2;
  EXPECT_EQ(planned(), "held dev Forbidden: silver/none: ask us\n");
  EXPECT_EQ(verdicts("dev"), "gold/hours WindowClosed: " + closed +
                                 " | opens 2026-11-21T03:00:00Z\n"
                                 "silver/none Forbidden: ask us\n");
}

TEST_F(PlanPoliciesTest, WhatLetsAStepPassIsShownToo) {
  rule("soaked", ProvenRule{"dev", 2h, {}});
  seen("dev").proven[c2] = proven_at(noon - 3h);
  want("test").code = c2;
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111\n");
  EXPECT_EQ(verdicts("test"),
            "gold/soaked allows: 2222222 is proven in dev since 2026-11-20T09:00:00Z\n");
}

// Status and people would be told of one and the other in turn, as the window opens and closes.
TEST_F(PlanPoliciesTest, AQuarantineStandsBeforeAWindow) {
  const std::string quarantined =
      " Quarantined: update: exit code 1; change the commit or the manifest, or run: tidegate "
      "retry "
      "acme/dev\n";
  want("dev").code = c2;
  failed("dev", true);
  rule("hours", night);
  EXPECT_EQ(planned(), "held dev" + quarantined);
  retries = {"dev"};
  EXPECT_EQ(planned().substr(0, 21), "held dev WindowClosed");
  retries.clear();
  want("dev").code = c1;
  want_content("dev", from_live, 1);
  no_rules();
  failed("dev", true);
  rule("hours", night);
  EXPECT_EQ(planned(), "held dev" + quarantined);
}

TEST_F(PlanPoliciesTest, ABrokenPolicyHoldsEverythingOfTheSite) {
  change().unreadable = {"Policy \"gold\" is broken"};
  want("dev").code = c2;
  want_content("test", from_live, 1);
  EXPECT_EQ(planned(),
            "held dev PolicyBroken: Policy \"gold\" is broken\n"
            "held test PolicyBroken: Policy \"gold\" is broken\n");
}

TEST_F(PlanPoliciesTest, ALaunchAndARecoveryAreNeverHeld) {
  freeze({"stop", {}, {}, {}, "incident", {}});
  seen("live").launched = false;
  is_interrupted("dev");
  EXPECT_EQ(planned(),
            "ready dev: recover operation op1 | operation op1 was interrupted in phase build; it "
            "is finished or undone | no update\n"
            "ready live: record the launch | the site is launched; live is its content authority "
            "from now on | no update\n");
}

// ---- code.from ----

TEST_F(PlanPoliciesTest, FromFollowsTheNewestCommitThatHasSoaked) {
  rule("soaked", ProvenRule{"dev", 2h, {}}, only("test"));
  want("test").code = ProvenIn{"dev"};
  want("dev").code = c3;
  seen("dev").commit = c3;
  seen("dev").proven = {{c1, proven_at(noon - 24h, {}, 1)},
                        {c2, proven_at(noon - 2h, {}, 2)},
                        {c3, proven_at(noon - 1h, {}, 3)}};
  seen("dev").last_proven = c3;
  EXPECT_EQ(planned(),
            "ready test: promote 2222222 | it runs 1111111\n"
            "look again at 2026-11-20T13:00:00Z\n");
  seen("test").commit = c2;
  EXPECT_EQ(planned(), "look again at 2026-11-20T13:00:00Z\n") << "what soaks holds up nothing";
  EXPECT_EQ(verdicts("test"),
            "gold/soaked Soaking: 3333333 is proven in dev since 2026-11-20T11:00:00Z and has to "
            "be for 2h | opens 2026-11-20T13:00:00Z\n");
  now = noon + 1h;
  EXPECT_EQ(planned(), "ready test: promote 3333333 | it runs 2222222\n");
}

TEST_F(PlanPoliciesTest, FrequentCommitsBelowDoNotStarveTheStageAbove) {
  rule("soaked", ProvenRule{"dev", 2h, {}}, only("test"));
  want("test").code = ProvenIn{"dev"};
  // One an hour: whenever one looks, the one of two hours ago has soaked.
  for (int i = 0; i < 5; ++i) {
    const CommitId made = commit(static_cast<char>('a' + i));
    seen("dev").proven[made] = proven_at(noon + i * 1h, {}, static_cast<std::uint64_t>(i + 1));
    seen("dev").last_proven = made;
    want("dev").code = made;
    seen("dev").commit = made;
    now = noon + i * 1h;
    if (i < 2) continue;
    const std::string soaked(7, static_cast<char>('a' + i - 2));
    EXPECT_EQ(plan().ready.at(0).commit.brief(), soaked);
    seen("test").commit = plan().ready.at(0).commit;
  }
}

TEST_F(PlanPoliciesTest, WhenNothingHasSoakedTheFirstToDoSoIsHeld) {
  rule("soaked", ProvenRule{"dev", 2h, {}}, only("test"));
  is_missing("test");
  want("test").code = ProvenIn{"dev"};
  seen("dev").proven = {{c1, proven_at(noon - 1h, {}, 1)}, {c2, proven_at(noon - 10min, {}, 2)}};
  seen("dev").last_proven = c2;
  seen("dev").commit = c2;
  want("dev").code = c2;
  EXPECT_EQ(planned(),
            "held test Soaking: gold/soaked: 1111111 is proven in dev since 2026-11-20T11:00:00Z "
            "and has to be for 2h | opens 2026-11-20T13:00:00Z\n"
            "look again at 2026-11-20T13:00:00Z\n");
}

TEST_F(PlanPoliciesTest, GoingBackBelowTakesWhatItLeavesOutOfTheWay) {
  rule("soaked", ProvenRule{"dev", 2h, {}}, only("test"));
  want("test").code = ProvenIn{"dev"};
  is_missing("test");
  seen("dev").proven = {{c1, proven_at(noon - 24h, {}, 3)}, {c2, proven_at(noon - 3h, {}, 2)}};
  seen("dev").last_proven = c1;
  EXPECT_EQ(plan().ready.at(0).commit, c1) << "c2 was proven later, and left again";
}

TEST_F(PlanPoliciesTest, ANewSoakRuleTakesNothingBack) {
  rule("soaked", ProvenRule{"dev", 2h, {}}, only("test"));
  want("test").code = ProvenIn{"dev"};
  seen("dev").proven = {{c1, proven_at(noon - 24h, {}, 1)}, {c2, proven_at(noon - 1h, {}, 2)}};
  seen("dev").last_proven = c2;
  seen("dev").commit = c2;
  want("dev").code = c2;
  seen("test").commit = c2;
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanPoliciesTest, ContentThatKeepsFailingIsToldOfOnceWhereTheCodeMayNotComeWithoutIt) {
  rule("age", ContentRule{{}, false, 24h});
  has_content("dev", from_live, 1, noon - 48h);
  want_content("dev", from_live, 2);
  failed_content("dev", false);
  want("dev").code = c2;
  EXPECT_EQ(planned(),
            "waiting dev: sync databases and files from live (generation 2) | to be tried again; "
            "it failed: afterCopy: exit code 1 | until 2026-11-20T12:00:25Z\n"
            "held dev ContentRefused: gold/age: its databases are of 2026-11-18T12:00:00Z, older "
            "than 1d may be under a new commit; ask for content from live anew\n"
            "look again at 2026-11-20T12:00:25Z\n");
}

// ---- before the switch ----

TEST_F(PlanPoliciesTest, AFreezeThatBeginsStopsAStepThatRuns) {
  is_busy("dev");
  EXPECT_EQ(held("dev", {Promote{c2}}), "");
  freeze({"stop", {}, noon, {}, "incident", {}});
  EXPECT_EQ(held("dev", {Promote{c2}}),
            "Frozen: stop: frozen: incident; remove the Freeze to go on");
  EXPECT_EQ(held("dev", {Recover{"op1"}}), "");
  EXPECT_EQ(held("live", {Launch{}}), "");
}

TEST_F(PlanPoliciesTest, AWindowThatClosesDoesNotStopWhatBeganInsideIt) {
  rule("hours", night);
  is_busy("dev");
  seen("dev").operation->started_at = noon - 61min;
  EXPECT_EQ(held("dev", {Promote{c2}}), "");
  seen("dev").operation->started_at = noon - 59min;
  EXPECT_EQ(held("dev", {Promote{c2}}), "WindowClosed: gold/hours: " + closed);
}

TEST_F(PlanPoliciesTest, AStepIsAskedAboutAsAWholeBeforeItsSwitch) {
  rule("age", ContentRule{{}, false, 24h});
  has_content("dev", from_live, 1, noon - 48h);
  const Sync databases{Part::databases, "live", 2, {}}, files{Part::files, "live", 2, {}};
  EXPECT_EQ(held("dev", {Promote{c2}, databases, files}), "");
  EXPECT_EQ(held("dev", {Promote{c2}, databases}),
            "ContentRefused: gold/age: its files are of 2026-11-18T12:00:00Z, older than 1d may be "
            "under a new commit; ask for content from live anew");
}

TEST_F(PlanPoliciesTest, WhatRunsWithoutItsProofStaysUntilANewerOneHasSoakedOrItIsGoneBackBelow) {
  rule("soaked", ProvenRule{"dev", 2h, {}});
  want("test").code = ProvenIn{"dev"};
  seen("test").commit = c2;
  want("dev").code = c3;
  seen("dev").commit = seen("dev").last_proven = c3;
  seen("dev").proven = {{c1, proven_at(noon - 24h, {}, 1)}, {c3, proven_at(noon - 1h, {}, 2)}};
  seen("dev").revoked[c2] = {noon - 2h, "GET https://dev.acme.example/ answered 500"};
  EXPECT_EQ(planned(), "look again at 2026-11-20T13:00:00Z\n");
  now = noon + 1h;
  EXPECT_EQ(planned(), "ready test: promote 3333333 | it runs 2222222\n");
  want("dev").code = c1;
  seen("dev").commit = seen("dev").last_proven = c1;
  seen("dev").proven[c1].turn = 3;
  EXPECT_EQ(planned(), "ready test: promote 1111111 | it runs 2222222 | no update\n");
}

TEST_F(PlanPoliciesTest, NothingGoesBackToAnOlderProofWhenTheLastOneIsLost) {
  rule("soaked", ProvenRule{"dev", 2h, {}});
  want("dev").code = c2;
  seen("dev").commit = seen("dev").last_proven = c2;
  seen("dev").proven = {{c1, proven_at(noon - 24h)}};
  seen("dev").healthy = false;
  seen("dev").revoked[c2] = {noon, "GET https://dev.acme.example/ answered 500"};
  want("test").code = ProvenIn{"dev"};
  seen("test").commit = c2;
  EXPECT_EQ(planned(), "");
  EXPECT_EQ(said("test", Promote{c3}),
            "gold/soaked NotProven: 3333333 has not been proven in dev; let dev run it first\n");
  seen("test").commit = c1;
  EXPECT_EQ(said("test", Promote{c2}),
            "gold/soaked NotProven: 2222222 is not proven in dev any more: its verification failed "
            "again at 2026-11-20T12:00:00Z: GET https://dev.acme.example/ answered 500; it is once "
            "that passes there\n");
}

}  // namespace
}  // namespace tidegate
