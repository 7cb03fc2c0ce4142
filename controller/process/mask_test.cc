#include "controller/process/mask.h"

#include <gtest/gtest.h>

#include "controller/process/process.h"

namespace tidegate {
namespace {

TEST(MaskTest, ReplacesEveryOccurrence) {
  const Mask mask({"hunter2", "correct horse"});
  EXPECT_EQ(mask.apply("a hunter2 b hunter2, correct horse."), "a *** b ***, ***.");
  EXPECT_EQ(mask.apply("hunter2hunter2"), "***");
  EXPECT_EQ(mask.apply("hunter3"), "hunter3");
  EXPECT_EQ(mask.apply(""), "");
  EXPECT_EQ(Mask().apply("hunter2"), "hunter2");
}

TEST(MaskTest, KnowsTheSpellingsOfASecret) {
  const Mask mask({"p/w+d \"é%"});
  const char* spellings[] = {
      "p/w+d \"é%",                // as it is
      "p%2Fw%2Bd%20%22%C3%A9%25",  // url
      "p%2fw%2bd%20%22%c3%a9%25",  // url, lower case
      "p%2Fw%2Bd+%22%C3%A9%25",    // form
      "cC93K2QgIsOpJQ==",          // base64
      "p/w+d \\\"é%",              // JSON
      "p\\/w+d \\\"\\u00e9%",      // JSON as PHP writes it
      "p\\/w+d \\\"é%",            // the same with JSON_UNESCAPED_UNICODE
      "p/w+d \\\"\\u00e9%",        // JSON as Python writes it
  };
  for (const std::string spelling : spellings)
    EXPECT_EQ(mask.apply("x " + spelling + " y"), "x *** y") << spelling;
}

TEST(MaskTest, FindsASecretInsideLongerBase64) {
  const Mask mask({"hunter2hunter2"});
  // user:hunter2hunter2, me:hunter2hunter2!, a:hunter2hunter2 as base64: the characters that a
  // neighbour has bits in may stay.
  EXPECT_EQ(mask.apply("Basic dXNlcjpodW50ZXIyaHVudGVyMg=="), "Basic dXNlcjp***g==");
  EXPECT_EQ(mask.apply("Basic bWU6aHVudGVyMmh1bnRlcjIh"), "Basic bWU6***Ih");
  EXPECT_EQ(mask.apply("Basic YTpodW50ZXIyaHVudGVyMg=="), "Basic YTp***g==");
}

TEST(MaskTest, LeavesNoEndOfOverlappingSecrets) {
  const Mask mask({"abcdef", "defghi"});
  EXPECT_EQ(mask.apply("abcdefghi"), "***");
  const Mask longer({"password", "password-and-more"});
  EXPECT_EQ(longer.apply("password-and-more"), "***");
}

TEST(MaskTest, MasksEachLineOfASecretWithSeveral) {
  const Mask mask({"-----BEGIN KEY-----\r\nb3BlbnNz\nab\n-----END KEY-----\n"});
  EXPECT_EQ(mask.apply("key: b3BlbnNz ab"), "key: *** ab");
  EXPECT_EQ(mask.apply("-----END KEY-----"), "***");
  EXPECT_EQ(Mask({"line one\nline two"}).apply("{\"key\":\"line one\\nline two\"}"),
            "{\"key\":\"***\"}");
}

TEST(MaskTest, MasksAStreamWhateverItsPieces) {
  const Mask mask({"abcdef", "defghi"});
  const std::string text = "x abcdefghi\nabcabcde\xff abcdef y abc";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    std::string out;
    MaskedStream stream(mask, [&out](std::string_view bytes) { out += bytes; });
    for (std::size_t at = 0; at < text.size(); at += size) stream.feed(text.substr(at, size));
    stream.finish();
    EXPECT_EQ(out, "x ***\nabcabcde\xff *** y abc") << size;
  }
}

TEST(MaskTest, HoldsBackNothingThatNoSecretBeginsWith) {
  const Mask mask({"abcdef"});
  std::string out;
  MaskedStream stream(mask, [&out](std::string_view bytes) { out += bytes; });
  stream.feed("Name? ");
  EXPECT_EQ(out, "Name? ");
}

TEST(MaskTest, LeavesShortSecretsAlone) {
  EXPECT_EQ(Mask({"", "a", "abc"}).apply("abc a"), "abc a");
}

TEST(MaskTest, MasksASecretThatTheEndOfALongLineCuts) {
  const Mask mask({"hunter2hunter2"});
  const std::string full(line_bytes_max - 9, 'x'), tail(error_tail_bytes_max - 10, 'x');
  EXPECT_EQ(mask.apply(full + "hunter2hu"), full + "***");
  EXPECT_EQ(mask.apply(tail + "hunter2hu\nhunter2hu"), tail + "***\nhunter2hu");
  EXPECT_EQ(mask.apply("x hunter2hu"), "x hunter2hu");
}

}  // namespace
}  // namespace tidegate
