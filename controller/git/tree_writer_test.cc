// Many changed files as one commit, on a branch that may have moved on.

#include "controller/git/tree_writer.h"

#include <gtest/gtest.h>

#include "controller/git/repository.h"
#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

constexpr unsigned plain = 0100644, executable = 0100755, link = 0120000;

class TreeWriterTest : public testing::Test {
 protected:
  TreeWriterTest() : tree(directory / "work") {
    tree.write("web/index.php", "one\n");
    tree.write("web/old.php", "old\n");
    tree.write("lib/a.txt", "a\n");
    tree.write("lib-b/x", "x\n");
    tree.write(".gitignore", "node_modules/\n*.log\n");
    base = tree.commit("base");
  }
  std::string repository() const { return tree.path() + "/.git"; }
  Result<CommitId> commit(std::vector<TreeChange> changes, const CommitId& tip) {
    return commit_tree(repository(), base, tip,
                       {std::move(changes), "Ada", "ada@example.org", "By hand",
                        *parse_rfc3339("2026-11-20T12:00:00Z")});
  }
  /// "100644 lib/a.txt" lines of a commit that must have been made.
  std::string files(const Result<CommitId>& made) {
    EXPECT_TRUE(made) << made.error().message;
    if (!made) return "";
    return tree.run("git ls-tree -r " + made->hex +
                    " | while read mode kind blob path; do echo $mode $path; done");
  }
  std::string text(const CommitId& made, const std::string& path) {
    return tree.git("show " + made.hex + ":" + path);
  }
  TemporaryDirectory directory;
  WorkTree tree;
  CommitId base;
};

TEST_F(TreeWriterTest, TakesAdditionsChangesRemovalsModesAndLinks) {
  const auto made = commit({{"web/index.php", executable, "two\n"},
                            {"web/old.php", 0},
                            {"web/new/deep.php", plain, std::string("bin\0ary", 7)},
                            {"web/empty", plain, ""},
                            {"web/to", link, "index.php"},
                            {"lib/a.txt", 0}},
                           base);
  EXPECT_EQ(files(made),
            "100644 .gitignore\n100644 lib-b/x\n100644 web/empty\n100755 web/index.php\n100644 "
            "web/new/deep.php\n120000 web/to");
  EXPECT_EQ(text(*made, "web/to"), "index.php");
  EXPECT_EQ(tree.git("log -1 --format='%an <%ae>|%cn|%s|%P' " + made->hex),
            "Ada <ada@example.org>|Ada|By hand|" + base.hex);
}

TEST_F(TreeWriterTest, TurnsAFileIntoADirectoryAndBack) {
  const auto made = commit({{"lib", plain, "now a file\n"},
                            {"lib/a.txt", 0},
                            {"web/old.php", 0},
                            {"web/old.php/inside", plain, "x"}},
                           base);
  EXPECT_EQ(files(made),
            "100644 .gitignore\n100644 lib\n100644 lib-b/x\n100644 web/index.php\n100644 "
            "web/old.php/inside");
}

TEST_F(TreeWriterTest, KeepsOddNames) {
  const auto made = commit({{"web/ä \"b\" 'c'\\d", plain, "odd\n"}}, base);
  ASSERT_TRUE(made) << made.error().message;
  const auto repository_now = GitRepository::open(repository());
  EXPECT_TRUE(repository_now->has_path(*made, "web/ä \"b\" 'c'\\d"));
}

TEST_F(TreeWriterTest, GoesOnTopOfABranchThatChangedOtherFiles) {
  tree.write("lib/a.txt", "theirs\n");
  const CommitId tip = tree.commit("theirs");
  const auto made = commit({{"web/index.php", plain, "ours\n"}}, tip);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(text(*made, "lib/a.txt"), "theirs");
  EXPECT_EQ(text(*made, "web/index.php"), "ours");
  EXPECT_EQ(tree.git("rev-parse " + made->hex + "^"), tip.hex);
}

TEST_F(TreeWriterTest, NamesTheFilesThatBothSidesChanged) {
  tree.write("web/index.php", "theirs\n");
  tree.git("rm -q web/old.php");
  tree.write("web/new", "a file\n");
  const CommitId tip = tree.commit("theirs");
  const auto made = commit({{"web/index.php", plain, "ours\n"},
                            {"web/old.php", plain, "ours\n"},
                            {"web/new/deep", plain, "ours\n"},
                            {"lib/a.txt", plain, "ours\n"}},
                           tip);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message,
            "the branch has changed the same files meanwhile: \"web/index.php\", \"web/new/deep\", "
            "\"web/old.php\"; bring both together in a clone and push that");
  EXPECT_EQ(made.error().kind, ErrorKind::invalid);
}

TEST_F(TreeWriterTest, IsTheBranchItselfWhereThatHasAllOfIt) {
  tree.write("web/index.php", "same\n");
  const CommitId tip = tree.commit("theirs");
  const auto made = commit({{"web/index.php", plain, "same\n"}}, tip);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(*made, tip);
}

TEST_F(TreeWriterTest, RefusesWhatNoCheckOutTakes) {
  const auto wrong = [&](TreeChange change) -> std::string {
    const auto made = commit({std::move(change)}, base);
    return made ? "" : made.error().message;
  };
  EXPECT_EQ(wrong({"web/out", link, "../../etc/passwd"}),
            "\"web/out\" is a symbolic link to \"../../etc/passwd\", which leads out of the tree");
  EXPECT_EQ(wrong({"web/.git/config", plain, "x"}), "\"web/.git\" is no name for a file in git");
  EXPECT_TRUE(wrong({"web/GIT~1", plain, "x"}).starts_with("\"web/GIT~1\" "));
}

TEST_F(TreeWriterTest, KnowsWhatItsGitignoreNames) {
  const auto ignored =
      ignored_in(repository(), base, {"web/a.log", "web/a.php", "web/node_modules/x/y.js"});
  ASSERT_TRUE(ignored) << ignored.error().message;
  EXPECT_EQ(*ignored, (std::set<std::string>{"web/a.log", "web/node_modules/x/y.js"}));
}

}  // namespace
}  // namespace tidegate
