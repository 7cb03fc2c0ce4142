#include "reconcilers/windows.h"

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

const Timestamp midnight = *parse_rfc3339("2026-11-20T00:00:00Z");
const Window night{"0 3 * * *", 8h, "UTC"};  // 03:00 to 11:00.
const Window hourly{"0 * * * *", 10min, "UTC"};

std::string state(const WindowsRule& rule, Timestamp now) {
  const SmallCalendar calendar;
  const WindowState s = window_state(rule, calendar, now);
  return std::string(s.open ? "open until " : "closed until ") +
         (s.changes ? to_rfc3339(*s.changes).substr(8, 8) : "ever");
}

TEST(WindowsTest, OpensAndClosesOnTheMillisecond) {
  const WindowsRule rule{{night}, {}};
  EXPECT_EQ(state(rule, midnight + 3h - 1ms), "closed until 20T03:00");
  EXPECT_EQ(state(rule, midnight + 3h), "open until 20T11:00");
  EXPECT_EQ(state(rule, midnight + 11h - 1ms), "open until 20T11:00");
  EXPECT_EQ(state(rule, midnight + 11h), "closed until 21T03:00");
}

TEST(WindowsTest, SeveralAllowedWindowsAreOneOrTheOther) {
  const WindowsRule rule{{night, hourly}, {}};
  EXPECT_EQ(state(rule, midnight + 1h), "open until 20T01:10");
  EXPECT_EQ(state(rule, midnight + 1h + 10min), "closed until 20T02:00");
  EXPECT_EQ(state(rule, midnight + 4h + 30min), "open until 20T11:10") << "without a gap";
}

TEST(WindowsTest, DeniedWindowsAreTakenOutOfAllowedOnes) {
  const WindowsRule rule{{night}, {hourly}};
  EXPECT_EQ(state(rule, midnight + 3h), "closed until 20T03:10");
  EXPECT_EQ(state(rule, midnight + 3h + 10min), "open until 20T04:00");
  EXPECT_EQ(state(rule, midnight + 10h + 30min), "open until 20T11:00");
  EXPECT_EQ(state(rule, midnight + 12h), "closed until 21T03:10");
}

TEST(WindowsTest, WithoutAllowedWindowsItIsOpenOutsideDeniedOnes) {
  const WindowsRule rule{{}, {night}};
  EXPECT_EQ(state(rule, midnight), "open until 20T03:00");
  EXPECT_EQ(state(rule, midnight + 3h), "closed until 20T11:00");
}

TEST(WindowsTest, WindowsThatTouchEachOtherAreOne) {
  const Window whole_hours{"0 * * * *", 1h, "UTC"};
  EXPECT_EQ(state({{whole_hours}, {}}, midnight), "open until ever");
  EXPECT_EQ(state({{}, {whole_hours}}, midnight), "closed until ever");
  EXPECT_EQ(state({{night}, {whole_hours}}, midnight), "closed until ever");
}

TEST(WindowsTest, AWindowLongerThanItsRhythmStaysOpen) {
  EXPECT_EQ(state({{{"0 3 * * *", 36h, "UTC"}}, {}}, midnight), "open until ever");
}

TEST(WindowsTest, WhatCannotBeWorkedOutHolds) {
  const Window unknown{"61 * * * *", 1h, "Moon/Base"};
  const SmallCalendar calendar;
  for (const WindowsRule& rule : {WindowsRule{{unknown, hourly}, {}}, WindowsRule{{}, {unknown}}}) {
    const WindowState s = window_state(rule, calendar, midnight);
    EXPECT_FALSE(s.open);
    EXPECT_FALSE(s.changes);
    EXPECT_EQ(s.because,
              "the times of \"61 * * * *\" (Moon/Base) for 1h are not known on this machine");
  }
}

}  // namespace
}  // namespace tidegate
