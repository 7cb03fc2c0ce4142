#include "controller/git/source.h"

#include <gtest/gtest.h>

#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

using Paths = std::vector<std::string>;

Paths paths(const std::vector<FileChange>& changes) {
  Paths paths;
  for (const FileChange& change : changes) paths.push_back((change.text ? "" : "-") + change.path);
  return paths;
}

class GitManifestsTest : public testing::Test {
 protected:
  GitManifests manifests(const std::string& ref, const std::string& path) const {
    return {Mirror(directory / "mirrors", tree.path(), {}, std::chrono::seconds(60)), ref, path};
  }
  Snapshot changes(const std::optional<CommitId>& since) {
    auto result = source.changed_since(since);
    if (!result) throw std::runtime_error(result.error().message);
    if (!*result) throw std::runtime_error("nothing changed");
    return std::move(**result);
  }
  static std::string error_of(const Result<std::optional<Snapshot>>& result) {
    if (result) return "no error";
    EXPECT_EQ(result.error().kind, ErrorKind::invalid);
    return result.error().message;
  }
  std::string repository() const { return "git repository \"" + tree.path() + "\""; }

  TemporaryDirectory directory;
  WorkTree tree{directory / "tree"};
  GitManifests source = manifests("main", "fleet");
};

TEST_F(GitManifestsTest, TellsEverythingAtFirstAndThenWhatChanged) {
  tree.write("fleet/acme/site.yaml", "site");
  tree.write("fleet/acme/live.yml", "live");
  tree.write("fleet/README.md", "text");
  tree.write("fleet/.hidden/x.yaml", "hidden");
  tree.write("elsewhere.yaml", "outside");
  const CommitId first = tree.commit("Fleet");
  const Snapshot all = changes(std::nullopt);
  EXPECT_EQ(all.commit, first);
  EXPECT_EQ(all.author, "Ada Lovelace <ada@example.org>");
  EXPECT_EQ(all.subject, "Fleet");
  EXPECT_TRUE(all.complete);
  EXPECT_FALSE(all.rewritten);
  EXPECT_EQ(paths(all.changes), (Paths{"acme/live.yml", "acme/site.yaml"}));
  EXPECT_EQ(all.changes[1].text, "site");
  const auto same = source.changed_since(first);
  ASSERT_TRUE(same);
  EXPECT_FALSE(*same);

  tree.write("fleet/acme/site.yaml", "site, edited");
  tree.write("fleet/new.yaml", "new");
  tree.write("elsewhere.yaml", "outside, edited");
  std::filesystem::remove(tree.path() + "/fleet/acme/live.yml");
  tree.commit("Edit");
  const Snapshot some = changes(first);
  EXPECT_FALSE(some.complete);
  EXPECT_EQ(paths(some.changes), (Paths{"-acme/live.yml", "acme/site.yaml", "new.yaml"}));
  EXPECT_EQ(some.changes[1].text, "site, edited");
}

TEST_F(GitManifestsTest, ACommitThatTouchesNoManifestIsSeenWithoutChanges) {
  tree.write("fleet/a.yaml", "a");
  const CommitId first = tree.commit("first");
  changes(std::nullopt);
  const CommitId second = tree.commit("nothing");
  const Snapshot snapshot = changes(first);
  EXPECT_EQ(snapshot.commit, second);
  EXPECT_TRUE(snapshot.changes.empty());
}

TEST_F(GitManifestsTest, ARewrittenBranchIsComparedByItsTrees) {
  tree.write("fleet/a.yaml", "a");
  tree.write("fleet/b.yaml", "b");
  tree.commit("root");
  tree.write("fleet/b.yaml", "b, lost later");
  const CommitId lost = tree.commit("lost");
  changes(std::nullopt);
  tree.git("reset -q --hard HEAD~1");
  tree.write("fleet/c.yaml", "c");
  tree.commit("instead");
  const Snapshot snapshot = changes(lost);
  EXPECT_TRUE(snapshot.rewritten);
  EXPECT_FALSE(snapshot.complete);
  EXPECT_EQ(paths(snapshot.changes), (Paths{"b.yaml", "c.yaml"}));
  EXPECT_EQ(snapshot.changes[0].text, "b");
}

TEST_F(GitManifestsTest, AnUnknownCommitMeansTellingEverything) {
  tree.write("fleet/a.yaml", "a");
  tree.commit("first");
  const Snapshot snapshot = changes(CommitId{std::string(40, '1')});
  EXPECT_TRUE(snapshot.rewritten);
  EXPECT_TRUE(snapshot.complete);
  EXPECT_EQ(paths(snapshot.changes), (Paths{"a.yaml"}));
}

TEST_F(GitManifestsTest, AnEmptyRepositoryChangesNothing) {
  EXPECT_EQ(error_of(source.changed_since(std::nullopt)),
            repository() + " has no branch and no tag; nothing is changed");
}

TEST_F(GitManifestsTest, AnEmptiedTreeChangesNothing) {
  tree.write("fleet/a.yaml", "a");
  tree.write("fleet/notes.md", "stays");
  const CommitId first = tree.commit("first");
  changes(std::nullopt);
  std::filesystem::remove(tree.path() + "/fleet/a.yaml");
  const CommitId second = tree.commit("emptied");
  const std::string message =
      "commit \"" + second.brief() + "\" of " + repository() +
      " holds no manifest (*.yaml, *.yml) below \"fleet\"; nothing is changed";
  EXPECT_EQ(error_of(source.changed_since(first)), message);
  EXPECT_EQ(error_of(source.changed_since(std::nullopt)), message);
  const CommitId third = tree.commit("and another");
  EXPECT_NE(error_of(source.changed_since(second)), "no error");
  tree.write("fleet/a.yaml", "a");
  tree.commit("back");
  EXPECT_TRUE(changes(first).changes.empty());
}

TEST_F(GitManifestsTest, AMissingBranchOrPathChangesNothing) {
  tree.write("fleet/a.yaml", "a");
  const CommitId first = tree.commit("first");
  for (const char* name : {"b1", "b2", "b3", "b4", "b5"}) tree.git(std::string("branch ") + name);
  EXPECT_EQ(error_of(manifests("production", "fleet").changed_since(first)),
            repository() +
                " has no branch or tag \"production\" (it has b1, b2, b3, b4, b5 and 1 "
                "more); nothing is changed");
  EXPECT_EQ(error_of(manifests("main", "fleets").changed_since(std::nullopt)),
            "commit \"" + first.brief() + "\" of " + repository() +
                " has no \"fleets\"; nothing is changed");
  EXPECT_EQ(error_of(manifests("main", "../x").changed_since(std::nullopt)),
            "\"../x\" is no path inside a repository");
}

TEST_F(GitManifestsTest, AVanishedRepositoryChangesNothing) {
  tree.write("fleet/a.yaml", "a");
  const CommitId first = tree.commit("first");
  changes(std::nullopt);
  std::filesystem::rename(tree.path(), directory / "moved");
  EXPECT_EQ(error_of(source.changed_since(first)), repository() + ": No such file or directory");
}

TEST_F(GitManifestsTest, FollowsATagAndAFullName) {
  tree.write("a.yaml", "a");
  const CommitId first = tree.commit("first");
  tree.git("tag -a -m note v1");
  tree.commit("second");
  for (const char* ref : {"v1", "refs/tags/v1"}) {
    const auto snapshot = manifests(ref, ".").changed_since(std::nullopt);
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    EXPECT_EQ((**snapshot).commit, first);
  }
}

TEST_F(GitManifestsTest, PassesOnWhatIsTooLargeOrALinkAsSuch) {
  tree.write("fleet/a.yaml", "a");
  tree.write("fleet/b.yaml", std::string((256 << 10) + 1, '#'));
  tree.write("fleet/c.yaml", std::string(256 << 10, '#'));
  shell("ln -s a.yaml '" + tree.path() + "/fleet/link.yaml'");
  tree.commit("first");
  const Snapshot snapshot = changes(std::nullopt);
  EXPECT_EQ(paths(snapshot.changes), (Paths{"a.yaml", "b.yaml", "c.yaml", "link.yaml"}));
  EXPECT_EQ(snapshot.changes[3].text, "a symbolic link, not a file");
  EXPECT_GT(snapshot.changes[1].text->size(), 256u << 10);
  EXPECT_EQ(snapshot.changes[2].text->size(), 256u << 10);
  EXPECT_EQ(snapshot.skipped,
            (Paths{"\"link.yaml\" is a symbolic link, not a file; it is not read"}));
}

TEST(ReadDirectoryTest, ReadsManifestsSortedAndFollowsLinksInside) {
  TemporaryDirectory directory;
  write_file(directory / "b.yaml", "b");
  write_file(directory / "a/z.yml", "z");
  write_file(directory / "README.md", "text");
  write_file(directory / ".git/config.yaml", "hidden");
  shell("ln -s a/z.yml '" + (directory / "link.yaml") + "'");
  const auto files = read_directory(directory.path());
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(paths(*files), (Paths{"a/z.yml", "b.yaml", "link.yaml"}));
  EXPECT_EQ((*files)[2].text, "z");
}

TEST(ReadDirectoryTest, RefusesALinkThatLeavesAndAFolderThatIsNone) {
  TemporaryDirectory directory;
  write_file(directory / "outside.yaml", "secret");
  std::filesystem::create_directory(directory / "fleet");
  shell("ln -s ../outside.yaml '" + (directory / "fleet/evil.yaml") + "'");
  const auto evil = read_directory(directory / "fleet");
  ASSERT_FALSE(evil);
  EXPECT_EQ(evil.error().message, "\"" + (directory / "fleet/evil.yaml") +
                                      "\" is a link that leaves \"" + (directory / "fleet") +
                                      "\"; put a copy of the file there");
  EXPECT_EQ(read_directory(directory / "none").error().message,
            "\"" + (directory / "none") + "\" cannot be read: No such file or directory");
  write_file(directory / "one.yaml", "kind: Site\n");
  EXPECT_EQ(read_directory(directory / "one.yaml").error().message,
            "\"" + (directory / "one.yaml") +
                "\" is a file; manifests are read from a directory: name the one it lies in");
}

}  // namespace
}  // namespace tidegate
