// What once went wrong, each as the shortest history that shows it.

#include <gtest/gtest.h>

#include "e2e/simulation/oracle.h"
#include "e2e/simulation/world.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class IncidentsTest : public testing::Test {
 protected:
  explicit IncidentsTest(bool launched = true) : world(1, {"dev", "test", "live"}, launched) {
    world.calm = true;
    world.run_for(1h);
  }
  void TearDown() override { EXPECT_EQ(world.wrong, "") << world.history(60); }

  WrittenSite& site() { return world.people.sites["acme"]; }
  WrittenEnvironment& written(const std::string& e) { return site().environments[e]; }
  Place& place(const std::string& e) { return world.place("acme", e); }
  void commit_and_run(const std::string& what, Duration length = 1h) {
    world.commit(what);
    world.run_for(length);
  }
  std::string status() const { return world.statuses.at("acme"); }
  const Stamp& databases(const std::string& e) {
    return place(e).current.content[Part::databases].stamp;
  }
  int times(const std::string& text) const {
    const std::string history = world.history(10'000);
    int found = 0;
    for (auto at = history.find(text); at != std::string::npos; at = history.find(text, at + 1))
      ++found;
    return found;
  }

  World world;
};

class IncidentsBeforeLaunchTest : public IncidentsTest {
 protected:
  IncidentsBeforeLaunchTest() : IncidentsTest(false) {}
};

// The status of the last look was filed under no name: each look told every event again.
TEST_F(IncidentsTest, AnEventIsToldOnceAndATransitionKeepsItsTime) {
  written("test").code = "commit: " + world.new_commit("acme", false).hex;
  commit_and_run("test wants what dev never ran", 6h);
  EXPECT_EQ(times("acme/test NotProven"), 1);
  const std::string before = status();
  world.run_for(6h);
  EXPECT_EQ(status(), before);
}

TEST_F(IncidentsTest, ASiteThatIsLetGoIsToldOf) {
  site().removed = true;
  commit_and_run("acme is removed");
  EXPECT_FALSE(world.statuses.contains("acme"));
}

// Held at the gate as forbidden, which is recorded as a failure: of that step, in quarantine.
TEST_F(IncidentsTest, AnOldObservationDoesNotLiftAQuarantine) {
  const CommitId bad = world.new_commit("acme", false);
  world.estate("acme").bad.insert(bad);
  written("dev").code = "commit: " + bad.hex;
  world.commit("dev gets what fails");
  while (!place("dev").running) world.turn();
  while (place("dev").running) world.turn();
  const auto failures = place("dev").failures;
  ASSERT_EQ(failures.size(), 1U);
  place("dev").failures.clear();
  world.photograph("acme");
  place("dev").failures = failures;
  world.stale_reads = 1;
  world.controller->look_soon("acme");
  world.run_for(6h);
  EXPECT_EQ(times("fails: it failed before and is in quarantine"), 1);
  EXPECT_NE(status().find("Quarantined"), std::string::npos);
}

// Test would have been launched as well, and then no order of stages could be right any more.
TEST_F(IncidentsTest, AnOldObservationLaunchesNoSecondAuthority) {
  place("live").launched = false;
  world.photograph("acme");
  place("live").launched = true;
  world.stale_reads = 3;
  site().stages = {"dev", "live", "test"};
  commit_and_run("stages reordered");
  EXPECT_FALSE(place("test").launched);
  EXPECT_NE(status().find("LaunchedOnce"), std::string::npos);
}

TEST_F(IncidentsTest, NobodyElseIsLaunchedWhileTheAuthorityIsGone) {
  world.set_gone("acme", "live", true);
  site().stages = {"dev", "live", "test"};
  commit_and_run("stages reordered");
  EXPECT_FALSE(place("test").launched);
  world.set_gone("acme", "live", false);
  site().stages = {"dev", "test", "live"};
  commit_and_run("and back again");
  EXPECT_EQ(status().find("LaunchedOnce"), std::string::npos);
}

// The launch was planned over an operation whose undoing backs off.
TEST_F(IncidentsBeforeLaunchTest, NothingIsLaunchedOverAnInterruptedOperation) {
  world.calm = false;
  written("live").code = "commit: " + world.new_commit("acme", false).hex;
  written("test").code = written("dev").code = written("live").code;
  world.faults.undo_fails = 1000;
  world.faults.host_fails = 1000;
  world.commit("one commit for all, on a broken machine");
  place("live").running.reset();
  world.run_for(20min);
  written("live").variable = "2";
  site().launched = true;
  commit_and_run("launched meanwhile", 30min);
  world.faults = {};
  world.run_for(3h);
  EXPECT_TRUE(place("live").launched);
}

// What an undone launch held at the switch had been planned: started, undone, started, for ever.
TEST_F(IncidentsTest, AnUndoneLaunchKeepsNoContentFromComingDown) {
  site().launched = false;
  written("dev").content = "source: live, generation: 5";
  commit_and_run("launch undone, dev synced");
  EXPECT_EQ(databases("dev").generation, 5U);
  EXPECT_EQ(times("acme/dev op"), 4);  // Created and synced; each started once, and succeeded.
}

// Dev waited for Test's content, Test for Dev's proof.
TEST_F(IncidentsBeforeLaunchTest, ANewEnvironmentDoesNotWaitForOneThatWaitsForIt) {
  written("dev").content = "source: test, generation: 1";
  written("test").content = "source: live, generation: 1";
  place("dev") = {};
  const std::string commit = "commit: " + world.new_commit("acme", false).hex;
  written("dev").code = written("test").code = commit;
  commit_and_run("dev is made anew");
  EXPECT_EQ(databases("dev").source, ContentSource::from("test"));
  EXPECT_EQ(databases("test").source, ContentSource::from("live"));
}

TEST_F(IncidentsBeforeLaunchTest, EnvironmentsThatCopyFromEachOtherComeToRest) {
  written("dev").content = "source: test, generation: 1";
  written("test").content = "source: dev, generation: 1";
  commit_and_run("a circle");
  EXPECT_EQ(databases("dev").generation, 1U);
  EXPECT_EQ(databases("test").generation, 1U);
  const int started = world.started;
  world.run_for(6h);
  EXPECT_EQ(world.started, started);
}

TEST_F(IncidentsTest, ADatabaseIsNotCopiedAsAnotherEngines) {
  site().engine = "mariadb";
  written("dev").content = "source: live, generation: 1";
  place("dev") = {};
  commit_and_run("dev is made anew, with another engine");
  EXPECT_EQ(databases("dev").source, ContentSource::keep());
  site().engine = "sqlite";
  place("dev") = {};
  commit_and_run("the engine is as it was");
  EXPECT_EQ(databases("dev").source, ContentSource::from("live"));
}

// A new environment has no rows of content to go on with.
TEST_F(IncidentsTest, ANewEnvironmentThatFailsForGoodIsHeld) {
  const CommitId bad = world.new_commit("acme", false);
  world.estate("acme").bad.insert(bad);
  place("dev") = {};
  written("dev").code = "commit: " + bad.hex;
  written("dev").content = "source: live, generation: 1";
  commit_and_run("dev is made anew, of what fails");
  EXPECT_NE(status().find("Quarantined"), std::string::npos);
  EXPECT_FALSE(place("dev").exists);
}

// ---- told of in DESIGN, seen to work here ----

TEST_F(IncidentsTest, AFixForABrokenLiveStillPassesTest) {
  place("live").current.healthy = false;
  const CommitId fix = world.new_commit("acme", false);
  written("test").content = "source: live, generation: 1";
  for (const char* e : {"dev", "test", "live"}) written(e).code = "commit: " + fix.hex;
  world.estate("acme").bad.insert(place("live").current.commit);
  commit_and_run("a fix");
  EXPECT_EQ(place("live").current.commit, fix);
  EXPECT_TRUE(place("live").current.healthy);
  EXPECT_EQ(databases("test").source, ContentSource::from("live"));
}

TEST_F(IncidentsTest, WhatFailsItsVerificationAgainGoesNoFurtherAndNothingGoesBack) {
  const CommitId next = world.new_commit("acme", false);
  written("dev").code = written("test").code = "commit: " + next.hex;
  commit_and_run("next comes to test");
  world.verify_again("acme", "test");
  const int started = world.started;
  written("live").code = "from: test";
  commit_and_run("live follows", 6h);
  EXPECT_EQ(world.started, started);
  EXPECT_EQ(place("test").current.commit, next);
  EXPECT_NE(place("live").current.commit, next);
  EXPECT_EQ(times("acme/test VerificationFailed"), 1);
  EXPECT_EQ(times("acme/live NotProven"), 1);
  world.verify_again("acme", "test");
  world.run_for(1h);
  EXPECT_EQ(place("live").current.commit, next);
  world.verify_again("acme", "test");
  world.run_for(6h);
  EXPECT_EQ(place("live").current.commit, next) << "what took it stays";
  EXPECT_EQ(world.started, started + 1);
}

TEST_F(IncidentsTest, ARevertOfAManifestBringsCodeAndContentBack) {
  written("test").content = "source: live, generation: 1";
  commit_and_run("content for test");
  const WrittenSite then = site();
  const std::string release = place("test").current.id,
                    content = place("test").current.content[Part::files].id;
  const CommitId next = world.new_commit("acme", false);
  written("dev").code = written("test").code = "commit: " + next.hex;
  written("test").content = "source: empty, generation: 2";
  commit_and_run("sprint 14");
  EXPECT_EQ(place("test").current.commit, next);
  site() = then;
  commit_and_run("revert");
  EXPECT_EQ(place("test").current.id, release);
  EXPECT_EQ(place("test").current.content[Part::files].id, content);
  EXPECT_EQ(databases("test").generation, 1U);
}

TEST_F(IncidentsTest, AControllerThatDiesInAnyPhaseIsTakenUpAgain) {
  for (const Duration after : {1s, 30s, 90s, 150s, 210s, 250s}) {
    const CommitId next = world.new_commit("acme", false);
    written("dev").code = "commit: " + next.hex;
    world.commit("one more");
    while (!place("dev").running) world.turn();
    const Timestamp at = world.time + after;
    while (world.time < at && place("dev").running) world.turn();
    world.crash();
    world.run_for(1h);
    EXPECT_EQ(place("dev").current.commit, next);
  }
}

}  // namespace
}  // namespace tidegate
