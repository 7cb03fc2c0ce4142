#include "controller/host/files/walk.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "controller/host/files/handle.h"
#include "controller/host/files/test_directory.h"

namespace tidegate::files {
namespace {

TEST(LeadsOutTest, FollowsLinksThroughLinks) {
  const Links links{{"up", ".."},
                    {"a/root", "../"},
                    {"a/b/two-up", "../.."},
                    {"through", "a/root/x"},
                    {"escape", "a/b/two-up/.."},
                    {"absolute", "/etc"},
                    {"via", "absolute/x"},
                    {"ring", "ring"},
                    {"one", "two"},
                    {"two", "one"},
                    {"dangling", "no/such/../thing"},
                    {"odd", ".//a/./b/../"},
                    {"self", "."},
                    {"empty", ""}};
  for (const auto& [path, out] : std::vector<std::pair<std::string, bool>>{{"up", true},
                                                                           {"a/root", false},
                                                                           {"a/b/two-up", false},
                                                                           {"through", false},
                                                                           {"escape", true},
                                                                           {"absolute", true},
                                                                           {"via", true},
                                                                           {"ring", false},
                                                                           {"one", false},
                                                                           {"dangling", false},
                                                                           {"odd", false},
                                                                           {"self", false},
                                                                           {"empty", false}}) {
    EXPECT_EQ(leads_out(links, path), out) << path;
  }
}

TEST(LeadsOutTest, EndsOnLinksThatDoubleWithEachStep) {
  Links links;
  for (int level = 0; level < 100; ++level) {
    const std::string next = "l" + std::to_string(level + 1);
    links["l" + std::to_string(level)] = next + "/../" + next + "/../" + next;
  }
  EXPECT_FALSE(leads_out(links, "l0"));
}

TEST(WalkTest, RefusesTreesThatAreTooDeepInOneLine) {
  const test::Directory directory;
  std::string deep = directory / "d", shown = "d";
  for (int level = 0; level < 128; ++level) deep += "/d", shown += "/d";
  std::filesystem::create_directories(deep);
  const auto root = open_directory(directory.path());
  ASSERT_TRUE(root);
  int visited = 0;
  const auto walked = walk(root->get(), "/shown", false, [&](const Found&) {
    ++visited;
    return Result<bool>(true);
  });
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().kind, ErrorKind::site);
  EXPECT_EQ(walked.error().message, "\"/shown/" + shown + "\" lies more than 128 directories deep");
  EXPECT_EQ(visited, 129);
}

TEST(InParallelTest, ReturnsTheFirstFailureOfAll) {
  for (int round = 0; round < 100; ++round) {
    const auto done = in_parallel(4, 1000, [](std::size_t index) -> Result<void> {
      if (index % 2 == 1) return Error{ErrorKind::site, std::to_string(index)};
      return {};
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "1");
  }
}

TEST(OpenBelowTest, FollowsNoLinkAndNoWayUp) {
  const test::Directory directory;
  std::filesystem::create_directories(directory / "a/b");
  ASSERT_EQ(symlink("a", (directory / "link").c_str()), 0);
  const auto root = open_directory(directory.path());
  ASSERT_TRUE(root);
  EXPECT_TRUE(open_below(root->get(), "a/b"));
  EXPECT_TRUE(open_below(root->get(), ""));
  EXPECT_FALSE(open_below(root->get(), "link"));
  EXPECT_FALSE(open_below(root->get(), "link/b"));
  EXPECT_FALSE(open_below(root->get(), "a/../a"));
  EXPECT_FALSE(open_below(root->get(), "a/none"));
}

}  // namespace
}  // namespace tidegate::files
