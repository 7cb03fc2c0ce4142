#include "controller/git/tree_rules.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(TreeRulesTest, SpellsAPathAsATreeDoes) {
  EXPECT_EQ(tree_path(""), "");
  EXPECT_EQ(tree_path("."), "");
  EXPECT_EQ(tree_path("./fleet//sites/"), "fleet/sites");
  EXPECT_EQ(tree_path("/etc"), std::nullopt);
  EXPECT_EQ(tree_path("a/../b"), std::nullopt);
  EXPECT_EQ(tree_path(std::string("a\0b", 3)), std::nullopt);
}

TEST(TreeRulesTest, RefusesPathsThatAreNoPlainFileNames) {
  EXPECT_EQ(path_problem("web/index.php"), "");
  EXPECT_EQ(path_problem(".gitignore"), "");
  EXPECT_EQ(path_problem("web/.github/x"), "");
  EXPECT_EQ(path_problem("a/../b"), "has a component \"..\"");
  EXPECT_EQ(path_problem("a/./b"), "has a component \".\"");
  EXPECT_EQ(path_problem("a//b"), "has an empty component");
  EXPECT_EQ(path_problem(std::string(256, 'x')), "has a component of more than 255 bytes");
  EXPECT_EQ(path_problem("a\nb"), "has a control character");
}

TEST(TreeRulesTest, RefusesEverySpellingOfDotGit) {
  for (const char* path : {".git/config", "web/.GIT/hooks/x", ".Git", ".git.", ".git ", "GIT~1/x"})
    EXPECT_EQ(path_problem(path), "has a component that spells \".git\"") << path;
}

TEST(TreeRulesTest, AcceptsLinksThatStayInside) {
  EXPECT_EQ(link_problem("current", {{"current", "releases/1"}}), "");
  EXPECT_EQ(link_problem("web/a", {{"web/a", "../lib/a"}}), "");
  EXPECT_EQ(link_problem("web/root", {{"web/root", ".."}}), "");
  EXPECT_EQ(link_problem("web/missing", {{"web/missing", "./not/there"}}), "");
}

TEST(TreeRulesTest, RefusesLinksThatLeave) {
  EXPECT_EQ(link_problem("a", {{"a", "/etc/passwd"}}), "has an absolute target");
  EXPECT_EQ(link_problem("a", {{"a", ".."}}), "leads out of the tree");
  EXPECT_EQ(link_problem("web/a", {{"web/a", "../../x"}}), "leads out of the tree");
  EXPECT_EQ(link_problem("a", {{"a", ""}}), "has no target");
  // Out and in again is out: the tree's folder has no name of its own that a link may rely on.
  EXPECT_EQ(link_problem("a", {{"a", "../code/x"}}), "leads out of the tree");
}

TEST(TreeRulesTest, FollowsLinksThroughLinksAsTheKernelDoes) {
  // Read as text, x leads to "p"; through the link it leads above the tree.
  EXPECT_EQ(link_problem("x", {{"p/q/r", "../.."}, {"x", "p/q/r/../.."}}), "leads out of the tree");
  EXPECT_EQ(link_problem("x", {{"p/q/r", "../.."}, {"x", "p/q/r/p"}}), "");
  EXPECT_EQ(link_problem("x", {{"y", "/etc"}, {"x", "y/passwd"}}), "has an absolute target");
  EXPECT_EQ(link_problem("x", {{"x", "y"}, {"y", "x"}}), "leads through too many links");
}

}  // namespace
}  // namespace tidegate
