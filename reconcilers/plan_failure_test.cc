// What failed, what is suspended, what lost its process; and refreshes.

#include "reconcilers/diff.h"
#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
const ContentSource live = ContentSource::from("live");

class PlanFailureTest : public SiteAtRest {
 protected:
  static std::string quarantine(const std::string& e) {
    return "held " + e +
           " Quarantined: update: exit code 1; change the commit or the manifest, or run: tidegate "
           "retry acme/" +
           e + "\n";
  }
  static std::string quarantine_of_content(const std::string& e) {
    return "held " + e +
           " Quarantined: afterCopy: exit code 1; change the commit or the manifest, or run: "
           "tidegate retry acme/" +
           e + "\n";
  }
};

TEST_F(PlanFailureTest, WhatTheSiteFailedIsInQuarantine) {
  want("dev").code = c2;
  failed("dev", true);
  EXPECT_EQ(planned(), quarantine("dev"));
  now += 24h * 365;
  EXPECT_EQ(planned(), quarantine("dev"));
}

TEST_F(PlanFailureTest, QuarantineIsLiftedByAnyChangeOfWhatTheStepIsMadeOf) {
  const std::string again = "ready dev: promote 2222222 | it runs 1111111\n";
  want("dev").code = c2;
  failed("dev", true);
  site.digest = "changed site";
  EXPECT_EQ(planned(), again);
  site.digest = "site";
  want("dev").digest = "changed environment";
  EXPECT_EQ(planned(), again);
  want("dev").digest = "dev";
  seen("dev").inputs = seen("dev").wanted_inputs = "changed secret";
  EXPECT_EQ(planned(), again);
  seen("dev").inputs = seen("dev").wanted_inputs = "inputs";
  EXPECT_EQ(planned(), quarantine("dev"));
  want("dev").code = c3;
  EXPECT_EQ(planned(), "ready dev: promote 3333333 | it runs 1111111\n");
}

TEST_F(PlanFailureTest, APersonLiftsAQuarantineOnce) {
  want("dev").code = c2;
  failed("dev", true);
  retries = {"dev"};
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111 | asked\n");
  retries = {"test"};
  EXPECT_EQ(planned(), quarantine("dev"));
}

TEST_F(PlanFailureTest, InfrastructureBacksOffLongerEachTime) {
  want("dev").code = c2;
  const std::string ready = "ready dev: promote 2222222 | it runs 1111111\n";
  Duration before{};
  for (int attempts : {1, 2, 3, 4, 5}) {
    seen("dev").failures.clear();
    now = noon;
    failed("dev", false, attempts);
    const auto until = plan().waiting.at(0).until.value();
    const Duration full = 30s * (1 << (attempts - 1));
    EXPECT_LE(until, noon + full);
    EXPECT_GE(until, noon + full * 3 / 4);
    EXPECT_GT(until - noon, before);
    before = until - noon;
    EXPECT_EQ(planned(),
              "waiting dev: promote 2222222 | to be tried again; it failed: update: exit code 1 | "
              "until " +
                  to_rfc3339(until) + "\nlook again at " + to_rfc3339(until) + "\n");
    now = until;
    EXPECT_EQ(planned(), ready);
  }
}

TEST_F(PlanFailureTest, InfrastructureIsTriedForEverAndNeverMoreThanTenMinutesApart) {
  want("dev").code = c2;
  failed("dev", false, 1'000'000);
  const auto until = plan().waiting.at(0).until.value();
  EXPECT_LE(until, noon + 10min);
  EXPECT_GE(until, noon + 7min);
}

TEST_F(PlanFailureTest, APersonNeedNotWaitForTheNextTry) {
  want("dev").code = c2;
  failed("dev", false, 9);
  retries = {"dev"};
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111 | asked\n");
}

TEST_F(PlanFailureTest, ContentGoesOnWithoutACommitInQuarantine) {
  want("dev").code = c2;
  want_content("dev", live, 2);
  failed("dev", true);
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from live (generation 2) | its databases and "
            "files are its own\n" +
                quarantine("dev"));
  EXPECT_EQ(plan().ready.at(0).commit, c1);
  failed("dev", true);
  EXPECT_EQ(planned(), quarantine("dev"));
}

TEST_F(PlanFailureTest, ContentThatComesWithACommitStaysInQuarantineWithIt) {
  want("dev").code = c2;
  want_content("dev", live, 1);
  has_content("dev", live, 1, noon - 24h);
  want("dev").content.refresh = Refresh{};
  want("dev").content.refresh->on_promote = true;
  failed("dev", true);
  EXPECT_EQ(planned(), quarantine("dev"));
}

TEST_F(PlanFailureTest, ACommitGoesOnWithoutContentThatCouldNotBeBroughtWithIt) {
  want("dev").code = c2;
  want_content("dev", live, 2);
  failed_content("dev", true);
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n" + quarantine_of_content("dev"));
  failed("dev", true);
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from live (generation 2) | its databases and "
            "files are its own\n" +
                quarantine("dev"))
      << "and the content without the commit";
}

TEST_F(PlanFailureTest, ACommitDoesNotWaitForContentThatInfrastructureFailed) {
  want("dev").code = c2;
  want_content("dev", live, 2);
  failed_content("dev", false);
  const auto until = plan().waiting.at(0).until.value();
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "waiting dev: sync databases and files from live (generation 2) | to be tried again; "
            "it failed: afterCopy: exit code 1 | until " +
                to_rfc3339(until) + "\nlook again at " + to_rfc3339(until) + "\n");
  now = until;
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222, sync databases and files from live (generation 2) | it "
            "runs 1111111, and its databases and files are its own\n");
}

TEST_F(PlanFailureTest, ANewCommitDoesNotJoinContentThatFailedByItself) {
  want_content("dev", live, 2);
  failed("dev", true);
  want("dev").code = c2;
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111\n" + quarantine("dev"));
  seen("dev").failures.at(0).quarantined = false;
  EXPECT_EQ(plan().ready.at(0).actions.size(), 1U);
  EXPECT_EQ(plan().waiting.size(), 1U);
}

TEST_F(PlanFailureTest, ContentThatCouldNotBeBroughtKeepsNoHealingBack) {
  want_content("dev", live, 2);
  failed("dev", true);
  seen("dev").drifted = true;
  EXPECT_EQ(planned(), "ready dev: promote 1111111 | its code was changed by hand | no update\n" +
                           quarantine("dev"));
}

TEST_F(PlanFailureTest, APersonLiftsTheQuarantineOfContentTogetherWithTheCommit) {
  want("dev").code = c2;
  want_content("dev", live, 2);
  failed_content("dev", true);
  retries = {"dev"};
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222, sync databases and files from live (generation 2) | it "
            "runs 1111111, and its databases and files are its own | asked\n");
}

TEST_F(PlanFailureTest, ANewEnvironmentIsNotCreatedWithoutItsContent) {
  is_missing("dev");
  want_content("dev", live, 1);
  failed_content("dev", true);
  EXPECT_EQ(planned(), quarantine_of_content("dev"));
}

TEST_F(PlanFailureTest, NothingGoesOnOnAnUnhealthyReleaseInQuarantine) {
  want("dev").code = c2;
  seen("dev").healthy = false;
  want_content("dev", live, 2);
  failed("dev", true);
  EXPECT_EQ(planned(), quarantine("dev"));
}

TEST_F(PlanFailureTest, SuspendedMeansHeldIfAnythingDiffers) {
  want("test").suspend = Suspend{"INC-42", "on-call", {}};
  EXPECT_EQ(planned(), "");
  seen("test").drifted = true;
  EXPECT_EQ(planned(),
            "held test Suspended: suspended by on-call: INC-42; remove suspend to go on\n");
}

TEST_F(PlanFailureTest, ASuspensionOpensAtItsEnd) {
  want("test").suspend = Suspend{"INC-42", "", noon + 1h};
  seen("test").drifted = true;
  EXPECT_EQ(planned(),
            "held test Suspended: suspended: INC-42; until 2026-11-20T13:00:00Z | opens "
            "2026-11-20T13:00:00Z\nlook again at 2026-11-20T13:00:00Z\n");
  now = noon + 1h;
  EXPECT_EQ(planned(), "ready test: promote 1111111 | its code was changed by hand | no update\n");
}

TEST_F(PlanFailureTest, WhatLostItsProcessIsRecoveredFirstAlsoWhenSuspended) {
  is_interrupted("test");
  want("test").suspend = Suspend{"INC-42", "on-call", {}};
  want("test").code = c2;
  EXPECT_EQ(planned(),
            "ready test: recover operation op1 | operation op1 was interrupted in phase build; it "
            "is finished or undone | no update\n");
}

TEST_F(PlanFailureTest, WhatLostItsProcessIsRecoveredAlsoWhenLetGoOrMoved) {
  is_interrupted("dev");
  site.environments.erase("dev");
  EXPECT_EQ(planned(),
            "ready dev: recover operation op1 | operation op1 was interrupted in phase build; it "
            "is finished or undone | no update\n");
  site.stages = {"live", "test"};
  EXPECT_EQ(plan().ready.size(), 1U);
}

TEST_F(PlanFailureTest, AFailedRecoveryBacksOff) {
  is_interrupted("test");
  seen("test").failures = {{"recover op1", false, "disk is full", noon, 1}};
  const auto until = plan().waiting.at(0).until.value();
  EXPECT_EQ(planned(),
            "waiting test: recover operation op1 | for undoing to be tried again; it failed: disk "
            "is full | until " +
                to_rfc3339(until) + "\nlook again at " + to_rfc3339(until) + "\n");
  now = until;
  EXPECT_EQ(plan().ready.size(), 1U);
}

TEST_F(PlanFailureTest, WhoeverIsAboveWaitsForARecovery) {
  is_interrupted("dev");
  want("dev").code = c2;
  want("test").code = c2;
  EXPECT_EQ(planned(),
            "ready dev: recover operation op1 | operation op1 was interrupted in phase build; it "
            "is finished or undone | no update\n"
            "waiting test: promote 2222222 | until dev has proven 2222222\n");
}

// ---- refreshes ----

class PlanRefreshTest : public PlanFailureTest {
 protected:
  PlanRefreshTest() {
    want_content("test", live, 7);
    has_content("test", live, 7);
    want("test").content.refresh = Refresh{};
  }
  Refresh& refresh() { return *want("test").content.refresh; }
  static constexpr const char* refreshed =
      "ready test: refresh databases and files from live (generation 7) | its refresh is due\n";
};

TEST_F(PlanRefreshTest, ComesEverySoOften) {
  refresh().every = 24h;
  EXPECT_EQ(planned(), "look again at 2026-11-21T12:00:00Z\n");
  now = noon + 24h - 1ms;
  EXPECT_EQ(planned(), "look again at 2026-11-21T12:00:00Z\n");
  now = noon + 24h;
  EXPECT_EQ(planned(), std::string(refreshed) + "look again at 2026-11-22T12:00:00Z\n");
}

TEST_F(PlanRefreshTest, ComesOnSchedule) {
  refresh().schedule = "0 3 * * *";
  EXPECT_EQ(planned(), "look again at 2026-11-21T03:00:00Z\n");
  now = noon + 15h;
  EXPECT_EQ(planned(), std::string(refreshed) + "look again at 2026-11-22T03:00:00Z\n");
}

TEST_F(PlanRefreshTest, ComesOnceForManyMissedTimes) {
  refresh().every = 1h;
  now = noon + 100h;
  EXPECT_EQ(plan().ready.size(), 1U);
  has_content("test", live, 7, now);
  EXPECT_EQ(plan().ready.size(), 0U);
}

TEST_F(PlanRefreshTest, AdoptedContentIsRefreshedToo) {
  has_content("test", ContentSource::adopted(), 7);
  refresh().every = 1h;
  now = noon + 1h;
  EXPECT_EQ(planned(), std::string(refreshed) + "look again at 2026-11-20T14:00:00Z\n");
}

TEST_F(PlanRefreshTest, ContentOfUnknownAgeIsNotRefreshed) {
  for (Part p : parts) part("test", p).stamp.taken_at.reset();
  refresh().every = 1h;
  refresh().on_promote = true;
  refresh().if_older_than = 1h;
  want("test").code = c2;
  seen("dev").proven[c2];
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111\n");
}

TEST_F(PlanRefreshTest, ContentOfUnknownAgeIsRefreshedWhereEveryPromotionAsksForIt) {
  for (Part p : parts) part("test", p).stamp.taken_at.reset();
  refresh().on_promote = true;
  want("test").code = c2;
  seen("dev").proven[c2];
  EXPECT_EQ(planned(),
            "ready test: promote 2222222, refresh databases and files from live (generation 7) | "
            "it runs 1111111, and its content is taken anew with new code\n");
}

TEST_F(PlanRefreshTest, ComesWithANewCommit) {
  refresh().on_promote = true;
  EXPECT_EQ(planned(), "");
  want("test").code = c2;
  seen("dev").proven[c2];
  EXPECT_EQ(planned(),
            "ready test: promote 2222222, refresh databases and files from live (generation 7) | "
            "it runs 1111111, and its content is taken anew with new code\n");
}

TEST_F(PlanRefreshTest, ComesWithANewCommitOnlyIfTheContentIsOld) {
  refresh().on_promote = true;
  refresh().if_older_than = 24h;
  want("test").code = c2;
  seen("dev").proven[c2];
  now = noon + 24h - 1ms;
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111\n");
  now = noon + 24h;
  EXPECT_EQ(planned(),
            "ready test: promote 2222222, refresh databases and files from live (generation 7) | "
            "it runs 1111111, and its content is taken anew with new code\n");
}

TEST_F(PlanRefreshTest, DoesNotComeWithGoingBackHealingOrNewVariables) {
  refresh().on_promote = true;
  now = noon + 240h;
  seen("test").drifted = true;
  EXPECT_EQ(planned(), "ready test: promote 1111111 | its code was changed by hand | no update\n");
  seen("test").drifted = false;
  seen("test").healthy = false;
  EXPECT_EQ(planned(),
            "ready test: promote 1111111 | its release has not passed verification | no update\n");
  seen("test").healthy = true;
  seen("test").wanted_inputs = "new";
  EXPECT_EQ(
      planned(),
      "ready test: promote 1111111 | its variables, secrets or build have changed | no update\n");
  seen("test").wanted_inputs = "inputs";
  seen("test").commit = c2;
  seen("test").proven = {{c1, {}}, {c2, {}}};
  EXPECT_EQ(planned(), "ready test: promote 1111111 | it runs 2222222 | no update\n");
}

TEST_F(PlanRefreshTest, DoesNotComeWithARetry) {
  refresh().on_promote = true;
  want("test").code = c2;
  seen("dev").proven[c2];
  failed("test", true);
  retries = {"test"};
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111 | asked\n");
}

TEST_F(PlanRefreshTest, InQuarantineItWaitsForItsNextTime) {
  refresh().every = 1h;
  now = noon + 1h;
  failed("test", true, 1, now);
  now = noon + 2h - 1ms;
  EXPECT_EQ(planned(), quarantine("test") + "look again at 2026-11-20T14:00:00Z\n");
  now = noon + 2h;
  EXPECT_EQ(planned(), std::string(refreshed) + "look again at 2026-11-20T15:00:00Z\n");
}

TEST_F(PlanRefreshTest, InQuarantineItKeepsNoCommitBack) {
  refresh().every = 1h;
  now = noon + 1h;
  failed("test", true, 1, now);
  want("test").code = c2;
  seen("dev").proven[c2];
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111\n" + quarantine("test") +
                           "look again at 2026-11-20T14:00:00Z\n");
}

TEST_F(PlanRefreshTest, ThatCouldNotComeWithACommitKeepsItNotBack) {
  refresh().on_promote = true;
  want("test").code = c2;
  seen("dev").proven[c2];
  failed_content("test", true);
  EXPECT_EQ(planned(),
            "ready test: promote 2222222 | it runs 1111111\n" + quarantine_of_content("test"));
}

TEST_F(PlanRefreshTest, ComesWithTheNextCommitThoughItCouldNotComeWithTheLast) {
  refresh().on_promote = true;
  want("test").code = c2;
  seen("dev").proven = {{c1, {}}, {c2, {}}, {c3, {}}};
  failed_content("test", true);
  seen("test").commit = c2;
  want("test").code = c3;
  EXPECT_EQ(planned(),
            "ready test: promote 3333333, refresh databases and files from live (generation 7) | "
            "it runs 2222222, and its content is taken anew with new code\n");
}

TEST_F(PlanRefreshTest, GoesOnWhileTheCodeIsHeldOrInQuarantine) {
  refresh().every = 1h;
  now = noon + 1h;
  want("test").code = c2;
  EXPECT_EQ(planned(),
            std::string(refreshed) +
                "held test NotProven: 2222222 has not been proven in dev; let dev run it first\n"
                "look again at 2026-11-20T14:00:00Z\n");
  seen("dev").proven[c2];
  failed("test", true);
  EXPECT_EQ(planned(),
            std::string(refreshed) + quarantine("test") + "look again at 2026-11-20T14:00:00Z\n");
}

TEST_F(PlanRefreshTest, WhoReadsWaitsForIt) {
  refresh().every = 1h;
  now = noon + 1h;
  want_content("dev", ContentSource::from("test"), 1);
  EXPECT_EQ(planned(), std::string(refreshed) +
                           "waiting dev: sync databases and files from test (generation 1) | until "
                           "test has its own content\n"
                           "look again at 2026-11-20T14:00:00Z\n");
  failed("test", true);
  EXPECT_EQ(plan().ready.at(0).environment, "dev");
}

}  // namespace
}  // namespace tidegate
