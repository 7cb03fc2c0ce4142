#include "controller/git/writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "controller/git/repository.h"
#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

class WriterTest : public testing::Test {
 protected:
  WriterTest() {
    tree.write("fleet/live.yaml", "generation: 1\n");
    tree.write("fleet/other.yaml", "other\n");
    first = tree.commit("first");
  }
  static FileEdit edit(const std::string& path = "live.yaml") {
    return {.path = path,
            .before = "generation: 1\n",
            .text = "generation: 2\n",
            .author_name = "Ada",
            .author_mail = "ada@example.org",
            .message = "Sync acme/live",
            .at = Timestamp(std::chrono::seconds(1'700'000'000))};
  }
  static std::string error_of(const Result<CommitId>& result) {
    if (result) return "no error";
    EXPECT_EQ(result.error().kind, ErrorKind::invalid);
    return result.error().message;
  }
  std::string fleet() const { return tree.path() + "/fleet"; }

  TemporaryDirectory directory;
  WorkTree tree{directory / "tree"};
  CommitId first;
};

TEST_F(WriterTest, CommitsAFileWithoutAWorkTree) {
  shell("git clone -q --bare '" + tree.path() + "' '" + (directory / "bare") + "'");
  const auto commit = commit_file(directory / "bare", first, edit("fleet/live.yaml"));
  ASSERT_TRUE(commit) << commit.error().message;
  const std::string git = "git -C '" + (directory / "bare") + "' ";
  EXPECT_EQ(shell(git + "show -s --format='%an <%ae> %ct %s %P' " + commit->hex),
            "Ada <ada@example.org> 1700000000 Sync acme/live " + first.hex);
  EXPECT_EQ(shell(git + "diff --stat --format= " + first.hex + " " + commit->hex).substr(0, 17),
            " fleet/live.yaml ");
  EXPECT_EQ(shell(git + "show " + commit->hex + ":fleet/live.yaml"), "generation: 2");
  EXPECT_EQ(shell(git + "rev-parse main"), first.hex);
  EXPECT_EQ(*commit_file(directory / "bare", first, edit("fleet/live.yaml")), *commit);
}

TEST_F(WriterTest, RefusesWhatTheEditWasNotMadeFrom) {
  tree.write("fleet/live.yaml", "generation: 7\n");
  const CommitId second = tree.commit("second");
  const std::string git = tree.path() + "/.git";
  EXPECT_EQ(
      error_of(commit_file(git, second, edit("fleet/live.yaml"))),
      "\"fleet/live.yaml\" is different in the commit to be changed; read it again and repeat");
  EXPECT_EQ(error_of(commit_file(git, second, edit("fleet/none.yaml"))),
            "\"fleet/none.yaml\" is not in the commit to be changed");
  EXPECT_EQ(error_of(commit_file(git, second, edit("fleet"))),
            "\"fleet\" is no plain file in the commit to be changed");
  for (const char* path : {"../x.yaml", "/etc/x.yaml", ".git/config", ""})
    EXPECT_EQ(error_of(commit_file(git, second, edit(path))),
              "\"" + std::string(path) + "\" is no path of a file inside a repository");
  FileEdit same = edit("fleet/live.yaml");
  same.text = *same.before;
  EXPECT_EQ(error_of(commit_file(git, second, same)), "\"fleet/live.yaml\" would not change");
  EXPECT_EQ(error_of(commit_file(directory.path(), second, edit("fleet/live.yaml"))),
            "\"" + directory.path() + "\" is not a git repository");
}

TEST_F(WriterTest, ACommitInAWorkTreeLeavesItClean) {
  shell("chmod 0600 '" + fleet() + "/live.yaml'");
  const auto commit = commit_in_work_tree(fleet(), edit());
  ASSERT_TRUE(commit) << commit.error().message;
  EXPECT_EQ(tree.git("status --porcelain"), "");
  EXPECT_EQ(tree.git("rev-parse main"), commit->hex);
  EXPECT_EQ(read_file(fleet() + "/live.yaml"), "generation: 2\n");
  EXPECT_EQ(tree.git("show --format= --name-only"), "fleet/live.yaml");
  EXPECT_EQ(tree.git("reflog -1 --format='%gn %gs'"), "Ada commit: Sync acme/live");
  EXPECT_EQ(shell("stat -c %a '" + fleet() + "/live.yaml'"), "600");
  EXPECT_EQ(tree.git("fsck --strict"), "");
}

TEST_F(WriterTest, OtherChangesStayAsTheyAre) {
  tree.write("fleet/other.yaml", "staged\n");
  tree.git("add fleet/other.yaml");
  tree.write("fleet/other.yaml", "edited\n");
  tree.write("fleet/untracked.yaml", "new\n");
  ASSERT_TRUE(commit_in_work_tree(fleet(), edit()));
  EXPECT_EQ(tree.git("status --porcelain"), "MM fleet/other.yaml\n?? fleet/untracked.yaml");
  EXPECT_EQ(tree.git("show HEAD:fleet/other.yaml"), "other");
  EXPECT_EQ(tree.git("show :fleet/other.yaml"), "staged");
  EXPECT_EQ(read_file(fleet() + "/other.yaml"), "edited\n");
}

/// Sleeps until a second has just begun.
void wait_for_a_second() {
  const auto now = std::chrono::system_clock::now();
  std::this_thread::sleep_until(std::chrono::ceil<std::chrono::seconds>(now) +
                                std::chrono::milliseconds(20));
}

TEST_F(WriterTest, AFileThatWasEditedInTheSecondItWasStagedInStaysEdited) {
  wait_for_a_second();
  tree.write("fleet/other.yaml", "staged\n");
  tree.git("add fleet/other.yaml");
  tree.write("fleet/other.yaml", "edited\n");
  wait_for_a_second();  // By now the index would be newer than the edit.
  ASSERT_TRUE(commit_in_work_tree(fleet(), edit()));
  EXPECT_EQ(tree.git("status --porcelain"), "MM fleet/other.yaml");
  tree.write("fleet/other.yaml", "staged\n");
  EXPECT_EQ(tree.git("status --porcelain"), "M  fleet/other.yaml");
}

/// `git apply --index` and others believe the index, and do not ask the content of what has no
/// size.
TEST_F(WriterTest, AFileThatIsAsItWasStagedNeedsNoRefreshOfTheIndex) {
  wait_for_a_second();
  tree.write("fleet/other.yaml", "staged\n");
  tree.git("add fleet/other.yaml");
  ASSERT_TRUE(commit_in_work_tree(fleet(), edit()));
  EXPECT_EQ(tree.git("diff-files"), "");
  EXPECT_EQ(tree.git("status --porcelain"), "M  fleet/other.yaml");
}

TEST_F(WriterTest, CommitsANewFile) {
  FileEdit added = edit("sites/new.yaml");
  added.before = std::nullopt;
  const auto commit = commit_in_work_tree(fleet(), added);
  ASSERT_TRUE(commit) << commit.error().message;
  EXPECT_EQ(tree.git("status --porcelain"), "");
  EXPECT_EQ(tree.git("show HEAD:fleet/sites/new.yaml"), "generation: 2");
}

TEST_F(WriterTest, RefusesAFileWithUncommittedChanges) {
  const std::string message =
      "\"fleet/live.yaml\" has changes that are not committed; commit them, or undo them: "
      "git restore --staged --worktree \"fleet/live.yaml\"";
  tree.write("fleet/live.yaml", "by hand\n");
  EXPECT_EQ(error_of(commit_in_work_tree(fleet(), edit())), message);
  tree.git("add fleet/live.yaml");
  EXPECT_EQ(error_of(commit_in_work_tree(fleet(), edit())), message);
  EXPECT_EQ(read_file(fleet() + "/live.yaml"), "by hand\n");
  EXPECT_EQ(tree.git("rev-parse HEAD"), first.hex);
}

TEST_F(WriterTest, RefusesAFileThatGitDoesNotTrack) {
  tree.write("fleet/untracked.yaml", "generation: 1\n");
  EXPECT_EQ(error_of(commit_in_work_tree(fleet(), edit("untracked.yaml"))),
            "\"fleet/untracked.yaml\" is not in git; commit it first: git add "
            "\"fleet/untracked.yaml\" && git commit");
}

TEST_F(WriterTest, RefusesWhereNoBranchCanTakeTheCommit) {
  EXPECT_EQ(error_of(commit_in_work_tree(directory.path(), edit())),
            "\"" + directory.path() +
                "\" is in no git work tree; change the file by hand, or give "
                "the repository");
  const std::string top = "\"" + tree.path() + "/\"";
  tree.git("checkout -q --detach");
  EXPECT_EQ(error_of(commit_in_work_tree(fleet(), edit())),
            "no branch is checked out in " + top + "; check one out first: git switch BRANCH");
  tree.git("checkout -q main");
  write_file(tree.path() + "/.git/MERGE_HEAD", first.hex + "\n");
  EXPECT_EQ(error_of(commit_in_work_tree(fleet(), edit())),
            "a merge, rebase or the like is under way in " + top + "; finish it first");
  const WorkTree unborn(directory / "unborn");
  unborn.write("live.yaml", "generation: 1\n");
  EXPECT_EQ(error_of(commit_in_work_tree(unborn.path(), edit())),
            "\"" + unborn.path() + "/\" has no commit yet; commit the manifests first");
}

TEST_F(WriterTest, RefusesAnotherUsersClone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a clone away";
  shell("chown -R 65534:65534 '" + tree.path() + "'");
  EXPECT_EQ(error_of(commit_in_work_tree(fleet(), edit())),
            "\"" + tree.path() +
                "\" belongs to another user (65534); run this as its owner, so that "
                "the clone stays theirs");
}

TEST_F(WriterTest, CommitsOnAnotherBranchWithoutTouchingTheWorkTree) {
  tree.write("fleet/other.yaml", "edited\n");
  const auto commit = commit_on_branch(fleet(), "sync-live", edit());
  ASSERT_TRUE(commit) << commit.error().message;
  EXPECT_EQ(tree.git("rev-parse sync-live sync-live^ main"),
            commit->hex + "\n" + first.hex + "\n" + first.hex);
  EXPECT_EQ(tree.git("status --porcelain"), " M fleet/other.yaml");
  EXPECT_EQ(read_file(fleet() + "/live.yaml"), "generation: 1\n");
  FileEdit second = edit();
  EXPECT_EQ(
      error_of(commit_on_branch(fleet(), "sync-live", second)),
      "\"fleet/live.yaml\" is different in the commit to be changed; read it again and repeat");
  second.before = "generation: 2\n", second.text = "generation: 3\n";
  ASSERT_TRUE(commit_on_branch(fleet(), "sync-live", second));
  EXPECT_EQ(tree.git("rev-list --count sync-live"), "3");
}

TEST_F(WriterTest, ANewBranchBeginsWhereItIsToldTo) {
  tree.write("fleet/other.yaml", "later\n");
  const CommitId second = tree.commit("second");
  ASSERT_TRUE(commit_on_branch(fleet(), "early", edit(), first));
  EXPECT_EQ(tree.git("rev-parse early^ main"), first.hex + "\n" + second.hex);
}

TEST_F(WriterTest, APatchIsWhatGitApplies) {
  const std::vector<std::pair<std::string, std::string>> texts{
      {"a\nb\n", "a\nc\n"},
      {"a\r\nb", "a\r\nb\r\nc"},
      {"a", "a\n"},
      {"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n2\n3\n4\n5\n6\n7\n8\n0\n"}};
  for (const std::string name : {"plain.yaml", "with space/é \"quoted\".yaml"}) {
    for (const auto& [before, after] : texts) {
      tree.write(name, before);
      FileEdit change = edit(name);
      change.before = before, change.text = after;
      const auto patch = patch_of(change);
      ASSERT_TRUE(patch) << patch.error().message;
      write_file(directory / "patch", *patch);
      tree.git("apply '" + (directory / "patch") + "'");
      EXPECT_EQ(read_file(tree.path() + "/" + name), after) << *patch;
    }
  }
}

TEST_F(WriterTest, TheCheckedOutBranchIsCommittedWithItsWorkTree) {
  ASSERT_TRUE(commit_on_branch(fleet(), "main", edit()));
  EXPECT_EQ(tree.git("status --porcelain"), "");
  EXPECT_EQ(read_file(fleet() + "/live.yaml"), "generation: 2\n");
}

TEST_F(WriterTest, RefusesBranchesThatAreNoneOrCheckedOutElsewhere) {
  EXPECT_EQ(error_of(commit_on_branch(fleet(), "a..b", edit())),
            "\"a..b\" is no name for a branch");
  tree.git("worktree add -q -b elsewhere '" + (directory / "second") + "'");
  EXPECT_EQ(error_of(commit_on_branch(fleet(), "elsewhere", edit())),
            "branch \"elsewhere\" is checked out in another work tree; commit there");
  EXPECT_TRUE(commit_in_work_tree((directory / "second") + "/fleet", edit()));
  EXPECT_EQ(shell("git -C '" + (directory / "second") + "' status --porcelain"), "");
  EXPECT_EQ(tree.git("rev-parse main"), first.hex);
}

}  // namespace
}  // namespace tidegate
