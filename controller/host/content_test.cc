// Content apart from code: what is brought back and updated, and what could not be brought.

#include <gtest/gtest.h>

#include "controller/host/test_host.h"
#include "reconcilers/plan_text.h"

namespace tidegate::test {
namespace {

using Strings = std::vector<std::string>;

class ContentTest : public testing::Test {
 protected:
  /// Live has one post; dev has a copy of it (generation 2), wiped since (generation 3).
  void wipe_dev() {
    host.environments["dev"] = "code: {branch: main}";
    host.environments["test"] = "code: {from: dev}";
    host.environments["live"] = "code: {from: test}";
    host.converge();
    sql(host.database("live"), "create table posts(title); insert into posts values('kept')");
    want_dev("source: live, generation: 2");
    host.succeed("dev");
    kept = host.database("dev");
    want_dev("source: empty, generation: 3");
    host.succeed("dev");
  }
  void want_dev(const std::string& spec) {
    host.environments["dev"] = "code: {branch: main}, content: {" + spec + "}";
  }
  /// Generation 2 again, with a new commit whose update adds a post.
  void want_kept_content(const std::string& after_update) {
    want_dev("source: live, generation: 2");
    host.commands = "maintenanceOn: [\"false\"], update: [" +
                    sh("sqlite3 ${DATABASE_URL#sqlite:///} \\\"insert into posts values(1)\\\"; " +
                       after_update) +
                    "]";
    host.push("second\n");
  }
  std::string posts(const std::string& database) { return sql(database, "select * from posts"); }

  TestHost host;
  std::string kept;
};

TEST_F(ContentTest, AnUpdateOfContentThatIsBroughtBackClosesNothing) {
  wipe_dev();
  want_kept_content("true");
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("bring back databases and files of live (generation 2)")) << told.all();
  EXPECT_EQ(told.phases, (Strings{"build", "content", "code", "update", "verify", "switch"}));
  EXPECT_EQ(host.database("dev"), kept);
  EXPECT_EQ(posts(kept), "kept\n1");
  EXPECT_FALSE(host.record("dev").updated_since);
}

TEST_F(ContentTest, PutsContentBackThatAFailedUpdateChangedOnItsWayBack) {
  wipe_dev();
  want_kept_content("exit 7");
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_TRUE(told.has("put back database " + kept + ", which update changed")) << told.all();
  EXPECT_EQ(posts(kept), "kept");
  EXPECT_NE(host.database("dev"), kept);
}

TEST_F(ContentTest, PutsContentBackThatAKilledUpdateChangedOnItsWayBack) {
  wipe_dev();
  want_kept_content("true");
  // The root as a process leaves it that is killed when its update has written.
  const std::string left = host.directory / "left";
  host.log.on_phase = [&](const std::string& phase) {
    if (phase != "verify") return;
    EXPECT_EQ(std::system(("cp -a " + host.root() + " " + left).c_str()), 0);
  };
  host.succeed("dev");
  host.log.on_phase = nullptr;
  host.driver.reset();
  std::filesystem::rename(host.root(), host.directory / "away");
  std::filesystem::rename(left, host.root());
  host.restart();
  ASSERT_EQ(posts(kept), "kept\n1");
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "undone");
  EXPECT_TRUE(told.has("put back database " + kept + ", which update changed")) << told.all();
  EXPECT_EQ(posts(kept), "kept");
  host.succeed("dev");
  EXPECT_EQ(posts(kept), "kept\n1") << "not run over again";
}

TEST_F(ContentTest, LeavesDatabasesThatVisitorsSawAsUpdateLeftThem) {
  host.environments["dev"] = "code: {branch: main}";
  host.succeed("dev");
  host.commands = "updatePending: [" + sh("exit 1") + "], update: [\"true\"], clearCache: [" +
                  sh("test $TIDEGATE_RELEASE = 1") + "]";
  host.push("second\n");
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_TRUE(told.has("went back to release 1")) << told.all();
  EXPECT_TRUE(told.has("databases stay as update left them: visitors were let in")) << told.all();
}

TEST_F(ContentTest, ASourceThatCannotBeReadKeepsNoCodeBack) {
  wipe_dev();
  std::filesystem::resize_file(host.database("live"), 100);
  want_dev("source: live, generation: 4");
  host.push("second\n");
  Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.actions, (Strings{"promote", "sync"}));
  told = host.succeed("dev");
  EXPECT_EQ(told.actions, Strings{"promote"});
  EXPECT_EQ(host.page("dev"), "second\n");
  host.clock.pass(1h);
  EXPECT_EQ(host.run("dev").actions, Strings{"sync"}) << "by itself from now on";
  host.push("third\n");
  const Plan plan = host.plan();
  ASSERT_EQ(plan.waiting.size(), 1u);
  EXPECT_EQ(describe(plan.waiting[0].actions), "sync databases and files from live (generation 4)");
  EXPECT_EQ(host.succeed("dev").actions, Strings{"promote"});
  EXPECT_EQ(host.page("dev"), "third\n");
}

TEST_F(ContentTest, ContentThatItsCommandsRefuseKeepsNoCodeBack) {
  wipe_dev();
  host.commands = "afterCopy: [\"false\"]";
  want_dev("source: live, generation: 4");
  const CommitId second = host.push("second\n");
  EXPECT_EQ(host.run("dev").message, "afterCopy: \"false\": exit code 1");
  EXPECT_EQ(host.succeed("dev").actions, Strings{"promote"});
  EXPECT_EQ(host.record("dev").last_proven, second);
  ASSERT_EQ(host.record("dev").failures.size(), 1u);
  EXPECT_TRUE(is_of_content(host.record("dev").failures[0]));
  EXPECT_EQ(host.plan().held.size(), 1u);
  EXPECT_EQ(host.run("dev", {"dev"}).message, "afterCopy: \"false\": exit code 1");
  host.commands = "";
  EXPECT_EQ(host.succeed("dev").actions, Strings{"sync"});
}

}  // namespace
}  // namespace tidegate::test
