#include "controller/loop/fleet_ledger.h"

#include "reconcilers/governed_site.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

/// Sites a, b, c … of one shape, all under one rule about limits.
class FleetLedgerTest : public GovernedSite {
 protected:
  Site named(const std::string& name, const std::string& driver = "hosts") {
    Site out = site;
    out.name = name;
    for (auto& [environment, e] : out.environments) {
      auto spec = std::make_shared<HostDriverSpec>();
      spec->name = driver;
      e.driver = spec;
    }
    return out;
  }
  static Step step(const std::string& environment) {
    Step s;
    s.environment = environment;
    s.actions = {Promote{c2}};
    return s;
  }
  /// A look at a site in whose `busy` environments something runs, and which wants `steps`: which
  /// of those were let in.
  std::string look(const Site& s, const std::vector<std::string>& busy,
                   const std::vector<std::string>& wanted) {
    ObservedSite now_is = observed;
    for (auto& [name, seen] : now_is.environments) seen.operation.reset();
    for (const auto& name : busy) now_is.environments[name].operation = Operation{};
    std::vector<Step> steps;
    for (const auto& name : wanted) steps.push_back(step(name));
    std::string in;
    const auto said = ledger.admit(s, now_is, steps, now);
    for (std::size_t i = 0; i < said.size(); ++i)
      if (!strictest(said[i])) in += wanted[i] + " ";
    return in;
  }
  std::string take_woken() { return std::exchange(woken, ""); }

  void limit(std::optional<int> in_fleet, std::optional<int> per_driver = {},
             std::optional<int> per_site = {}) {
    LimitsRule limits;
    limits.in_fleet = in_fleet;
    limits.per_driver = per_driver;
    limits.per_site = per_site;
    rule("calm", limits);
  }
  std::string woken;
  FleetLedger ledger{calendar, [this](const std::string& name) { woken += name + " "; }};
};

TEST_F(FleetLedgerTest, WhatWasLetInCountsAtOnceAndUntilItIsSeenToHaveEnded) {
  limit(2);
  EXPECT_EQ(look(named("a"), {}, {"dev", "test", "live"}), "dev test ");
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "");
  EXPECT_EQ(look(named("a"), {"dev", "test"}, {}), "");
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "");
  EXPECT_EQ(look(named("a"), {"dev"}, {}), "");
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "dev ");
}

TEST_F(FleetLedgerTest, WhoWaitsLongestIsWokenForEachOperationThatEnds) {
  limit(2);
  EXPECT_EQ(look(named("a"), {}, {"dev", "test"}), "dev test ");
  for (const char* name : {"b", "c", "d"}) EXPECT_EQ(look(named(name), {}, {"dev"}), "");
  EXPECT_EQ(take_woken(), "");
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "") << "asking again costs nobody the turn";
  look(named("a"), {}, {});
  EXPECT_EQ(take_woken(), "b c ");
}

TEST_F(FleetLedgerTest, RoomThatIsNotTakenIsTheNextOnes) {
  limit(1);
  EXPECT_EQ(look(named("a"), {}, {"dev"}), "dev ");
  for (const char* name : {"b", "c", "d"}) look(named(name), {}, {"dev"});
  look(named("a"), {}, {});
  EXPECT_EQ(take_woken(), "b ");
  EXPECT_EQ(look(named("b"), {}, {}), "");
  EXPECT_EQ(take_woken(), "c ");
  EXPECT_EQ(look(named("c"), {}, {"dev"}), "dev ");
  EXPECT_EQ(take_woken(), "");
}

TEST_F(FleetLedgerTest, RoomThatAnotherTookIsWaitedForAgain) {
  limit(1);
  EXPECT_EQ(look(named("a"), {}, {"dev"}), "dev ");
  for (const char* name : {"b", "c"}) look(named(name), {}, {"dev"});
  look(named("a"), {}, {});
  EXPECT_EQ(take_woken(), "b ");
  EXPECT_EQ(look(named("e"), {}, {"dev"}), "dev ");
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "");
  EXPECT_EQ(take_woken(), "") << "nobody is called for nothing";
  look(named("e"), {}, {});
  EXPECT_EQ(take_woken(), "c ");
}

TEST_F(FleetLedgerTest, ADriverThatIsFullKeepsNobodyFromAnother) {
  limit(3, 1);
  EXPECT_EQ(look(named("a", "one"), {}, {"dev"}), "dev ");
  EXPECT_EQ(look(named("b", "one"), {}, {"dev"}), "");
  EXPECT_EQ(look(named("c", "two"), {}, {"dev"}), "dev ");
  EXPECT_EQ(look(named("d", "two"), {}, {"dev"}), "");
  look(named("c", "two"), {}, {});
  EXPECT_EQ(take_woken(), "d ");
  look(named("a", "one"), {}, {});
  EXPECT_EQ(take_woken(), "b ");
}

TEST_F(FleetLedgerTest, ASiteThatIsLetGoLeavesItsRoom) {
  limit(1);
  EXPECT_EQ(look(named("a"), {}, {"dev"}), "dev ");
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "");
  ledger.forget("a");
  EXPECT_EQ(take_woken(), "b ");
  ledger.forget("b");
  EXPECT_EQ(look(named("c"), {}, {"dev"}), "dev ");
}

TEST_F(FleetLedgerTest, ReadersAndOperationsWithoutAProcessDoNotCount) {
  limit(1);
  ObservedSite seen = observed;
  seen.environments["live"].operation = Operation{};
  seen.environments["live"].operation->as_source = true;
  seen.environments["test"].operation = Operation{};
  seen.environments["test"].operation->interrupted = true;
  ledger.admit(named("a"), seen, {}, now);
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "dev ");
}

TEST_F(FleetLedgerTest, AnotherOneGoesOnWithWhatRunsAndWithWipes) {
  limit(1);
  EXPECT_EQ(look(named("a"), {}, {"dev"}), "dev ");
  FleetLedger next(calendar, [](const std::string&) {});
  next.take_over(ledger);
  EXPECT_TRUE(strictest(next.admit(named("b"), observed, {step("dev")}, now)[0]));
  LimitsRule few;
  few.wipes_per_hour = 1;
  rule("few", few);
  FleetLedger started(calendar, [](const std::string&) {});
  started.note_wipes({{"b", {now - 59min}}, {"c", {now - 61min}}});
  Step wipe = step("dev");
  wipe.actions = {Wipe{Part::files, 3}};
  EXPECT_EQ(strictest(started.admit(named("b"), observed, {wipe}, now)[0])->opens_at, now + 1min);
  EXPECT_FALSE(strictest(started.admit(named("c"), observed, {wipe}, now)[0]));
}

// ---- a clock that is set back ----

TEST_F(FleetLedgerTest, AClockThatWentBackOpensNoWindowAgain) {
  rule("hours", WindowsRule{{{"0 3 * * *", 9h, "UTC"}}, {}});  // Until noon.
  now = noon - 1min;
  EXPECT_EQ(look(named("a"), {}, {"dev"}), "dev ");
  now = noon;  // The planner holds it now, so it is not asked about here.
  EXPECT_EQ(look(named("a"), {}, {}), "");
  now = noon - 1h;
  const auto said = ledger.admit(named("b"), observed, {step("dev")}, now);
  EXPECT_EQ(text_of(said.at(0)),
            "gold/hours WindowClosed: steps begin from \"0 3 * * *\" (UTC) for 9h | opens "
            "2026-11-21T03:00:00Z\n");
  EXPECT_EQ(strictest(said.at(0))->message,
            "gold/hours: steps begin from \"0 3 * * *\" (UTC) for 9h: so it was at "
            "2026-11-20T12:00:00Z, before the clock went back");
  now = noon + 15h;
  EXPECT_EQ(look(named("b"), {}, {"dev"}), "dev ");
}

TEST_F(FleetLedgerTest, AClockThatWentBackLiftsNoFreeze) {
  freeze({"peak", {}, noon, noon + 1h, "sale", {}});
  look(named("a"), {}, {});
  now = noon - 1min;
  const auto said = ledger.admit(named("a"), observed, {step("dev")}, now);
  EXPECT_EQ(strictest(said.at(0))->opens_at, noon + 1h);
  FleetLedger next(calendar, [](const std::string&) {});
  next.take_over(ledger);
  EXPECT_TRUE(strictest(next.admit(named("a"), observed, {step("dev")}, now)[0]))
      << "nor does another one lift it";
}

TEST_F(FleetLedgerTest, AClockThatWentBackBringsNoGrantBack) {
  grant("live", GrantedPromote{c2});
  now = noon + 1h;
  look(site, {}, {});
  now = noon;
  const auto said = ledger.admit(site, observed, {step("live")}, now);
  EXPECT_EQ(strictest(said.at(0))->message,
            "commit 2222222 skips test: so it was at 2026-11-20T13:00:00Z, before the clock went "
            "back");
}

TEST_F(FleetLedgerTest, AClockThatWentBackKeepsNothingBackThatWasAllowedThen) {
  rule("hours", WindowsRule{{{"0 3 * * *", 12h, "UTC"}}, {}});
  look(site, {}, {});
  now = noon - 1h;
  EXPECT_EQ(look(site, {}, {"dev"}), "dev ");
}

TEST_F(FleetLedgerTest, AClockThatWasMoreThanADayAheadHoldsNobodyBack) {
  freeze({"peak", {}, noon + 1h, {}, "sale", {}});
  now = noon + 24h;
  look(named("a"), {}, {});
  now = noon;
  EXPECT_EQ(look(named("a"), {}, {"dev"}), "");
  now = noon + 25h;
  look(named("a"), {}, {});
  now = noon;
  EXPECT_EQ(look(named("a"), {}, {"dev"}), "dev ");
}

TEST_F(FleetLedgerTest, WipesOfAnHourAreCountedThoughTheClockWentBack) {
  LimitsRule few;
  few.wipes_per_hour = 1;
  rule("few", few);
  Step wipe = step("dev");
  wipe.actions = {Wipe{Part::files, 3}};
  want_content("dev", ContentSource::empty(), 3);
  EXPECT_FALSE(strictest(ledger.admit(site, observed, {wipe}, now)[0]));
  now -= 3h;
  EXPECT_EQ(strictest(ledger.admit(site, observed, {wipe}, now)[0])->reason, "LimitReached");
}

}  // namespace
}  // namespace tidegate
