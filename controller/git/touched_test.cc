#include "controller/git/touched.h"

#include <gtest/gtest.h>

#include "controller/git/source.h"
#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

using Commits = std::vector<CommitId>;

class TouchedTest : public testing::Test {
 protected:
  TouchedTest() : tree(directory / "fleet") { first = write("sites/acme.yaml", "1"); }
  CommitId write(const std::string& name, const std::string& text) {
    tree.write(name, text);
    return tree.commit(name + " " + text);
  }
  std::map<std::string, Commits> between(const CommitId& before, const CommitId& after,
                                         const std::string& under = "") {
    auto repository = GitRepository::open(tree.path());
    auto touched = touched_between(*repository, before, after, under);
    EXPECT_TRUE(touched);
    return touched ? std::move(*touched) : std::map<std::string, Commits>{};
  }
  TemporaryDirectory directory;
  WorkTree tree;
  CommitId first;
};

TEST_F(TouchedTest, NamesEveryCommitOfAFileNewestFirst) {
  const CommitId second = write("sites/acme.yaml", "2");
  const CommitId other = write("sites/beta.yaml", "1");
  const CommitId third = write("sites/acme.yaml", "3");
  const std::map<std::string, Commits> expected{{"sites/acme.yaml", {third, second}},
                                                {"sites/beta.yaml", {other}}};
  EXPECT_EQ(between(first, third), expected);
  EXPECT_EQ(between(first, third, "sites"), expected);
  EXPECT_EQ(between(first, third, "elsewhere"), (std::map<std::string, Commits>{}));
  EXPECT_EQ(between(second, other).count("sites/acme.yaml"), 0u);
}

TEST_F(TouchedTest, NamesAMergeThatChoseAndWhatItBrought) {
  tree.git("checkout -q -b feature");
  const CommitId feature = write("sites/acme.yaml", "2");
  tree.git("checkout -q main");
  const CommitId main = write("sites/beta.yaml", "1");
  tree.git("merge -q --no-ff -m merge feature");
  const CommitId merge{tree.git("rev-parse HEAD")};
  EXPECT_EQ(between(first, merge),
            (std::map<std::string, Commits>{{"sites/acme.yaml", {merge, feature}},
                                            {"sites/beta.yaml", {merge, main}}}));
}

TEST_F(TouchedTest, NamesTheRootOfAnotherHistory) {
  tree.git("checkout -q --orphan other");
  const CommitId root = write("sites/acme.yaml", "2");
  EXPECT_EQ(between(first, root).at("sites/acme.yaml"), Commits{root});
}

TEST_F(TouchedTest, ASnapshotSaysWhoBroughtEachFile) {
  GitManifests manifests(Mirror(directory / "mirrors", tree.path(), {}, std::chrono::minutes(1)),
                         "main", "sites");
  auto all = manifests.changed_since(std::nullopt);
  ASSERT_TRUE(all && *all) << all.error().message;
  EXPECT_EQ((*all)->changes[0].commits, Commits{first});
  const CommitId middle = write("sites/acme.yaml", "2");
  const CommitId newest = write("sites/acme.yaml", "3");
  tree.git("rm -q sites/acme.yaml");
  const CommitId taken = write("sites/beta.yaml", "1");
  auto news = manifests.changed_since(first);
  ASSERT_TRUE(news && *news);
  EXPECT_EQ((*news)->changes[0].path, "acme.yaml");
  EXPECT_EQ((*news)->changes[0].commits, (Commits{taken, newest, middle}));
  EXPECT_EQ((*news)->changes[1].commits, Commits{taken});
  // The branch goes back: nobody touched the file, so the tip answers.
  tree.git("reset -q --hard " + middle.hex);
  auto rewound = manifests.changed_since(taken);
  ASSERT_TRUE(rewound && *rewound);
  EXPECT_EQ((*rewound)->changes[0].commits, Commits{middle});
}

}  // namespace
}  // namespace tidegate
