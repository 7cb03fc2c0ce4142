// A line for operators is one line that programs can read, whatever its facts hold.

#include "controller/service/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidegate {
namespace {

/// What is written on stderr, its time taken off.
std::string written(const std::string& level, bool json, const char* at, const std::string& message,
                    const std::vector<std::pair<std::string, std::string>>& facts) {
  testing::internal::CaptureStderr();
  make_log(level, json)(at, message, facts);
  std::string out = testing::internal::GetCapturedStderr();
  const std::string time = "time=2026-11-20T03:00:00Z ";
  if (!json && out.starts_with("time=")) out = out.substr(time.size());
  return out;
}

TEST(LogTest, WritesLogfmtQuotedWhereItMustBe) {
  EXPECT_EQ(written("info", false, "info", "event",
                    {{"site", "acme"}, {"environment", ""}, {"message", "it is"}}),
            "level=info msg=event site=acme message=\"it is\"\n");
  EXPECT_EQ(
      written("info", false, "warn", "two words",
              {{"a", "x=y"}, {"b", "say \"hi\""}, {"c", "back\\slash"}, {"d", "Grüße"}}),
      "level=warn msg=\"two words\" a=\"x=y\" b=\"say \\\"hi\\\"\" c=\"back\\\\slash\" d=Grüße\n");
}

TEST(LogTest, NothingInAFactEndsTheLineOrReachesTheTerminal) {
  EXPECT_EQ(written("info", false, "error", "event",
                    {{"message", "one\ntwo\r\tthree\x1b[31m"}, {"bell", "\x07"}}),
            "level=error msg=event message=\"one\\ntwo\\r\\tthree\\u001b[31m\" bell=\"\\u0007\"\n");
  EXPECT_EQ(written("info", false, "info", "event", {{"half", "\xC3 x"}}),
            "level=info msg=event half=\"\xEF\xBF\xBD x\"\n");
}

TEST(LogTest, WritesJsonWithTheSameFacts) {
  const auto json = nlohmann::json::parse(
      written("info", true, "info", "event",
              {{"site", "acme"}, {"environment", ""}, {"message", "a\nb %v {}"}}));
  EXPECT_EQ(json.at("level"), "info");
  EXPECT_EQ(json.at("msg"), "event");
  EXPECT_EQ(json.at("message"), "a\nb %v {}");
  EXPECT_EQ(json.at("site"), "acme");
  EXPECT_FALSE(json.contains("environment"));
  EXPECT_TRUE(parse_rfc3339(json.at("time").get<std::string>()));
}

TEST(LogTest, LeavesOutWhatIsBelowItsLevel) {
  EXPECT_EQ(written("info", false, "debug", "event", {}), "");
  EXPECT_EQ(written("warn", false, "info", "event", {}), "");
  EXPECT_EQ(written("debug", false, "debug", "event", {}), "level=debug msg=event\n");
  EXPECT_EQ(written("error", false, "error", "event", {}), "level=error msg=event\n");
}

}  // namespace
}  // namespace tidegate
