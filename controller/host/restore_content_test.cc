// What becomes of kept databases that `update` changed when a release fails where visitors look.

#include <gtest/gtest.h>

#include "controller/host/databases/engine.h"
#include "controller/host/files/durable.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

const std::string lost =
    "; its databases were put back: what was written in 12 seconds since the switch is lost";

class RestoreContentTest : public testing::Test {
 protected:
  RestoreContentTest() {
    host.environments["dev"] = "code: {branch: main}";
    host.succeed("dev");
    sql(database(), "create table posts(title); insert into posts values('before')");
  }
  std::string database() const { return host.database("dev"); }
  std::string saved() const {
    return make_sqlite_engine(host.root())->saved_name(host.database("dev"));
  }
  void wants(const std::string& word) {
    host.environments["dev"] = "code: {branch: main}, onFailure: {restoreContent: " + word + "}";
  }
  /// A promotion whose `update` changes the database, and which fails after visitors wrote.
  Told fail() {
    host.commands = "update: [\"true\"], clearCache: [" + sh("test $TIDEGATE_RELEASE = 1") + "]";
    host.log.on_phase = [&](const std::string& phase) {
      if (phase == "update") sql(database(), "alter table posts add column updated");
      if (phase != "clearCache") return;
      EXPECT_FALSE(std::filesystem::exists(layout.maintenance()));
      host.clock.pass(11500ms);
      sql(database(), "insert into posts(title) values('since')");
    };
    host.push("second\n");
    const Told told = host.run("dev");
    host.log.on_phase = {};
    return told;
  }
  void expect_put_back() {
    EXPECT_EQ(sql(database(), "select * from posts"), "before");
    EXPECT_FALSE(host.record("dev").updated_since);
    expect_back();
  }
  void expect_back() {
    EXPECT_EQ(host.page("dev"), "first\n");
    EXPECT_FALSE(std::filesystem::exists(layout.maintenance()));
    EXPECT_FALSE(std::filesystem::exists(saved()));
    EXPECT_FALSE(host.has_journal("dev"));
  }

  TestHost host;
  EnvironmentLayout layout = host.layout("dev");
};

TEST_F(RestoreContentTest, StaysAsVisitorsLeftItByDefault) {
  const Told told = fail();
  EXPECT_EQ(told.message, "clearCache: \"sh -c 'test $TIDEGATE_RELEASE = 1'\": exit code 1");
  EXPECT_EQ(sql(database(), "select * from posts"), "before|null\nsince|null");
  EXPECT_TRUE(host.record("dev").updated_since);
  expect_back();
}

TEST_F(RestoreContentTest, IsPutBackWhereTheManifestSaysSoAndWhatThatLostIsTold) {
  wants("whenUpdated");
  const Told told = fail();
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "clearCache: \"sh -c 'test $TIDEGATE_RELEASE = 1'\": exit code 1" + lost);
  EXPECT_TRUE(told.has(lost.substr(2))) << told.all();
  EXPECT_FALSE(told.has("databases stay")) << told.all();
  expect_put_back();
  ASSERT_EQ(host.record("dev").failures.size(), 1u);
  EXPECT_EQ(host.record("dev").failures[0].message, told.message);
  EXPECT_TRUE(host.record("dev").failures[0].after_switch);
  EXPECT_EQ(host.record("dev").failures[0].operation, told.id);
  EXPECT_EQ(host.record("dev").failures[0].actions, std::vector<std::string>{"promote"});
}

// ---- killed on the way back ----

class RestoreKilledTest : public RestoreContentTest {
 protected:
  RestoreKilledTest() {
    wants("whenUpdated");
    const CommitId second = host.push("second\n");
    const auto engine = make_sqlite_engine(host.root());
    EXPECT_TRUE(engine->save(database(), saved(), {}));
    sql(database(), "alter table posts add column updated; insert into posts values('since', 1)");
    journal.operation = "op-1";
    journal.actions = {"promote"};
    journal.phase = "undo";
    journal.started_at = host.clock.now();
    journal.digest = "digest of the step";
    journal.before = "1";
    journal.prepared = host.release("dev");
    journal.prepared.id = "2";
    journal.prepared.commit = second;
    journal.prepared.healthy = false;
    journal.prepared.updated = true;
    journal.saved = {{Engine::sqlite, database(), saved()}};
    journal.databases = {{Engine::sqlite, saved()}};
    journal.failure = "verification: / answers 500";
    journal.failure_is_sites = true;
    journal.switched_at = host.clock.now();
    write_file(layout.code("2") + "/web/index.html", "second\n");
    EXPECT_TRUE(write_release(layout, journal.prepared));
    EXPECT_TRUE(point_link(layout.current(), "releases/2"));
    host.clock.pass(12s);
  }
  Told recover() {
    EXPECT_TRUE(write_journal(layout, journal));
    host.restart();
    return host.run("dev");
  }
  void closed() {
    journal.maintenance = true;
    write_file(layout.maintenance(), "operation op-1\n");
    journal.closed_at = host.clock.now();
    host.clock.pass(1h);
  }

  Journal journal;
};

TEST_F(RestoreKilledTest, BeforeVisitorsWereShutOut) {
  EXPECT_EQ(recover().message, journal.failure + lost);
  expect_put_back();
}

TEST_F(RestoreKilledTest, HalfWayWhateverTheManifestSaysByThen) {
  closed();
  sql(database(), "drop table posts");
  wants("never");
  EXPECT_EQ(recover().message, journal.failure + lost);
  expect_put_back();
}

TEST_F(RestoreKilledTest, AfterThatNothingIsPutBackOnceMore) {
  closed();
  EXPECT_TRUE(make_sqlite_engine(host.root())->restore(saved(), database(), {}));
  journal.restored = journal.let_in = true;
  ASSERT_TRUE(point_link(layout.current(), "releases/1"));
  ASSERT_TRUE(remove_durably(layout.maintenance()));
  sql(database(), "insert into posts values('after')");
  EXPECT_EQ(recover().message, journal.failure + lost);
  EXPECT_EQ(sql(database(), "select * from posts"), "before\nafter");
  EXPECT_FALSE(host.record("dev").updated_since);
  expect_back();
}

}  // namespace
}  // namespace tidegate::test
