// Steps carried out whole: what is there afterwards, and what is left of one that failed.

#include "controller/host/operation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

using Strings = std::vector<std::string>;

class OperationTest : public testing::Test {
 protected:
  /// Dev runs the first commit.
  void create_dev() {
    host.environments["dev"] = "code: {branch: main}";
    host.succeed("dev");
  }
  /// What an undone step leaves: the release that ran, and no trace of another.
  void expect_untouched(const std::string& environment, const EnvironmentRecord& before) {
    const auto layout = host.layout(environment);
    EXPECT_EQ(host.record(environment).current, before.current);
    EXPECT_EQ(host.record(environment).releases, before.releases);
    EXPECT_FALSE(host.has_journal(environment));
    EXPECT_FALSE(std::filesystem::exists(layout.maintenance()));
    EXPECT_FALSE(std::filesystem::is_symlink(layout.next()));
    std::set<std::string> sets, releases;
    for (const auto& [id, release] : before.releases) {
      releases.insert(id);
      for (const auto& [part, set] : release.content)
        sets.insert(std::string(to_string(part)) + "-" + set.id);
    }
    for (const auto& entry : std::filesystem::directory_iterator(layout.releases())) {
      EXPECT_TRUE(releases.contains(entry.path().filename())) << entry.path();
    }
    for (const auto& entry : std::filesystem::directory_iterator(layout.content())) {
      EXPECT_TRUE(sets.contains(entry.path().filename())) << entry.path();
    }
  }
  TestHost host;
};

TEST_F(OperationTest, CreatesAnEnvironmentEmptyAndStampsIt) {
  host.commands = "install: [" + sh("echo installed > web/uploads/hello") + "]";
  create_dev();
  const auto layout = host.layout("dev");
  EXPECT_EQ(std::filesystem::read_symlink(layout.current()), "releases/1");
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_EQ(read_file(layout.current() + "/code/web/uploads/hello"), "installed\n");
  EXPECT_EQ(sql(host.database("dev"), "select count(*) from sqlite_master"), "0");
  const auto record = host.record("dev");
  EXPECT_EQ(record.current, "1");
  EXPECT_EQ(record.proven, std::vector{host.first});
  EXPECT_EQ(record.last_proven, host.first);
  EXPECT_EQ(record.ran_on.at(host.first), std::set<std::string>{"1"});
  for (Part part : parts) {
    const Stamp stamp = host.release("dev").content.at(part).stamp;
    EXPECT_EQ(to_string(stamp.source), std::string("keep")) << to_string(part);
    EXPECT_EQ(stamp.generation, 0u);
    EXPECT_EQ(stamp.taken_at, host.clock.now());
  }
  EXPECT_EQ(host.release("dev").manifest_revision, std::string(40, 'a'));
  EXPECT_EQ(*read_release(layout, "1"), host.release("dev"));
  EXPECT_TRUE(std::filesystem::exists(layout.of_root().registered("acme", "dev")));
  EXPECT_FALSE(host.has_journal("dev"));
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(OperationTest, PromotesWhatIsPushedAndKeepsTheReleaseBefore) {
  create_dev();
  sql(host.database("dev"), "create table posts(title); insert into posts values('kept')");
  const std::string database = host.database("dev");
  const CommitId second = host.push("second\n");
  const Told told = host.succeed("dev");
  EXPECT_EQ(told.actions, Strings{"promote"});
  EXPECT_EQ(told.phases, (Strings{"build", "content", "code", "verify", "switch"}));
  EXPECT_EQ(host.page("dev"), "second\n");
  EXPECT_EQ(host.database("dev"), database);
  EXPECT_EQ(sql(database, "select title from posts"), "kept");
  const auto record = host.record("dev");
  EXPECT_EQ(record.kept, Strings{"1"});
  EXPECT_EQ(record.proven, (std::vector{host.first, second}));
  EXPECT_TRUE(record.retired.empty());
}

TEST_F(OperationTest, RecordsSinceWhenACommitIsProvenAndOnContentOfWhen) {
  create_dev();
  const Timestamp first_time = host.clock.now();
  EXPECT_EQ(host.record("dev").proofs, (std::map<CommitId, Proof>{{host.first, {first_time, {}}}}));
  host.environments["live"] = "code: {commit: " + host.first.hex + "}";
  host.environments["test"] = "code: {commit: " + host.first.hex + "}";
  host.converge();
  host.clock.pass(std::chrono::hours(1));
  host.environments["dev"] = "code: {branch: main}, content: {source: live}";
  host.succeed("dev");
  EXPECT_EQ(host.record("dev").proofs.at(host.first),
            (Proof{first_time, first_time + std::chrono::hours(1)}))
      << "proven again, on other content";
  EXPECT_EQ(host.seen("dev").proven.at(host.first),
            (Proof{first_time, first_time + std::chrono::hours(1), 1}));
}

TEST_F(OperationTest, UsesAGrantUpWithTheSwitchAndNotBefore) {
  host.environments["test"] = "code: {commit: " + host.first.hex + "}";
  host.environments["live"] = "code: {commit: " + host.first.hex + "}";
  create_dev();
  host.converge();
  const CommitId second = host.push("second\n");
  host.environments["dev"] = "code: {commit: " + host.first.hex + "}";
  host.environments["live"] = "code: {commit: " + second.hex + "}";
  host.more =
      "---\napiVersion: tidegate/v1\nkind: Grant\nmetadata: {name: hotfix}\nspec: {site: acme, "
      "environment: live, allow: {promote: {commit: " +
      second.hex + "}}, reason: INC-1, by: ada, expires: 2099-01-01T00:00:00Z}\n";
  const Step step = host.step("live");
  ASSERT_EQ(step.grants.size(), 1u);
  host.gate = [](const Site&, const Step&, const std::string&) {
    return std::optional(Refusal{"not now", true});
  };
  EXPECT_EQ(host.run(step).result, "undone");
  EXPECT_TRUE(host.record("live").grants_used.empty());
  host.gate = nullptr;
  EXPECT_EQ(host.run(host.step("live")).result, "succeeded");
  EXPECT_EQ(host.seen("live").grants_used,
            (std::map<std::string, CommitId>{{step.grants[0], second}}));
  EXPECT_EQ(host.plan().warnings.size(), 1u) << "dev does not have it";
  host.push("third, with the second in its history\n");
  host.environments["dev"] = "code: {branch: main}";
  host.succeed("dev");
  EXPECT_EQ(host.observe().contained, std::set<CommitId>{second});
  EXPECT_TRUE(host.plan().warnings.empty());
}

TEST_F(OperationTest, GoesBackToAKeptReleaseInsteadOfBuildingItAgain) {
  create_dev();
  const CommitId second = host.push("second\n");
  host.succeed("dev");
  host.environments["dev"] = "code: {commit: " + host.first.hex + "}";
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("switches back to kept release 1")) << told.all();
  EXPECT_EQ(told.phases, (Strings{"code", "verify", "switch"}));
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_EQ(host.record("dev").current, "1");
  EXPECT_EQ(host.record("dev").kept, Strings{"2"});
  EXPECT_EQ(host.record("dev").last_proven, host.first);
  EXPECT_EQ(host.record("dev").proven, (std::vector{second, host.first}));
}

TEST_F(OperationTest, PreparesAKeptReleaseAnewThatWasChangedByHand) {
  create_dev();
  host.push("second\n");
  host.succeed("dev");
  // An editor writes a new file, so the build behind the release stays what it is.
  const std::string page = host.layout("dev").code("1") + "/web/index.html";
  std::filesystem::remove(page);
  write_file(page, "by hand\n");
  host.clock.pass(1min);
  host.environments["dev"] = "code: {commit: " + host.first.hex + "}";
  bool told_healthy = true;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase == "switch") told_healthy = (*read_release(host.layout("dev"), "3"))->healthy;
  };
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("kept release 1 is not what it was; a new one is prepared")) << told.all();
  EXPECT_FALSE(told_healthy) << "not verified yet, and written as healthy";
  EXPECT_EQ(host.record("dev").current, "3");
  EXPECT_EQ(host.release("dev").created_at, host.clock.now());
  EXPECT_EQ(host.page("dev"), "first\n");
}

TEST_F(OperationTest, KeepsAsManyReleasesAsDeclaredAndRetiresTheRest) {
  host.keep_releases = 1;
  create_dev();
  for (const char* page : {"second\n", "third\n", "fourth\n"}) {
    host.push(page);
    host.succeed("dev");
  }
  const auto record = host.record("dev");
  EXPECT_EQ(record.current, "4");
  EXPECT_EQ(record.kept, Strings{"3"});
  ASSERT_EQ(record.retired.size(), 2u);
  EXPECT_EQ(record.retired[0].id, "1");
  EXPECT_EQ(record.retired[1].id, "2");
  EXPECT_TRUE(std::filesystem::exists(host.layout("dev").release("1")))
      << "visitors may still be in it";
}

TEST_F(OperationTest, CopiesContentDownAndRunsAfterCopyOnIt) {
  host.environments = {{"dev", "code: {branch: main}, content: {source: live}"},
                       {"test", "code: {from: dev}"},
                       {"live", "code: {from: test}"}};
  host.commands = "afterCopy: [" + sh("echo scrubbed >> web/uploads/log") + "]";
  host.converge();
  sql(host.database("live"), "create table posts(title); insert into posts values('one')");
  write_file(host.uploads("live") + "/photo", "bytes");
  host.environments["dev"] = "code: {branch: main}, content: {source: live, generation: 5}";
  const Told told = host.succeed("dev");
  EXPECT_EQ(told.actions, Strings{"sync"});
  EXPECT_EQ(told.phases, (Strings{"build", "content", "code", "afterCopy", "verify", "switch"}));
  EXPECT_EQ(sql(host.database("dev"), "select title from posts"), "one");
  EXPECT_EQ(read_file(host.uploads("dev") + "/photo"), "bytes");
  EXPECT_EQ(read_file(host.uploads("dev") + "/log"), "scrubbed\n") << "on the copy alone";
  EXPECT_FALSE(std::filesystem::exists(host.uploads("live") + "/log"));
  const Stamp stamp = host.release("dev").content.at(Part::databases).stamp;
  EXPECT_EQ(to_string(stamp.source), std::string("live"));
  EXPECT_EQ(stamp.generation, 5u);
  EXPECT_EQ(stamp.source_release, host.record("live").current);
  EXPECT_EQ(host.record("dev").highest.at(Part::files), 5u);
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(OperationTest, CopiesThePartsThatAreIncludedAndLeavesTheRest) {
  host.environments = {{"dev", "code: {branch: main}"}, {"test", "code: {from: dev}"}};
  host.converge();
  sql(host.database("test"), "create table posts(title)");
  const std::string kept = host.database("dev");
  host.environments["dev"] =
      "code: {branch: main}, content: {source: test, generation: 1, include: [files]}";
  host.succeed("dev");
  EXPECT_EQ(host.database("dev"), kept);
  EXPECT_EQ(host.release("dev").content.at(Part::files).id, "2");
  EXPECT_EQ(host.release("dev").content.at(Part::databases).stamp.generation, 0u);
}

TEST_F(OperationTest, WipesOnceAGenerationAndInstalls) {
  host.commands = "install: [" + sh("echo installed >> web/uploads/log") + "]";
  create_dev();
  sql(host.database("dev"), "create table posts(title)");
  const std::string before = host.database("dev");
  host.environments["dev"] = "code: {branch: main}, content: {source: empty, generation: 3}";
  const Told told = host.succeed("dev");
  EXPECT_EQ(told.actions, Strings{"wipe"});
  EXPECT_NE(host.database("dev"), before);
  EXPECT_EQ(sql(host.database("dev"), "select count(*) from sqlite_master"), "0");
  EXPECT_EQ(read_file(host.uploads("dev") + "/log"), "installed\n");
  EXPECT_TRUE(host.plan().converged());
  EXPECT_EQ(sql(before, "select count(*) from sqlite_master"), "1") << "kept, to come back to";
  host.environments["dev"] = "code: {branch: main}, content: {source: keep}";
  EXPECT_TRUE(host.plan().converged()) << "keep is satisfied by whatever is there";
}

TEST_F(OperationTest, BringsKeptContentBackWhenItsGenerationIsNamedAgain) {
  host.environments = {{"dev", "code: {branch: main}"}, {"test", "code: {from: dev}"}};
  host.converge();
  sql(host.database("test"), "create table t(x); insert into t values(1)");
  host.environments["dev"] = "code: {branch: main}, content: {source: test, generation: 1}";
  host.succeed("dev");
  const std::string one = host.database("dev");
  host.environments["dev"] = "code: {branch: main}, content: {source: test, generation: 2}";
  host.succeed("dev");
  ASSERT_NE(host.database("dev"), one);
  host.environments["dev"] = "code: {branch: main}, content: {source: test, generation: 1}";
  const Told told = host.succeed("dev");
  EXPECT_EQ(told.actions, Strings{"activate"});
  EXPECT_EQ(host.database("dev"), one);
  EXPECT_EQ(host.record("dev").highest.at(Part::databases), 2u);
}

TEST_F(OperationTest, CreatesContentThatIsDeclaredLater) {
  create_dev();
  sql(host.database("dev"), "create table posts(title)");
  host.content =
      "databases: [{name: main, engine: sqlite}, {name: search, engine: sqlite}], "
      "files: [{name: uploads, path: web/uploads}, {name: media, path: web/media}]";
  const Told told = host.succeed("dev");
  EXPECT_EQ(told.actions, Strings({"promote", "create"})) << told.all();
  const auto release = host.release("dev");
  EXPECT_EQ(release.content.at(Part::databases).items.size(), 2u);
  EXPECT_EQ(release.content.at(Part::databases).declared.at("search"), "sqlite");
  EXPECT_EQ(sql(host.database("dev"), "select count(*) from sqlite_master"), "1");
  EXPECT_TRUE(std::filesystem::is_symlink(host.layout("dev").current() + "/code/web/media"));
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(OperationTest, UndoesAStepWhoseCommandFailsAndQuarantinesIt) {
  create_dev();
  for (const char* hook : {"afterCopy", "build", "verify"}) {
    SCOPED_TRACE(hook);
    host.environments["live"] = "code: {commit: " + host.first.hex + "}";
    const auto before = host.record("dev");
    const std::string fails = sh("echo out of order; exit 3");
    host.commands = std::string(hook) == "verify" ? "" : std::string(hook) + ": [" + fails + "]";
    host.environments["dev"] = std::string("code: {branch: main}, variables: {ROUND: ") + hook +
                               "}, content: {source: test, generation: 1}";
    host.environments["test"] = "code: {commit: " + host.first.hex + "}";
    if (std::string(hook) == "verify")
      host.environments["dev"] += ", verify: {commands: [" + fails + "]}";
    if (!host.seen("test").exists) {
      const std::string commands = std::exchange(host.commands, "");
      host.succeed("test");
      host.commands = commands;
    }
    const Step tried = host.step("dev");
    const Told told = host.run(tried);
    EXPECT_EQ(told.result, "failed");
    EXPECT_EQ(
        told.message,
        std::string(hook) + ": \"sh -c 'echo out of order; exit 3'\": exit code 3: out of order");
    expect_untouched("dev", before);
    const auto record = host.record("dev");
    ASSERT_FALSE(record.failures.empty());
    EXPECT_TRUE(record.failures.back().quarantined);
    EXPECT_EQ(record.failures.back().message, told.message);
    const Plan plan = host.plan();
    for (const Step& step : plan.ready) EXPECT_NE(step.actions, tried.actions);
    const auto held = std::ranges::find(plan.held, "dev", &Hold::environment);
    ASSERT_NE(held, plan.held.end());
    EXPECT_EQ(held->reason, "Quarantined");
  }
}

TEST_F(OperationTest, TriesAQuarantinedStepAgainWhenAskedTo) {
  create_dev();
  host.environments["dev"] = "code: {branch: main}, verify: {commands: [" +
                             sh("test -e web/fixed") + "]}, variables: {A: b}";
  EXPECT_EQ(host.run("dev").result, "failed");
  EXPECT_EQ(host.run(host.step("dev", {"dev"})).result, "failed");
  EXPECT_EQ(host.record("dev").failures.back().attempts, 2);
  EXPECT_EQ(host.record("dev").failures.size(), 1u);
  host.code.write("web/fixed", "");
  host.code.commit("fixed");
  host.succeed("dev");
  EXPECT_EQ(host.record("dev").failures.size(), 1u) << "digests in quarantine are remembered";
}

TEST_F(OperationTest, TakesANewEnvironmentAwayAgainThatFails) {
  host.environments["dev"] = "code: {branch: main}";
  host.commands = "install: [\"false\"]";
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "install: \"false\": exit code 1");
  expect_untouched("dev", {});
  EXPECT_FALSE(std::filesystem::is_symlink(host.layout("dev").current()));
  EXPECT_FALSE(std::filesystem::exists(host.layout("dev").of_root().registered("acme", "dev")));
  host.commands = "";
  host.succeed("dev");
  EXPECT_EQ(host.record("dev").current, "2") << "an id is never used again";
}

TEST_F(OperationTest, GoesBackWhenItFailsAfterTheSwitch) {
  create_dev();
  const auto before = host.record("dev");
  host.commands = "clearCache: [" + sh("test $TIDEGATE_RELEASE = 1") + "]";
  host.push("second\n");
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "clearCache: \"sh -c 'test $TIDEGATE_RELEASE = 1'\": exit code 1");
  EXPECT_TRUE(told.has("went back to release 1")) << told.all();
  EXPECT_EQ(host.page("dev"), "first\n");
  const auto record = host.record("dev");
  EXPECT_EQ(record.current, "1");
  EXPECT_EQ(record.releases, before.releases);
  ASSERT_EQ(record.retired.size(), 1u);
  EXPECT_EQ(record.retired[0].id, "2");
  EXPECT_TRUE(record.failures.back().quarantined);
  EXPECT_EQ(record.proven, std::vector{host.first});
}

TEST_F(OperationTest, StaysUnprovenWhereTheManifestWantsNoRollback) {
  create_dev();
  host.environments["dev"] = "code: {branch: main}, onFailure: {rollback: false}";
  host.commands = "clearCache: [" + sh("test $TIDEGATE_RELEASE = 1") + "]";
  const CommitId second = host.push("second\n");
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(host.page("dev"), "second\n");
  EXPECT_FALSE(host.release("dev").healthy);
  EXPECT_EQ(host.record("dev").proven, std::vector{host.first});
  EXPECT_EQ(host.seen("dev").commit, second);
  EXPECT_FALSE(host.has_journal("dev"));
}

// ---- the gate ----

TEST_F(OperationTest, AHoldAtTheGateUndoesTheStepAndIsNobodysFailure) {
  create_dev();
  const auto before = host.record("dev");
  host.push("second\n");
  int asked = 0;
  host.gate = [&](const Site&, const Step&, const std::string&) -> std::optional<Refusal> {
    return ++asked == 2 ? std::optional(Refusal{"held Suspended: incident", true}) : std::nullopt;
  };
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "undone");
  EXPECT_EQ(told.message, "held Suspended: incident");
  EXPECT_EQ(told.phases.back(), "undo");
  expect_untouched("dev", before);
  EXPECT_TRUE(host.record("dev").failures.empty());
  EXPECT_FALSE(host.plan().ready.empty());
}

TEST_F(OperationTest, WhatTheGateCannotFindOutIsTriedAgainLater) {
  create_dev();
  const auto before = host.record("dev");
  host.push("second\n");
  host.gate = [](const Site&, const Step&, const std::string&) {
    return std::optional(Refusal{"observe acme: connection lost", false});
  };
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  expect_untouched("dev", before);
  ASSERT_EQ(host.record("dev").failures.size(), 1u);
  EXPECT_FALSE(host.record("dev").failures[0].quarantined);
  const Plan plan = host.plan();
  EXPECT_TRUE(plan.ready.empty());
  ASSERT_EQ(plan.waiting.size(), 1u);
  EXPECT_GT(plan.waiting[0].until, host.clock.now());
  host.clock.pass(1h);
  host.gate = {};
  host.succeed("dev");
  EXPECT_TRUE(host.record("dev").failures.empty());
}

TEST_F(OperationTest, AskedAtTheGateItIsNotBusyToItself) {
  create_dev();
  host.push("second\n");
  int asked = 0;
  host.gate = [&](const Site& site, const Step& step,
                  const std::string& id) -> std::optional<Refusal> {
    ++asked;
    const auto seen = host.driver->observe(site);
    if (!seen) return Refusal{seen.error().message};
    if (auto broken = broken_rule(site, *seen, step, host.calendar, host.clock.now(), id))
      return Refusal{*broken};
    return std::nullopt;
  };
  EXPECT_EQ(host.run("dev").result, "succeeded");
  EXPECT_EQ(asked, 2);
}

// ---- kept content that an update changes (each waits for visitors to come to their end) ----

const std::string run_sql = "sqlite3 ${DATABASE_URL#sqlite:///} ";

TEST_F(OperationTest, PutsDatabasesBackThatAFailedUpdateChanged) {
  create_dev();
  sql(host.database("dev"), "create table posts(title); insert into posts values(1)");
  const auto before = host.record("dev");
  host.commands = "maintenanceOn: [" + sh("echo on >> web/uploads/log") + "], maintenanceOff: [" +
                  sh("echo off >> web/uploads/log") + "], update: [" +
                  sh(run_sql + "\\\"drop table posts\\\" && exit 7") + "]";
  host.push("second\n");
  bool closed = false;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase == "update") closed = std::filesystem::exists(host.layout("dev").maintenance());
  };
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_NE(told.message.find("exit code 7"), std::string::npos) << told.message;
  EXPECT_TRUE(closed);
  EXPECT_EQ(sql(host.database("dev"), "select title from posts"), "1");
  EXPECT_EQ(read_file(host.uploads("dev") + "/log"), "on\noff\n");
  expect_untouched("dev", before);
  EXPECT_FALSE(host.record("dev").updated_since);
}

TEST_F(OperationTest, UpdatesKeptContentBehindTheMaintenancePage) {
  create_dev();
  sql(host.database("dev"), "create table posts(title)");
  host.commands = "updatePending: [" + sh("exit 1") + "], update: [" +
                  sh(run_sql + "\\\"insert into posts values(2)\\\"") + "]";
  host.push("second\n");
  const Told told = host.succeed("dev");
  EXPECT_EQ(told.phases, (Strings{"build", "content", "code", "updatePending", "maintenance",
                                  "update", "verify", "switch"}));
  EXPECT_EQ(sql(host.database("dev"), "select title from posts"), "2");
  EXPECT_TRUE(host.record("dev").updated_since);
  EXPECT_FALSE(std::filesystem::exists(host.layout("dev").maintenance()));
  int databases = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(host.layout("dev").content())) {
    databases +=
        entry.path().extension() == std::filesystem::path(host.database("dev")).extension() &&
        entry.is_regular_file() && sql(entry.path(), "select count(*) from posts") == "0";
  }
  EXPECT_EQ(databases, 0) << "the copy to go back to is still there";
}

TEST_F(OperationTest, SkipsMaintenanceWhereNothingIsPending) {
  create_dev();
  host.commands = "updatePending: [\"true\"], update: [\"false\"]";
  host.push("second\n");
  const Told told = host.succeed("dev");
  EXPECT_EQ(told.phases,
            (Strings{"build", "content", "code", "updatePending", "verify", "switch"}));
}

}  // namespace
}  // namespace tidegate::test
