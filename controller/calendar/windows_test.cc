// Windows of policies by the real zones: across both changes of clocks, leap days, and after 2038.

#include "reconcilers/windows.h"

#include <gtest/gtest.h>

#include <tuple>

#include "controller/calendar/calendar.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

std::string state(const WindowsRule& rule, const std::string& at) {
  static const SystemCalendar calendar;
  const WindowState s = window_state(rule, calendar, *parse_rfc3339(at));
  const WindowState known = calendar.windows(rule, *parse_rfc3339(at));
  EXPECT_EQ(std::tie(s.open, s.changes, s.because),
            std::tie(known.open, known.changes, known.because));
  return std::string(s.open ? "open until " : "closed until ") +
         (s.changes ? to_rfc3339(*s.changes) : "ever");
}

struct Row {
  const char *at, *state;
};
void expect_all(const WindowsRule& rule, const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(state(rule, row.at), row.state) << row.at;
}

const WindowsRule office{{{"0 9 * * 1-4", 8h, "Europe/Berlin"}}, {}};
const WindowsRule night{{{"0 22 * * *", 8h, "Europe/Berlin"}}, {}};
const WindowsRule half_past_two{{{"30 2 * * *", 1h, "Europe/Berlin"}}, {}};

TEST(SystemWindowsTest, OfficeHoursFollowTheClocksOfTheirPlace) {
  expect_all(office, {
                         {"2026-03-26T08:00:00Z", "open until 2026-03-26T16:00:00Z"},
                         {"2026-03-26T16:00:00Z", "closed until 2026-03-30T07:00:00Z"},
                         {"2026-03-30T07:00:00Z", "open until 2026-03-30T15:00:00Z"},
                         {"2026-10-22T15:00:00Z", "closed until 2026-10-26T08:00:00Z"},
                     });
}

// Berlin 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC. A window lasts as long as it says.
TEST(SystemWindowsTest, AWindowOverClocksGoingForwardLastsItsWholeTime) {
  expect_all(night, {
                        {"2026-03-28T20:59:59Z", "closed until 2026-03-28T21:00:00Z"},
                        {"2026-03-28T21:00:00Z", "open until 2026-03-29T05:00:00Z"},
                        {"2026-03-29T04:59:59Z", "open until 2026-03-29T05:00:00Z"},
                        {"2026-03-29T05:00:00Z", "closed until 2026-03-29T20:00:00Z"},
                    });
}

TEST(SystemWindowsTest, AWindowThatWouldOpenInTheHourLeftOutDoesNotOpenThatDay) {
  expect_all(half_past_two, {
                                {"2026-03-28T01:30:00Z", "open until 2026-03-28T02:30:00Z"},
                                {"2026-03-29T01:00:00Z", "closed until 2026-03-30T00:30:00Z"},
                            });
}

// Berlin 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
TEST(SystemWindowsTest, AWindowInTheHourThatComesTwiceOpensOnce) {
  expect_all(half_past_two, {
                                {"2026-10-25T00:29:59Z", "closed until 2026-10-25T00:30:00Z"},
                                {"2026-10-25T00:30:00Z", "open until 2026-10-25T01:30:00Z"},
                                {"2026-10-25T01:29:59Z", "open until 2026-10-25T01:30:00Z"},
                                {"2026-10-25T01:30:00Z", "closed until 2026-10-26T01:30:00Z"},
                            });
  expect_all(night, {
                        {"2026-10-24T20:00:00Z", "open until 2026-10-25T04:00:00Z"},
                        {"2026-10-25T04:00:00Z", "closed until 2026-10-25T21:00:00Z"},
                    });
}

// New York 2026-03-08: 02:00 becomes 03:00 at 07:00 UTC; 2026-11-01: 02:00 becomes 01:00 at 06:00
// UTC.
TEST(SystemWindowsTest, NewYorkChangesItsClocksOnOtherDays) {
  const std::string zone = "America/New_York";
  expect_all({{{"0 22 * * *", 8h, zone}}, {}},
             {
                 {"2026-03-08T03:00:00Z", "open until 2026-03-08T11:00:00Z"},
                 {"2026-03-08T11:00:00Z", "closed until 2026-03-09T02:00:00Z"},
                 {"2026-11-01T02:00:00Z", "open until 2026-11-01T10:00:00Z"},
                 {"2026-11-01T10:00:00Z", "closed until 2026-11-02T03:00:00Z"},
             });
  expect_all({{{"30 2 * * *", 1h, zone}}, {}},
             {
                 {"2026-03-07T07:30:00Z", "open until 2026-03-07T08:30:00Z"},
                 {"2026-03-07T08:30:00Z", "closed until 2026-03-09T06:30:00Z"},
             });
  expect_all({{{"30 1 * * *", 1h, zone}}, {}},
             {
                 {"2026-11-01T05:29:59Z", "closed until 2026-11-01T05:30:00Z"},
                 {"2026-11-01T05:30:00Z", "open until 2026-11-01T06:30:00Z"},
                 {"2026-11-01T06:30:00Z", "closed until 2026-11-02T06:30:00Z"},
             });
  expect_all({{}, {{"0 0 1 11 *", 25h, zone}}},  // A day of 25 hours, kept free as a whole.
             {
                 {"2026-11-01T03:59:59Z", "open until 2026-11-01T04:00:00Z"},
                 {"2026-11-01T04:00:00Z", "closed until 2026-11-02T05:00:00Z"},
             });
}

// Lord Howe 2026-10-04: 02:00 becomes 02:30; 2026-04-05: 02:00 becomes 01:30, at 15:00 UTC.
TEST(SystemWindowsTest, LordHoweChangesItsClocksByHalfAnHour) {
  const std::string zone = "Australia/Lord_Howe";
  expect_all({{{"0 22 * * *", 8h, zone}}, {}},
             {
                 {"2026-10-03T11:30:00Z", "open until 2026-10-03T19:30:00Z"},
                 {"2026-10-03T19:30:00Z", "closed until 2026-10-04T11:00:00Z"},
                 {"2026-04-04T11:00:00Z", "open until 2026-04-04T19:00:00Z"},
                 {"2026-04-04T19:00:00Z", "closed until 2026-04-05T11:30:00Z"},
             });
  expect_all({{{"15 2 * * *", 30min, zone}}, {}},
             {
                 {"2026-10-02T15:45:00Z", "open until 2026-10-02T16:15:00Z"},
                 {"2026-10-02T16:15:00Z", "closed until 2026-10-04T15:15:00Z"},
             });
  expect_all({{{"45 1 * * *", 1h, zone}}, {}},
             {
                 {"2026-04-04T14:45:00Z", "open until 2026-04-04T15:45:00Z"},
                 {"2026-04-04T15:45:00Z", "closed until 2026-04-05T15:15:00Z"},
             });
}

TEST(SystemWindowsTest, DeniedDaysAreTakenOutAcrossTheChange) {
  const WindowsRule rule{{{"0 * * * *", 1h, "UTC"}}, {{"0 0 29 3 *", 24h, "Europe/Berlin"}}};
  expect_all(rule, {
                       {"2026-03-28T22:59:59Z", "open until 2026-03-28T23:00:00Z"},
                       {"2026-03-28T23:00:00Z", "closed until 2026-03-29T23:00:00Z"},
                       {"2026-03-29T23:00:00Z", "open until ever"},
                   });
}

TEST(SystemWindowsTest, KnowsLeapDays) {
  const WindowsRule rule{{{"0 0 29 2 *", 24h, "UTC"}}, {}};
  expect_all(rule, {
                       {"2026-11-20T00:00:00Z", "closed until 2028-02-29T00:00:00Z"},
                       {"2028-02-29T23:59:59Z", "open until 2028-03-01T00:00:00Z"},
                       {"2028-03-01T00:00:00Z", "closed until 2032-02-29T00:00:00Z"},
                       {"2100-02-28T12:00:00Z", "closed until 2104-02-29T00:00:00Z"},
                   });
  // The evening before it lasts into it; where there is none, into March.
  expect_all({{{"0 22 28 2 *", 8h, "Europe/Berlin"}}, {}},
             {
                 {"2028-02-28T21:00:00Z", "open until 2028-02-29T05:00:00Z"},
                 {"2028-02-29T05:00:00Z", "closed until 2029-02-28T21:00:00Z"},
                 {"2029-02-28T21:00:00Z", "open until 2029-03-01T05:00:00Z"},
             });
}

TEST(SystemWindowsTest, GoesOnAfter2038) {
  expect_all(office, {
                         {"2038-01-19T03:14:07Z", "closed until 2038-01-19T08:00:00Z"},
                         {"2038-01-19T08:00:00Z", "open until 2038-01-19T16:00:00Z"},
                         {"2040-07-02T06:59:59Z", "closed until 2040-07-02T07:00:00Z"},
                     });
  // Clocks go on changing there by the rule of the zone, beyond its table.
  expect_all(night, {
                        {"2038-03-27T21:00:00Z", "open until 2038-03-28T05:00:00Z"},
                        {"2038-03-28T05:00:00Z", "closed until 2038-03-28T20:00:00Z"},
                        {"2038-10-30T20:00:00Z", "open until 2038-10-31T04:00:00Z"},
                        {"2038-10-31T04:00:00Z", "closed until 2038-10-31T21:00:00Z"},
                    });
  expect_all({{{"30 2 * * *", 1h, "America/New_York"}}, {}},
             {{"2040-03-10T08:30:00Z", "closed until 2040-03-12T06:30:00Z"}});
  expect_all({{{"45 1 * * *", 1h, "Australia/Lord_Howe"}}, {}},
             {
                 {"2040-03-31T14:45:00Z", "open until 2040-03-31T15:45:00Z"},
                 {"2040-03-31T15:45:00Z", "closed until 2040-04-01T15:15:00Z"},
             });
}

TEST(SystemWindowsTest, AClockThatGoesBackFindsTheSameWindows) {
  EXPECT_EQ(state(office, "2026-11-19T16:00:00Z"), "closed until 2026-11-23T08:00:00Z");
  EXPECT_EQ(state(office, "2026-11-19T15:00:00Z"), "open until 2026-11-19T16:00:00Z");
}

TEST(SystemWindowsTest, AZoneThatThisMachineDoesNotKnowHolds) {
  EXPECT_EQ(state({{}, {{"0 9 * * *", 8h, "Europe/Atlantis"}}}, "2026-11-20T00:00:00Z"),
            "closed until ever");
}

TEST(SystemWindowsTest, WhatIsRememberedIsWhatWouldBeWorkedOut) {
  const SystemCalendar calendar;
  const std::vector<WindowsRule> rules{office, night, half_past_two, {office.allow, night.allow}};
  // Steps forth, over edges, and now and then back.
  Timestamp now = *parse_rfc3339("2026-03-26T00:00:00Z");
  for (int i = 0; i < 2000; ++i) {
    now += i % 7 == 0 ? -50min : 17min;
    for (const WindowsRule& rule : rules) {
      const WindowState fresh = window_state(rule, calendar, now),
                        known = calendar.windows(rule, now);
      ASSERT_EQ(std::tie(fresh.open, fresh.changes, fresh.because),
                std::tie(known.open, known.changes, known.because))
          << to_rfc3339(now);
    }
  }
}

}  // namespace
}  // namespace tidegate
