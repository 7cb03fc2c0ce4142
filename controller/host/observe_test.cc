// What is seen of a site, whatever became of its memory, its link and its directories.

#include "controller/host/observe.h"

#include <gtest/gtest.h>

#include "controller/host/files/durable.h"
#include "controller/host/files/locks.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

class ObserveTest : public testing::Test {
 protected:
  ObserveTest() {
    host.environments["dev"] = "code: {branch: main}";
    host.succeed("dev");
    second = host.push("second\n");
    host.succeed("dev");
  }
  /// Nothing starts, and this is why.
  void expect_gone(const std::string& why) {
    EXPECT_EQ(host.seen("dev").gone, why);
    const Plan plan = host.plan();
    EXPECT_TRUE(plan.ready.empty());
    ASSERT_EQ(plan.held.size(), 1u);
    EXPECT_EQ(plan.held[0].reason, "EnvironmentGone");
  }
  TestHost host;
  EnvironmentLayout layout = host.layout("dev");
  CommitId second;
};

TEST_F(ObserveTest, ChangesNothing) {
  host.observe();
  const auto before = state_of(host.root());
  const auto seen = host.seen("dev");
  EXPECT_EQ(state_of(host.root()), before);
  EXPECT_EQ(seen, host.seen("dev"));
  EXPECT_TRUE(seen.exists);
  EXPECT_EQ(seen.release, "2");
  EXPECT_EQ(seen.commit, second);
  EXPECT_EQ(seen.proven, (std::map<CommitId, Proof>{{host.first, {host.clock.now(), {}, 1}},
                                                    {second, {host.clock.now(), {}, 2}}}));
  EXPECT_EQ(seen.inputs, seen.wanted_inputs);
  ASSERT_EQ(seen.kept.size(), 1u);
  EXPECT_EQ(seen.kept[0].commit, host.first);
  EXPECT_FALSE(seen.operation);
  EXPECT_EQ(seen.content.at(Part::databases).declared.at("main"), "sqlite");
}

TEST_F(ObserveTest, RebuildsAMemoryThatIsLostFromTheReleases) {
  const auto before = host.seen("dev");
  std::filesystem::remove(layout.record());
  const auto seen = host.seen("dev");
  EXPECT_EQ(seen, before);
  EXPECT_TRUE(host.plan().converged());
  host.environments["dev"] = "code: {commit: " + host.first.hex + "}";
  EXPECT_TRUE(host.succeed("dev").has("switches back to kept release 1"));
  EXPECT_EQ(host.record("dev").current, "1");
}

TEST_F(ObserveTest, ALostMemoryStillKnowsThatItWasLaunched) {
  host.environments["test"] = "code: {from: dev}";
  host.environments["live"] = "code: {from: test}";
  host.converge();
  host.launched = true;
  host.converge();
  EXPECT_TRUE(host.record("live").launched);
  std::filesystem::remove(host.layout("live").record());
  EXPECT_TRUE(host.seen("live").launched);
  host.launched = false;
  host.environments["live"] = "code: {from: test}, content: {source: empty, generation: 9}";
  const Plan plan = host.plan();
  EXPECT_TRUE(plan.ready.empty());
  EXPECT_FALSE(plan.held.empty());
}

TEST_F(ObserveTest, SaysWhichRecordIsDamagedAndHowToMendIt) {
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("{\"current\": 1}"), std::string("")}) {
    SCOPED_TRACE(text);
    write_file(layout.record(), text);
    const std::string gone = host.seen("dev").gone;
    EXPECT_TRUE(gone.starts_with("damaged record \"" + layout.record() + "\": ")) << gone;
    EXPECT_TRUE(gone.ends_with("; move it away to have it rebuilt from the releases")) << gone;
    expect_gone(gone);
  }
  std::filesystem::rename(layout.record(), host.directory / "away");
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(ObserveTest, TakesARecordThatNamesAReleaseItDoesNotKnowForDamaged) {
  auto record = host.record("dev");
  record.kept.push_back("77");
  ASSERT_TRUE(write_record(layout, record));
  EXPECT_TRUE(host.seen("dev").gone.starts_with("damaged record "));
  record.kept.pop_back();
  record.current = "78";
  ASSERT_TRUE(write_record(layout, record));
  EXPECT_TRUE(host.seen("dev").gone.starts_with("damaged record "));
}

TEST_F(ObserveTest, ADamagedJournalHoldsItsEnvironmentAsTargetAndAsSourceAndNoOther) {
  host.environments["test"] = "code: {from: dev}, content: {source: dev, generation: 1}";
  host.succeed("test");
  host.environments["live"] = "code: {commit: " + second.hex + "}";
  host.environments["test"] = "code: {from: dev}, content: {source: dev, generation: 2}";
  const Step sync = host.step("test");
  write_file(layout.journal(), "{\"operation\": ");
  const std::string gone = host.seen("dev").gone;
  EXPECT_TRUE(gone.starts_with("damaged record \"" + layout.journal() + "\": ")) << gone;
  EXPECT_TRUE(
      gone.ends_with("; nothing is done here until it is put back, or removed (with "
                     "\"maintenance\" and \"next\", where they are left) once \"current\" "
                     "shows what it should"))
      << gone;
  EXPECT_EQ(gone.find('\n'), std::string::npos);
  const Plan plan = host.plan();
  ASSERT_FALSE(plan.held.empty());
  EXPECT_EQ(plan.held[0], (Hold{"dev", "EnvironmentGone", gone, {}}));
  ASSERT_EQ(plan.ready.size(), 1u);
  EXPECT_EQ(plan.ready[0].environment, "live");
  EXPECT_FALSE(host.driver->start(*host.site(), sync));
  host.succeed("live");
  EXPECT_EQ(host.page("live"), "second\n") << "dev's proof still counts";
  std::filesystem::remove(layout.journal());
  host.succeed("test");
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(ObserveTest, StartsNoCopyFromWhatAnInterruptedOperationLeft) {
  host.environments["test"] = "code: {from: dev}, content: {source: dev, generation: 1}";
  const Step sync = host.step("test");
  Journal journal;
  journal.operation = "op-1";
  ASSERT_TRUE(write_journal(layout, journal));
  const auto started = host.driver->start(*host.site(), sync);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::transient);
  EXPECT_EQ(started.error().message, "an interrupted operation on dev comes first");
}

TEST_F(ObserveTest, FollowsALinkThatWasMovedByHandToAKeptRelease) {
  ASSERT_TRUE(point_link(layout.current(), "releases/1"));
  const auto seen = host.seen("dev");
  EXPECT_EQ(seen.gone, "");
  EXPECT_EQ(seen.release, "1");
  EXPECT_EQ(seen.commit, host.first);
  const Told told = host.succeed("dev");
  EXPECT_EQ(host.page("dev"), "second\n") << told.all();
}

TEST_F(ObserveTest, AStepThatFailsGoesBackToTheReleaseAPersonHadChosen) {
  ASSERT_TRUE(point_link(layout.current(), "releases/1"));
  host.commands = "clearCache: [" + sh("test $TIDEGATE_RELEASE = 1") + "]";
  host.push("third\n");
  EXPECT_EQ(host.run("dev").result, "failed");
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_EQ(host.record("dev").current, "1");
  EXPECT_EQ(host.record("dev").kept, std::vector<std::string>{"2"});
}

TEST_F(ObserveTest, CopiesFromTheReleaseAPersonHadChosenAndRunsCommandsInIt) {
  const std::string shared = host.uploads("dev");
  host.environments["dev"] = "code: {branch: main}, content: {source: empty, generation: 1}";
  host.succeed("dev");
  ASSERT_NE(host.uploads("dev"), shared);
  write_file(shared + "/chosen", "");
  ASSERT_TRUE(point_link(layout.current(), "releases/2"));
  std::vector<std::string> lines;
  ASSERT_TRUE(host.driver->execute(*host.site(), "dev", {"ls", "web/uploads"},
                                   [&](std::string_view line) { lines.emplace_back(line); }));
  EXPECT_EQ(lines, std::vector<std::string>{"chosen"});
  host.environments["dev"] = "code: {branch: main}";
  host.environments["test"] = "code: {from: dev}, content: {source: dev, generation: 1}";
  host.succeed("test");
  EXPECT_TRUE(std::filesystem::exists(host.uploads("test") + "/chosen"));
}

TEST_F(ObserveTest, DistrustsALinkToWhatItDidNotMake) {
  ASSERT_TRUE(point_link(layout.current(), "/srv/www/by-hand"));
  expect_gone("\"" + layout.current() +
              "\" points at \"/srv/www/by-hand\", which Tidegate did not make; point it at "
              "releases/2 again");
  ASSERT_TRUE(point_link(layout.current(), "releases/2"));
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(ObserveTest, DistrustsAForeignLinkThoughTheMemoryIsLostAsWell) {
  std::filesystem::remove(layout.record());
  ASSERT_TRUE(point_link(layout.current(), "/srv/www/by-hand"));
  EXPECT_NE(host.seen("dev").gone, "");
  EXPECT_TRUE(host.plan().ready.empty());
  Journal journal;
  journal.operation = "op-1";
  ASSERT_TRUE(write_journal(layout, journal));
  EXPECT_EQ(host.seen("dev").gone,
            "release \"" + layout.release("by-hand") + "\" has no record; bring it back");
  const auto ran = host.driver->execute(*host.site(), "dev", {"true"}, {});
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().message, "acme/dev runs no release");
}

TEST_F(ObserveTest, DistrustsALinkThatIsGoneOrNoLink) {
  std::filesystem::remove(layout.current());
  expect_gone("\"" + layout.current() + "\" is not there; point it at releases/2 again");
  std::filesystem::create_directory(layout.current());
  EXPECT_NE(host.seen("dev").gone, "");
  EXPECT_TRUE(host.plan().ready.empty());
}

TEST_F(ObserveTest, DistrustsAReleaseOrContentThatIsNotThere) {
  std::filesystem::rename(layout.release("2"), host.directory / "away");
  expect_gone("release \"" + layout.release("2") + "\" is not there; bring it back");
  std::filesystem::rename(host.directory / "away", layout.release("2"));
  const std::string uploads = host.uploads("dev"), database = host.database("dev");
  std::filesystem::rename(uploads, host.directory / "away");
  expect_gone("files \"uploads\" at \"" + uploads + "\" is not there; bring it back");
  std::filesystem::rename(host.directory / "away", uploads);
  std::filesystem::rename(database, host.directory / "away");
  expect_gone("database \"main\" at \"" + database + "\" is not there; bring it back");
}

TEST_F(ObserveTest, AnEnvironmentWhoseDirectoryIsLostIsNeverCreatedAnew) {
  std::filesystem::rename(layout.directory(), host.directory / "away");
  const std::string mark = layout.of_root().registered("acme", "dev");
  expect_gone("\"" + layout.directory() + "\" lost what it held; bring it back, or remove \"" +
              mark + "\" to have it created anew");
  std::filesystem::remove(mark);
  EXPECT_EQ(host.succeed("dev").actions, std::vector<std::string>({"promote", "create"}));
}

TEST_F(ObserveTest, ARootThatLostWhatItHeldIsNotBelieved) {
  host.observe();
  std::filesystem::rename(host.root(), host.directory / "away");
  std::filesystem::create_directory(host.root());
  expect_gone("root \"" + host.root() + "\" lost what it held; is its file system mounted?");
  EXPECT_TRUE(std::filesystem::is_empty(host.root()))
      << "something was written beneath the mount point";
  std::filesystem::remove(host.root());
  std::filesystem::rename(host.directory / "away", host.root());
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(ObserveTest, SeesEnvironmentsThatNoManifestDeclaresAnyMore) {
  host.environments["test"] = "code: {from: dev}";
  host.succeed("test");
  host.environments.erase("test");
  const auto seen = host.observe();
  ASSERT_TRUE(seen.environments.contains("test"));
  EXPECT_TRUE(seen.environments.at("test").exists);
  EXPECT_EQ(seen.environments.at("test").wanted_inputs, "");
  EXPECT_FALSE(seen.environments.contains("live"));
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(ObserveTest, SeesWhoHoldsALockAndRefusesToStart) {
  host.push("third\n");
  const Step step = host.step("dev");
  auto lock = EnvironmentLock::try_exclusive(layout.lock(), "apply, pid 77");
  ASSERT_TRUE(lock && *lock);
  auto operation = host.seen("dev").operation;
  ASSERT_TRUE(operation);
  EXPECT_EQ(operation->phase, "held by apply, pid 77");
  EXPECT_FALSE(operation->as_source);
  EXPECT_FALSE(operation->interrupted);
  auto started = host.driver->start(*host.site(), step);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::transient);
  EXPECT_EQ(started.error().message, "dev is busy");
  lock->reset();
  EXPECT_FALSE(host.seen("dev").operation);
  auto reader = EnvironmentLock::try_shared(layout.lock(), "apply, pid 78");
  ASSERT_TRUE(reader && *reader);
  operation = host.seen("dev").operation;
  ASSERT_TRUE(operation);
  EXPECT_TRUE(operation->as_source);
  EXPECT_EQ(host.driver->start(*host.site(), step).error().message, "dev is busy");
}

TEST_F(ObserveTest, ASourceThatIsWrittenByAnotherProcessIsWaitedFor) {
  host.environments["test"] =
      "code: {commit: " + second.hex + "}, content: {source: dev, generation: 1}";
  const Step step = host.step("test");
  auto lock = EnvironmentLock::try_exclusive(layout.lock(), "apply, pid 77");
  ASSERT_TRUE(lock && *lock);
  auto started = host.driver->start(*host.site(), step);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "dev is busy");
  EXPECT_FALSE(host.has_journal("test"));
  lock->reset();
  auto reader = EnvironmentLock::try_shared(layout.lock(), "apply, pid 78");
  EXPECT_EQ(host.run(step).result, "succeeded") << "two syncs may read one source";
}

TEST_F(ObserveTest, LaunchesOnceAndRemembers) {
  host.environments["test"] = "code: {from: dev}";
  host.environments["live"] = "code: {from: test}";
  host.converge();
  host.launched = true;
  const Step step = host.step("live");
  EXPECT_EQ(step.actions, std::vector<Action>{Launch{}});
  const std::size_t told = host.log.count();
  ASSERT_TRUE(host.driver->start(*host.site(), step));
  EXPECT_EQ(host.log.count(), told) << "there is nothing to wait for";
  EXPECT_TRUE(host.seen("live").launched);
  EXPECT_TRUE(host.plan().converged());
  EXPECT_EQ(read_file(layout.of_root().registered("acme", "live")), "launched\n");
}

TEST_F(ObserveTest, UndoesALaunchByAGrantOnceAndRemembersWhich) {
  host.environments["test"] = "code: {from: dev}";
  host.environments["live"] = "code: {from: test}";
  host.converge();
  host.launched = true;
  host.converge();
  host.launched = false;
  host.more =
      "---\napiVersion: tidegate/v1\nkind: Grant\nmetadata: {name: undo}\nspec: {site: acme, "
      "environment: live, allow: {unlaunch: {}}, reason: mistake, by: ada, expires: "
      "2099-01-01T00:00:00Z}\n";
  const Step step = host.step("live");
  EXPECT_EQ(step.actions, std::vector<Action>{Unlaunch{}});
  host.gate = [](const Site&, const Step&, const std::string&) {
    return std::optional(Refusal{"not now", true});
  };
  EXPECT_EQ(host.driver->start(*host.site(), step).error().message, "not now");
  EXPECT_TRUE(host.seen("live").launched);
  host.gate = [&](const Site& site, const Step& s, const std::string& id) {
    auto seen = host.driver->observe(site);
    auto broken = broken_rule(site, *seen, s, host.calendar, host.clock.now(), id);
    return broken ? std::optional(Refusal{*broken, false}) : std::nullopt;
  };
  const auto started = host.driver->start(*host.site(), step);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_FALSE(host.seen("live").launched);
  EXPECT_EQ(host.seen("live").grants_used.size(), 1u);
  EXPECT_EQ(read_file(layout.of_root().registered("acme", "live")), "");
  EXPECT_TRUE(host.plan().converged());
  host.gate = nullptr;
  host.launched = true;
  host.converge();
  host.launched = false;
  EXPECT_EQ(host.plan().held.at(0).reason, "LaunchedOnce") << "it was used";
}

TEST_F(ObserveTest, TellsOfASecretThatIsMissingAndGoesOnWhenItIsThere) {
  host.environments["dev"] = "code: {branch: main}, secrets: {PASSWORD: smtp}";
  const std::string path = host.secrets() + "/sites/acme/smtp";
  EXPECT_EQ(host.seen("dev").missing_secret,
            "secret \"smtp\": cannot read \"" + path + "\": No such file or directory");
  EXPECT_TRUE(host.plan().ready.empty());
  write_file(path, "hunter2\n");
  host.succeed("dev");
  write_file(path, "hunter3\n");
  EXPECT_NE(host.seen("dev").inputs, host.seen("dev").wanted_inputs);
  EXPECT_EQ(host.succeed("dev").actions, std::vector<std::string>{"promote"});
}

TEST_F(ObserveTest, KnowsCommitsThatAreMissingAndTrackedFilesInTheWayOfContent) {
  const std::string missing = "0123456789abcdef0123456789abcdef01234567";
  host.environments["dev"] = "code: {commit: " + missing + "}";
  EXPECT_EQ(host.observe().missing_commits, std::set<CommitId>{{missing}});
  host.code.write("web/uploads/tracked.txt", "x");
  const CommitId third = host.code.commit("third");
  host.environments["dev"] = "code: {branch: main}";
  const auto seen = host.observe();
  EXPECT_EQ(seen.refs.at("refs/heads/main"), third);
  EXPECT_EQ(seen.tracked_content, (std::map<CommitId, std::string>{{third, "web/uploads"}}));
  EXPECT_TRUE(host.plan().ready.empty());
}

}  // namespace
}  // namespace tidegate::test
