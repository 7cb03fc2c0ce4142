#include "controller/calendar/calendar.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "controller/calendar/clock.h"

namespace tidegate {
namespace {

/// "2026-03-29T01:30:00Z" of this century, without the help of what is tested.
Timestamp at(const std::string& text) {
  std::tm parts{};
  EXPECT_NE(strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts), nullptr) << text;
  return Timestamp(std::chrono::seconds(timegm(&parts)));
}

std::string spelt(std::optional<Timestamp> time) {
  if (!time) return "never";
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

struct Case {
  const char* cron;
  const char* zone;
  const char* after;
  const char* next;
};

void expect_all(const std::vector<Case>& cases) {
  const SystemCalendar calendar;
  for (const Case& wanted : cases) {
    EXPECT_EQ(spelt(calendar.next(wanted.cron, wanted.zone, at(wanted.after))), wanted.next)
        << wanted.cron << " in " << wanted.zone << " after " << wanted.after;
  }
}

TEST(CalendarTest, GivesTheFirstTimeStrictlyAfter) {
  expect_all({
      {"0 3 * * *", "UTC", "2026-11-20T02:59:59Z", "2026-11-20T03:00:00Z"},
      {"0 3 * * *", "UTC", "2026-11-20T03:00:00Z", "2026-11-21T03:00:00Z"},
      {"* * * * *", "UTC", "2026-12-31T23:59:00Z", "2027-01-01T00:00:00Z"},
      {"*/15 9-17 * * 1-5", "UTC", "2026-11-20T17:45:00Z", "2026-11-23T09:00:00Z"},
      {"59 23 31 12 *", "UTC", "2026-11-20T00:00:00Z", "2026-12-31T23:59:00Z"},
      {"0 3 * * *", "Europe/Berlin", "2026-11-20T00:00:00Z", "2026-11-20T02:00:00Z"},
      {"0 3 * * *", "Europe/Berlin", "2026-07-20T00:00:00Z", "2026-07-20T01:00:00Z"},
      {"0 0 * * *", "Asia/Kathmandu", "2026-07-20T00:00:00Z", "2026-07-20T18:15:00Z"},
      {"0 0 * * *", "Pacific/Kiritimati", "2026-07-20T10:00:00Z", "2026-07-21T10:00:00Z"},
  });
}

TEST(CalendarTest, CountsMillisecondsAfterAMinuteAsAfterIt) {
  const SystemCalendar calendar;
  const Timestamp three = at("2026-11-20T03:00:00Z");
  const Duration one(1);
  EXPECT_EQ(calendar.next("0 3 * * *", "UTC", three - one), three);
  EXPECT_EQ(calendar.next("* * * * *", "UTC", three + one), three + std::chrono::minutes(1));
}

TEST(CalendarTest, SkipsATimeThatClocksGoingForwardLeaveOut) {
  expect_all({
      // Berlin 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC.
      {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
      {"0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:00:00Z"},
      {"59 1 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T00:59:00Z"},
      {"0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
      {"0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
      // New York 2026-03-08: 02:00 becomes 03:00 at 07:00 UTC.
      {"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-09T06:30:00Z"},
      {"0 3 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"},
      // Lord Howe 2026-10-04: 02:00 becomes 02:30.
      {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-04T15:15:00Z"},
      {"30 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"},
      // Once a year only, and that once is left out.
      {"30 2 29 3 *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2027-03-29T00:30:00Z"},
  });
}

TEST(CalendarTest, FiresOnceInAnHourThatComesTwice) {
  expect_all({
      // Berlin 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
      {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
      {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
      {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
      {"*/30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"},
      {"0 3 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"},
      // New York 2026-11-01: 02:00 becomes 01:00 at 06:00 UTC.
      {"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z"},
      {"30 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
      // Lord Howe 2026-04-05: 02:00 becomes 01:30.
      {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z"},
      {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
  });
}

TEST(CalendarTest, KnowsLeapYears) {
  expect_all({
      {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
      {"0 0 29 2 *", "UTC", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"},
      {"0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"},
      {"0 0 31 4,6,9,11 *", "UTC", "2026-01-01T00:00:00Z", "never"},
      {"0 0 31 2 *", "UTC", "2026-01-01T00:00:00Z", "never"},
      {"0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", "never"},
  });
}

TEST(CalendarTest, DayOfMonthAndDayOfWeekFollowCronsRule) {
  expect_all({
      // Both restricted: either. 2026-11-20 is a Friday.
      {"0 0 13 * 5", "UTC", "2026-11-20T12:00:00Z", "2026-11-27T00:00:00Z"},
      {"0 0 13 * 5", "UTC", "2026-12-11T12:00:00Z", "2026-12-13T00:00:00Z"},
      // One restricted: that one.
      {"0 0 13 * *", "UTC", "2026-11-20T12:00:00Z", "2026-12-13T00:00:00Z"},
      {"0 0 * * 5", "UTC", "2026-11-20T12:00:00Z", "2026-11-27T00:00:00Z"},
      {"0 0 * * 7", "UTC", "2026-11-20T12:00:00Z", "2026-11-22T00:00:00Z"},
  });
}

TEST(CalendarTest, CrossesTheEndOf32BitTime) {
  expect_all({
      {"14 3 19 1 *", "UTC", "2037-06-01T00:00:00Z", "2038-01-19T03:14:00Z"},
      {"0 3 * * *", "Europe/Berlin", "2037-12-31T12:00:00Z", "2038-01-01T02:00:00Z"},
      {"0 3 * * *", "Europe/Berlin", "2038-07-01T12:00:00Z", "2038-07-02T01:00:00Z"},
      {"30 2 * * *", "Europe/Berlin", "2038-03-27T12:00:00Z", "2038-03-29T00:30:00Z"},
      {"30 2 * * *", "Europe/Berlin", "2038-10-31T00:30:00Z", "2038-11-01T01:30:00Z"},
      {"15 2 * * *", "Australia/Lord_Howe", "2040-10-06T00:00:00Z", "2040-10-07T15:15:00Z"},
      {"0 12 * * *", "America/New_York", "2090-07-01T00:00:00Z", "2090-07-01T16:00:00Z"},
  });
}

/// What the C library says clocks show then, as minutes of the day.
int minutes_of_day(Timestamp time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return parts.tm_hour * 60 + parts.tm_min;
}

TEST(CalendarTest, AgreesWithTheCLibraryBeforeAndAfterTheTablesEnd) {
  const SystemCalendar calendar;
  const char* before = std::getenv("TZ");
  const std::string zone_before = before ? before : "";
  for (const char* zone :
       {"Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo",
        "America/Santiago", "Africa/Casablanca", "Africa/Cairo", "Asia/Jerusalem", "Asia/Gaza",
        "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "UTC"}) {
    setenv("TZ", zone, 1);
    tzset();
    for (const char* year : {"2025", "2037", "2041", "2088"}) {
      const Timestamp start = at(std::string(year) + "-01-01T00:00:00Z");
      int fired = 0;
      Timestamp now = start;
      while (const auto next = calendar.next("17 2 * * *", zone, now)) {
        ASSERT_GT(*next, now) << zone;
        if (*next > start + std::chrono::hours(24 * 365)) break;
        ASSERT_EQ(minutes_of_day(*next), 2 * 60 + 17) << zone << " " << spelt(next);
        ++fired;
        now = *next;
      }
      // Each day, but for the one or two whose 02:17 is left out.
      EXPECT_GE(fired, 363) << zone << " " << year;
      EXPECT_LE(fired, 366) << zone << " " << year;
    }
  }
  if (before) {
    setenv("TZ", zone_before.c_str(), 1);
  } else {
    unsetenv("TZ");
  }
  tzset();
}

TEST(CalendarTest, ADayThatAZoneLeftOutIsNoDay) {
  // Samoa went from 29 to 31 December 2011.
  expect_all({{"0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2012-12-29T22:00:00Z"}});
}

TEST(CalendarTest, GivesNothingForTextsThatAreNotValid) {
  expect_all({
      {"0 3 * *", "UTC", "2026-01-01T00:00:00Z", "never"},
      {"61 3 * * *", "UTC", "2026-01-01T00:00:00Z", "never"},
      {"", "UTC", "2026-01-01T00:00:00Z", "never"},
      {"0 3 * * *", "", "2026-01-01T00:00:00Z", "never"},
      {"0 3 * * *", "Europe/Atlantis", "2026-01-01T00:00:00Z", "never"},
      {"0 3 * * *", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-01-01T00:00:00Z", "never"},
  });
}

TEST(CalendarTest, GivesNothingAtTheEndsOfTime) {
  const SystemCalendar calendar;
  EXPECT_EQ(calendar.next("* * * * *", "Europe/Berlin", Timestamp::max()), std::nullopt);
  EXPECT_EQ(calendar.next("* * * * *", "Europe/Berlin", Timestamp::min()), std::nullopt);
}

TEST(CalendarTest, KnowsTheZonesOfThisMachineAndNoOtherFiles) {
  for (const char* zone : {"UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5",
                           "US/Eastern", "Australia/Lord_Howe"}) {
    EXPECT_TRUE(known_zone(zone)) << zone;
  }
  for (const char* zone : {"", "europe/berlin", "Europe", "Europe/", "Europe/Berlin ", "localtime",
                           "../../../etc/passwd", "/usr/share/zoneinfo/Europe/Berlin", "tzdata.zi",
                           "zone.tab", "posixrules", "Mars/Olympus"}) {
    EXPECT_FALSE(known_zone(zone)) << zone;
  }
}

TEST(ClockTest, TellsTheTimeOfTheMachine) {
  const SystemClock clock;
  const std::time_t before = std::time(nullptr);
  const Timestamp now = clock.now();
  const std::time_t after = std::time(nullptr);
  EXPECT_GE(now + std::chrono::seconds(1), Timestamp(std::chrono::seconds(before)));
  EXPECT_LT(now, Timestamp(std::chrono::seconds(after + 1)));
}

}  // namespace
}  // namespace tidegate
