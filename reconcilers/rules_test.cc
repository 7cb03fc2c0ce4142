// Each rule of DESIGN § 5, broken by hand in each way; no step here comes from make_plan.

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
const ContentSource live = ContentSource::from("live");

class RulesTest : public SiteAtRest {
 protected:
  static Step step(const std::string& e, std::vector<Action> actions) {
    Step s;
    s.environment = e;
    s.actions = std::move(actions);
    s.commit = c1;
    s.digest = "digest";
    return s;
  }
  std::string broken(const Step& s, const std::string& running = "") const {
    return broken_rule(site, observed, s, calendar, now, running).value_or("");
  }
  std::string broken(const std::string& e, std::vector<Action> actions) const {
    return broken(step(e, std::move(actions)));
  }
  std::string held(const Step& s) const {
    const auto hold = held_now(site, observed, s, calendar, now);
    return hold ? hold->environment + " " + hold->reason + ": " + hold->message : "";
  }
  static Sync sync(const std::string& from, std::uint64_t generation,
                   std::optional<Timestamp> due = {}) {
    return {Part::databases, from, generation, due};
  }
};

TEST_F(RulesTest, AnAskedForStepBreaksNone) {
  EXPECT_EQ(broken("dev", {Promote{c2}}), "");
  want_content("test", live, 1);
  EXPECT_EQ(broken("test", {Promote{c1}, sync("live", 1)}), "");
}

TEST_F(RulesTest, OnlyDeclaredEnvironmentsAreActedUpon) {
  site.environments.erase("dev");
  EXPECT_EQ(broken("dev", {Promote{c2}}), "dev is not declared");
  EXPECT_EQ(broken("test", {}), "it does nothing");
}

TEST_F(RulesTest, WhatIsGoneIsNotActedUpon) {
  seen("dev").gone = "/srv is not mounted";
  EXPECT_EQ(broken("dev", {Promote{c2}}), "/srv is not mounted");
}

// Rule 1.
TEST_F(RulesTest, OneOperationAtATimeTouchesATarget) {
  is_busy("dev");
  EXPECT_EQ(broken("dev", {Promote{c2}}), "dev is busy with operation op1");
  is_busy("dev", true);
  EXPECT_EQ(broken("dev", {Promote{c2}}), "dev is busy with operation op1");
  is_interrupted("dev");
  EXPECT_EQ(broken("dev", {Promote{c2}}), "dev is busy with operation op1");
}

TEST_F(RulesTest, ASourceMayBeReadTwiceButNotWhileItIsWritten) {
  want_content("test", live, 1);
  is_busy("live", true);
  EXPECT_EQ(broken("test", {sync("live", 1)}), "");
  is_busy("live");
  EXPECT_EQ(broken("test", {sync("live", 1)}), "live is busy with operation op1");
}

TEST_F(RulesTest, TheOperationThatAsksIsNotInItsOwnWay) {
  is_busy("dev");
  EXPECT_EQ(broken(step("dev", {Promote{c2}}), "op1"), "");
  EXPECT_EQ(broken(step("dev", {Promote{c2}}), "op2"), "dev is busy with operation op1");
}

// Rule 2.
TEST_F(RulesTest, CodeSkipsNoStage) {
  EXPECT_EQ(broken("test", {Promote{c2}}), "commit 2222222 skips dev");
  seen("dev").proven[c2];
  EXPECT_EQ(broken("test", {Promote{c2}}), "");
  EXPECT_EQ(broken("live", {Promote{c2}}), "commit 2222222 skips test");
  seen("live").proven[c2];
  EXPECT_EQ(broken("live", {Promote{c2}}), "");
}

TEST_F(RulesTest, AStageThatIsNotThereHasProvenNothing) {
  observed.environments.erase("test");
  site.environments.erase("test");
  seen("dev").proven[c2];
  EXPECT_EQ(broken("live", {Promote{c2}}), "commit 2222222 skips test");
}

// Rule 3.
TEST_F(RulesTest, ALaunchedAuthorityIsNeverTheTarget) {
  const std::string never = "live is the authority of a launched site";
  want_content("live", ContentSource::empty(), 1);
  EXPECT_EQ(broken("live", {Wipe{Part::databases, 1}}), never);
  want_content("live", ContentSource::from("test"), 1);
  EXPECT_EQ(broken("live", {sync("test", 1)}), never);
  part("live", Part::files).kept = {{"k", {ContentSource::from("test"), 1, {}, {}}}};
  EXPECT_EQ(broken("live", {Activate{Part::files, "k", {ContentSource::from("test"), 1, {}, {}}}}),
            never);
}

TEST_F(RulesTest, EitherTheDeclarationOrTheRecordProtectsIt) {
  want_content("live", ContentSource::empty(), 1);
  site.launched = false;
  EXPECT_EQ(broken("live", {Wipe{Part::databases, 1}}), "live is the authority of a launched site");
  site.launched = true;
  seen("live").launched = false;
  EXPECT_EQ(broken("live", {Wipe{Part::databases, 1}}), "live is the authority of a launched site");
  site.launched = false;
  EXPECT_EQ(broken("live", {Wipe{Part::databases, 1}}), "");
}

TEST_F(RulesTest, ARecordedAuthorityIsProtectedWhereverTheManifestPutsIt) {
  site.stages = {"live", "dev", "test"};
  want_content("live", ContentSource::from("test"), 1);
  EXPECT_EQ(broken("live", {sync("test", 1)}), "live is the authority of a launched site");
  want_content("test", ContentSource::empty(), 1);
  EXPECT_EQ(broken("test", {Wipe{Part::databases, 1}}), "test is the authority of a launched site");
}

TEST_F(RulesTest, ContentDoesNotFlowUpOnceLaunched) {
  want_content("test", ContentSource::from("dev"), 1);
  EXPECT_EQ(broken("test", {sync("dev", 1)}), "content flows up");
  site.launched = false;
  EXPECT_EQ(broken("test", {sync("dev", 1)}), "content flows up");
  seen("live").launched = false;
  EXPECT_EQ(broken("test", {sync("dev", 1)}), "");
}

TEST_F(RulesTest, WhatIsGoneMayHaveBeenLaunched) {
  site.launched = false;
  seen("live") = {};
  seen("live").gone = "/srv is not mounted";
  want_content("test", ContentSource::from("dev"), 1);
  EXPECT_EQ(broken("test", {sync("dev", 1)}), "content flows up");
  site.stages = {"dev", "live", "test"};
  want_content("test", ContentSource::empty(), 1);
  EXPECT_EQ(broken("test", {Wipe{Part::files, 1}}), "test is the authority of a launched site");
}

TEST_F(RulesTest, ALaunchedAuthorityIsNeverCreated) {
  is_missing("live");
  EXPECT_EQ(broken("live", {Promote{c1}, Wipe{Part::databases, 0}}),
            "live is the authority of a launched site and would be created");
  site.launched = false;
  EXPECT_EQ(broken("live", {Promote{c1}, Wipe{Part::databases, 0}}), "");
}

TEST_F(RulesTest, OnlyTheDeclaredAuthorityThatIsThereIsLaunched) {
  seen("live").launched = false;
  EXPECT_EQ(broken("live", {Launch{}}), "");
  EXPECT_EQ(broken("test", {Launch{}}), "it launches what is not declared launched");
  site.launched = false;
  EXPECT_EQ(broken("live", {Launch{}}), "it launches what is not declared launched");
  site.launched = true;
  seen("test").launched = true;
  EXPECT_EQ(broken("live", {Launch{}}), "test is launched already");
  seen("test").launched = false;
  seen("dev").gone = "/srv is not mounted";
  EXPECT_EQ(broken("live", {Launch{}}), "what is gone may have been launched before");
  seen("dev").gone.clear();
  site.launched = true;
  is_missing("live");
  EXPECT_NE(broken("live", {Launch{}}), "");
}

// Rule 6.
TEST_F(RulesTest, NothingIsWipedUnasked) {
  const std::string unasked = "the manifest does not ask for this wipe";
  EXPECT_EQ(broken("dev", {Wipe{Part::databases, 1}}), unasked);
  want_content("dev", live, 1);
  EXPECT_EQ(broken("dev", {Wipe{Part::databases, 1}}), unasked);
  want_content("dev", ContentSource::empty(), 2);
  EXPECT_EQ(broken("dev", {Wipe{Part::databases, 1}}), unasked);
  EXPECT_EQ(broken("dev", {Wipe{Part::databases, 2}}), "");
  part("dev", Part::databases).highest_generation = 2;
  EXPECT_EQ(broken("dev", {Wipe{Part::databases, 2}}), unasked);
  EXPECT_EQ(broken("dev", {Wipe{Part::files, 2}}), "");
  want("dev").content.files = false;
  EXPECT_EQ(broken("dev", {Wipe{Part::files, 2}}), unasked);
}

TEST_F(RulesTest, FirstContentIsOnlyMadeWhereNothingIs) {
  EXPECT_EQ(broken("dev", {Wipe{Part::databases, 0}}), "it would empty content that is there");
  is_missing("dev");
  EXPECT_EQ(broken("dev", {Wipe{Part::databases, 0}}), "");
}

TEST_F(RulesTest, NothingIsCopiedUnasked) {
  EXPECT_EQ(broken("dev", {sync("live", 1)}), "the manifest does not name this source");
  want_content("dev", live, 2);
  EXPECT_EQ(broken("dev", {sync("test", 2)}), "the manifest does not name this source");
  EXPECT_EQ(broken("dev", {sync("live", 1)}), "the generation is done already");
  EXPECT_EQ(broken("dev", {sync("live", 3)}), "the generation is done already");
  EXPECT_EQ(broken("dev", {sync("live", 2)}), "");
  part("dev", Part::databases).highest_generation = 2;
  EXPECT_EQ(broken("dev", {sync("live", 2)}), "the generation is done already");
  want("dev").content.databases = false;
  part("dev", Part::databases).highest_generation = 0;
  EXPECT_EQ(broken("dev", {sync("live", 2)}), "the generation is done already");
}

TEST_F(RulesTest, NothingIsCopiedFromItselfOrFromNowhere) {
  want_content("dev", ContentSource::from("dev"), 1);
  EXPECT_EQ(broken("dev", {sync("dev", 1)}), "it copies from no stage above");
  want_content("dev", ContentSource::from("prod"), 1);
  EXPECT_EQ(broken("dev", {sync("prod", 1)}), "it copies from no stage above");
}

TEST_F(RulesTest, NothingIsRefreshedBeforeItIsDue) {
  want_content("dev", live, 7);
  has_content("dev", live, 7);
  EXPECT_EQ(broken("dev", {sync("live", 7, noon)}), "no refresh is due");
  want("dev").content.refresh = Refresh{};
  want("dev").content.refresh->every = 1h;
  now = noon + 1h - 1ms;
  EXPECT_EQ(broken("dev", {sync("live", 7, now)}), "no refresh is due");
  now = noon + 1h;
  EXPECT_EQ(broken("dev", {sync("live", 7, now)}), "");
  EXPECT_EQ(broken("dev", {sync("live", 6, now)}), "no refresh is due");
  has_content("dev", ContentSource::empty(), 7);
  EXPECT_EQ(broken("dev", {sync("live", 7, now)}), "no refresh is due");
  has_content("dev", live, 7);
  want("dev").content.databases = false;
  EXPECT_EQ(broken("dev", {sync("live", 7, now)}), "no refresh is due");
}

TEST_F(RulesTest, ARefreshIsOfTheGenerationThatIsDeclared) {
  want_content("dev", live, 6);
  has_content("dev", live, 7);
  want("dev").content.refresh = Refresh{};
  want("dev").content.refresh->every = 1h;
  now = noon + 1h;
  EXPECT_EQ(broken("dev", {sync("live", 7, now)}), "no refresh is due");
}

TEST_F(RulesTest, OnlyANewCommitRefreshesOnPromote) {
  want_content("dev", live, 7);
  has_content("dev", live, 7);
  want("dev").content.refresh = Refresh{};
  want("dev").content.refresh->on_promote = true;
  want("dev").content.refresh->if_older_than = 1h;
  now = noon + 1h;
  const auto due = sync("live", 7, now);
  EXPECT_EQ(broken("dev", {Promote{c2}, due}), "");
  EXPECT_EQ(broken("dev", {due}), "no refresh is due");
  EXPECT_EQ(broken("dev", {Promote{c1}, due}), "no refresh is due");
  Step retried = step("dev", {Promote{c2}, due});
  retried.asked = true;
  EXPECT_EQ(broken(retried), "");
  seen("dev").failures = {{"digest", true, "", noon, 1}};
  EXPECT_EQ(broken(retried), "no refresh is due");
  seen("dev").failures.clear();
  seen("dev").proven[c2];
  EXPECT_EQ(broken("dev", {Promote{c2}, due}), "no refresh is due");
  seen("dev").proven.erase(c2);
  now = noon + 1h - 1ms;
  EXPECT_EQ(broken("dev", {Promote{c2}, due}), "no refresh is due");
}

TEST_F(RulesTest, OnlyKeptContentThatTheManifestNamesComesBack) {
  const Stamp stamp{live, 1, {}, noon};
  want_content("dev", live, 1);
  has_content("dev", live, 2);
  EXPECT_EQ(broken("dev", {Activate{Part::files, "k", stamp}}),
            "the content to bring back is not kept");
  part("dev", Part::files).kept = {{"k", stamp}};
  EXPECT_EQ(broken("dev", {Activate{Part::files, "k", stamp}}), "");
  EXPECT_EQ(broken("dev", {Activate{Part::files, "k", {live, 2, {}, noon}}}),
            "the content to bring back is not kept");
  want_content("dev", live, 3);
  EXPECT_EQ(broken("dev", {Activate{Part::files, "k", stamp}}),
            "the manifest does not name this content");
  want_content("dev", ContentSource::empty(), 1);
  EXPECT_EQ(broken("dev", {Activate{Part::files, "k", stamp}}),
            "the manifest does not name this content");
  want_content("dev", live, 1);
  want("dev").content.files = false;
  EXPECT_EQ(broken("dev", {Activate{Part::files, "k", stamp}}),
            "the manifest does not name this content");
}

TEST_F(RulesTest, OnlyWhatIsDeclaredAndNotThereIsDeclared) {
  EXPECT_EQ(broken("dev", {Declare{Part::databases, "main"}}), "\"main\" is there already");
  EXPECT_EQ(broken("dev", {Declare{Part::databases, "search"}}), "\"search\" is not declared");
  EXPECT_EQ(broken("dev", {Declare{Part::files, "search"}}), "\"search\" is not declared");
  site.databases.push_back({"search", Engine::sqlite});
  EXPECT_EQ(broken("dev", {Declare{Part::databases, "search"}}), "");
  EXPECT_EQ(broken("dev", {Declare{Part::files, "search"}}), "\"search\" is not declared");
}

// Rule 7.
TEST_F(RulesTest, WhatFailedForGoodIsNotTriedAgainUnasked) {
  Step s = step("dev", {Promote{c2}});
  seen("dev").failures = {{"digest", false, "", noon, 1}};
  EXPECT_EQ(broken(s), "");
  seen("dev").failures = {{"another", true, "", noon, 1}};
  EXPECT_EQ(broken(s), "");
  seen("dev").failures = {{"digest", true, "", noon, 1}};
  EXPECT_EQ(broken(s), "it failed before and is in quarantine");
  s.asked = true;
  EXPECT_EQ(broken(s), "");
}

// Rule 8.
TEST_F(RulesTest, OnlyWhatLostItsProcessIsRecovered) {
  EXPECT_EQ(broken("dev", {Recover{"op1"}}), "there is no operation op1");
  is_busy("dev");
  EXPECT_EQ(broken("dev", {Recover{"op1"}}), "operation op1 is running");
  is_interrupted("dev");
  EXPECT_EQ(broken("dev", {Recover{"op1"}}), "");
  EXPECT_EQ(broken("dev", {Recover{"op2"}}), "there is no operation op2");
  is_busy("dev");
  EXPECT_EQ(broken(step("dev", {Recover{"op1"}}), "op1"), "");
}

TEST_F(RulesTest, RecoveringNeedsNoManifest) {
  is_interrupted("dev");
  site.environments.clear();
  site.stages = {"live"};
  EXPECT_EQ(broken("dev", {Recover{"op1"}}), "");
  EXPECT_EQ(held(step("dev", {Recover{"op1"}})), "");
}

// ---- held before the switch ----

TEST_F(RulesTest, ContentInQuarantineIsNotBroughtAgain) {
  want_content("test", ContentSource::from("live"), 8);
  Step step = plan().ready.at(0);
  step.digest = "of the code";
  seen("test").failures = {{step.content_digest, true, "afterCopy: exit code 1", noon, 1}};
  EXPECT_EQ(broken_rule(site, observed, step, calendar, now),
            "it failed before and is in quarantine");
  step.asked = true;
  EXPECT_EQ(broken_rule(site, observed, step, calendar, now), std::nullopt);
}

TEST_F(RulesTest, ContentComesFromNoEnvironmentWithoutADocument) {
  want_content("test", ContentSource::from("live"), 8);
  const Step step = plan().ready.at(0);
  site.environments.erase("live");
  EXPECT_EQ(broken_rule(site, observed, step, calendar, now), "its source is not declared");
}

TEST_F(RulesTest, ASuspensionHoldsTheSwitch) {
  want("dev").suspend = Suspend{"INC-1", "", noon + 1h};
  EXPECT_EQ(held(step("dev", {Promote{c2}})), "dev Suspended: suspended meanwhile: INC-1");
  EXPECT_EQ(held_now(site, observed, step("dev", {Promote{c2}}), calendar, now)->opens_at,
            noon + 1h);
  now = noon + 1h;
  EXPECT_EQ(held(step("dev", {Promote{c2}})), "");
  want("dev").suspend->until.reset();
  EXPECT_EQ(held(step("dev", {Promote{c2}})), "dev Suspended: suspended meanwhile: INC-1");
  EXPECT_EQ(held(step("dev", {Launch{}})), "");
  EXPECT_EQ(held(step("test", {Promote{c2}})), "");
}

TEST_F(RulesTest, WhatIsDeclaredNoLongerHoldsTheSwitch) {
  site.environments.erase("dev");
  EXPECT_EQ(held(step("dev", {Promote{c2}})), "dev Invalid: it is not declared any more");
}

TEST_F(RulesTest, AMovedAuthorityHoldsEverySwitch) {
  site.stages = {"dev", "live", "test"};
  for (const char* e : {"dev", "test", "live"}) {
    EXPECT_EQ(held(step(e, {Promote{c2}})),
              "live LaunchedOnce: live is the authority of a launched site");
  }
  EXPECT_NE(held(step("test", {Launch{}})), "");
}

// It would start, be undone, and start again, for ever: the planner goes on with what is harmless.
TEST_F(RulesTest, AnUndoneLaunchHoldsNoSwitchThatIsAllowed) {
  site.launched = false;
  want_content("dev", live, 1);
  EXPECT_EQ(held(step("dev", {sync("live", 1)})), "");
  EXPECT_EQ(held(step("live", {Promote{c2}})), "");
}

TEST_F(RulesTest, ABranchThatMovedOnHoldsNothing) {
  want("dev").code = BranchName{"main"};
  observed.refs["refs/heads/main"] = c3;
  is_busy("dev");
  EXPECT_EQ(held(step("dev", {Promote{c2}})), "");
  EXPECT_EQ(broken(step("dev", {Promote{c2}}), "op1"), "");
}

}  // namespace
}  // namespace tidegate
