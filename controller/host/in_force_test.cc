#include "controller/host/in_force.h"

#include <gtest/gtest.h>

#include "controller/host/files/marks.h"
#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

const InForce first{std::string(40, '1'), *parse_rfc3339("2026-11-20T12:00:00Z")};
const InForce second{std::string(40, '2'), *parse_rfc3339("2026-11-20T13:00:00Z")};

TEST(InForceTest, IsWhatWasNotedLastOfThatSource) {
  const test::Directory root;
  ASSERT_TRUE(claim_root(root.path()));
  EXPECT_EQ(noted_in_force(root.path(), "fleet"), std::nullopt);
  for (const InForce& in_force : {first, second}) {
    const auto noted = note_in_force(root.path(), "fleet", in_force);
    ASSERT_TRUE(noted) << noted.error().message;
    EXPECT_TRUE(*noted);
    EXPECT_EQ(noted_in_force(root.path(), "fleet"), in_force);
  }
  EXPECT_EQ(noted_in_force(root.path(), "shops"), std::nullopt);
}

TEST(InForceTest, NothingIsWrittenWhereNoRootIs) {
  const test::Directory root;
  for (const std::string& path : {root.path(), root / "absent"}) {
    const auto noted = note_in_force(path, "fleet", first);
    ASSERT_TRUE(noted) << noted.error().message;
    EXPECT_FALSE(*noted) << path;
    EXPECT_FALSE(test::exists(path + "/.tidegate"));
  }
}

TEST(InForceTest, ADamagedNoteIsNone) {
  const test::Directory root;
  for (const char* text : {"", "\n", "1111\n", "1111 today\n", "1111 2026-11-20T12:00:00Z"}) {
    test::put(root / ".tidegate/in-force/fleet", text);
    EXPECT_EQ(noted_in_force(root.path(), "fleet"), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tidegate
