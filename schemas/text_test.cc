#include "schemas/text.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(TextTest, QuotesOnOneLine) {
  EXPECT_EQ(quote("live"), "\"live\"");
  EXPECT_EQ(quote("a\"b\\c\nd\te\x01\x7f"), "\"a\\\"b\\\\c\\nd\\te\\x01\\x7f\"");
}

TEST(TextTest, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(quote(std::string(79, 'a') + "ö" + "b"), "\"" + std::string(79, 'a') + "…\"");
  EXPECT_EQ(quote(std::string(80, 'a')), "\"" + std::string(80, 'a') + "\"");
}

TEST(TextTest, SuggestsWhatWasProbablyMeant) {
  EXPECT_EQ(did_you_mean("lvie", {"dev", "test", "live"}), "; did you mean \"live\"?");
  EXPECT_EQ(did_you_mean("generaton", {"source", "generation"}), "; did you mean \"generation\"?");
  EXPECT_EQ(did_you_mean("production", {"dev", "test", "live"}), "");
  EXPECT_EQ(did_you_mean("x", {"y"}), "");
}

TEST(TextTest, ListsAlternatives) {
  EXPECT_EQ(alternatives({"a"}), "a");
  EXPECT_EQ(alternatives({"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace tidegate
