// code.writable: the release's code is people's own; what they change holds every step until it is
// in the commit that is wanted or was given up.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "controller/git/tree_writer.h"
#include "controller/host/hand_made.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

const std::string ending =
    "; `tidegate commit acme/dev -m …` keeps them, `tidegate discard acme/dev` drops them";

class WritableTest : public testing::Test {
 protected:
  WritableTest() {
    host.environments["dev"] = "code: {branch: main, writable: true}";
    host.gate = [this](const Site& s, const Step& step,
                       const std::string& id) -> std::optional<Refusal> {
      if (at_gate) at_gate();
      auto observed = host.driver->observe(s);
      if (!observed) return Refusal{observed.error().message, false};
      if (auto hold = held_now(s, *observed, step, host.calendar, host.clock.now()))
        return Refusal{"held " + hold->reason + ": " + hold->message, true};
      if (auto broken = broken_rule(s, *observed, step, host.calendar, host.clock.now(), id))
        return Refusal{*broken, true};
      return std::nullopt;
    };
    host.succeed("dev");
  }
  std::string code() const { return host.layout("dev").code(host.record("dev").current); }
  /// In place, as `echo >` does it.
  void edit(const std::string& name, const std::string& text) {
    write_file(code() + "/" + name, text);
  }
  void tend() {
    auto news = host.driver->tend(*host.site());
    EXPECT_TRUE(news) << news.error().message;
  }
  HandMade made() {
    auto found = host.driver->hand_made(*host.site(), "dev");
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : HandMade{};
  }
  std::string held() {
    std::string out;
    const Plan plan = host.plan();
    for (const Hold& hold : plan.held) out += hold.reason + ": " + hold.message + "\n";
    for (const Step& step : plan.ready) out += "ready: " + describe(step.actions) + "\n";
    return out;
  }
  TestHost host;
  std::function<void()> at_gate;
};

TEST_F(WritableTest, ItsFilesAreItsOwnAndItsUsersToWrite) {
  struct stat file {
  }, directory{}, root{};
  ASSERT_EQ(::stat((code() + "/web/index.html").c_str(), &file), 0);
  ASSERT_EQ(::stat((code() + "/web").c_str(), &directory), 0);
  ASSERT_EQ(::stat(code().c_str(), &root), 0);
  EXPECT_EQ(file.st_nlink, 1u);
  EXPECT_EQ(file.st_mode & 07777, 0644u);
  EXPECT_EQ(directory.st_mode & 07777, 0755u);
  EXPECT_EQ(root.st_mode & 07777, 0755u);
  if (!is_root()) return;
  EXPECT_NE(file.st_uid, 0u);
  EXPECT_EQ(file.st_uid, directory.st_uid);
  EXPECT_EQ(file.st_uid, root.st_uid);
  struct stat release {};
  ASSERT_EQ(::stat(host.layout("dev").release("1").c_str(), &release), 0);
  EXPECT_EQ(release.st_uid, 0u);
}

TEST_F(WritableTest, NothingThatWasChangedReachesTheBuildOrAnotherEnvironment) {
  edit("web/index.html", "changed\n");
  host.environments["test"] = "code: {from: dev}";
  host.succeed("test");
  EXPECT_EQ(host.page("test"), "first\n");
  EXPECT_EQ(host.page("dev"), "changed\n");
}

TEST_F(WritableTest, WhatWasChangedIsToldAndHeldAndNotHealed) {
  edit("web/index.html", "first\nsecond\n");
  edit("lib/new.txt", "a\nb\n");
  std::filesystem::remove(code() + "/lib/a.txt");
  tend();
  EXPECT_TRUE(host.seen("dev").drifted);
  EXPECT_EQ(held(),
            "UncommittedChanges: 3 files changed by hand: D lib/a.txt (+0 -1), A lib/new.txt (+2 "
            "-0), M web/index.html (+1 -0)" +
                ending + "\n");
  EXPECT_EQ(host.page("dev"), "first\nsecond\n");
}

TEST_F(WritableTest, ModesThatGitDoesNotKnowAndEmptyDirectoriesAreNoChange) {
  ::chmod((code() + "/web/index.html").c_str(), 0664);
  ::chmod((code() + "/web").c_str(), 0775);
  std::filesystem::create_directory(code() + "/web/empty");
  tend();
  EXPECT_EQ(held(), "");
  EXPECT_FALSE(host.seen("dev").drifted);
  ::chmod((code() + "/web/index.html").c_str(), 0755);
  tend();
  EXPECT_EQ(held(),
            "UncommittedChanges: 1 file changed by hand: M web/index.html (+0 -0)" + ending + "\n");
}

TEST_F(WritableTest, AChangeMadeAMomentBeforeTheSwitchIsNotReplaced) {
  host.push("pushed\n");
  int asked = 0;
  at_gate = [&] {
    if (++asked == 1) edit("web/index.html", "in the last moment\n");
  };
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "undone");
  EXPECT_EQ(told.message,
            "held UncommittedChanges: 1 file changed by hand: M web/index.html (+1 -1)" + ending);
  EXPECT_EQ(host.page("dev"), "in the last moment\n");
  EXPECT_EQ(host.seen("dev").failures.size(), 0u);
}

TEST_F(WritableTest, GoingBackToManagedCodeIsHeldToo) {
  edit("web/index.html", "changed\n");
  tend();
  host.environments["dev"] = "code: {branch: main}";
  EXPECT_EQ(held(),
            "UncommittedChanges: 1 file changed by hand: M web/index.html (+1 -1)" + ending + "\n");
  ASSERT_TRUE(host.driver->discard(*host.site(), "dev", made()));
  host.succeed("dev");
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_FALSE(host.release("dev").writable);
}

TEST_F(WritableTest, WhatWasGivenUpIsPutBackWithItsPatchInTheLog) {
  edit("web/index.html", "given up\n");
  const HandMade shown = made();
  ASSERT_TRUE(host.driver->discard(*host.site(), "dev", shown));
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("+given up")) << told.all();
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_EQ(held(), "");
}

TEST_F(WritableTest, OnlyWhatWasShownIsGivenUp) {
  edit("web/index.html", "shown\n");
  const HandMade shown = made();
  edit("web/index.html", "changed since\n");
  const auto discarded = host.driver->discard(*host.site(), "dev", shown);
  ASSERT_FALSE(discarded);
  EXPECT_EQ(discarded.error().message, "something was changed just now; look at it again: repeat");
  const HandMade again = made();
  ASSERT_TRUE(host.driver->discard(*host.site(), "dev", again));
  edit("lib/a.txt", "later\n");
  EXPECT_EQ(host.run("dev").result, "undone") << "what came later was not given up";
  EXPECT_EQ(host.page("dev"), "changed since\n");
}

TEST_F(WritableTest, ACommitThatHasItAllLetsTheBranchGoOn) {
  edit("web/index.html", "by hand\n");
  EXPECT_EQ(made().uncommitted, "1 file changed by hand: M web/index.html (+1 -1)");
  host.push("by hand\n");
  host.observe();
  EXPECT_EQ(made().uncommitted, "");
  EXPECT_EQ(held(), "ready: promote " + CommitId{host.code.git("rev-parse HEAD")}.brief() + "\n");
  host.push("and then pushed\n");
  const Told told = host.succeed("dev");
  EXPECT_FALSE(told.has("+by hand")) << "it is in git";
  EXPECT_EQ(host.page("dev"), "and then pushed\n");
}

TEST_F(WritableTest, ABranchThatWentBackKeepsWhatIsNotInItAnyMore) {
  edit("web/index.html", "by hand\n");
  host.push("by hand\n");
  host.observe();
  made();
  host.code.git("reset -q --hard " + host.first.hex);
  EXPECT_EQ(held(),
            "UncommittedChanges: 1 file changed by hand: M web/index.html (+1 -1)" + ending + "\n");
}

TEST_F(WritableTest, EnvironmentsThatAreNotWritableHaveNothingToGiveUp) {
  host.environments["dev"] = "code: {branch: main}";
  host.succeed("dev");
  const auto found = host.driver->hand_made(*host.site(), "dev");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message,
            "acme/dev is not writable: what is changed by hand there is put back; write code: "
            "{branch: …, writable: true}");
}

TEST_F(WritableTest, ALinkInTheWayLeadsNowhere) {
  std::filesystem::remove(code() + "/web/index.html");
  std::filesystem::create_symlink("/etc/passwd", code() + "/web/index.html");
  const HandMade found = made();
  ASSERT_EQ(found.changes.size(), 1u);
  EXPECT_EQ(found.changes[0].mode, 0120000u);
  const auto bytes = bytes_of(found.code, found.changes[0]);
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(*bytes, "/etc/passwd");
}

TEST_F(WritableTest, WithoutItsOwnManifestChangesAreStillSeen) {
  edit("web/index.html", "changed\n");
  std::filesystem::remove(host.layout("dev").code_manifest("1"));
  EXPECT_EQ(made().uncommitted, "1 file changed by hand: M web/index.html (+1 -1)");
}

}  // namespace
}  // namespace tidegate::test
