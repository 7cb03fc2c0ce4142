#include "controller/git/former_document.h"

#include <gtest/gtest.h>

#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

class FormerDocumentTest : public testing::Test {
 protected:
  FormerDocumentTest() : tree(directory / "fleet") {}

  static std::string live(const std::string& code) {
    return "---\napiVersion: tidegate/v1\nkind: Environment\nmetadata: {name: live, site: acme}\n"
           "spec: {code: {tag: " +
           code + "}}\n";
  }
  CommitId says(const std::string& path, const std::string& text) {
    tree.write(path, text);
    return tree.commit("write " + path);
  }
  FormerDocument former(const std::string& path = "acme.yaml") {
    auto repository = GitRepository::open(tree.path());
    auto found = former_document(*repository, {tree.git("rev-parse HEAD")}, path, "acme", "live");
    if (found) return *found;
    ADD_FAILURE() << found.error().message;
    return {};
  }
  TemporaryDirectory directory;
  WorkTree tree;
};

TEST_F(FormerDocumentTest, IsWhatItSaidBeforeTheCommitThatChangedIt) {
  says("acme.yaml", live("one"));
  const CommitId asked = says("acme.yaml", live("two"));
  says("other.yaml", "a: b\n");
  const FormerDocument found = former();
  EXPECT_EQ(found.asked, asked);
  EXPECT_EQ(found.facts.author, "Ada Lovelace <ada@example.org>");
  EXPECT_EQ(found.facts.subject, "write acme.yaml");
  EXPECT_EQ(found.text, live("one").substr(3));
}

TEST_F(FormerDocumentTest, WhatChangedNothingButTheLayoutDidNotAsk) {
  says("acme.yaml", live("one"));
  const CommitId asked = says("acme.yaml", live("two"));
  says("acme.yaml", "# the fleet\n" + live("'two'") + "# pinned\n---\nkind: Other\n");
  says("acme.yaml", "# the fleet\n" + live("two") + "# pinned\n---\nkind: Another\n");
  EXPECT_EQ(former().asked, asked);
}

TEST_F(FormerDocumentTest, IsFollowedThroughFiles) {
  says("acme.yaml", live("one"));
  const CommitId asked = says("acme.yaml", live("two"));
  tree.git("rm -q acme.yaml");
  says("sites/live.yaml", live("two"));
  EXPECT_EQ(former("sites/live.yaml").asked, asked);
  tree.git("rm -q -r sites");
  const CommitId moved = says("third.yaml", live("three"));
  EXPECT_EQ(former("third.yaml").asked, moved);
  EXPECT_EQ(former("third.yaml").text, live("two").substr(3));
}

TEST_F(FormerDocumentTest, OfAMergeWhatTheBranchSaidBeforeCounts) {
  says("acme.yaml", live("one"));
  tree.git("switch -q -c work");
  says("acme.yaml", live("between"));
  says("acme.yaml", live("two"));
  tree.git("switch -q main");
  says("other.yaml", "a: b\n");
  tree.git("merge -q --no-ff -m merge work");
  const FormerDocument found = former();
  EXPECT_EQ(found.asked.hex, tree.git("rev-parse HEAD"));
  EXPECT_EQ(found.text, live("one").substr(3));
}

TEST_F(FormerDocumentTest, SaysWhenThereWasNone) {
  says("other.yaml", "a: b\n");
  const CommitId asked = says("acme.yaml", live("one"));
  EXPECT_EQ(former().asked, asked);
  EXPECT_FALSE(former().text);
  auto repository = GitRepository::open(tree.path());
  auto none = former_document(*repository, asked, "other.yaml", "acme", "live");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "\"other.yaml\" of commit " + asked.brief() +
                                      " does not hold the document of acme/live");
}

}  // namespace
}  // namespace tidegate
