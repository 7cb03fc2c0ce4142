#include "controller/host/files/marks.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

using test::put;
using test::text_of;

void expect_refused(const std::string& root, const std::string& message) {
  const auto claimed = claim_root(root);
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().kind, ErrorKind::invalid);
  EXPECT_EQ(claimed.error().message, message);
}

TEST(MarksTest, ClaimsAnEmptyDirectoryOnceAndWritesNothingAfter) {
  const test::Directory directory;
  mkdir((directory / "lost+found").c_str(), 0700);
  EXPECT_FALSE(*is_ours(directory.path()));
  ASSERT_TRUE(claim_root(directory.path()));
  EXPECT_TRUE(*is_ours(directory.path()));
  const auto id = root_id(directory.path());
  ASSERT_TRUE(id && *id);
  EXPECT_EQ((*id)->size(), 32u);
  EXPECT_EQ(text_of(directory / ".tidegate/root.json"),
            "{\"apiVersion\": \"tidegate/v1\", \"kind\": \"Root\", \"id\": \"" + **id + "\"}\n");
  const auto before = test::status_of(directory / ".tidegate");
  put(directory / "acme/file", "x");
  ASSERT_TRUE(claim_root(directory.path()));
  EXPECT_EQ(**root_id(directory.path()), **id);
  EXPECT_EQ(test::status_of(directory / ".tidegate").st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

TEST(MarksTest, GivesEachRootAnIdOfItsOwn) {
  const test::Directory one, other;
  ASSERT_TRUE(claim_root(one.path()));
  ASSERT_TRUE(claim_root(other.path()));
  EXPECT_NE(**root_id(one.path()), **root_id(other.path()));
}

TEST(MarksTest, RefusesWhatHoldsAnythingElse) {
  const test::Directory directory;
  put(directory / "acme/wp-config.php", "precious");
  expect_refused(directory.path(), "root \"" + directory.path() +
                                       "\" holds \"acme\", which is not Tidegate's: choose an "
                                       "empty directory");
  EXPECT_FALSE(test::exists(directory / ".tidegate"));
}

TEST(MarksTest, RefusesWhatIsNotADirectoryOrNotThere) {
  const test::Directory directory;
  put(directory / "file", "");
  expect_refused(directory / "none", "root \"" + (directory / "none") +
                                         "\" does not exist: create the directory, or mount it");
  expect_refused(directory / "file", "root \"" + (directory / "file") + "\" is not a directory");
  expect_refused("/", "root \"/\" is not an absolute path below /");
  expect_refused("sites", "root \"sites\" is not an absolute path below /");
}

TEST(MarksTest, GoesOnWhereAClaimWasCutShort) {
  const test::Directory directory;
  put(directory / ".tidegate/.root.json.new", "{\"apiVer");
  ASSERT_TRUE(claim_root(directory.path()));
  EXPECT_TRUE(*is_ours(directory.path()));
}

TEST(MarksTest, RefusesAForeignDirectoryOfItsOwnName) {
  const test::Directory directory;
  put(directory / ".tidegate/other", "");
  expect_refused(directory.path(), "root \"" + directory.path() +
                                       "\" holds \".tidegate/other\", which is not Tidegate's: "
                                       "choose an empty directory");
}

TEST(MarksTest, NoRootHasNoId) {
  const test::Directory directory;
  const auto id = root_id(directory / "none");
  ASSERT_TRUE(id);
  EXPECT_FALSE(*id);
}

TEST(MarksTest, ADamagedMarkIsAnErrorAndNeverReplaced) {
  const test::Directory directory;
  put(directory / ".tidegate/root.json", "{}");
  const std::string message = "the mark \"" + (directory / ".tidegate/root.json") +
                              "\" is damaged: put it back from a backup";
  expect_refused(directory.path(), message);
  const auto ours = is_ours(directory.path());
  ASSERT_FALSE(ours);
  EXPECT_EQ(ours.error().message, message);
  EXPECT_EQ(text_of(directory / ".tidegate/root.json"), "{}");
}

TEST(MarksTest, OfSeveralClaimsAtOnceOneStands) {
  for (int round = 0; round < 20; ++round) {
    const test::Directory directory;
    std::string ids[4];
    {
      std::vector<std::jthread> threads;
      for (std::string& id : ids) {
        threads.emplace_back([&] {
          ASSERT_TRUE(claim_root(directory.path()));
          id = **root_id(directory.path());
        });
      }
    }
    EXPECT_EQ(std::set<std::string>(std::begin(ids), std::end(ids)).size(), 1u);
  }
}

}  // namespace
}  // namespace tidegate
