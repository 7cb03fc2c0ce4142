#include <gtest/gtest.h>
#include <sys/stat.h>

#include "controller/git/repository.h"
#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;

class CheckOutTest : public testing::Test {
 protected:
  CheckOutTest() { fs::create_directory(target); }
  Result<Checkout> check_out(const CommitId& commit) const {
    auto repository = GitRepository::open(tree.path());
    if (!repository) return std::move(repository.error());
    return repository->check_out(commit, target);
  }
  /// The refusal of a commit, and that nothing was written.
  std::string refusal(const CommitId& commit) const {
    const auto result = check_out(commit);
    EXPECT_TRUE(fs::is_empty(target));
    if (result) return "accepted";
    EXPECT_EQ(result.error().kind, ErrorKind::invalid);
    return result.error().message;
  }
  static std::string in(const CommitId& commit) { return "check out \"" + commit.brief() + "\": "; }
  static mode_t mode(const std::string& path) {
    struct stat facts {};
    ::lstat(path.c_str(), &facts);
    return facts.st_mode & 07777;
  }
  /// A commit whose tree is what `git mktree` makes of these lines.
  CommitId commit_of(const std::string& lines) const {
    return {tree.run("printf '" + lines +
                     "' | git mktree --missing | xargs git commit-tree -m crafted")};
  }

  TemporaryDirectory directory;
  WorkTree tree{directory / "tree"};
  std::string target = directory / "release";
};

TEST_F(CheckOutTest, WritesFilesExecutablesFoldersAndLinks) {
  tree.write("index.php", "<?php\n");
  tree.write("bin/run", "#!/bin/sh\n");
  tree.write("a/deep/er/file", std::string("\0\xff", 2));
  shell("cd '" + tree.path() + "' && chmod +x bin/run && ln -s ../index.php bin/index");
  const CommitId commit = tree.commit("first");
  const mode_t mask = ::umask(0077);
  const auto done = check_out(commit);
  ::umask(mask);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->files, 4u);
  EXPECT_EQ(done->bytes, 6u + 10u + 2u);
  EXPECT_EQ(read_file(target + "/index.php"), "<?php\n");
  EXPECT_EQ(read_file(target + "/a/deep/er/file"), std::string("\0\xff", 2));
  EXPECT_EQ(fs::read_symlink(target + "/bin/index"), "../index.php");
  EXPECT_EQ(mode(target + "/index.php"), 0644u);
  EXPECT_EQ(mode(target + "/bin/run"), 0755u);
  EXPECT_EQ(mode(target + "/a/deep"), 0755u);
  EXPECT_FALSE(fs::exists(target + "/.git"));
}

TEST_F(CheckOutTest, WritesThousandsOfFilesAsGitDoes) {
  for (int i = 0; i < 3000; ++i)
    tree.write("d" + std::to_string(i % 37) + "/f" + std::to_string(i), std::to_string(i));
  const CommitId commit = tree.commit("many");
  tree.git("gc -q");
  ASSERT_TRUE(check_out(commit));
  EXPECT_EQ(shell("diff -r --exclude=.git '" + tree.path() + "' '" + target + "'"), "");
}

TEST_F(CheckOutTest, WritesAnEmptyTreeAndALargeFile) {
  const CommitId empty = tree.commit("empty");
  const auto nothing = check_out(empty);
  ASSERT_TRUE(nothing) << nothing.error().message;
  EXPECT_EQ(nothing->files, 0u);
  shell("head -c 17000000 /dev/urandom > '" + tree.path() + "/large'");
  ASSERT_TRUE(check_out(tree.commit("large")));
  EXPECT_EQ(shell("cmp '" + tree.path() + "/large' '" + target + "/large'"), "");
}

TEST_F(CheckOutTest, RefusesASymlinkThatLeavesTheTree) {
  tree.write("web/index.php", "1");
  shell("ln -s ../../secret '" + tree.path() + "/web/evil'");
  const CommitId commit = tree.commit("evil");
  EXPECT_EQ(refusal(commit), in(commit) +
                                 "\"web/evil\" is a symbolic link to \"../../secret\", "
                                 "which leads out of the tree");
}

TEST_F(CheckOutTest, RefusesAnAbsoluteSymlink) {
  shell("ln -s /etc/passwd '" + tree.path() + "/evil'");
  const CommitId commit = tree.commit("evil");
  EXPECT_EQ(refusal(commit), in(commit) +
                                 "\"evil\" is a symbolic link to \"/etc/passwd\", which has "
                                 "an absolute target");
}

TEST_F(CheckOutTest, RefusesASubmodule) {
  const CommitId first = tree.commit("first");
  tree.git("update-index --add --cacheinfo 160000," + first.hex + ",vendor/lib");
  tree.git("commit -q -m submodule");
  const CommitId commit{tree.git("rev-parse HEAD")};
  EXPECT_EQ(refusal(commit), in(commit) +
                                 "\"vendor/lib\" is a submodule, which is not supported; "
                                 "commit its files instead");
}

TEST_F(CheckOutTest, RefusesPathsThatNoGitWouldWrite) {
  tree.write("x", "x");
  tree.commit("x");
  const std::string blob = tree.git("rev-parse HEAD:x"), folder = tree.git("rev-parse HEAD^{tree}");
  const CommitId hooks = commit_of("040000 tree " + folder + "\\t.GIT\\n");
  EXPECT_EQ(refusal(hooks), in(hooks) + "\".GIT/x\" has a component that spells \".git\"");
  const CommitId control = commit_of("100644 blob " + blob + "\\ta\\001b\\n");
  EXPECT_EQ(refusal(control), in(control) + "\"a b\" has a control character");
}

TEST_F(CheckOutTest, WritesNothingThroughALinkOfTheSameName) {
  // A tree may hold one name twice: a link to a folder, and that folder.
  tree.write("x", "x");
  shell("ln -s /tmp '" + tree.path() + "/l'");
  tree.commit("x");
  const std::string link = tree.git("hash-object -w --stdin < /dev/null");
  const std::string outside = tree.git("rev-parse HEAD:l"),
                    folder = tree.git("rev-parse HEAD^{tree}");
  tree.git("rm -q --cached l");
  const std::string inner = tree.git("write-tree");
  const CommitId commit =
      commit_of("120000 blob " + outside + "\\td\\n040000 tree " + inner + "\\td\\n");
  const auto result = check_out(commit);
  ASSERT_FALSE(result);
  EXPECT_FALSE(fs::exists("/tmp/x"));
}

TEST_F(CheckOutTest, RefusesADirectoryItCannotHaveToItself) {
  tree.write("x", "x");
  const CommitId commit = tree.commit("x");
  const auto repository = GitRepository::open(tree.path());
  ASSERT_TRUE(repository);
  write_file(target + "/there", "");
  EXPECT_EQ(repository->check_out(commit, target).error().message,
            in(commit) + "\"" + target + "\" is not empty");
  EXPECT_EQ(repository->check_out(commit, "release").error().message,
            in(commit) + "\"release\" is not an absolute path");
  EXPECT_EQ(repository->check_out(commit, target + "/none").error().message,
            in(commit) + "\"" + target + "/none\" cannot be written to: No such file or directory");
}

TEST_F(CheckOutTest, SaysWhichFileIsDamaged) {
  tree.write("x", "x");
  const CommitId commit = tree.commit("x");
  const std::string blob = tree.git("rev-parse HEAD:x");
  const std::string object =
      tree.path() + "/.git/objects/" + blob.substr(0, 2) + "/" + blob.substr(2);
  const std::string other = tree.run("echo y | git hash-object -w --stdin");
  shell("chmod u+w '" + object + "' && cat '" + tree.path() + "/.git/objects/" +
        other.substr(0, 2) + "/" + other.substr(2) + "' > '" + object + "'");
  const auto result = check_out(commit);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::transient);
  EXPECT_EQ(result.error().message.rfind(in(commit) + "read \"x\": object hash mismatch", 0), 0u)
      << result.error().message;
}

}  // namespace
}  // namespace tidegate
