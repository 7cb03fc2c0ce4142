// Operations that lost their process, taken up from the journal alone, in every phase.

#include <gtest/gtest.h>

#include <thread>

#include "controller/host/databases/engine.h"
#include "controller/host/files/durable.h"
#include "controller/host/files/locks.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

class RecoverTest : public testing::Test {
 protected:
  RecoverTest() {
    host.environments["dev"] = "code: {branch: main}";
    host.succeed("dev");
    sql(host.database("dev"), "create table posts(title); insert into posts values('before')");
    second = host.push("second\n");
    before = host.record("dev");
  }

  /// Of a promotion of the second commit.
  Journal journal(const std::string& phase) const { return host.interrupted("dev", second, phase); }
  /// A copy of the database was saved, before a visitor wrote into it. Where the copy is.
  std::string save_before_a_visitor(Journal& j) {
    const auto engine = make_sqlite_engine(host.root());
    const std::string saved = engine->saved_name(host.database("dev"));
    EXPECT_TRUE(engine->save(host.database("dev"), saved, {}));
    sql(host.database("dev"), "insert into posts values('by a visitor')");
    j.saved.push_back({Engine::sqlite, host.database("dev"), saved});
    j.prepared.updated = true;
    return saved;
  }
  /// Half a release, as far as preparing it came.
  void half_release() {
    write_file(layout.code("2") + "/web/index.html", "half\n");
    ASSERT_TRUE(point_link(layout.next(), "releases/2"));
  }
  /// The whole release that is switched to: what the build gives for the second commit.
  void whole_release(Journal& j) {
    write_file(layout.code("2") + "/web/index.html", "second\n");
    write_file(layout.code("2") + "/lib/a.txt", "a\n");
    std::filesystem::create_directory_symlink(host.uploads("dev"),
                                              layout.code("2") + "/web/uploads");
    ASSERT_TRUE(write_release(layout, j.prepared));
    ASSERT_TRUE(point_link(layout.current(), "releases/2"));
  }
  Told recover(const Journal& j) {
    EXPECT_TRUE(write_journal(layout, j));
    host.restart();
    const auto seen = host.seen("dev");
    EXPECT_TRUE(seen.operation && seen.operation->interrupted && seen.operation->id == "op-1");
    const Step step = host.step("dev");
    EXPECT_EQ(step.actions, std::vector<Action>{Recover{"op-1"}});
    return host.run(step);
  }
  void expect_as_before() {
    EXPECT_EQ(std::filesystem::read_symlink(layout.current()), "releases/1");
    EXPECT_EQ(host.page("dev"), "first\n");
    EXPECT_EQ(sql(host.database("dev"), "select title from posts"), "before");
    EXPECT_EQ(host.record("dev").releases, before.releases);
    EXPECT_EQ(host.record("dev").current, "1");
    EXPECT_FALSE(host.has_journal("dev"));
    EXPECT_FALSE(std::filesystem::exists(layout.release("2")));
    EXPECT_FALSE(std::filesystem::exists(layout.maintenance()));
    EXPECT_FALSE(std::filesystem::is_symlink(layout.next()));
  }

  TestHost host;
  EnvironmentLayout layout = host.layout("dev");
  CommitId second;
  EnvironmentRecord before;
};

TEST_F(RecoverTest, UndoesWhatHadNotSwitchedInEveryPhaseAndBlamesNobody) {
  for (const char* phase :
       {"queued", "build", "content", "code", "updatePending", "verify", "switch", "undo"}) {
    SCOPED_TRACE(phase);
    half_release();
    const Told told = recover(journal(phase));
    EXPECT_EQ(told.result, "undone");
    EXPECT_EQ(told.message, std::string("interrupted in phase ") + phase);
    EXPECT_TRUE(told.has(std::string("taken up again: it was interrupted in phase ") + phase))
        << told.all();
    expect_as_before();
    EXPECT_TRUE(host.record("dev").failures.empty());
    EXPECT_EQ(host.record("dev").last_release, 2u) << "its id is spent";
  }
  EXPECT_EQ(host.succeed("dev").actions, std::vector<std::string>{"promote"});
  EXPECT_EQ(host.page("dev"), "second\n");
}

TEST_F(RecoverTest, DropsContentItMade) {
  Journal j = journal("content");
  const auto engine = make_sqlite_engine(host.root());
  const std::string physical = engine->physical({"acme", "dev", "main", "2"});
  ASSERT_TRUE(engine->create(physical, {"acme", "dev", {}}));
  write_file(layout.files("2", "uploads") + "/photo", "half");
  j.databases.push_back({Engine::sqlite, physical});
  j.databases.push_back({Engine::sqlite, engine->physical({"acme", "dev", "never", "2"})});
  j.directories.push_back(layout.files("2", "uploads"));
  EXPECT_EQ(recover(j).result, "undone");
  expect_as_before();
  EXPECT_FALSE(std::filesystem::exists(physical));
  EXPECT_FALSE(std::filesystem::exists(layout.content() + "/files-2"));
  EXPECT_TRUE(std::filesystem::exists(layout.content() + "/files-1"));
}

TEST_F(RecoverTest, LeavesNoSetWhereAKillCameBeforeItsDatabaseWasThere) {
  Journal j = journal("content");
  const std::string physical =
      make_sqlite_engine(host.root())->physical({"acme", "dev", "main", "2"});
  j.databases.push_back({Engine::sqlite, physical});
  ASSERT_TRUE(make_directory(layout.content() + "/databases-2", 0755));
  EXPECT_EQ(recover(j).result, "undone");
  expect_as_before();
  EXPECT_FALSE(std::filesystem::exists(layout.content() + "/databases-2"));
}

TEST_F(RecoverTest, PutsDatabasesBackOfAnUpdateThatWasKilled) {
  Journal j = journal("update");
  const auto engine = make_sqlite_engine(host.root());
  const std::string physical = host.database("dev");
  const std::string saved = engine->saved_name(physical);
  ASSERT_TRUE(engine->save(physical, saved, {}));
  sql(physical, "delete from posts; create table half(x)");
  j.databases.push_back({Engine::sqlite, saved});
  j.saved.push_back({Engine::sqlite, physical, saved});
  j.maintenance = j.maintenance_on = true;
  j.prepared.updated = true;
  host.commands = "maintenanceOff: [" + sh("echo off >> web/uploads/log") + "]";
  ASSERT_TRUE(write_durably(layout.maintenance(), "operation op-1\n", 0644));
  half_release();
  const Told told = recover(j);
  EXPECT_EQ(told.result, "undone");
  EXPECT_TRUE(told.has("put back database " + physical)) << told.all();
  expect_as_before();
  EXPECT_EQ(sql(physical, "select count(*) from sqlite_master"), "1");
  EXPECT_EQ(read_file(host.uploads("dev") + "/log"), "off\n");
  EXPECT_FALSE(std::filesystem::exists(saved));
}

TEST_F(RecoverTest, KeepsMaintenanceOnWhileUndoingFailsAndTriesAgain) {
  Journal j = journal("update");
  j.saved.push_back({Engine::sqlite, host.database("dev"),
                     make_sqlite_engine(host.root())->saved_name(host.database("dev"))});
  j.maintenance = true;
  const std::string foreign = host.directory / "not-ours.db";
  write_file(foreign, "no database");
  j.saved[0].physical = foreign;
  ASSERT_TRUE(write_durably(layout.maintenance(), "operation op-1\n", 0644));
  const Told told = recover(j);
  EXPECT_EQ(told.result, "");
  EXPECT_TRUE(told.message.starts_with("undoing failed and is tried again: put databases back: "))
      << told.message;
  EXPECT_TRUE(std::filesystem::exists(layout.maintenance()));
  EXPECT_TRUE(host.has_journal("dev"));
  ASSERT_EQ(host.record("dev").failures.size(), 1u);
  EXPECT_EQ(host.record("dev").failures[0].digest, "recover op-1");
  EXPECT_TRUE(host.plan().ready.empty()) << "it backs off";
  Journal mended = *read_journal(layout).operator*();
  EXPECT_EQ(mended.phase, "undo");
  mended.saved.clear();
  ASSERT_TRUE(write_journal(layout, mended));
  host.clock.pass(1h);
  EXPECT_EQ(host.run("dev").result, "undone");
  expect_as_before();
  EXPECT_TRUE(host.record("dev").failures.empty());
}

TEST_F(RecoverTest, FinishesWhatHadSwitched) {
  Journal j = journal("switch");
  whole_release(j);
  j.maintenance = true;
  ASSERT_TRUE(write_durably(layout.maintenance(), "operation op-1\n", 0644));
  ASSERT_TRUE(point_link(layout.next(), "releases/2"));
  host.commands = "clearCache: [" + sh("echo cleared >> web/uploads/log") + "]";
  const Told told = recover(j);
  EXPECT_EQ(told.result, "succeeded") << told.all();
  EXPECT_EQ(told.message, "finished after an interruption");
  EXPECT_EQ(host.page("dev"), "second\n");
  EXPECT_EQ(read_file(host.uploads("dev") + "/log"), "cleared\n");
  const auto record = host.record("dev");
  EXPECT_EQ(record.current, "2");
  EXPECT_EQ(record.kept, std::vector<std::string>{"1"});
  EXPECT_EQ(record.proven.back(), second);
  EXPECT_TRUE(record.releases.at("2").healthy);
  EXPECT_FALSE(host.has_journal("dev"));
  EXPECT_FALSE(std::filesystem::exists(layout.maintenance()));
  EXPECT_FALSE(std::filesystem::is_symlink(layout.next()));
}

TEST_F(RecoverTest, GoesBackWhenWhatHadSwitchedFailsItsVerification) {
  Journal j = journal("verifyLive");
  whole_release(j);
  host.environments["dev"] = "code: {branch: main}, verify: {commands: [\"false\"]}";
  const Told told = recover(j);
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "verify: \"false\": exit code 1");
  EXPECT_EQ(host.page("dev"), "first\n");
  const auto record = host.record("dev");
  EXPECT_EQ(record.current, "1");
  ASSERT_EQ(record.failures.size(), 1u);
  EXPECT_EQ(record.failures[0].digest, "digest of the step");
  EXPECT_TRUE(record.failures[0].quarantined);
  ASSERT_EQ(record.retired.size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(layout.release("2"))) << "visitors may still be in it";
}

TEST_F(RecoverTest, UndoesAFailureThatWasOnTheWayBackAndRecordsItOnce) {
  for (const bool sites : {true, false}) {
    SCOPED_TRACE(sites);
    Journal j = journal("undo");
    j.digest = sites ? "site" : "infrastructure";
    j.failure = "update: \"false\": exit code 1";
    j.failure_is_sites = sites;
    half_release();
    const Told told = recover(j);
    EXPECT_EQ(told.result, "failed");
    EXPECT_EQ(told.message, j.failure);
    expect_as_before();
    ASSERT_FALSE(host.record("dev").failures.empty());
    const Failure failure = host.record("dev").failures.back();
    EXPECT_EQ(failure.digest, j.digest);
    EXPECT_EQ(failure.quarantined, sites);
    EXPECT_EQ(failure.attempts, 1);
  }
}

TEST_F(RecoverTest, GoesOnGoingBackWhenTheLinkHadSwitched) {
  Journal j = journal("undo");
  j.failure = "verification: status 500";
  j.failure_is_sites = true;
  // Visitors were let in: what they wrote stays, whatever was saved before.
  const std::string saved = save_before_a_visitor(j);
  whole_release(j);
  bool told = false;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase == "undo") told = (**read_journal(layout)).let_in;
  };
  EXPECT_EQ(recover(j).result, "failed");
  EXPECT_TRUE(told) << "a kill from here on would undo what visitors wrote";
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_EQ(sql(host.database("dev"), "select title from posts"), "before\nby a visitor");
  EXPECT_FALSE(std::filesystem::exists(saved));
  EXPECT_TRUE(host.record("dev").updated_since);
  EXPECT_FALSE(host.has_journal("dev"));
}

TEST_F(RecoverTest, GoesOnGoingBackWhenTheLinkIsBackAlready) {
  Journal j = journal("undo");
  j.failure = "verification: status 500";
  j.let_in = true;
  const std::string saved = save_before_a_visitor(j);
  whole_release(j);
  ASSERT_TRUE(point_link(layout.current(), "releases/1"));
  EXPECT_EQ(recover(j).result, "failed");
  EXPECT_EQ(sql(host.database("dev"), "select title from posts"), "before\nby a visitor");
  EXPECT_FALSE(std::filesystem::exists(saved));
  EXPECT_TRUE(std::filesystem::exists(layout.release("2"))) << "visitors may still be in it";
  ASSERT_EQ(host.record("dev").retired.size(), 1u);
  EXPECT_TRUE(host.record("dev").updated_since);
  EXPECT_FALSE(host.has_journal("dev"));
}

TEST_F(RecoverTest, LeavesWhatWasFinishedThoughSomebodyPointedTheLinkElsewhere) {
  Journal j = journal("verifyLive");
  const auto engine = make_sqlite_engine(host.root());
  const std::string made = engine->physical({"acme", "dev", "main", "2"});
  ASSERT_TRUE(engine->create(made, {"acme", "dev", {}}));
  j.databases.push_back({Engine::sqlite, made});
  j.prepared.content[Part::databases].id = "2";
  j.prepared.content[Part::databases].items["main"] = made;
  whole_release(j);
  for (const bool healthy : {true, false}) {
    SCOPED_TRACE(healthy);
    j.prepared.healthy = healthy;
    EnvironmentRecord record = before;
    record.releases["2"] = j.prepared;
    record.kept = {"1"};
    record.current = "2";
    ASSERT_TRUE(write_record(layout, record));
    ASSERT_TRUE(point_link(layout.current(), "releases/1"));
    EXPECT_EQ(recover(j).result, healthy ? "succeeded" : "undone");
    EXPECT_TRUE(std::filesystem::exists(layout.code("2") + "/web/index.html"));
    EXPECT_TRUE(std::filesystem::exists(made));
    EXPECT_EQ(host.page("dev"), "first\n") << "a person had chosen it";
    EXPECT_FALSE(host.has_journal("dev"));
  }
}

TEST_F(RecoverTest, GoesBackFromAReleaseThatWasToStayUnverified) {
  Journal j = journal("verifyLive");
  whole_release(j);
  EnvironmentRecord record = before;
  record.releases["2"] = j.prepared;
  record.kept = {"1"};
  record.current = "2";
  ASSERT_TRUE(write_record(layout, record));
  host.environments["dev"] = "code: {branch: main}, verify: {commands: [\"false\"]}";
  EXPECT_EQ(recover(j).result, "failed");
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_EQ(host.record("dev").current, "1");
  EXPECT_EQ(host.record("dev").releases, before.releases);
  EXPECT_TRUE(host.record("dev").kept.empty());
  ASSERT_EQ(host.record("dev").retired.size(), 1u);
}

TEST_F(RecoverTest, VerifiesAReleaseThatWasSwitchedBackToThoughItRanBefore) {
  host.succeed("dev");
  ASSERT_TRUE(point_link(layout.current(), "releases/1"));
  host.commands = "clearCache: [\"true\"]";
  std::thread stopper;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase != "clearCache") return;
    stopper = std::thread([this] { host.driver->shut_down(); });
    while (host.driver->start(*host.site(), Step{}).error().message != "the controller is stopping")
      std::this_thread::yield();
  };
  EXPECT_EQ(host.run("dev").result, "");
  stopper.join();
  ASSERT_EQ(host.page("dev"), "second\n");
  host.log.on_phase = {};
  host.restart();
  host.environments["dev"] = "code: {branch: main}, verify: {commands: [\"false\"]}";
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed") << told.all();
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_EQ(host.record("dev").current, "1");
}

TEST_F(RecoverTest, WritesTheLastLinesOfWhatWasAllButFinished) {
  Journal j = journal("verifyLive");
  whole_release(j);
  j.prepared.healthy = true;
  EnvironmentRecord record = before;
  record.releases["2"] = j.prepared;
  record.kept = {"1"};
  record.current = "2";
  ASSERT_TRUE(write_record(layout, record));
  host.environments["dev"] = "code: {branch: main}, verify: {commands: [\"false\"]}";
  const Told told = recover(j);
  EXPECT_EQ(told.result, "succeeded") << "it is not verified again: " << told.message;
  EXPECT_EQ(host.record("dev").kept, std::vector<std::string>{"1"});
  EXPECT_FALSE(host.has_journal("dev"));
}

TEST_F(RecoverTest, TakesANewEnvironmentAwayThatNeverSwitched) {
  host.environments["test"] = "code: {commit: " + host.first.hex + "}";
  Journal j = journal("content");
  j.before = "";
  j.creates = true;
  j.prepared = {};
  j.prepared.id = "1";
  j.prepared.commit = host.first;
  const auto test = host.layout("test");
  ASSERT_TRUE(make_directory(test.own(), 0700));
  write_file(test.code("1") + "/web/index.html", "half\n");
  ASSERT_TRUE(write_journal(test, j));
  EXPECT_EQ(host.run(host.step("test")).result, "undone");
  EXPECT_FALSE(std::filesystem::exists(test.release("1")));
  EXPECT_FALSE(host.seen("test").exists);
  EXPECT_EQ(host.seen("test").gone, "");
  host.succeed("test");
  EXPECT_EQ(host.record("test").current, "2");
}

TEST_F(RecoverTest, StartsNothingElseWhileAnInterruptedOperationIsThere) {
  const Step promotion = host.step("dev");
  ASSERT_TRUE(write_journal(layout, journal("build")));
  const auto started = host.driver->start(*host.site(), promotion);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::transient);
  EXPECT_EQ(started.error().message, "an interrupted operation comes first");
  ASSERT_TRUE(remove_journal(layout));
  Step recovery = promotion;
  recovery.actions = {Recover{"op-1"}};
  const auto late = host.driver->start(*host.site(), recovery);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().message, "the operation has ended meanwhile");
}

TEST_F(RecoverTest, AControllerThatEndsUndoesWhatHasNotSwitched) {
  std::thread stopper;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase != "content") return;
    stopper = std::thread([this] { host.driver->shut_down(); });
    while (host.driver->start(*host.site(), Step{}).error().message != "the controller is stopping")
      std::this_thread::yield();
  };
  const Told told = host.run("dev");
  stopper.join();
  EXPECT_EQ(told.result, "undone");
  EXPECT_EQ(told.message, "stopped with the controller before code");
  expect_as_before();
  EXPECT_TRUE(host.record("dev").failures.empty());
  EXPECT_EQ(host.driver->running(), std::set<std::string>{});
}

TEST_F(RecoverTest, AControllerThatEndsLeavesWhatHasSwitchedToTheNext) {
  host.commands = "clearCache: [\"true\"]";
  std::thread stopper;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase != "clearCache") return;
    stopper = std::thread([this] { host.driver->shut_down(); });
    while (host.driver->start(*host.site(), Step{}).error().message != "the controller is stopping")
      std::this_thread::yield();
  };
  const Told told = host.run("dev");
  stopper.join();
  EXPECT_EQ(told.result, "");
  EXPECT_EQ(told.message, "stopped with the controller; its verification is taken up again");
  EXPECT_EQ(host.page("dev"), "second\n");
  EXPECT_TRUE(host.has_journal("dev"));
  host.log.on_phase = {};
  host.restart();
  EXPECT_EQ(host.run("dev").result, "succeeded");
  EXPECT_EQ(host.record("dev").current, "2");
}

}  // namespace
}  // namespace tidegate::test
