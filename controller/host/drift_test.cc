// What of a running release is healed besides its code, and what people put in its way is kept.

#include "controller/host/drift.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

namespace fs = std::filesystem;

class DriftTest : public testing::Test {
 protected:
  DriftTest() {
    host.writable = "web/cache";
    host.environments["dev"] = "code: {branch: main}, variables: {MODE: calm}";
    host.succeed("dev");
    write_file(host.uploads("dev") + "/photo", "bytes");
  }
  std::string code() const { return layout.code(host.record("dev").current); }
  std::string link() const { return code() + "/web/uploads"; }
  bool tend() {
    auto news = host.driver->tend(*host.site());
    EXPECT_TRUE(news) << news.error().message;
    return news && *news;
  }
  /// Seen as this, and healed by one step.
  Told heal(const std::string& change) {
    EXPECT_TRUE(tend());
    const auto drift = host.record("dev").drift;
    EXPECT_EQ(drift ? drift->first : std::vector<std::string>{}, std::vector{change});
    const Told told = host.succeed("dev");
    EXPECT_TRUE(told.has("changed by hand in release 1: " + change)) << told.all();
    EXPECT_FALSE(tend());
    EXPECT_TRUE(host.plan().converged());
    EXPECT_EQ(read_file(link() + "/photo"), "bytes");
    EXPECT_TRUE(fs::is_directory(code() + "/web/cache"));
    EXPECT_EQ(host.page("dev"), "first\n");
    return told;
  }
  TestHost host;
  const EnvironmentLayout layout = host.layout("dev");
};

TEST_F(DriftTest, ALinkToContentThatIsGoneIsHealed) {
  fs::remove(link());
  heal("removed web/uploads");
}

TEST_F(DriftTest, ALinkToContentThatLeadsElsewhereIsHealed) {
  fs::remove(link());
  fs::create_symlink("/tmp", link());
  heal("changed web/uploads");
}

TEST_F(DriftTest, WhatReplacedALinkToContentIsKeptAsideAndTold) {
  fs::remove(link());
  fs::create_directory(link());
  write_file(link() + "/new", "uploaded since");
  const Told told = heal("type web/uploads");
  const std::string aside = layout.directory() + "/aside/1/web/uploads";
  EXPECT_TRUE(told.has("what was put in the place of content by hand is kept at \"" + aside + "\""))
      << told.all();
  EXPECT_EQ(read_file(aside + "/new"), "uploaded since");
  EXPECT_FALSE(fs::exists(host.uploads("dev") + "/new"));
  EXPECT_EQ(read_file(layout.code("1") + "/web/uploads/photo"), "bytes") << "the link is back";
}

TEST_F(DriftTest, WhatReplacedALinkIsKeptAsideThoughNobodyLookedBeforeTheNextStep) {
  fs::remove(link());
  fs::create_directory(link());
  write_file(link() + "/new", "uploaded since");
  host.push("second\n");
  host.succeed("dev");
  EXPECT_EQ(read_file(layout.directory() + "/aside/1/web/uploads/new"), "uploaded since");
}

TEST_F(DriftTest, WhatReplacedALinkInAReleaseNoLongerInUseOutlivesIt) {
  host.keep_releases = 1;
  host.push("second\n");
  host.succeed("dev");
  fs::remove(layout.code("1") + "/web/uploads");
  fs::create_directory(layout.code("1") + "/web/uploads");
  write_file(layout.code("1") + "/web/uploads/new", "uploaded since");
  host.push("third\n");
  host.succeed("dev");
  host.clock.pass(1h);
  tend();
  EXPECT_FALSE(fs::exists(layout.release("1")));
  EXPECT_EQ(read_file(layout.directory() + "/aside/1/web/uploads/new"), "uploaded since");
}

TEST_F(DriftTest, CodeThatCameToLieWhereContentWasIsNoContent) {
  host.content = "files: [{name: uploads, path: web/uploads}, {name: lib, path: private}]";
  host.succeed("dev");
  host.content = "files: [{name: uploads, path: web/uploads}]";
  host.code.write("private/code.php", "<?php\n");
  host.code.commit("private");
  host.succeed("dev");
  EXPECT_EQ(read_file(layout.current() + "/code/private/code.php"), "<?php\n");
  EXPECT_FALSE(tend());
  const std::string left = code();
  host.push("second\n");
  host.succeed("dev");
  EXPECT_EQ(read_file(left + "/private/code.php"), "<?php\n");
  EXPECT_FALSE(fs::exists(layout.directory() + "/aside"));
}

TEST_F(DriftTest, AWritableDirectoryThatIsGoneIsHealed) {
  fs::remove(code() + "/web/cache");
  heal("removed web/cache");
}

TEST_F(DriftTest, AnEditedFileOfVariablesIsHealedAndItsTextToldNowhere) {
  write_file(layout.current() + "/environment", "MODE=tampered\n");
  const Told told = heal("changed ../environment");
  EXPECT_FALSE(told.has("tampered")) << told.all();
  EXPECT_NE(read_file(layout.current() + "/environment").find("MODE=calm\n"), std::string::npos);
}

TEST_F(DriftTest, AFileOfVariablesThatOthersCanReadIsHealed) {
  ::chmod((layout.current() + "/environment").c_str(), 0644);
  heal("mode ../environment");
}

TEST_F(DriftTest, CodeThatIsGoneAsAWholeIsHealedFromTheBuild) {
  fs::remove_all(layout.code("1"));
  heal("removed .");
}

TEST_F(DriftTest, VariablesThatWereDeclaredAnewAreNoChangeByHand) {
  host.environments["dev"] = "code: {branch: main}, variables: {MODE: stormy}";
  EXPECT_FALSE(tend());
}

TEST_F(DriftTest, AKeptReleaseWhoseVariablesWereEditedIsNotSwitchedBackTo) {
  host.push("second\n");
  host.succeed("dev");
  write_file(layout.release("1") + "/environment", "MODE=tampered\n");
  host.environments["dev"] = "code: {commit: " + host.first.hex + "}, variables: {MODE: calm}";
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("kept release 1 is not what it was; a new one is prepared")) << told.all();
  EXPECT_NE(read_file(layout.current() + "/environment").find("MODE=calm\n"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::test
