// What runs is verified again, loses its proof when it fails twice, and gets it back.

#include "controller/host/reverify.h"

#include <gtest/gtest.h>

#include <thread>

#include "controller/host/files/locks.h"
#include "controller/host/test_pages.h"

namespace tidegate::test {
namespace {

class ReverifyTest : public testing::Test {
 protected:
  ReverifyTest() {
    declare("again: 1h");
    host.succeed("dev");
  }
  void declare(const std::string& verify) {
    host.environments["dev"] = "code: {commit: " + host.first.hex + "}, url: \"" + pages.url() +
                               "\", verify: {retryFor: 0s, " + verify + "}";
  }
  bool tend(const std::function<bool()>& enough = {}) {
    auto news = host.driver->tend(*host.site(), enough);
    EXPECT_TRUE(news) << news.error().message;
    return news && *news;
  }
  bool after(Duration length) {
    host.clock.pass(length);
    return tend();
  }
  std::string message() const {
    return "GET " + pages.url() + "/ answered 503, wanted below 400; first line: \"down\"";
  }
  void revoke() {
    pages.down = true;
    after(1h);
    after(30s);
    ASSERT_FALSE(host.record("dev").revoked.empty());
  }

  TestHost host;
  TestPages pages{host.layout("dev").current()};
};

TEST_F(ReverifyTest, AsksNothingBeforeItIsDue) {
  const int before = pages.requests();
  EXPECT_FALSE(after(1h - 1ms));
  EXPECT_EQ(pages.requests(), before);
  EXPECT_FALSE(after(1ms)) << "it passed: nothing is new";
  EXPECT_EQ(pages.requests(), before + 1);
  EXPECT_FALSE(tend());
  EXPECT_EQ(pages.requests(), before + 1);
  EXPECT_EQ(host.record("dev").verified, (Verified{"1", host.clock.now(), 0}));
}

TEST_F(ReverifyTest, AFailureThatPassesIsForgotten) {
  pages.down = true;
  after(1h);
  EXPECT_EQ(host.record("dev").verified.failed, 1);
  EXPECT_TRUE(host.seen("dev").healthy);
  pages.down = false;
  after(30s);
  EXPECT_EQ(host.record("dev").verified.failed, 0);
  pages.down = true;
  after(1h);
  EXPECT_TRUE(host.seen("dev").healthy) << "it is the first one in a row again";
}

TEST_F(ReverifyTest, FailingTwiceTakesHealthAndProofAndGoesBackToNothing) {
  pages.down = true;
  after(1h);
  EXPECT_TRUE(host.seen("dev").proven.contains(host.first));
  after(29s);
  EXPECT_EQ(host.record("dev").verified.failed, 1) << "it is not asked again so soon";
  EXPECT_TRUE(after(1s));
  const auto seen = host.seen("dev");
  EXPECT_FALSE(seen.healthy);
  EXPECT_FALSE(seen.proven.contains(host.first));
  EXPECT_EQ(seen.last_proven, host.first) << "what follows dev stays where it is";
  ASSERT_TRUE(seen.revoked.contains(host.first));
  const Revocation& revoked = seen.revoked.at(host.first);
  EXPECT_EQ(revoked.at, host.clock.now());
  EXPECT_EQ(revoked.message, message());
  ASSERT_EQ(revoked.evidence.size(), 1u);
  EXPECT_EQ(revoked.evidence[0].status, 503);
  EXPECT_EQ(seen.release, "1");
  EXPECT_FALSE((**read_release(host.layout("dev"), "1")).healthy);
  const Plan plan = host.plan();
  EXPECT_TRUE(plan.ready.empty()) << describe(plan.ready.at(0).actions);
}

TEST_F(ReverifyTest, IsToldOnceAndWritesNothingWhileItFailsOn) {
  revoke();
  std::this_thread::sleep_for(50ms);  // Stat records are renewed once more.
  tend();
  const auto before = state_of(host.root());
  const int requests = pages.requests();
  EXPECT_FALSE(after(5min));
  EXPECT_EQ(pages.requests(), requests + 1) << "it is looked at still";
  EXPECT_EQ(state_of(host.root()), before);
}

TEST_F(ReverifyTest, IsHealthyAndProvenAnewOncePassed) {
  const Proof first_proof = host.seen("dev").proven.at(host.first);
  revoke();
  pages.down = false;
  EXPECT_TRUE(after(5min));
  const auto seen = host.seen("dev");
  EXPECT_TRUE(seen.healthy);
  EXPECT_TRUE(seen.revoked.empty());
  ASSERT_TRUE(seen.proven.contains(host.first));
  EXPECT_EQ(seen.proven.at(host.first).at, host.clock.now());
  EXPECT_NE(seen.proven.at(host.first).at, first_proof.at) << "what soaks, soaks anew";
  EXPECT_TRUE((**read_release(host.layout("dev"), "1")).healthy);
  EXPECT_FALSE(after(5min));
}

TEST_F(ReverifyTest, NothingAboveTakesWhatHasLostItsProof) {
  host.environments["test"] = "code: {commit: " + host.first.hex + "}";
  revoke();
  const Timestamp at = host.record("dev").revoked.at(host.first).at;
  const Plan plan = host.plan();
  EXPECT_TRUE(plan.ready.empty());
  ASSERT_EQ(plan.held.size(), 1u);
  EXPECT_EQ(plan.held[0].reason, "NotProven");
  EXPECT_EQ(plan.held[0].message,
            host.first.brief() +
                " is not proven in dev any more: its verification failed again at " +
                to_rfc3339(at) + ": " + message() + "; it is once that passes there");
  pages.down = false;
  EXPECT_TRUE(after(5min));
  host.succeed("test");
}

TEST_F(ReverifyTest, AsksForTheConfigurationToo) {
  host.commands = "configStatus: [" + sh("exit 1") + "]";
  after(1h);
  EXPECT_TRUE(after(30s));
  EXPECT_EQ(host.record("dev").revoked.at(host.first).message,
            "configStatus: \"sh -c 'exit 1'\": configuration in the database differs from the "
            "code's");
}

TEST_F(ReverifyTest, WhatLostItsProofGetsItBackThoughNothingIsVerifiedAgainAnyMore) {
  revoke();
  pages.down = false;
  declare("commands: []");
  EXPECT_TRUE(after(5min));
  EXPECT_TRUE(host.seen("dev").healthy);
}

TEST_F(ReverifyTest, SurvivesARestartBetweenTheTwoFailures) {
  pages.down = true;
  after(1h);
  host.restart();
  EXPECT_TRUE(after(30s));
  host.restart();
  EXPECT_FALSE(host.seen("dev").healthy);
}

TEST_F(ReverifyTest, ANewReleaseIsJudgedByItself) {
  revoke();
  pages.down = false;
  const CommitId second = host.push("second\n");
  host.environments["dev"] = "code: {commit: " + second.hex + "}, url: \"" + pages.url() +
                             "\", verify: {retryFor: 0s, again: 1h}";
  host.succeed("dev");
  const auto seen = host.seen("dev");
  EXPECT_TRUE(seen.healthy);
  EXPECT_TRUE(seen.proven.contains(second));
  EXPECT_TRUE(seen.revoked.contains(host.first)) << "why it is not proven is told still";
  EXPECT_EQ(host.record("dev").verified, (Verified{"2", host.clock.now(), 0}));
}

TEST_F(ReverifyTest, EndsEarlyWithoutAWordOfIt) {
  pages.down = true;
  host.clock.pass(1h);
  EXPECT_FALSE(tend([] { return true; }));
  EXPECT_EQ(host.record("dev").verified.failed, 0);
}

TEST_F(ReverifyTest, LeavesAnEnvironmentAloneThatIsBusyByThen) {
  pages.down = true;
  host.clock.pass(1h);
  auto lock = EnvironmentLock::try_exclusive(host.layout("dev").lock(), "somebody");
  ASSERT_TRUE(lock && *lock);
  EXPECT_FALSE(tend());
  EXPECT_EQ(host.record("dev").verified.failed, 0);
}

TEST_F(ReverifyTest, AReleaseThatStaysUnverifiedDoesNotHealByThat) {
  host.environments["dev"] = "code: {branch: main}, url: \"" + pages.url() +
                             "\", onFailure: {rollback: false}, verify: {retryFor: 0s, again: 1h, "
                             "http: [{path: /, contains: first}]}";
  host.push("second\n");
  EXPECT_EQ(host.run("dev").result, "failed");
  EXPECT_EQ(host.page("dev"), "second\n");
  const int before = pages.requests();
  EXPECT_FALSE(after(2h));
  EXPECT_EQ(pages.requests(), before);
  EXPECT_FALSE(host.seen("dev").healthy);
}

}  // namespace
}  // namespace tidegate::test
