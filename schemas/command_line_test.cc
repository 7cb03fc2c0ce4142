#include "schemas/command_line.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

using Words = std::vector<std::string>;

std::string refusal(const std::string& text) {
  const auto words = split_command(text);
  return words ? "accepted" : words.error().message;
}

TEST(CommandLineTest, SplitsAsAShellWouldWithoutExpandingAnything) {
  const std::pair<const char*, Words> rows[]{
      {"wp core update-db", {"wp", "core", "update-db"}},
      {"  a\t b  ", {"a", "b"}},
      {"sh -c 'a && b | c'", {"sh", "-c", "a && b | c"}},
      {"a '' \"\"", {"a", "", ""}},
      {"a b'c d'\"e f\"g", {"a", "bc de fg"}},
      {"a \"x\\\"y\\$z\\n\\\\\"", {"a", "x\"y$z\\n\\"}},
      {"a b\\ c \\'", {"a", "b c", "'"}},
      {"a $HOME `id` *", {"a", "$HOME", "`id`", "*"}},
      {"find . -exec rm {} ;", {"find", ".", "-exec", "rm", "{}", ";"}},
      {"a '|' \\>", {"a", "|", ">"}},
      {"a 'two\nlines'\n", {"a", "two\nlines"}},
      {"a \\\nb", {"a", "b"}},
  };
  for (const auto& [text, expected] : rows) {
    const auto words = split_command(text);
    ASSERT_TRUE(words) << text << ": " << words.error().message;
    EXPECT_EQ(*words, expected) << text;
  }
}

TEST(CommandLineTest, SaysWhatItCannotSplit) {
  EXPECT_EQ(refusal(""), "is empty: write a command");
  EXPECT_EQ(refusal(" \n"), "is empty: write a command");
  EXPECT_EQ(refusal("'' a"), "has an empty first word: write a program's name");
  EXPECT_EQ(refusal("a 'b"), "has a ' that is never closed");
  EXPECT_EQ(refusal("a \"b\\\""), "has a \" that is never closed");
  EXPECT_EQ(refusal("a \\"), "ends in a backslash: nothing follows to escape");
  EXPECT_EQ(refusal("a\nb"), "has a line break outside quotes: write one command a list item");
  EXPECT_EQ(refusal("a && b"), "has \"&&\", which only a shell understands: write sh -c '…'");
  EXPECT_EQ(refusal(std::string("a\0b", 3)), "has a NUL character");
}

}  // namespace
}  // namespace tidegate
