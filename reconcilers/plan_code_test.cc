// What becomes of code: what it follows, who must have proven it, what goes with it.

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class PlanCodeTest : public SiteAtRest {};

TEST_F(PlanCodeTest, NothingIsToDoAtRest) {
  EXPECT_EQ(planned(), "");
  EXPECT_TRUE(plan().converged());
}

TEST_F(PlanCodeTest, PromotesToThePinnedCommit) {
  want("dev").code = c2;
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111\n");
  const Step step = plan().ready.at(0);
  EXPECT_EQ(step.commit, c2);
  EXPECT_FALSE(step.digest.empty());
}

TEST_F(PlanCodeTest, FollowsABranch) {
  want("dev").code = BranchName{"main"};
  observed.refs["refs/heads/main"] = c2;
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111\n");
}

TEST_F(PlanCodeTest, FollowsATag) {
  want("dev").code = TagName{"v2"};
  observed.refs["refs/tags/v2"] = c2;
  observed.refs["refs/heads/v2"] = c3;
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111\n");
}

TEST_F(PlanCodeTest, FollowsWhatWasProvenLastBelow) {
  want("test").code = ProvenIn{"dev"};
  want("dev").code = c2;
  seen("dev").commit = c2;
  seen("dev").proven = {{c1, {}}, {c2, {}}, {c3, {}}};
  seen("dev").last_proven = c2;
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111\n");
}

TEST_F(PlanCodeTest, HoldsWhatFollowsAStageThatProvesNothing) {
  want("test").code = ProvenIn{"dev"};
  seen("dev").last_proven.reset();
  EXPECT_EQ(planned(),
            "held test NotProven: dev has proven no commit yet; let dev run one first\n");
}

TEST_F(PlanCodeTest, HoldsAMissingRef) {
  want("dev").code = BranchName{"mian"};
  want("test").code = TagName{"v9"};
  observed.missing_commits = {c2};
  want("live").code = c2;
  EXPECT_EQ(planned(),
            "held dev Invalid: branch \"mian\" is not in acme.git; push it, or name another\n"
            "held test Invalid: tag \"v9\" is not in acme.git; push it, or name another\n"
            "held live Invalid: commit 2222222222222222222222222222222222222222 is not in "
            "acme.git; push it, or name another\n");
}

TEST_F(PlanCodeTest, WaitsForAnUnreachableRepositoryOnlyWhereItHasNoAnswerYet) {
  observed.repository_problem = "acme.git: connection refused";
  want("dev").code = BranchName{"main"};
  observed.refs["refs/heads/main"] = c2;
  want("test").code = TagName{"v2"};
  want("live").code = c3;
  observed.missing_commits = {c3};
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "waiting test:  | for the repository: acme.git: connection refused\n"
            "waiting live:  | for the repository: acme.git: connection refused\n");
}

TEST_F(PlanCodeTest, HoldsWhatTheStageBelowHasNotProven) {
  want("test").code = c2;
  EXPECT_EQ(planned(),
            "held test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(PlanCodeTest, SaysWhyACommitIsProvenNoMore) {
  seen("dev").commit = c2;
  seen("dev").healthy = false;
  seen("dev").last_proven = c2;
  seen("dev").revoked[c2] = {noon, "GET https://dev.acme.example/ answered 500"};
  want("dev").code = c2;
  want("test").code = ProvenIn{"dev"};
  EXPECT_EQ(planned(),
            "held test NotProven: 2222222 is not proven in dev any more: its verification failed "
            "again at 2026-11-20T12:00:00Z: GET https://dev.acme.example/ answered 500; it is once "
            "that passes there\n");
}

TEST_F(PlanCodeTest, WhatIsNotHealthyAnyMoreIsNotBroughtAnew) {
  seen("live").healthy = false;
  seen("live").proven.clear();
  seen("live").revoked[c1] = {noon, "GET https://acme.example/ answered 500"};
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanCodeTest, AStageIsNotSkippedThoughALowerOneHasProvenIt) {
  seen("dev").proven[c2];
  want("live").code = c2;
  EXPECT_EQ(planned(),
            "held live NotProven: 2222222 has not been proven in test; let test run it first\n");
}

TEST_F(PlanCodeTest, AStageWithoutADocumentStillCounts) {
  site.environments.erase("test");
  seen("dev").proven[c2];
  want("live").code = c2;
  EXPECT_EQ(planned(),
            "held live NotProven: 2222222 has not been proven in test; let test run it first\n");
}

TEST_F(PlanCodeTest, WaitsThroughTheStagesWhileTheCommitRises) {
  for (const char* e : {"dev", "test", "live"}) want(e).code = c2;
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "waiting test: promote 2222222 | until dev has proven 2222222\n"
            "waiting live: promote 2222222 | until test has proven 2222222\n");
}

TEST_F(PlanCodeTest, WaitsForAStageThatIsBusyWithIt) {
  want("dev").code = c2;
  want("test").code = c2;
  is_busy("dev");
  EXPECT_EQ(planned(),
            "waiting dev:  | until operation op1 has ended, which is in phase build\n"
            "waiting test: promote 2222222 | until dev has proven 2222222\n");
}

// A new site whose Test follows Dev, and whose Live is pinned to what both are about to prove.
class PlanFollowingTest : public PlanCodeTest {
 protected:
  PlanFollowingTest() {
    site.launched = seen("live").launched = false;
    for (const char* e : {"dev", "test", "live"}) {
      is_missing(e);
      want(e).code = c1;
    }
    want("test").code = ProvenIn{"dev"};
  }
  static constexpr const char* both_wait =
      "waiting test: promote 1111111, create empty databases and files | until dev has proven "
      "1111111\n"
      "waiting live: promote 1111111, create empty databases and files | until test has proven "
      "1111111\n";
};

TEST_F(PlanFollowingTest, WaitsThroughAStageThatFollows) {
  EXPECT_EQ(planned(),
            std::string("ready dev: promote 1111111, create empty databases and files | it is new "
                        "| creates\n") +
                both_wait);
  is_busy("dev");
  EXPECT_EQ(
      planned(),
      std::string("waiting dev:  | until operation op1 has ended, which is in phase build\n") +
          both_wait);
}

TEST_F(PlanFollowingTest, WaitsWhileTheRepositoryHasNoAnswerYet) {
  want("dev").code = BranchName{"main"};
  observed.repository_problem = "acme.git: timeout";
  EXPECT_EQ(
      planned(),
      "waiting dev: create empty databases and files | for the repository: acme.git: timeout\n"
      "waiting test: create empty databases and files | until dev has proven a commit\n"
      "waiting live: promote 1111111, create empty databases and files | until test has "
      "proven 1111111\n");
}

TEST_F(PlanFollowingTest, HoldsWhatTheStageThatFollowsWillNotReach) {
  want("live").code = c2;
  const std::string held =
      "held live NotProven: 2222222 has not been proven in test; let test run it first\n";
  EXPECT_TRUE(planned().ends_with(held)) << planned();
  want("live").code = c1;
  want("test").suspend = Suspend{"INC-1", "", {}};
  EXPECT_TRUE(planned().ends_with(
      "held live NotProven: 1111111 has not been proven in test; let test run it first\n"))
      << planned();
}

TEST_F(PlanFollowingTest, HoldsEverythingAboveAStageInQuarantine) {
  failed("dev", true);
  EXPECT_EQ(planned(),
            "held dev Quarantined: update: exit code 1; change the commit or the manifest, or run: "
            "tidegate retry acme/dev\n"
            "held test NotProven: dev has proven no commit yet; let dev run one first\n"
            "held live NotProven: 1111111 has not been proven in test; let test run it first\n");
}

// A site at rest, of which Dev gets another commit: Test will differ only once Dev has proven it.
class PlanFollowingOnTest : public PlanCodeTest {
 protected:
  PlanFollowingOnTest() {
    want("dev").code = c2;
    want("test").code = ProvenIn{"dev"};
    want("live").code = c2;
  }
  const std::string promoted = "ready dev: promote 2222222 | it runs 1111111\n";
  const std::string waits = "waiting live: promote 2222222 | until test has proven 2222222\n";
  const std::string held =
      "held live NotProven: 2222222 has not been proven in test; let test run it first\n";
};

TEST_F(PlanFollowingOnTest, WhatFollowsIsOnItsWayBeforeItDiffers) {
  EXPECT_EQ(planned(), promoted + waits);
  is_busy("test");
  EXPECT_EQ(planned(),
            promoted + "waiting test:  | until operation op1 has ended, which is in phase build\n" +
                waits);
}

TEST_F(PlanFollowingOnTest, WhatFollowsGoesOnByWayOfAnOlderCommit) {
  seen("dev").last_proven = c3;
  seen("dev").proven[c3];
  const std::string between = "ready test: promote 3333333 | it runs 1111111\n";
  EXPECT_EQ(planned(), promoted + between + waits);
  want("live").code = c3;
  EXPECT_EQ(planned(),
            promoted + between + "waiting live: promote 3333333 | until test has proven 3333333\n");
}

TEST_F(PlanFollowingOnTest, WhatIsKeptFromFollowingIsNotWaitedFor) {
  want("test").suspend = Suspend{"INC-1", "", {}};
  EXPECT_EQ(planned(), promoted + held);
  want("test").suspend.reset();
  seen("test").missing_secret = "secret \"smtp\" is not there";
  EXPECT_TRUE(planned().ends_with(held)) << planned();
  seen("test").missing_secret = "";
  want("test").driver = nullptr;
  EXPECT_TRUE(planned().ends_with(held)) << planned();
}

TEST_F(PlanFollowingOnTest, WhatFollowsIntoAQuarantineIsNotWaitedFor) {
  seen("dev").proven[c2];
  seen("dev").commit = seen("dev").last_proven = c2;
  failed("test", true);
  seen("dev") = at_rest();
  EXPECT_EQ(planned(), promoted + held);
  retries = {"test"};
  EXPECT_TRUE(planned().ends_with(waits)) << planned();
}

TEST_F(PlanCodeTest, HoldsWhatASuspendedStageBelowWillNotProve) {
  want("dev").code = c2;
  want("test").code = c2;
  want("dev").suspend = Suspend{"INC-1", "ada", {}};
  EXPECT_EQ(planned(),
            "held dev Suspended: suspended by ada: INC-1; remove suspend to go on\n"
            "held test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(PlanCodeTest, HoldsWhatAStageBelowHasInQuarantine) {
  want("dev").code = c2;
  failed("dev", true);
  want("test").code = c2;
  EXPECT_EQ(planned(),
            "held dev Quarantined: update: exit code 1; change the commit or the manifest, or run: "
            "tidegate retry acme/dev\n"
            "held test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(PlanCodeTest, GoesBackToAKeptReleaseWithoutUpdate) {
  seen("live").commit = c2;
  seen("live").proven = {{c1, {}}, {c2, {}}};
  seen("live").kept = {{"9", c1, "old inputs", {{Part::databases, "1"}, {Part::files, "1"}}, true},
                       {"8", c1, "inputs", {{Part::databases, "0"}, {Part::files, "1"}}, true},
                       {"7", c1, "inputs", {{Part::databases, "1"}, {Part::files, "1"}}, false},
                       {"6", c1, "inputs", {{Part::databases, "1"}, {Part::files, "1"}}, true}};
  EXPECT_EQ(planned(), "ready live: promote 1111111 | it runs 2222222 | release 6 | no update\n");
}

TEST_F(PlanCodeTest, BuildsAgainWhatIsNotKept) {
  seen("live").commit = c2;
  seen("live").proven = {{c1, {}}, {c2, {}}};
  EXPECT_EQ(planned(), "ready live: promote 1111111 | it runs 2222222 | no update\n");
}

TEST_F(PlanCodeTest, UpdatesWhereACommitNeverRanOnThisContent) {
  seen("live").commit = c2;
  seen("live").proven = {{c1, {}}, {c2, {}}};
  seen("live").ran_on[c1] = {"0"};
  EXPECT_EQ(planned(), "ready live: promote 1111111 | it runs 2222222\n");
  want("live").deploy.update = false;
  EXPECT_EQ(planned(), "ready live: promote 1111111 | it runs 2222222 | no update\n");
}

TEST_F(PlanCodeTest, WarnsWhenOnlyTheCodeGoesBack) {
  seen("live").commit = c2;
  seen("live").proven = {{c1, {}}, {c2, {}}};
  seen("live").updated_since = true;
  EXPECT_EQ(planned(),
            "ready live: promote 1111111 | it runs 2222222 | no update\n"
            "warning live: update changed the databases since 1111111 ran here; only the code goes "
            "back\n");
}

TEST_F(PlanCodeTest, DoesNotWarnWhenTheDatabasesAreReplacedToo) {
  seen("test").commit = c2;
  seen("test").proven = {{c1, {}}, {c2, {}}};
  seen("test").updated_since = true;
  want_content("test", ContentSource::from("live"), 1);
  EXPECT_EQ(planned(),
            "ready test: promote 1111111, sync databases and files from live (generation 1) | it "
            "runs 2222222, and its databases and files are its own\n");
}

TEST_F(PlanCodeTest, ChangedVariablesPromoteTheSameCommit) {
  seen("live").wanted_inputs = "new inputs";
  EXPECT_EQ(
      planned(),
      "ready live: promote 1111111 | its variables, secrets or build have changed | no update\n");
}

TEST_F(PlanCodeTest, HealsWhatWasChangedByHand) {
  seen("test").drifted = true;
  EXPECT_EQ(planned(), "ready test: promote 1111111 | its code was changed by hand | no update\n");
}

TEST_F(PlanCodeTest, RunsAnUnhealthyReleaseAgain) {
  seen("dev").healthy = false;
  EXPECT_EQ(planned(),
            "ready dev: promote 1111111 | its release has not passed verification | no update\n");
}

TEST_F(PlanCodeTest, HealsWhatRunsThoughTheStageBelowHasForgottenIt) {
  seen("dev").proven.clear();
  seen("test").drifted = true;
  EXPECT_EQ(planned(), "ready test: promote 1111111 | its code was changed by hand | no update\n");
}

TEST_F(PlanCodeTest, HoldsAMissingSecret) {
  seen("test").missing_secret = "secret \"smtp\" is not there";
  seen("test").wanted_inputs = "";
  EXPECT_EQ(planned(), "held test Invalid: secret \"smtp\" is not there\n");
}

TEST_F(PlanCodeTest, AMissingSecretHoldsContentToo) {
  seen("test").missing_secret = "secret \"smtp\" is not there";
  want_content("test", ContentSource::empty(), 1);
  EXPECT_EQ(planned(), "held test Invalid: secret \"smtp\" is not there\n");
}

TEST_F(PlanCodeTest, HoldsCodeThatTracksContent) {
  want("dev").code = c2;
  observed.tracked_content[c2] = "web/uploads";
  EXPECT_EQ(planned(),
            "held dev Invalid: commit 2222222 has tracked files under \"web/uploads\", which the "
            "Site declares as content; remove them from the code, or declare another path\n");
}

TEST_F(PlanCodeTest, ALostDriverHoldsItsEnvironmentAlone) {
  want("dev").code = c2;
  want("live").driver = nullptr;
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "held live Invalid: its driver is not defined by any document\n");
}

TEST_F(PlanCodeTest, ABrokenManifestIsToldAndItsLastGoodStateGoesOn) {
  site.invalid = "acme.yaml:3:1: spec: is missing";
  want("dev").code = c2;
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "held  Invalid: acme.yaml:3:1: spec: is missing\n");
}

TEST_F(PlanCodeTest, ASiteMayHaveOneStageOrFive) {
  site.stages = {"live"};
  want("live").code = c2;
  EXPECT_EQ(planned(), "ready live: promote 2222222 | it runs 1111111\n");
  site.stages = {"d0", "dev", "qa", "test", "live"};
  EXPECT_EQ(planned(),
            "held live NotProven: 2222222 has not been proven in test; let test run it first\n");
}

TEST_F(PlanCodeTest, WaitsForARepositoryThatWasNotReadYet) {
  want("dev").code = c2;
  observed.repository_pending = true;
  observed.repository_problem = "repository acme.git has not been looked up yet";
  observed.unread_commits = {c1, c2};
  EXPECT_EQ(planned(),
            "waiting dev: promote 2222222 | for the repository: repository acme.git has not been "
            "looked up yet\n")
      << "and what runs needs none";
  observed.unread_commits.clear();
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111\n") << "it is in the mirror";
}

TEST_F(PlanCodeTest, WaitsWhileWhatWasJustNamedIsLookedFor) {
  want("dev").code = c2;
  observed.unread_commits = {c2};
  EXPECT_EQ(planned(),
            "waiting dev: promote 2222222 | for the repository: commit 2222222 is not known yet, "
            "and is being looked for\n");
  want("dev").code = TagName{"v2"};
  observed.unread_refs = {"refs/tags/v2"};
  EXPECT_EQ(planned(),
            "waiting dev:  | for the repository: tag \"v2\" is not known yet, and is being looked "
            "for\n");
}

}  // namespace
}  // namespace tidegate
