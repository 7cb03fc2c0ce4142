// What people read: aligned, one line a fact, the same signs everywhere.

#include "controller/commands/print.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tidegate {
namespace {

const CommitId one{std::string(40, '1')};

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::ostringstream out;
  print_table(out, rows);
  return out.str();
}

TEST(PrintTest, AlignsColumnsByWhatATerminalShows) {
  EXPECT_EQ(table({{"a", "long word", "x"}, {"größer", "b", "y"}, {"z"}}),
            "a       long word  x\ngrößer  b          y\nz\n");
  const Paint paint(true);
  EXPECT_EQ(table({{paint.bad("no"), "x"}, {"long", "y"}}), "\033[31mno\033[0m    x\nlong  y\n");
  EXPECT_EQ(table({{"a", ""}, {"b", "c"}}), "a\nb  c\n") << "no blanks at the end of a line";
  EXPECT_EQ(table({{"a", "", "b"}, {"c", "", "d"}}), "a  b\nc  d\n") << "no column of nothing";
  EXPECT_EQ(table({}), "");
}

TEST(PrintTest, PaintsOnlyWhenWanted) {
  EXPECT_EQ(Paint(false).good("yes"), "yes");
  EXPECT_EQ(Paint(true).good("yes"), "\033[32myes\033[0m");
}

TEST(PrintTest, TellsTimesForPeople) {
  const Timestamp now = *parse_rfc3339("2026-11-20T12:00:00Z");
  EXPECT_EQ(ago(now, now), "0s ago");
  EXPECT_EQ(ago(now - std::chrono::seconds(59), now), "59s ago");
  EXPECT_EQ(ago(now - std::chrono::minutes(3), now), "3m ago");
  EXPECT_EQ(ago(now + std::chrono::hours(2), now), "in 2h");
  EXPECT_EQ(ago(now - std::chrono::hours(50), now), "2d ago");
}

TEST(PrintTest, TellsHowLongSomethingTook) {
  using namespace std::chrono_literals;
  EXPECT_EQ(lasting(0ms), "0.1s");
  EXPECT_EQ(lasting(140ms), "0.1s");
  EXPECT_EQ(lasting(9'990ms), "9.9s");
  EXPECT_EQ(lasting(59s), "59s");
  EXPECT_EQ(lasting(3min + 5s), "3m 05s");
  EXPECT_EQ(lasting(26h + 59min + 59s), "26h 59m");
}

class PlanPrintTest : public testing::Test {
 protected:
  PlanPrintTest() { site.name = "acme"; }
  std::string printed(const std::string& problem = "") {
    std::ostringstream out;
    print_plan(out, {&site, &observed, &plan, problem}, Paint(false));
    return out.str();
  }
  Step step(const std::string& environment, std::vector<Action> actions,
            const std::string& because) {
    Step s;
    s.environment = environment;
    s.actions = std::move(actions);
    s.because = because;
    s.commit = one;
    return s;
  }
  Site site;
  ObservedSite observed;
  Plan plan;
};

TEST_F(PlanPrintTest, SaysWhenThereIsNothingToDo) {
  EXPECT_EQ(printed(), "acme  converged\n");
  EXPECT_EQ(printed("observe acme: disk on fire"), "acme\n  ✗ observe acme: disk on fire\n");
}

TEST_F(PlanPrintTest, ShowsWhatEachPolicySaid) {
  plan.verdicts["live"] = {
      {"gold", "soaked", {}, "1111111 is proven in test since noon"},
      {"peak", "", Hold{"live", "Frozen", "peak: frozen: sale", {}}, "frozen: sale"},
      {"gold", "hours", Hold{"live", "WindowClosed", "gold/hours: closed", Timestamp{}}, "closed"},
      {"", "", Hold{"live", "PolicyBroken", "Policy \"x\" is broken", {}},
       "Policy \"x\" is broken"}};
  const std::string said =
      "  live: gold/soaked allows: 1111111 is proven in test since noon\n"
      "  live: peak holds: frozen: sale\n"
      "  live: gold/hours holds: closed; opens 1970-01-01T00:00:00Z\n"
      "  live: holds: Policy \"x\" is broken\n";
  EXPECT_EQ(printed(), "acme\n  converged\n" + said);
  plan.held = {{"live", "Frozen", "peak: frozen: sale", {}}};
  EXPECT_EQ(printed(), "acme\n  !  live  held Frozen  peak: frozen: sale\n" + said);
}

TEST_F(PlanPrintTest, WhatHasConvergedIsWarnedOfToo) {
  plan.warnings = {"live: runs hotfix 1111111"};
  EXPECT_EQ(printed(), "acme\n  converged\n  warning: live: runs hotfix 1111111\n");
}

TEST_F(PlanPrintTest, GivesEachStepItsSignAndItsReason) {
  plan.ready = {
      step("dev", {Promote{one}, Wipe{Part::databases, 0}}, "it is new"),
      step("test", {Sync{Part::databases, "live", 7, {}}, Sync{Part::files, "live", 7, {}}},
           "its databases and files are of live (generation 6)"),
      step("edit", {Wipe{Part::databases, 3}}, "its databases are its own")};
  plan.ready[0].creates = true;
  plan.waiting = {{"live",
                   {Promote{one}},
                   "to be tried again; it failed: disk is full",
                   *parse_rfc3339("2026-11-20T12:00:00Z")},
                  {"next", {}, "until operation op1 has ended", {}}};
  plan.held = {{"prod", "NotProven", "nobody proved it", *parse_rfc3339("2026-11-21T12:00:00Z")},
               {"", "Invalid", "broken", {}}};
  plan.warnings = {"test: mind this"};
  EXPECT_EQ(
      printed(),
      "acme\n"
      "  +  dev     promote 1111111, create empty databases            because it is new\n"
      "  ~  test    sync databases and files from live (generation 7)  because its databases and "
      "files are of live (generation 6)\n"
      "  -  edit    wipe databases (generation 3)                      because its databases are "
      "its "
      "own\n"
      "  ·  live    promote 1111111                                    waits until "
      "2026-11-20T12:00:00Z to be tried again; it failed: disk is full\n"
      "  ·  next    –                                                  waits until operation op1 "
      "has "
      "ended\n"
      "  !  prod    held NotProven                                     nobody proved it; opens "
      "2026-11-21T12:00:00Z\n"
      "  !  (site)  held Invalid                                       broken\n"
      "  warning: test: mind this\n");
}

}  // namespace
}  // namespace tidegate
