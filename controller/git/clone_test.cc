// A directory of a clone knows its repository and what is checked out.

#include "controller/git/clone.h"

#include <gtest/gtest.h>

#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

TEST(CloneTest, IsFoundAroundADirectoryOfItsWorkTree) {
  const TemporaryDirectory directory;
  const WorkTree tree(directory / "tree");
  tree.write("fleet/sites/live.yaml", "x\n");
  EXPECT_FALSE(clone_around(tree.path())->head) << "no commit yet";
  const CommitId first = tree.commit("first");
  const auto place = clone_around(tree.path() + "/fleet/sites");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->below, "fleet/sites/");
  EXPECT_EQ(place->branch, "main");
  EXPECT_EQ(place->head, first);
  EXPECT_EQ(place->repository, tree.path() + "/.git/");
  EXPECT_EQ(clone_around(tree.path())->below, "");
  tree.git("worktree add -q -b topic '" + (directory / "second") + "'");
  EXPECT_EQ(clone_around((directory / "second") + "/fleet")->branch, "topic");
  tree.git("checkout -q --detach");
  EXPECT_EQ(clone_around(tree.path())->branch, "");
  EXPECT_FALSE(clone_around(directory.path()));
  EXPECT_FALSE(clone_around(directory / "nowhere"));
}

}  // namespace
}  // namespace tidegate
