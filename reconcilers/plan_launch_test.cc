// New environments, the launch and its latch, and the authority that nobody overwrites.

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

const ContentSource live = ContentSource::from("live");

class PlanLaunchTest : public SiteAtRest {
 protected:
  void before_launch() { site.launched = seen("live").launched = false; }
};

TEST_F(PlanLaunchTest, ANewEnvironmentKeepsContentThatIsCreatedEmpty) {
  is_missing("dev");
  EXPECT_EQ(planned(),
            "ready dev: promote 1111111, create empty databases and files | it is new | creates\n");
}

TEST_F(PlanLaunchTest, ANewEnvironmentGetsItsContentAtOnce) {
  is_missing("dev");
  want_content("dev", live, 3);
  want("dev").content.files = false;
  EXPECT_EQ(planned(),
            "ready dev: promote 1111111, sync databases from live (generation 3), create empty "
            "files | it is new | creates\n");
}

TEST_F(PlanLaunchTest, ANewEnvironmentIsWipedAtItsGeneration) {
  is_missing("dev");
  want_content("dev", ContentSource::empty(), 4);
  EXPECT_EQ(planned(),
            "ready dev: promote 1111111, wipe databases and files (generation 4) | it is new | "
            "creates\n");
}

TEST_F(PlanLaunchTest, ANewEnvironmentWithoutASourceIsCreatedEmptyAndItsSyncFollows) {
  before_launch();
  is_missing("dev");
  is_missing("live");
  want_content("dev", live, 1);
  site.environments.erase("test");
  const std::string created =
      "ready dev: promote 1111111, create empty databases and files | it is new, and live has no "
      "content to copy yet | creates\n";
  EXPECT_EQ(text(plan()).substr(0, created.size()), created);
  seen("dev") = at_rest();
  seen("live") = at_rest();
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from live (generation 1) | its databases and "
            "files are its own\n");
}

TEST_F(PlanLaunchTest, ANewEnvironmentWaitsForASourceThatIsBusy) {
  is_missing("dev");
  want_content("dev", live, 1);
  is_busy("live");
  EXPECT_EQ(planned(),
            "waiting live:  | until operation op1 has ended, which is in phase build\n"
            "waiting dev: promote 1111111, sync databases and files from live (generation 1) | "
            "until the operation on live has ended\n");
}

// Test waits for Dev to prove its commit: were Dev to wait for Test's content, both would for ever.
TEST_F(PlanLaunchTest, ANewEnvironmentDoesNotWaitForOneThatWaitsForIt) {
  is_missing("dev");
  want("dev").code = c2;
  want_content("dev", ContentSource::from("test"), 1);
  want("test").code = c2;
  want_content("test", live, 1);
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222, create empty databases and files | it is new, and test "
            "has no content to copy yet | creates\n"
            "waiting test: promote 2222222, sync databases and files from live (generation 1) | "
            "until dev has proven 2222222\n");
}

TEST_F(PlanLaunchTest, ANewEnvironmentIsNotCreatedWithCodeThatIsHeld) {
  is_missing("test");
  want("test").code = c2;
  EXPECT_EQ(planned(),
            "held test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(PlanLaunchTest, ANewEnvironmentThatFailedForGoodIsHeld) {
  is_missing("dev");
  failed("dev", true);
  EXPECT_EQ(planned(),
            "held dev Quarantined: update: exit code 1; change the commit or the manifest, or run: "
            "tidegate retry acme/dev\n");
}

TEST_F(PlanLaunchTest, BeforeLaunchTheAuthorityIsCreated) {
  before_launch();
  is_missing("live");
  EXPECT_EQ(
      planned(),
      "ready live: promote 1111111, create empty databases and files | it is new | creates\n");
}

TEST_F(PlanLaunchTest, BeforeLaunchContentMayComeUp) {
  before_launch();
  want_content("live", ContentSource::from("test"), 1);
  EXPECT_EQ(planned(),
            "ready live: sync databases and files from test (generation 1) | its databases and "
            "files are its own\n");
}

TEST_F(PlanLaunchTest, AMissingAuthorityIsNeverCreatedEmpty) {
  is_missing("live");
  EXPECT_EQ(
      planned(),
      "held live AuthorityMissing: live is the authority of a launched site and is not there; it "
      "is never created empty: bring it back; launched: false is only for a site that never was "
      "launched\n");
}

TEST_F(PlanLaunchTest, ALaunchedAuthorityIsNotOverwritten) {
  want_content("live", ContentSource::empty(), 9);
  EXPECT_EQ(planned(),
            "held live AuthorityProtected: live is the authority of a launched site; its content "
            "is never wiped: write content: {source: keep}\n");
  want_content("live", ContentSource::from("test"), 9);
  EXPECT_EQ(planned(),
            "held live AuthorityProtected: live is the authority of a launched site; its content "
            "is never replaced: write content: {source: keep}\n");
}

TEST_F(PlanLaunchTest, KeptContentDoesNotComeBackToALaunchedAuthority) {
  want_content("live", ContentSource::from("test"), 1);
  has_content("live", ContentSource::from("test"), 2);
  for (Part p : parts) part("live", p).kept = {{"k1", {ContentSource::from("test"), 1, {}, {}}}};
  const std::string held =
      "held live AuthorityProtected: live is the authority of a launched site; its content is "
      "never replaced: write content: {source: keep}\n";
  EXPECT_EQ(planned(), held);
  for (Part p : parts) part("live", p).kept.clear();
  EXPECT_EQ(planned(), held);
}

TEST_F(PlanLaunchTest, ContentOfBeforeTheLaunchStaysSatisfied) {
  want_content("live", ContentSource::from("test"), 1);
  has_content("live", ContentSource::from("test"), 1);
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanLaunchTest, TheCodeOfAProtectedAuthorityGoesOn) {
  want_content("live", ContentSource::empty(), 9);
  want("live").code = c2;
  seen("test").proven[c2];
  EXPECT_EQ(planned(),
            "ready live: promote 2222222 | it runs 1111111\n"
            "held live AuthorityProtected: live is the authority of a launched site; its content "
            "is never wiped: write content: {source: keep}\n");
}

TEST_F(PlanLaunchTest, ContentDoesNotFlowUpOnceLaunched) {
  want_content("test", ContentSource::from("dev"), 1);
  EXPECT_EQ(planned(),
            "held test AuthorityProtected: content only flows down once a site is launched, and "
            "dev is below test: name a stage above, or keep\n");
}

TEST_F(PlanLaunchTest, TheLaunchIsRecordedBeforeAnythingElse) {
  seen("live").launched = false;
  want("live").code = c2;
  seen("test").proven[c2];
  want_content("dev", live, 1);
  EXPECT_EQ(planned(),
            "ready live: record the launch | the site is launched; live is its content authority "
            "from now on | no update\n"
            "waiting dev: sync databases and files from live (generation 1) | until the operation "
            "on live has ended\n"
            "waiting live: promote 2222222 | until the launch of live is recorded\n");
}

TEST_F(PlanLaunchTest, TheLaunchOfASuspendedAuthorityIsRecordedToo) {
  seen("live").launched = false;
  want("live").suspend = Suspend{"INC-1", "", {}};
  EXPECT_EQ(planned(),
            "ready live: record the launch | the site is launched; live is its content authority "
            "from now on | no update\n");
}

TEST_F(PlanLaunchTest, TheLaunchWaitsForWhoReadsTheAuthority) {
  seen("live").launched = false;
  is_busy("live", true);
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanLaunchTest, AnInterruptedOperationComesBeforeTheLaunch) {
  seen("live").launched = false;
  is_interrupted("live");
  EXPECT_EQ(planned(),
            "ready live: recover operation op1 | operation op1 was interrupted in phase build; it "
            "is finished or undone | no update\n");
  seen("live").failures = {{"recover op1", false, "disk is full", noon, 1}};
  EXPECT_EQ(plan().ready.size(), 0U);
}

// Who is gone may have been launched before, in an order of stages that was changed since.
TEST_F(PlanLaunchTest, NothingIsLaunchedWhileSomethingIsGone) {
  seen("live").launched = false;
  seen("test") = {};
  seen("test").gone = "/srv is not mounted";
  EXPECT_EQ(planned(), "held test EnvironmentGone: /srv is not mounted\n");
}

TEST_F(PlanLaunchTest, AnUndoneLaunchIsHeldAndProtectsOn) {
  site.launched = false;
  want_content("live", ContentSource::empty(), 9);
  want_content("test", ContentSource::from("dev"), 1);
  want_content("dev", live, 1);
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from live (generation 1) | its databases and "
            "files are its own\n"
            "held live LaunchedOnce: acme was launched and stays so; set launched: true again\n"
            "held test AuthorityProtected: content only flows down once a site is launched, and "
            "dev is below test: name a stage above, or keep\n"
            "held live AuthorityProtected: live is the authority of a launched site; its content "
            "is never wiped: write content: {source: keep}\n");
}

TEST_F(PlanLaunchTest, AMovedAuthorityHoldsEverything) {
  site.stages = {"dev", "live", "test"};
  want("dev").code = c2;
  want_content("live", ContentSource::empty(), 9);
  const std::string why =
      " LaunchedOnce: live is the content authority of a launched site; the manifest makes it "
      "test: put live last in stages again\n";
  EXPECT_EQ(planned(), "held dev" + why + "held live" + why + "held test" + why);
}

TEST_F(PlanLaunchTest, AnAuthorityThatIsLetGoHoldsEverything) {
  site.stages = {"dev", "test"};
  site.environments.erase("live");
  const std::string why =
      " LaunchedOnce: live is the content authority of a launched site; the manifest makes it "
      "test: put live last in stages again\n";
  EXPECT_EQ(planned(), "held live" + why + "held dev" + why + "held test" + why);
}

// The launch may be undone and its record out of reach at the same time.
TEST_F(PlanLaunchTest, WhileTheAuthorityIsGoneContentDoesNotFlowUp) {
  site.launched = false;
  seen("live") = {};
  seen("live").gone = "/srv is not mounted";
  want_content("test", ContentSource::from("dev"), 1);
  EXPECT_EQ(planned(),
            "held live EnvironmentGone: /srv is not mounted\n"
            "held test AuthorityProtected: content only flows down once a site is launched, and "
            "dev is below test: name a stage above, or keep\n");
}

TEST_F(PlanLaunchTest, AnEnvironmentThatIsGoneIsNeverCreatedAnew) {
  is_missing("dev");
  seen("dev").gone = "/srv is not mounted";
  EXPECT_EQ(planned(), "held dev EnvironmentGone: /srv is not mounted\n");
}

TEST_F(PlanLaunchTest, BeforeLaunchAGoneStageDoesNotKeepTheAuthorityFromBeingCreated) {
  before_launch();
  is_missing("live");
  seen("dev") = {};
  seen("dev").gone = "/srv is not mounted";
  EXPECT_EQ(planned(),
            "ready live: promote 1111111, create empty databases and files | it is new | creates\n"
            "held dev EnvironmentGone: /srv is not mounted\n");
}

}  // namespace
}  // namespace tidegate
