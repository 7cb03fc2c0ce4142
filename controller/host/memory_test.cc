// What an environment's lost memory never leads to: content wiped or copied once more, or dropped.

#include <gtest/gtest.h>

#include <algorithm>

#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

class MemoryTest : public testing::Test {
 protected:
  MemoryTest() {
    host.keep_releases = 1;
    host.environments["dev"] = "code: {branch: main}";
    host.succeed("dev");
    host.environments["test"] = "code: {commit: " + host.first.hex + "}";
    host.succeed("test");
    content("source: test, generation: 1");
    host.succeed("dev");
  }
  void content(const std::string& spec) {
    host.environments["dev"] = "code: {branch: main}, content: {" + spec + "}";
  }
  /// Content of generation 2 comes and goes again, and so does every release that was made of it.
  void bring_and_forget(const std::string& second) {
    content(second);
    host.succeed("dev");
    content("source: test, generation: 1");
    ASSERT_EQ(host.succeed("dev").actions, std::vector<std::string>{"activate"});
    for (const char* page : {"second\n", "third\n"}) {
      host.push(page);
      host.succeed("dev");
    }
    host.clock.pass(1h);
    ASSERT_TRUE(host.driver->tend(*host.site()));
    sql(host.database("dev"), "create table mine(x)");
    std::filesystem::remove(layout.record());
  }
  void expect_content_gone(const std::string& second) {
    content(second);
    const Plan plan = host.plan();
    EXPECT_TRUE(std::ranges::none_of(plan.ready,
                                     [](const Step& step) { return step.environment == "dev"; }));
    ASSERT_EQ(plan.held.size(), 1u);
    EXPECT_EQ(plan.held[0].reason, "ContentGone");
    EXPECT_TRUE(plan.held[0].message.ends_with("; raise the generation to 3 to ask anew"))
        << plan.held[0].message;
  }
  TestHost host;
  EnvironmentLayout layout = host.layout("dev");
};

TEST_F(MemoryTest, CopiesNothingAgainThatNoKeptReleaseKnowsOf) {
  bring_and_forget("source: test, generation: 2");
  expect_content_gone("source: test, generation: 2");
  content("source: test, generation: 3");
  host.succeed("dev");
  EXPECT_EQ(host.record("dev").highest.at(Part::databases), 3u);
}

TEST_F(MemoryTest, WipesNothingAgainThatNoKeptReleaseKnowsOf) {
  bring_and_forget("source: empty, generation: 2");
  expect_content_gone("source: empty, generation: 2");
  content("source: test, generation: 1");
  host.push("fourth\n");
  host.succeed("dev");
  EXPECT_EQ(sql(host.database("dev"), "select name from sqlite_master"), "mine");
  EXPECT_EQ(host.record("dev").highest.at(Part::files), 2u);
}

TEST_F(MemoryTest, TakesAReleaseWhoseOwnRecordIsDamagedForNobodys) {
  const std::string kept = layout.release(host.record("dev").kept.at(0)) + "/release.json";
  std::filesystem::remove(layout.record());
  write_file(kept, "{");
  const std::string gone = host.seen("dev").gone;
  EXPECT_TRUE(gone.starts_with("damaged record \"" + kept + "\": ")) << gone;
  EXPECT_TRUE(gone.ends_with("; put it back, or remove the release if nobody needs it")) << gone;
}

}  // namespace
}  // namespace tidegate::test
