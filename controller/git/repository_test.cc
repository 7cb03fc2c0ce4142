#include "controller/git/repository.h"

#include <gtest/gtest.h>

#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

class RepositoryTest : public testing::Test {
 protected:
  GitRepository open() const {
    auto repository = GitRepository::open(tree.path());
    if (!repository) throw std::runtime_error(repository.error().message);
    return std::move(*repository);
  }
  static std::vector<std::string> paths(const std::vector<TrackedFile>& entries) {
    std::vector<std::string> paths;
    for (const TrackedFile& entry : entries)
      paths.push_back((entry.blob.empty() ? "-" : "") + entry.path);
    return paths;
  }
  using Paths = std::vector<std::string>;

  TemporaryDirectory directory;
  WorkTree tree{directory / "tree"};
};

TEST_F(RepositoryTest, OpensBareRepositoriesAndWorkTreesAndNothingElse) {
  tree.commit("first");
  shell("git clone -q --bare '" + tree.path() + "' '" + (directory / "bare.git") + "'");
  EXPECT_TRUE(GitRepository::open(tree.path()));
  EXPECT_TRUE(GitRepository::open(tree.path() + "/.git"));
  EXPECT_TRUE(GitRepository::open(directory / "bare.git"));
  const auto none = GitRepository::open(directory.path());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::invalid);
  EXPECT_EQ(none.error().message, "\"" + directory.path() + "\" is not a git repository");
}

TEST_F(RepositoryTest, ResolvesBranchesAndTagsToCommits) {
  const CommitId commit = tree.commit("first");
  tree.git("tag light");
  tree.git("tag -a -m note annotated");
  tree.git("tag tree-tag HEAD^{tree}");
  tree.git("pack-refs --all");
  const GitRepository repository = open();
  EXPECT_EQ(repository.resolve("refs/heads/main"), commit);
  EXPECT_EQ(repository.resolve("refs/tags/light"), commit);
  EXPECT_EQ(repository.resolve("refs/tags/annotated"), commit);
  EXPECT_EQ(repository.resolve("refs/tags/tree-tag"), std::nullopt);
  EXPECT_EQ(repository.resolve("refs/heads/none"), std::nullopt);
  EXPECT_EQ(repository.resolve("refs/heads/../../x"), std::nullopt);
  EXPECT_EQ(repository.references(), (Paths{"refs/heads/main", "refs/tags/annotated",
                                            "refs/tags/light", "refs/tags/tree-tag"}));
}

TEST_F(RepositoryTest, TellsAuthorSubjectAndTime) {
  const CommitId commit = tree.commit("Promote acme\n\nBecause.");
  const auto facts = open().facts(commit);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->id, commit);
  EXPECT_EQ(facts->author, "Ada Lovelace <ada@example.org>");
  EXPECT_EQ(facts->subject, "Promote acme");
  EXPECT_EQ(to_rfc3339(facts->at), "2026-02-03T04:05:06Z");
}

TEST_F(RepositoryTest, MakesHostileTextOfACommitOneLineOfUtf8) {
  const CommitId commit{
      tree.git("-c i18n.commitEncoding=latin1 commit -q --allow-empty -m \"$(printf "
               "'gr\\374n \\033[31mred\\r!')\" && git rev-parse HEAD")};
  const auto facts = open().facts(commit);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->subject, "grün [31mred !");
}

TEST_F(RepositoryTest, AnUnknownCommitIsAnErrorEverywhere) {
  tree.commit("first");
  const GitRepository repository = open();
  const CommitId unknown{std::string(40, '1')};
  const std::string message = "commit \"" + unknown.hex + "\" is not in the repository";
  EXPECT_FALSE(repository.has(unknown));
  EXPECT_FALSE(repository.has(CommitId{"main"}));
  EXPECT_EQ(repository.facts(unknown).error().message, message);
  EXPECT_EQ(repository.list(unknown, "").error().message, message);
  EXPECT_EQ(repository.changed(unknown, unknown, "").error().message, message);
  EXPECT_FALSE(repository.has_path(unknown, ""));
}

TEST_F(RepositoryTest, ListsFilesBelowAPathSorted) {
  tree.write("a.txt", "1");
  tree.write("a/z.txt", "22");
  tree.write("a/b/c.txt", "333");
  tree.write("run.sh", "");
  shell("chmod +x '" + tree.path() + "/run.sh' && ln -s a.txt '" + tree.path() + "/link'");
  const CommitId commit = tree.commit("first");
  const GitRepository repository = open();
  const auto all = repository.list(commit, ".");
  ASSERT_TRUE(all);
  EXPECT_EQ(paths(*all), (Paths{"a.txt", "a/b/c.txt", "a/z.txt", "link", "run.sh"}));
  EXPECT_EQ((*all)[1].size, 3u);
  EXPECT_EQ((*all)[0].mode, 0100644u);
  EXPECT_EQ((*all)[3].mode, 0120000u);
  EXPECT_EQ((*all)[4].mode, 0100755u);
  EXPECT_EQ(paths(*repository.list(commit, "a/")), (Paths{"a/b/c.txt", "a/z.txt"}));
  EXPECT_EQ(paths(*repository.list(commit, "a.txt")), (Paths{"a.txt"}));
  EXPECT_EQ(repository.list(commit, "none").error().message,
            "there is no \"none\" in commit \"" + commit.brief() + "\"");
  EXPECT_EQ(repository.list(commit, "../x").error().message,
            "\"../x\" is no path inside a repository");
}

TEST_F(RepositoryTest, ComparesTwoCommitsBelowAPath) {
  tree.write("fleet/same.yaml", "1");
  tree.write("fleet/edited.yaml", "1");
  tree.write("fleet/gone.yaml", "1");
  tree.write("fleet/file-to-folder", "1");
  tree.write("fleet/folder/x.yaml", "1");
  tree.write("other.yaml", "1");
  const CommitId before = tree.commit("first");
  shell("cd '" + tree.path() +
        "/fleet' && rm -r gone.yaml file-to-folder folder && mkdir "
        "file-to-folder && chmod +x same.yaml");
  tree.write("fleet/edited.yaml", "22");
  tree.write("fleet/file-to-folder/in.yaml", "1");
  tree.write("fleet/folder", "1");
  tree.write("fleet/new.yaml", "1");
  tree.write("other.yaml", "2");
  const CommitId after = tree.commit("second");
  const GitRepository repository = open();
  const auto changed = repository.changed(before, after, "fleet");
  ASSERT_TRUE(changed);
  EXPECT_EQ(paths(*changed),
            (Paths{"fleet/edited.yaml", "-fleet/file-to-folder", "fleet/file-to-folder/in.yaml",
                   "fleet/folder", "-fleet/folder/x.yaml", "-fleet/gone.yaml", "fleet/new.yaml",
                   "fleet/same.yaml"}));
  EXPECT_EQ((*changed)[0].size, 2u);
  EXPECT_TRUE(repository.changed(before, before, "")->empty());
  EXPECT_EQ(repository.changed(before, after, "")->size(), 9u);
  EXPECT_EQ(paths(*repository.changed(before, after, "other.yaml")), (Paths{"other.yaml"}));
  EXPECT_TRUE(repository.changed(before, after, "none")->empty());
}

TEST_F(RepositoryTest, ReadsABlobOnlyUpToItsLimit) {
  tree.write("a.txt", "12345");
  const CommitId commit = tree.commit("first");
  const GitRepository repository = open();
  const std::string blob = (*repository.list(commit, ""))[0].blob;
  EXPECT_EQ(*repository.read_blob(blob, 5), "12345");
  const auto large = repository.read_blob(blob, 4);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().kind, ErrorKind::invalid);
  EXPECT_EQ(large.error().message, "blob \"" + blob + "\" has 5 bytes, more than 4");
  EXPECT_EQ(repository.read_blob(commit.hex, 1000).error().message,
            "blob \"" + commit.hex + "\" is not in the repository");
}

TEST_F(RepositoryTest, KnowsTrackedPathsAndAncestors) {
  tree.write("web/uploads/a.jpg", "1");
  const CommitId first = tree.commit("first");
  const CommitId second = tree.commit("second");
  tree.git("checkout -q --orphan other");
  const CommitId other = tree.commit("other");
  const GitRepository repository = open();
  EXPECT_TRUE(repository.has_path(first, "web/uploads"));
  EXPECT_TRUE(repository.has_path(first, "web/uploads/a.jpg"));
  EXPECT_FALSE(repository.has_path(first, "web/up"));
  EXPECT_TRUE(repository.is_ancestor(first, second));
  EXPECT_TRUE(repository.is_ancestor(first, first));
  EXPECT_FALSE(repository.is_ancestor(second, first));
  EXPECT_FALSE(repository.is_ancestor(first, other));
  EXPECT_FALSE(repository.is_ancestor(CommitId{std::string(40, '1')}, first));
}

TEST_F(RepositoryTest, RefusesATreeThatNeverEnds) {
  // Thirty folders, each holding the one below ten times: ten to the thirtieth paths.
  std::string id = tree.git("mktree < /dev/null");
  for (int level = 0; level < 30; ++level) {
    std::string lines;
    for (int i = 0; i < 10; ++i) lines += "040000 tree " + id + "\\t" + std::to_string(i) + "\\n";
    id = tree.run("printf '" + lines + "' | git mktree");
  }
  const CommitId bomb{tree.git("commit-tree -m bomb " + id)};
  const auto files = open().list(bomb, "");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().message,
            "commit \"" + bomb.brief() + "\": the tree has more than 1000000 folders");
}

TEST_F(RepositoryTest, RefusesATreeOfAThousandsOfLevels) {
  std::string script =
      "set -e; id=$(git mktree < /dev/null); i=0; while [ $i -lt 60 ]; do "
      "id=$(printf \"040000 tree $id\\t" +
      std::string(100, 'd') + "\\n\" | git mktree); i=$((i+1)); done; git commit-tree -m deep $id";
  const CommitId deep{tree.run("sh -c '" + script + "'")};
  const auto files = open().list(deep, "");
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().message, "commit \"" + deep.brief() +
                                       "\": the tree has a path of more than 4095 bytes: \"" +
                                       std::string(60, 'd') + "…\"");
}

}  // namespace
}  // namespace tidegate
