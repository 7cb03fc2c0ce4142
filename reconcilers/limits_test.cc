#include "reconcilers/limits.h"

#include "reconcilers/governed_site.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class LimitsTest : public GovernedSite {
 protected:
  LimitsTest() {
    for (auto& [name, e] : site.environments) {
      auto driver = std::make_shared<HostDriverSpec>();
      driver->name = "hosts";
      driver->root = "/srv";
      e.driver = driver;
    }
  }
  static Step step(std::vector<Action> actions) {
    Step s;
    s.environment = "dev";
    s.actions = std::move(actions);
    return s;
  }
  std::string limited(std::vector<Action> actions) const {
    return text_of(judge_limits(site, step(std::move(actions)), fleet, now).verdicts);
  }
  FleetFacts fleet;
};

TEST_F(LimitsTest, SoManyOperationsRunAtOnce) {
  LimitsRule limits;
  limits.per_driver = 2;
  limits.per_site = 1;
  limits.in_fleet = 3;
  rule("calm", limits);
  EXPECT_EQ(limited({Promote{c2}}),
            "gold/calm allows: at most 2 operations at once by driver \"hosts\"; 0 run\n"
            "gold/calm allows: at most 1 operation at once on acme; 0 run\n"
            "gold/calm allows: at most 3 operations at once in the fleet; 0 run\n");
  note_start(fleet, site, step({Promote{c2}}), now);
  EXPECT_EQ(strictest(judge_limits(site, step({Promote{c2}}), fleet, now).verdicts)->message,
            "gold/calm: at most 1 operation at once on acme; 1 runs");
  fleet.running.erase("site acme");
  note_start(fleet, site, step({Promote{c2}}), now);
  fleet.running.erase("site acme");
  EXPECT_EQ(strictest(judge_limits(site, step({Promote{c2}}), fleet, now).verdicts)->message,
            "gold/calm: at most 2 operations at once by driver \"hosts\"; 2 run");
  fleet.running.erase("driver hosts");
  ++fleet.running["fleet"];
  const LimitsSaid said = judge_limits(site, step({Promote{c2}}), fleet, now);
  EXPECT_EQ(strictest(said.verdicts)->message,
            "gold/calm: at most 3 operations at once in the fleet; 3 run");
  EXPECT_EQ(said.full, Places{"fleet"});
}

TEST_F(LimitsTest, NothingHoldsBackARecoveryOrALaunch) {
  LimitsRule limits;
  limits.in_fleet = 0;
  rule("calm", limits);
  EXPECT_EQ(limited({Recover{"op1"}}), "");
  EXPECT_EQ(limited({Launch{}}), "");
  note_start(fleet, site, step({Recover{"op1"}}), now);
  EXPECT_TRUE(fleet.running.empty());
}

TEST_F(LimitsTest, WipesOfAnHourOpenAgainOneByOne) {
  LimitsRule limits;
  limits.wipes_per_hour = 2;
  rule("few", limits);
  EXPECT_EQ(limited({Promote{c2}}), "");
  EXPECT_EQ(limited({Wipe{Part::files, 0}}), "") << "creating is no wipe";
  note_start(fleet, site, step({Wipe{Part::databases, 1}, Wipe{Part::files, 1}}), noon - 2h);
  note_start(fleet, site, step({Wipe{Part::files, 2}}), noon - 40min);
  EXPECT_EQ(limited({Wipe{Part::files, 3}}),
            "gold/few allows: at most 2 wipes of acme an hour; 1 were started\n");
  note_start(fleet, site, step({Wipe{Part::files, 3}}), noon - 10min);
  const std::string reached =
      "gold/few LimitReached: at most 2 wipes of acme an hour; 2 were started | opens "
      "2026-11-20T12:20:00Z\n";
  EXPECT_EQ(limited({Wipe{Part::files, 4}}), reached);
  now = noon + 20min - 1ms;
  EXPECT_EQ(limited({Wipe{Part::files, 4}}), reached);
  now = noon + 20min;
  EXPECT_EQ(limited({Wipe{Part::files, 4}}),
            "gold/few allows: at most 2 wipes of acme an hour; 1 were started\n");
}

}  // namespace
}  // namespace tidegate
