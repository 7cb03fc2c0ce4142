// Manifests from a real git repository and from a plain directory.

#include "controller/service/sources.h"

#include <gtest/gtest.h>

#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

class SourcesTest : public testing::Test {
 protected:
  SourcesTest() : tree(directory / "fleet") {
    tree.write("acme.yaml", "one\n");
    tree.write("sites/other.yaml", "two\n");
    tree.write("README.md", "no manifest\n");
    first = tree.commit("first");
    settings.name = "fleet";
    settings.url = tree.path();
  }
  static std::vector<std::string> paths(const ManifestChanges& changes) {
    std::vector<std::string> out;
    for (const auto& change : changes.changes)
      out.push_back(change.path + (change.text ? "" : " gone"));
    return out;
  }
  std::string revision_of(const std::string& place) const {
    auto read = read_manifests(place, Secrets(), mirrors);
    return read ? read->revision : read.error().message;
  }
  TemporaryDirectory directory;
  WorkTree tree;
  CommitId first;
  SourceSettings settings;
  std::string mirrors = directory / "mirrors";
};

TEST_F(SourcesTest, ReadsARepositoryAndThenWhatChanged) {
  GitSource source(settings, Secrets(), mirrors);
  EXPECT_EQ(source.name(), "fleet");
  auto all = source.changed_since("");
  ASSERT_TRUE(all && *all) << (all ? "nothing" : all.error().message);
  EXPECT_EQ((*all)->revision, first.hex);
  EXPECT_EQ((*all)->author, "Ada Lovelace <ada@example.org>");
  EXPECT_TRUE((*all)->complete);
  EXPECT_EQ(paths(**all), (std::vector<std::string>{"acme.yaml", "sites/other.yaml"}));
  auto none = source.changed_since(first.hex);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  tree.git("rm -q sites/other.yaml");
  const CommitId second = tree.commit("second");
  auto changed = source.changed_since(first.hex);
  ASSERT_TRUE(changed && *changed);
  EXPECT_EQ((*changed)->revision, second.hex);
  EXPECT_FALSE((*changed)->complete);
  EXPECT_EQ(paths(**changed), std::vector<std::string>{"sites/other.yaml gone"});
}

TEST_F(SourcesTest, ReadsAFolderOfABranch) {
  tree.git("checkout -q -b production");
  tree.write("sites/other.yaml", "three\n");
  tree.commit("production");
  settings.ref = "production";
  settings.path = "sites";
  auto all = GitSource(settings, Secrets(), mirrors).changed_since("");
  ASSERT_TRUE(all && *all);
  EXPECT_EQ(paths(**all), std::vector<std::string>{"other.yaml"});
  EXPECT_EQ(*(*all)->changes[0].text, "three\n");
}

TEST_F(SourcesTest, WhatCannotBeReadIsAnErrorAndNeverNothing) {
  settings.url = directory / "none";
  EXPECT_FALSE(GitSource(settings, Secrets(), mirrors).changed_since(""));
  settings.url = tree.path();
  settings.ref = "none";
  EXPECT_FALSE(GitSource(settings, Secrets(), mirrors).changed_since(""));
  settings.ref = "main";
  tree.git("rm -q acme.yaml sites/other.yaml");
  tree.commit("emptied");
  EXPECT_FALSE(GitSource(settings, Secrets(), mirrors).changed_since(first.hex));
}

TEST_F(SourcesTest, ReadsCredentialsAtEachLook) {
  settings.credentials = SecretRef{"git-token", SecretRef::Scope::platform};
  GitSource source(settings, Secrets(directory / "secrets"), mirrors);
  auto missing = source.changed_since("");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message,
            "credentials of " + tree.path() + ": secret \"git-token\": cannot read \"" +
                (directory / "secrets/git-token") + "\": No such file or directory");
  write_file(directory / "secrets/git-token", "token\n");
  EXPECT_TRUE(source.changed_since(""));
}

TEST_F(SourcesTest, ADirectoryTellsTheCommitItsWorkTreeIsAt) {
  auto read = read_manifests(tree.path(), Secrets(), mirrors);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->revision, first.hex);
  EXPECT_EQ(read->author, "Ada Lovelace <ada@example.org>");
  EXPECT_TRUE(read->complete);
  EXPECT_EQ(paths(*read), (std::vector<std::string>{"acme.yaml", "sites/other.yaml"}));
  EXPECT_EQ(revision_of(tree.path() + "/sites"), first.hex) << "a folder inside of one";
  write_file(directory / "plain/acme.yaml", "x");
  EXPECT_EQ(revision_of(directory / "plain"), "");
  EXPECT_FALSE(std::filesystem::exists(mirrors));
}

TEST_F(SourcesTest, ManifestsThatNobodyCommittedAreNobodys) {
  tree.write("notes.txt", "no manifest");
  EXPECT_EQ(revision_of(tree.path()), first.hex);
  tree.write("acme.yaml", "edited\n");
  auto edited = read_manifests(tree.path(), Secrets(), mirrors);
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ(edited->revision + edited->author, "");
  EXPECT_EQ(revision_of(tree.path() + "/sites"), first.hex) << "nothing changed there";
  tree.git("checkout -q acme.yaml");
  tree.write("sites/untracked.yaml", "x\n");
  EXPECT_EQ(revision_of(tree.path()), "");
  tree.git("add -A");
  EXPECT_EQ(revision_of(tree.path()), "") << "not committed yet";
  tree.git("rm -qf sites/untracked.yaml sites/other.yaml");
  EXPECT_EQ(revision_of(tree.path()), "");
}

TEST_F(SourcesTest, ADirectoryWithoutManifestsIsAnError) {
  write_file(directory / "plain/readme.txt", "x");
  auto read = read_manifests(directory / "plain", Secrets(), mirrors);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "no manifest (*.yaml, *.yml) lies below \"" +
                                      (directory / "plain") + "\"; nothing is changed");
}

TEST_F(SourcesTest, AReferenceMayBeACommit) {
  tree.write("acme.yaml", "later\n");
  tree.commit("second");
  auto read = read_manifests("file://" + tree.path() + "@" + first.hex, Secrets(), mirrors);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->revision, first.hex);
  EXPECT_EQ(*read->changes[0].text, "one\n");
  const std::string none(40, '0');
  auto missing = read_manifests(tree.path() + "@" + none, Secrets(), mirrors);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, tree.path() + "@" + none + ": git repository \"" +
                                         tree.path() + "\" has no commit \"" + none +
                                         "\" (it has main); nothing is changed");
}

TEST_F(SourcesTest, AUrlWithoutAReferenceIsToldToNameOne) {
  for (const std::string url :
       {"file:///srv/fleet.git", "ssh://git@git.example.org/fleet.git",
        "https://git.example.org/fleet.git", "git@git.example.org:acme/fleet.git"}) {
    auto read = read_manifests(url, Secrets(), mirrors);
    ASSERT_FALSE(read) << url;
    EXPECT_EQ(read.error().message, "\"" + url +
                                        "\" names no branch, tag or commit; add one after an @, as "
                                        "in \"" +
                                        url + "@main\"");
  }
  auto remote = remote_manifests("ssh://git@git.example.org:22/fleet.git@feature/x");
  ASSERT_TRUE(remote && *remote);
  EXPECT_EQ((*remote)->url, "ssh://git@git.example.org:22/fleet.git");
  EXPECT_EQ((*remote)->ref, "feature/x");
}

TEST_F(SourcesTest, AUrlNamesItsReferenceAfterAnAt) {
  auto read = read_manifests(tree.path() + "@main", Secrets(), mirrors);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->revision, first.hex);
  EXPECT_FALSE(read_manifests(tree.path() + "@none", Secrets(), mirrors));
  EXPECT_FALSE(read_manifests(directory / "none", Secrets(), mirrors));
  write_file(directory / "with@sign/acme.yaml", "x");
  EXPECT_TRUE(read_manifests(directory / "with@sign", Secrets(), mirrors))
      << "a directory is one, whatever it is called";
}

}  // namespace
}  // namespace tidegate
