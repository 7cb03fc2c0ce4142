// Environments that no manifest declares any more, left in the middle of an operation: it is
// finished or undone, and then they are let go.

#include <gtest/gtest.h>

#include "controller/host/databases/engine.h"
#include "controller/host/files/durable.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

class LetGoTest : public testing::Test {
 protected:
  LetGoTest() {
    host.environments["dev"] = "code: {branch: main}";
    host.environments["test"] = "code: {from: dev}";
    host.converge();
    sql(host.database("test"), "create table posts(title); insert into posts values('before')");
    second = host.push("second\n");
    host.succeed("dev");
    host.commands = "clearCache: [\"false\"], maintenanceOff: [\"false\"]";
    host.environments.erase("test");
  }
  Journal journal(const std::string& phase) {
    Journal j = host.interrupted("test", second, phase);
    write_file(layout.code("2") + "/web/index.html", "second\n");
    return j;
  }
  Told recover(const Journal& j) {
    EXPECT_TRUE(write_journal(layout, j));
    host.restart();
    const Told told = host.run("test");
    EXPECT_FALSE(host.has_journal("test"));
    EXPECT_FALSE(std::filesystem::exists(layout.maintenance()));
    EXPECT_FALSE(host.seen("test").operation);
    EXPECT_TRUE(host.plan().converged());
    return told;
  }
  TestHost host;
  EnvironmentLayout layout = host.layout("test");
  CommitId second;
};

TEST_F(LetGoTest, AnUpdateIsUndoneAndVisitorsAreLetIn) {
  Journal j = journal("update");
  const auto engine = make_sqlite_engine(host.root());
  const std::string physical = host.database("test");
  ASSERT_TRUE(engine->save(physical, engine->saved_name(physical), {}));
  sql(physical, "delete from posts");
  j.databases.push_back({Engine::sqlite, engine->saved_name(physical)});
  j.saved.push_back({Engine::sqlite, physical, engine->saved_name(physical)});
  j.maintenance = j.maintenance_on = true;
  ASSERT_TRUE(write_durably(layout.maintenance(), "operation op-1\n", 0644));
  const Told told = recover(j);
  EXPECT_EQ(told.result, "undone") << told.all();
  EXPECT_TRUE(told.has("no manifest declares the environment any more: no command of it is run"));
  EXPECT_EQ(sql(physical, "select title from posts"), "before");
  EXPECT_EQ(host.page("test"), "first\n");
  EXPECT_FALSE(std::filesystem::exists(layout.release("2")));
}

TEST_F(LetGoTest, WhatHadSwitchedStaysAndProvesNothing) {
  Journal j = journal("verifyLive");
  ASSERT_TRUE(write_release(layout, j.prepared));
  ASSERT_TRUE(point_link(layout.current(), "releases/2"));
  const Told told = recover(j);
  EXPECT_EQ(told.result, "succeeded") << told.all();
  EXPECT_TRUE(told.has("stays unproven: no manifest says how to verify it")) << told.all();
  EXPECT_EQ(host.page("test"), "second\n");
  EXPECT_EQ(host.record("test").current, "2");
  EXPECT_EQ(host.record("test").proven, std::vector{host.first});
  EXPECT_FALSE(host.release("test").healthy);
}

TEST_F(LetGoTest, WhatWasAboutToBeCreatedIsTakenAway) {
  layout = host.layout("live");
  ASSERT_TRUE(make_directory(layout.own(), 0700));
  Journal j;
  j.operation = "op-1";
  j.creates = true;
  j.prepared.id = "1";
  j.directories = {layout.files("1", "uploads")};
  write_file(layout.code("1") + "/web/index.html", "half\n");
  ASSERT_TRUE(make_directory(j.directories[0], 0755));
  ASSERT_TRUE(write_journal(layout, j));
  host.restart();
  EXPECT_EQ(host.run("live").result, "undone");
  EXPECT_FALSE(std::filesystem::exists(layout.release("1")));
  EXPECT_FALSE(std::filesystem::exists(layout.content() + "/files-1"));
  EXPECT_FALSE(host.has_journal("live"));
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(LetGoTest, NothingElseIsEverStartedThere) {
  Step step;
  step.environment = "test";
  step.actions = {Promote{second}};
  const auto started = host.driver->start(*host.site(), step);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "test is not declared");
}

}  // namespace
}  // namespace tidegate::test
