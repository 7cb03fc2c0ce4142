#include "schemas/time.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

std::string round_trip(const char* text) {
  const auto time = parse_rfc3339(text);
  return time ? to_rfc3339(*time) : "nothing";
}

TEST(TimeTest, ReadsTimesWithZoneOrOffset) {
  EXPECT_EQ(round_trip("2026-11-20T03:00:00Z"), "2026-11-20T03:00:00Z");
  EXPECT_EQ(round_trip("2026-11-20T03:00:00+02:00"), "2026-11-20T01:00:00Z");
  EXPECT_EQ(round_trip("2026-12-31T23:30:00-01:30"), "2027-01-01T01:00:00Z");
  EXPECT_EQ(round_trip("2028-02-29t00:00:00z"), "2028-02-29T00:00:00Z");
  EXPECT_EQ(*parse_rfc3339("1970-01-01T00:00:01.2509Z"), Timestamp(1250ms));
}

TEST(TimeTest, ReadsNothingElse) {
  for (const char* text :
       {"", "2026-11-20", "2026-11-20T03:00:00", "2026-11-20 03:00:00Z", "2026-13-20T03:00:00Z",
        "2026-02-29T03:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T03:60:00Z",
        "2026-11-20T03:00:60Z", "2026-11-20T03:00:00.Z", "2026-11-20T03:00:00+2:00",
        "2026-11-20T03:00:00+24:00", "2026-11-20T03:00:00Zx", "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "-026-11-20T03:00:00Z"})
    EXPECT_EQ(round_trip(text), "nothing") << text;
}

TEST(TimeTest, ReadsDurationsOfOneUnit) {
  EXPECT_EQ(parse_duration("500ms"), Duration(500ms));
  EXPECT_EQ(parse_duration("10s"), Duration(10s));
  EXPECT_EQ(parse_duration("30m"), Duration(30min));
  EXPECT_EQ(parse_duration("24h"), Duration(24h));
  EXPECT_EQ(parse_duration("7d"), Duration(168h));
  EXPECT_EQ(parse_duration("0s"), Duration(0));
  EXPECT_EQ(parse_duration("3650d"), Duration(87600h));
}

TEST(TimeTest, RefusesEveryOtherDuration) {
  for (const char* text : {"", "s", "10", "10 s", "1h30m", "-5m", "+5m", "1.5h", "1ns", "05m",
                           "1e3s", "1e400h", "3651d", "999999999999999999999d", "10S", "10s "})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(TimeTest, SpellsDurationsShortly) {
  EXPECT_EQ(to_string(Duration(90s)), "90s");
  EXPECT_EQ(to_string(Duration(3600s)), "1h");
  EXPECT_EQ(to_string(Duration(24h)), "1d");
  EXPECT_EQ(to_string(Duration(0)), "0s");
  EXPECT_EQ(to_string(Duration(1500ms)), "1500ms");
}

}  // namespace
}  // namespace tidegate
