// What a Grant makes possible, and nothing beside it.

#include "reconcilers/governed_site.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class GrantsTest : public GovernedSite {
 protected:
  std::string broken(const std::string& e, Action action) const {
    Step step;
    step.environment = e;
    step.actions = {std::move(action)};
    return broken_rule(site, observed, step, calendar, now).value_or("");
  }
  std::vector<std::string> grants() const { return plan().ready.at(0).grants; }
};

// ---- a hotfix ----

TEST_F(GrantsTest, AHotfixGoesStraightToLive) {
  want("live").code = c2;
  EXPECT_EQ(planned(),
            "held live NotProven: 2222222 has not been proven in test; let test run it first\n");
  grant("live", GrantedPromote{c2});
  EXPECT_EQ(planned(), "ready live: promote 2222222 | it runs 1111111\n");
  EXPECT_EQ(grants(), std::vector<std::string>{"g1"});
}

TEST_F(GrantsTest, AHotfixDoesNotWaitForTheStageBelow) {
  want("live").code = want("test").code = want("dev").code = c2;
  grant("live", GrantedPromote{c2});
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "ready live: promote 2222222 | it runs 1111111\n"
            "waiting test: promote 2222222 | until dev has proven 2222222\n");
}

TEST_F(GrantsTest, AGrantIsForOneEnvironmentOneActionAndOneCommitOfOneSite) {
  const std::string skips = "commit 2222222 skips test";
  grant("live", GrantedPromote{c3}, "other commit");
  EXPECT_EQ(broken("live", Promote{c2}), skips);
  grant("test", GrantedPromote{c2}, "other environment");
  EXPECT_EQ(broken("live", Promote{c2}), skips);
  grant("live", GrantedSync{"test", 8}, "other action");
  EXPECT_EQ(broken("live", Promote{c2}), skips);
  auto foreign = std::make_shared<Grant>(
      Grant{"g", "g", "shop", "live", GrantedPromote{c2}, "", "ada", noon + 1h});
  change().grants.push_back(foreign);
  EXPECT_EQ(broken("live", Promote{c2}), skips);
  grant("live", GrantedPromote{c2});
  EXPECT_EQ(broken("live", Promote{c2}), "");
}

TEST_F(GrantsTest, AnExpiredOrUsedGrantIsNone) {
  grant("live", GrantedPromote{c2});
  now = noon + 1h - 1ms;
  EXPECT_EQ(broken("live", Promote{c2}), "");
  now = noon + 1h;
  EXPECT_EQ(broken("live", Promote{c2}), "commit 2222222 skips test");
  now = noon;
  seen("live").grants_used["g1"] = c2;
  EXPECT_EQ(broken("live", Promote{c2}), "commit 2222222 skips test");
  grant("live", GrantedPromote{c2}, "g2");
  EXPECT_EQ(broken("live", Promote{c2}), "") << "a changed Grant is another one";
}

TEST_F(GrantsTest, AHotfixIsReportedUntilTheLowestStageHasIt) {
  want("live").code = c2;
  seen("live").commit = c2;
  seen("live").proven[c2];
  seen("live").grants_used["g1"] = c2;
  const std::string warning =
      "warning live: runs hotfix 2222222, which is not in what dev runs: merge it there, or the "
      "next promotion takes it away again\n";
  EXPECT_EQ(planned(), warning);
  observed.contained = {c2};
  EXPECT_EQ(planned(), "");
  observed.contained.clear();
  seen("dev").proven[c2];
  EXPECT_EQ(planned(), "");
  seen("dev").proven.erase(c2);
  seen("live").commit = c1;
  want("live").code = c1;
  EXPECT_EQ(planned(), "") << "it went back";
}

TEST_F(GrantsTest, AGrantDoesNotLiftAFreezeOrAWindow) {
  want("live").code = c2;
  grant("live", GrantedPromote{c2});
  freeze({"stop", {}, {}, {}, "incident", {}});
  EXPECT_EQ(planned(), "held live Frozen: stop: frozen: incident; remove the Freeze to go on\n");
}

TEST_F(GrantsTest, ABusyEnvironmentDoesNotTurnAGrantIntoAHold) {
  want("live").code = c2;
  grant("live", GrantedPromote{c2});
  is_busy("live", true);
  EXPECT_EQ(planned(), "waiting live: promote 2222222 | until nothing copies from live any more\n");
}

// ---- content ----

TEST_F(GrantsTest, ContentComesUpOnceAfterTheLaunch) {
  want_content("live", ContentSource::from("test"), 8);
  EXPECT_EQ(planned(),
            "held live AuthorityProtected: live is the authority of a launched site; its content "
            "is never replaced: write content: {source: keep}\n");
  grant("live", GrantedSync{"test", 8});
  EXPECT_EQ(planned(),
            "ready live: sync databases and files from test (generation 8) | its databases and "
            "files are its own\n");
  EXPECT_EQ(grants(), std::vector<std::string>{"g1"});
  for (const Sync& other : {Sync{Part::files, "test", 9, {}}, Sync{Part::files, "dev", 8, {}},
                            Sync{Part::files, "test", 8, noon}}) {
    EXPECT_EQ(broken("live", other), "live is the authority of a launched site");
  }
  has_content("live", ContentSource::from("test"), 8);
  EXPECT_EQ(broken("live", Sync{Part::files, "test", 8, {}}), "the generation is done already");
}

TEST_F(GrantsTest, ContentComesUpBetweenLowerStagesToo) {
  want_content("test", ContentSource::from("dev"), 3);
  EXPECT_EQ(planned(),
            "held test AuthorityProtected: content only flows down once a site is launched, and "
            "dev is below test: name a stage above, or keep\n");
  grant("test", GrantedSync{"dev", 3});
  EXPECT_EQ(planned(),
            "ready test: sync databases and files from dev (generation 3) | its databases and "
            "files are its own\n");
}

TEST_F(GrantsTest, ARefreshFromBelowIsNeverGranted) {
  want_content("live", ContentSource::from("test"), 8);
  has_content("live", ContentSource::from("test"), 8, noon - 24h);
  want("live").content.refresh = Refresh{};
  want("live").content.refresh->every = 1h;
  grant("live", GrantedSync{"test", 8});
  EXPECT_EQ(planned().substr(0, 28), "held live AuthorityProtected");
}

TEST_F(GrantsTest, AProtectedEnvironmentIsWipedOnce) {
  want_content("live", ContentSource::empty(), 2);
  EXPECT_EQ(planned().substr(0, 28), "held live AuthorityProtected");
  grant("live", GrantedWipe{2});
  EXPECT_EQ(planned(),
            "ready live: wipe databases and files (generation 2) | its databases and files are its "
            "own\n");
  EXPECT_EQ(broken("live", Wipe{Part::files, 3}), "live is the authority of a launched site");
  seen("live").grants_used["g1"];
  EXPECT_EQ(broken("live", Wipe{Part::files, 2}), "live is the authority of a launched site");
}

// ---- launches ----

TEST_F(GrantsTest, ALaunchIsUndone) {
  site.launched = false;
  const std::string held =
      "held live LaunchedOnce: acme was launched and stays so; set launched: true again\n";
  EXPECT_EQ(planned(), held);
  grant("live", GrantedUnlaunch{});
  EXPECT_EQ(planned(),
            "ready live: undo the launch | the manifest and a Grant undo the launch | no update\n");
  EXPECT_EQ(grants(), std::vector<std::string>{"g1"});
  now = noon + 1h;
  EXPECT_EQ(planned(), held);
  now = noon;
  site.launched = true;
  EXPECT_EQ(broken("live", Unlaunch{}), "the manifest declares it launched");
  seen("live").launched = false;
  EXPECT_EQ(broken("live", Unlaunch{}), "live is not launched");
}

TEST_F(GrantsTest, NoLaunchIsUndoneInASuspendedEnvironment) {
  site.launched = false;
  grant("live", GrantedUnlaunch{});
  want("live").suspend = Suspend{"INC-2", "", {}};
  EXPECT_EQ(planned(), "held live Suspended: suspended: INC-2; remove suspend to go on\n");
}

TEST_F(GrantsTest, TheAuthorityMovesAndIsProtectedAllTheWay) {
  site.stages = {"dev", "live", "test"};
  EXPECT_EQ(planned().substr(0, 22), "held dev LaunchedOnce:");
  grant("test", GrantedAuthority{"live"});
  EXPECT_EQ(planned(),
            "ready test: record the launch | a Grant moves the authority from live to test | no "
            "update\n");
  EXPECT_EQ(grants(), std::vector<std::string>{"g1"});
  seen("test").launched = true;
  EXPECT_EQ(planned().substr(0, 22), "held dev LaunchedOnce:") << "not by this Grant";
  seen("test").took_over = "live";
  seen("test").grants_used["g1"];
  no_rules();
  EXPECT_EQ(
      planned(),
      "ready live: undo the launch | a Grant moves the authority from live to test | no update\n")
      << "what was begun is ended";
  seen("live").launched = false;
  EXPECT_EQ(planned(), "");
}

TEST_F(GrantsTest, AMoveNamesBothEnvironments) {
  site.stages = {"dev", "live", "test"};
  grant("test", GrantedAuthority{"dev"});
  EXPECT_EQ(planned().substr(0, 22), "held dev LaunchedOnce:");
  EXPECT_EQ(broken("test", Launch{}), "live is launched already");
  EXPECT_EQ(broken("test", Launch{"live"}), "no Grant moves the authority from live");
  EXPECT_EQ(broken("test", Launch{"dev"}), "live is launched already");
  EXPECT_EQ(broken("live", Unlaunch{}), "live is the authority of a launched site");
}

TEST_F(GrantsTest, ABusyEnvironmentIsWaitedForBeforeAMove) {
  site.stages = {"dev", "live", "test"};
  grant("test", GrantedAuthority{"live"});
  is_busy("test", true);
  EXPECT_EQ(planned(),
            "waiting test: record the launch | until nothing uses test any more: a Grant moves the "
            "authority from live to test\n");
}

TEST_F(GrantsTest, NoLaunchIsUndoneWhileSomethingIsGone) {
  site.launched = false;
  grant("live", GrantedUnlaunch{});
  seen("dev").gone = "/srv is not mounted";
  EXPECT_EQ(broken("live", Unlaunch{}), "what is gone may have been launched before");
}

}  // namespace
}  // namespace tidegate
