// What the platform team keeps back starts at the moment it is let go, and stops when it is not.

#include <gtest/gtest.h>

#include "e2e/simulation/oracle.h"
#include "e2e/simulation/world.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class SimulatedPoliciesTest : public testing::Test {
 protected:
  SimulatedPoliciesTest() {
    world.calm = true;
    world.run_for(1h);
  }
  void TearDown() override { EXPECT_EQ(world.wrong, "") << world.history(60); }

  WrittenRules& rules() { return world.people.rules; }
  Place& place(const std::string& e) { return world.place("acme", e); }
  /// Commits it, and lets the controller read it.
  CommitId new_code(const std::string& e) {
    const CommitId commit = world.new_commit("acme", false);
    world.people.sites["acme"].environments[e].code = "commit: " + commit.hex;
    return commit;
  }
  void commit_and_run(const std::string& what, Duration length = 1min) {
    world.commit(what);
    world.run_for(length);
  }
  Timestamp started(const std::string& e) const { return world.last_start.at("acme/" + e); }

  World world{1, {"dev", "test", "live"}, true};
};

TEST_F(SimulatedPoliciesTest, AStepStartsWhenItsWindowOpens) {
  rules().policies["hours"] =
      "select: {}, rules: [{name: r, windows: {allow: [{cron: \"0 * * * *\", duration: 10m}]}}]";
  world.run_for(Timestamp(std::chrono::ceil<std::chrono::hours>(world.time)) + 20min - world.time);
  new_code("dev");
  const Timestamp before = world.time;
  commit_and_run("dev gets new code", 2h);
  EXPECT_EQ(started("dev"), Timestamp(std::chrono::ceil<std::chrono::hours>(before)));
}

TEST_F(SimulatedPoliciesTest, AStepStartsWhenAFreezeEnds) {
  const Timestamp end = world.time + 37min;
  rules().freezes["peak"] = "select: {}, reason: sale, until: " + to_rfc3339(end);
  new_code("dev");
  commit_and_run("new code, frozen", 1h);
  EXPECT_EQ(started("dev"), std::chrono::floor<std::chrono::seconds>(end));
}

TEST_F(SimulatedPoliciesTest, LiftingAFreezeIsSeenWithinOnePollOfTheManifests) {
  rules().freezes["stop"] = "select: {}, reason: incident";
  new_code("dev");
  commit_and_run("new code, frozen", 1h);
  rules().freezes.clear();
  const Timestamp lifted = world.time;
  commit_and_run("the freeze goes", 1h);
  EXPECT_GE(started("dev"), lifted);
  EXPECT_LE(started("dev"), lifted + poll_interval * 11 / 10 + 1s);
}

TEST_F(SimulatedPoliciesTest, AFreezeStopsAStepThatRunsAtItsSwitch) {
  const CommitId commit = new_code("dev");
  world.commit("dev gets new code");
  while (!place("dev").running) world.turn();
  rules().freezes["stop"] = "select: {}, reason: incident";
  world.commit("an incident");
  world.controller->poll_soon();
  world.run_for(1h);
  EXPECT_NE(place("dev").current.commit, commit);
  EXPECT_TRUE(place("dev").failures.empty()) << "nobody's failure";
  rules().freezes.clear();
  commit_and_run("it is over", 1h);
  EXPECT_EQ(place("dev").current.commit, commit);
}

/// Environments of a fleet in which a step runs now.
int running_in(const World& world) {
  int out = 0;
  for (const auto& [name, estate] : world.estates)
    for (const auto& [e, place] : estate.places) out += place.running ? 1 : 0;
  return out;
}

TEST(SimulatedFleetTest, LiftingAFreezeDoesNotStampedeAndWastesNoTime) {
  World world(5, 30);
  world.calm = true;
  world.run_for(1h);
  world.people.rules.freezes["stop"] = "select: {}, reason: incident";
  world.people.rules.policies["calm"] =
      "select: {}, rules: [{name: few, limits: {operations: {inFleet: 3}}}]";
  world.commit("an incident");
  world.run_for(5min);
  for (auto& [name, site] : world.people.sites) {
    site.environments[site.stages.front()].code = "commit: " + world.new_commit(name, false).hex;
  }
  world.commit("new code everywhere");
  world.run_for(5min);
  const int before = world.started;
  EXPECT_EQ(running_in(world), 0);
  world.people.rules.freezes.clear();
  world.commit("it is over");
  const Timestamp lifted = world.time;
  int most = 0;
  while (world.started < before + 30 && world.time < lifted + 4h && world.wrong.empty()) {
    world.turn();
    most = std::max(most, running_in(world));
  }
  EXPECT_EQ(world.wrong, "") << world.history(60);
  EXPECT_EQ(most, 3);
  EXPECT_GE(world.started, before + 30) << "room that came free was taken";
  EXPECT_LT(world.time - lifted, 30min);
}

TEST_F(SimulatedPoliciesTest, ACommitGoesUpWhenItHasSoaked) {
  rules().policies["soak"] = soak_rule("acme", "dev");
  world.people.sites["acme"].environments["test"].code = "from: dev";
  const CommitId commit = new_code("dev");
  commit_and_run("dev gets new code, test follows", 2h);
  EXPECT_EQ(place("test").current.commit, commit);
  EXPECT_EQ(started("test"), place("dev").proven.at(commit).at + 20min);
}

TEST_F(SimulatedPoliciesTest, AHotfixGoesToLiveOnceAndIsTold) {
  const CommitId fix = new_code("live");
  commit_and_run("live wants what nobody has", 1h);
  EXPECT_NE(place("live").current.commit, fix);
  rules().grants["fix"] = "site: acme, environment: live, allow: {promote: {commit: " + fix.hex +
                          "}}, reason: INC-1, by: ada, expires: " + to_rfc3339(world.time + 1h);
  commit_and_run("a grant", 1h);
  EXPECT_EQ(place("live").current.commit, fix);
  EXPECT_EQ(place("live").grants_used.size(), 1U);
  EXPECT_NE(world.statuses.at("acme").find("runs hotfix"), std::string::npos);
}

TEST_F(SimulatedPoliciesTest, TheAuthorityMovesByAGrant) {
  world.people.sites["acme"].stages = {"dev", "live", "test"};
  rules().grants["move"] =
      "site: acme, environment: test, allow: {authority: {from: live}}, reason: rename, by: ada, "
      "expires: " +
      to_rfc3339(world.time + 1h);
  commit_and_run("test becomes the authority", 1h);
  EXPECT_TRUE(place("test").launched);
  EXPECT_FALSE(place("live").launched);
  EXPECT_EQ(world.estate("acme").was_authority, "test");
}

}  // namespace
}  // namespace tidegate
