#include "schemas/cron.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

std::string refusal(const std::string& text) {
  const auto cron = parse_cron(text);
  return cron ? "accepted" : cron.error().message;
}

TEST(CronTest, ReadsNumbersRangesListsStepsAndNames) {
  const auto cron = parse_cron("*/20 8-18/5 1,15 jan-MAR sun,mon-wed");
  ASSERT_TRUE(cron) << cron.error().message;
  EXPECT_EQ(cron->minutes, (1ULL << 0 | 1ULL << 20 | 1ULL << 40));
  EXPECT_EQ(cron->hours, (1U << 8 | 1U << 13 | 1U << 18));
  EXPECT_EQ(cron->days_of_month, (1U << 1 | 1U << 15));
  EXPECT_EQ(cron->months, (1U << 1 | 1U << 2 | 1U << 3));
  EXPECT_EQ(cron->days_of_week, 0b1111U);
  EXPECT_FALSE(cron->any_day_of_month || cron->any_day_of_week);
}

TEST(CronTest, TakesSevenForSunday) {
  EXPECT_EQ(*parse_cron("0 3 * * 7"), *parse_cron("0 3 * * 0"));
  EXPECT_EQ(parse_cron("0 3 * * 5-7")->days_of_week, 0b1100001U);
}

TEST(CronTest, FiresOnEitherDayWhenBothAreRestricted) {
  const Cron both = *parse_cron("0 0 13 * fri");
  EXPECT_TRUE(fires_on(both, 11, 13, 1));
  EXPECT_TRUE(fires_on(both, 11, 20, 5));
  EXPECT_FALSE(fires_on(both, 11, 14, 1));
  const Cron one = *parse_cron("0 0 13 * *");
  EXPECT_TRUE(fires_on(one, 11, 13, 1));
  EXPECT_FALSE(fires_on(one, 11, 20, 5));
  EXPECT_FALSE(fires_on(*parse_cron("0 0 * 2 *"), 11, 13, 1));
}

TEST(CronTest, SaysWhichFieldIsWrong) {
  EXPECT_EQ(refusal("0 3 * *"),
            "has 4 fields instead of five: minute, hour, day of month, month, day of week (\"0 3 * "
            "* *\" is every night at three)");
  EXPECT_EQ(refusal("60 3 * * *"), "minute \"60\" is not between 0 and 59");
  EXPECT_EQ(refusal("0 24 * * *"), "hour \"24\" is not between 0 and 23");
  EXPECT_EQ(refusal("0 3 0 * *"), "day of month \"0\" is not between 1 and 31");
  EXPECT_EQ(refusal("0 3 * foo *"), "month \"foo\" is not between 1 and 12");
  EXPECT_EQ(refusal("0 3 * * 8"), "day of week \"8\" is not between 0 and 7");
  EXPECT_EQ(refusal("0 18-8 * * *"), "hour \"18-8\" runs backwards: write two ranges");
  EXPECT_EQ(refusal("*/0 * * * *"), "minute \"*/0\" has a step that is not between 1 and 59");
  EXPECT_EQ(refusal("5/15 * * * *"),
            "minute \"5/15\" has a step without a range: write */n or a-b/n");
  EXPECT_EQ(refusal("1,,2 * * * *"), "minute \"\" is not between 0 and 59");
  EXPECT_EQ(refusal("@daily"), refusal("one"));
}

TEST(CronTest, RefusesADayThatNeverComes) {
  EXPECT_EQ(refusal("0 3 31 2 *"), "never comes: no month in it has that day");
  EXPECT_EQ(refusal("0 3 31 feb,apr *"), "never comes: no month in it has that day");
  EXPECT_EQ(refusal("0 3 29 2 *"), "accepted");
  EXPECT_EQ(refusal("0 3 31 2 mon"), "accepted");
}

}  // namespace
}  // namespace tidegate
