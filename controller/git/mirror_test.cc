#include "controller/git/mirror.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "controller/git/test_repository.h"
#include "controller/git/transfer_protocol.h"
#include "controller/git/writer.h"

namespace tidegate {
namespace {

using std::chrono::seconds;

class MirrorTest : public testing::Test {
 protected:
  Mirror mirror_of(const std::string& url) const {
    return Mirror(directory / "mirrors", url, {}, seconds(60));
  }
  static std::string error_of(const auto& result) {
    return result ? "no error" : result.error().message;
  }
  /// What Mirror starts to refresh itself, started as it does; gives its exit code.
  int transfer_into(const std::string& path) const {
    TransferRequest request{.action = TransferRequest::Action::refresh};
    request.url = tree.path();
    request.mirror = path;
    const std::string file = directory / "request";
    std::ofstream(file) << *encode(request);
    const std::string self = std::filesystem::canonical("/proc/self/exe");
    return std::system(("'" + self + "' git-transfer < '" + file + "' > /dev/null").c_str());
  }
  std::string in() const { return "git repository \"" + tree.path() + "\": "; }

  TemporaryDirectory directory;
  WorkTree tree{directory / "tree"};
  Mirror mirror = mirror_of(tree.path());
};

TEST_F(MirrorTest, LookingTellsBranchesAndTagsAndWritesNothing) {
  const CommitId commit = tree.commit("first");
  tree.git("tag -a -m note v1");
  const auto seen = mirror.look_up();
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(*seen, (std::map<std::string, CommitId>{{"refs/heads/main", commit},
                                                    {"refs/tags/v1", commit}}));
  EXPECT_FALSE(std::filesystem::exists(directory / "mirrors"));
  const auto unread = mirror.open();
  ASSERT_FALSE(unread);
  EXPECT_EQ(unread.error().message, "git repository \"" + tree.path() + "\" was never read yet");
}

TEST_F(MirrorTest, FetchesOnlyWhenAReferenceMoved) {
  tree.write("a", "1");
  tree.commit("first");
  ASSERT_TRUE(*mirror.refresh());
  EXPECT_FALSE(*mirror.refresh());
  tree.write("a", "2");
  const CommitId second = tree.commit("second");
  ASSERT_TRUE(*mirror.refresh());
  const auto repository = mirror.open();
  ASSERT_TRUE(repository);
  EXPECT_EQ(repository->resolve("refs/heads/main"), second);
  EXPECT_EQ(repository->list(second, "")->size(), 1u);
  EXPECT_FALSE(*mirror.refresh());
}

TEST_F(MirrorTest, FollowsDeletedRenamedAndRewrittenReferences) {
  const CommitId first = tree.commit("first");
  tree.git("branch topic");
  tree.git("tag v1");
  ASSERT_TRUE(*mirror.refresh());
  tree.git("branch -D -q topic");
  tree.git("branch topic/deeper");
  tree.git("tag -d v1");
  tree.git("commit -q --amend --allow-empty -m rewritten");
  const CommitId rewritten{tree.git("rev-parse HEAD")};
  ASSERT_TRUE(*mirror.refresh());
  const auto repository = mirror.open();
  ASSERT_TRUE(repository);
  EXPECT_EQ(repository->references(),
            (std::vector<std::string>{"refs/heads/main", "refs/heads/topic/deeper"}));
  EXPECT_EQ(repository->resolve("refs/heads/main"), rewritten);
  EXPECT_TRUE(repository->has(first));
}

TEST_F(MirrorTest, AnEmptyRepositoryHasNoReferencesAndIsNoError) {
  EXPECT_TRUE(mirror.look_up()->empty());
  const auto refreshed = mirror.refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message;
  EXPECT_FALSE(*refreshed);
  EXPECT_TRUE(mirror.open()->references().empty());
  tree.commit("first");
  EXPECT_TRUE(*mirror.refresh());
}

TEST_F(MirrorTest, ARepositoryThatBecameEmptyIsMirroredAsEmpty) {
  tree.commit("first");
  ASSERT_TRUE(*mirror.refresh());
  tree.git("update-ref -d refs/heads/main");
  EXPECT_TRUE(*mirror.refresh());
  EXPECT_TRUE(mirror.open()->references().empty());
}

TEST_F(MirrorTest, SaysWhatIsWrongWithALocalRepository) {
  EXPECT_EQ(error_of(mirror_of(directory / "none").look_up()),
            "git repository \"" + (directory / "none") + "\": No such file or directory");
  std::filesystem::create_directory(directory / "plain");
  EXPECT_EQ(error_of(mirror_of("file://" + (directory / "plain")).refresh()),
            "git repository \"file://" + (directory / "plain") + "\": it is not a git repository");
  EXPECT_EQ(error_of(mirror_of("git://host/x").look_up()),
            "\"git://host/x\" is not supported; use https://, http://, ssh://, file:/// or an "
            "absolute path");
  tree.commit("first");
  tree.commit("second");
  shell("git clone -q --depth 1 'file://" + tree.path() + "' '" + (directory / "shallow") + "'");
  EXPECT_EQ(error_of(mirror_of(directory / "shallow").look_up()),
            "git repository \"" + (directory / "shallow") +
                "\": it is a shallow clone; complete it there with git fetch --unshallow");
  shell("git init -q --object-format=sha256 '" + (directory / "sha256") + "'");
  const auto sha256 = mirror_of(directory / "sha256").look_up();
  ASSERT_FALSE(sha256);
  EXPECT_EQ(sha256.error().kind, ErrorKind::invalid);
}

TEST_F(MirrorTest, AFailedFetchLeavesTheLastGoodState) {
  const CommitId first = tree.commit("first");
  ASSERT_TRUE(*mirror.refresh());
  tree.write("a", "1");
  tree.commit("second");
  const std::string blob = tree.git("rev-parse HEAD:a");
  std::filesystem::remove(tree.path() + "/.git/objects/" + blob.substr(0, 2) + "/" +
                          blob.substr(2));
  const auto refreshed = mirror.refresh();
  ASSERT_FALSE(refreshed);
  EXPECT_EQ(refreshed.error().kind, ErrorKind::transient);
  EXPECT_EQ(mirror.open()->resolve("refs/heads/main"), first);
}

TEST_F(MirrorTest, KeepsEachCredentialsMirrorApart) {
  const Mirror other(directory / "mirrors", tree.path(), {.username = "u", .password = "p"},
                     seconds(1));
  const Mirror same(directory / "mirrors", tree.path(), {}, seconds(9));
  EXPECT_NE(mirror.path(), other.path());
  EXPECT_EQ(mirror.path(), same.path());
  EXPECT_EQ(other.path().find("u"
                              "p"),
            std::string::npos);
}

TEST_F(MirrorTest, MakesNothingWhereTheDirectoryThatHoldsItIsGone) {
  tree.commit("first");
  const std::string root = directory / "root";
  std::filesystem::create_directories(root + "/.tidegate");
  Mirror below(root + "/.tidegate/mirrors", tree.path(), {}, seconds(60));
  ASSERT_TRUE(below.refresh());
  std::filesystem::rename(root, root + ".away");
  std::filesystem::create_directory(root);  // As under a file system that is not mounted by now.
  EXPECT_EQ(error_of(below.refresh()),
            "make directory \"" + root + "/.tidegate/mirrors\": No such file or directory");
  EXPECT_TRUE(std::filesystem::is_empty(root));
  // It may go while the transfer is being started, too.
  EXPECT_EQ(transfer_into(root + "/.tidegate/mirrors/acme"), 0);
  EXPECT_TRUE(std::filesystem::is_empty(root));
}

TEST_F(MirrorTest, ClearsAwayWhatAKilledTransferLeft) {
  tree.commit("first");
  ASSERT_TRUE(*mirror.refresh());
  const std::string left = mirror.path() + "/objects/pack/pack_git2_abcdef";
  write_file(left, "half");
  ASSERT_TRUE(mirror.refresh());
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(MirrorTest, PutsManySmallPacksTogetherAndLosesNothing) {
  tree.write("lost", "unreachable later");
  const CommitId lost = tree.commit("lost");
  ASSERT_TRUE(*mirror.refresh());
  const auto reader = mirror.open();
  tree.git("commit -q --amend --allow-empty -m root");
  for (int i = 0; i < 70; ++i) {
    tree.write("a", std::to_string(i));
    const CommitId commit = tree.commit("next");
    ASSERT_TRUE(*mirror.refresh());
    const auto repository = mirror.open();
    ASSERT_EQ(*repository->read_blob((*repository->list(commit, "a"))[0].blob, 9),
              std::to_string(i));
  }
  EXPECT_LT(std::stoi(shell("ls '" + mirror.path() + "'/objects/pack/*.pack | wc -l")), 30);
  EXPECT_EQ(shell("ls '" + mirror.path() + "'/objects/pack/*.idx | wc -l"),
            shell("ls '" + mirror.path() + "'/objects/pack/*.pack | wc -l"));
  EXPECT_EQ(shell("git -C '" + mirror.path() + "' fsck --strict --no-dangling"), "");
  EXPECT_TRUE(mirror.open()->list(lost, ""));
  // One that was open all the time finds its objects in the pack that replaced theirs.
  EXPECT_EQ(reader->list(lost, "")->size(), 1u);
}

TEST_F(MirrorTest, WaitsForAnotherRefreshAndNoLongerThanItsDeadline) {
  tree.commit("first");
  std::filesystem::create_directory(directory / "mirrors");
  const int file = ::open((mirror.path() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(file, F_OFD_SETLK, &whole), 0);
  Mirror hasty(directory / "mirrors", tree.path(), {}, std::chrono::milliseconds(50));
  const auto refreshed = hasty.refresh();
  ::close(file);
  ASSERT_FALSE(refreshed);
  EXPECT_EQ(refreshed.error().kind, ErrorKind::transient);
  EXPECT_EQ(refreshed.error().message,
            "another refresh holds \"" + mirror.path() + ".lock\" too long");
  EXPECT_TRUE(*mirror.refresh());
}

TEST_F(MirrorTest, ReadsARepositoryOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a repository away";
  const CommitId first = tree.commit("first");
  shell("chown -R 65534:65534 '" + tree.path() + "'");
  const auto refreshed = mirror.refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message;
  EXPECT_EQ(mirror.open()->resolve("refs/heads/main"), first);
}

class PushTest : public MirrorTest {
 protected:
  PushTest() {
    tree.write("a", "1");
    first = tree.commit("first");
    shell("git clone -q --bare '" + tree.path() + "' '" + bare + "'");
    if (!remote.refresh()) throw std::runtime_error("refresh");
  }
  CommitId made(const std::string& text) {
    const auto commit = commit_file(remote.path(), first,
                                    {.path = "a",
                                     .before = "1",
                                     .text = text,
                                     .author_name = "Ada",
                                     .author_mail = "ada@example.org",
                                     .message = "Change a",
                                     .at = {}});
    if (!commit) throw std::runtime_error(commit.error().message);
    return *commit;
  }
  std::string head() const { return shell("git -C '" + bare + "' rev-parse refs/heads/main"); }

  CommitId first;
  std::string bare = directory / "bare.git";
  Mirror remote = mirror_of("file://" + bare);
};

TEST_F(PushTest, MovesABranchFromWhatIsExpected) {
  const CommitId second = made("2");
  const auto pushed = remote.push(second, "refs/heads/main", first);
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(head(), second.hex);
  EXPECT_EQ(shell("git -C '" + bare + "' show main:a && git -C '" + bare + "' fsck --strict"), "2");
  EXPECT_EQ(shell("git -C '" + bare + "' for-each-ref --format='%(refname)'"), "refs/heads/main");
  EXPECT_TRUE(*remote.refresh());
  EXPECT_EQ(remote.open()->resolve("refs/heads/main"), second);
}

TEST_F(PushTest, RefusesABranchThatMoved) {
  const CommitId second = made("2"), third = made("3");
  ASSERT_TRUE(remote.push(second, "refs/heads/main", first));
  const auto pushed = remote.push(third, "refs/heads/main", first);
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().kind, ErrorKind::transient);
  EXPECT_EQ(pushed.error().message, "git repository \"file://" + bare +
                                        "\": \"refs/heads/main\" moved: it points to \"" +
                                        second.hex + "\", not to \"" + first.hex + "\"");
  EXPECT_EQ(head(), second.hex);
  EXPECT_TRUE(remote.push(second, "refs/heads/main", first));
}

TEST_F(PushTest, MakesABranchOnlyWhereThereIsNone) {
  const CommitId second = made("2");
  ASSERT_TRUE(remote.push(second, "refs/heads/change", std::nullopt));
  EXPECT_EQ(shell("git -C '" + bare + "' rev-parse change"), second.hex);
  const auto again = remote.push(made("3"), "refs/heads/change", std::nullopt);
  EXPECT_EQ(error_of(again), "git repository \"file://" + bare +
                                 "\": \"refs/heads/change\" moved: it points to \"" + second.hex +
                                 "\", not to nothing");
  EXPECT_EQ(error_of(remote.push(second, "refs/heads/gone", first)),
            "git repository \"file://" + bare +
                "\": \"refs/heads/gone\" moved: it points to nothing, not to \"" + first.hex +
                "\"");
}

TEST_F(PushTest, RefusesARepositoryWithAWorkTree) {
  ASSERT_TRUE(mirror.refresh());
  EXPECT_EQ(error_of(mirror.push(first, "refs/heads/other", std::nullopt)),
            in() + "it has a work tree, which a push would leave behind; use a bare repository");
}

}  // namespace
}  // namespace tidegate
