#include "controller/host/files/remove.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <thread>

#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

using test::exists;
using test::put;

TEST(RemoveTreeTest, RemovesATreeAndNothingBeside) {
  const test::Directory directory;
  put(directory / "a/b/c/file", "");
  put(directory / "a/.hidden", "");
  put(directory / "ab/file", "");
  ASSERT_EQ(symlink("nowhere", (directory / "a/b/dangling").c_str()), 0);
  ASSERT_EQ(mkfifo((directory / "a/fifo").c_str(), 0600), 0);
  const auto removed = remove_tree(directory / "a", directory.path());
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(exists(directory / "a"));
  EXPECT_TRUE(exists(directory / "ab/file"));
}

TEST(RemoveTreeTest, AbsentIsSuccessAtEveryLevel) {
  const test::Directory directory;
  EXPECT_TRUE(remove_tree(directory / "a", directory.path()));
  EXPECT_TRUE(remove_tree(directory / "a/b/c", directory.path()));
  EXPECT_TRUE(remove_tree(directory / "x/y", directory / "x"));
}

TEST(RemoveTreeTest, RemovesASingleFileOrLinkButNotWhatItPointsAt) {
  const test::Directory directory;
  put(directory / "kept/file", "");
  ASSERT_EQ(symlink((directory / "kept").c_str(), (directory / "link").c_str()), 0);
  ASSERT_TRUE(remove_tree(directory / "link", directory.path()));
  EXPECT_TRUE(exists(directory / "kept/file"));
  ASSERT_TRUE(remove_tree(directory / "kept/file", directory.path()));
  EXPECT_FALSE(exists(directory / "kept/file"));
}

TEST(RemoveTreeTest, RefusesWhatIsNotStrictlyBelow) {
  const test::Directory directory;
  put(directory / "a/file", "");
  const std::string inside = directory / "a";
  for (const std::string& path :
       {inside, directory.path(), inside + "b", inside + "/../a/file", inside + "//file",
        inside + "/./file", inside + "/", std::string("file"), std::string(""), std::string("/"),
        inside + "/.."}) {
    const auto removed = remove_tree(path, inside);
    ASSERT_FALSE(removed) << path;
    EXPECT_EQ(removed.error().kind, ErrorKind::invalid);
    EXPECT_EQ(removed.error().message, "remove \"" + path + "\": not strictly below \"" + inside +
                                           "\"; nothing was removed");
  }
  EXPECT_TRUE(exists(directory / "a/file"));
}

TEST(RemoveTreeTest, RefusesToGoThroughALinkOnTheWay) {
  const test::Directory directory;
  put(directory / "precious/release/file", "");
  mkdir((directory / "site").c_str(), 0755);
  ASSERT_EQ(symlink("../precious", (directory / "site/env").c_str()), 0);
  const auto removed = remove_tree(directory / "site/env/release", directory.path());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message,
            "open without following links \"" + (directory / "site/env") + "\": Not a directory");
  EXPECT_TRUE(exists(directory / "precious/release/file"));
}

TEST(RemoveTreeTest, CopesWithDirectoriesThatKeepEverybodyOut) {
  const test::Directory directory;
  put(directory / "a/closed/file", "", 0);
  put(directory / "a/readonly/deep/file", "", 0444);
  chmod((directory / "a/readonly/deep").c_str(), 0555);
  chmod((directory / "a/readonly").c_str(), 0555);
  chmod((directory / "a/closed").c_str(), 0);
  chmod((directory / "a").c_str(), 0500);
  const auto removed = remove_tree(directory / "a", directory.path());
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(exists(directory / "a"));
}

/// Nests directories of one letter, which no path can name in whole.
void nest(const std::string& top, int depth) {
  mkdir(top.c_str(), 0755);
  int at = open(top.c_str(), O_RDONLY | O_DIRECTORY);
  for (int level = 0; level < depth; ++level) {
    ASSERT_EQ(mkdirat(at, "d", 0755), 0);
    const int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
    ASSERT_GE(next, 0);
    close(at);
    at = next;
  }
  close(openat(at, "file", O_CREAT | O_WRONLY, 0644));
  close(at);
}

TEST(RemoveTreeTest, RemovesTreesDeeperThanAnyPathAndThanDescriptorsReach) {
  const test::Directory directory;
  nest(directory / "a", 5000);
  const auto removed = remove_tree(directory / "a", directory.path());
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(exists(directory / "a"));
}

TEST(RemoveTreeTest, GoesOnWhereACallWasCutShortWithDeepDirectoriesMoved) {
  const test::Directory directory;
  nest(directory / "a", 300);
  put(directory / "a/.deep-0/file", "");
  put(directory / "a/.deep-1", "");
  const auto removed = remove_tree(directory / "a", directory.path());
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(exists(directory / "a"));
}

TEST(RemoveTreeTest, NeverEntersAMountEvenOfTheSameFileSystem) {
  const test::Directory directory;
  put(directory / "precious/file", "");
  put(directory / "a/b/file", "");
  mkdir((directory / "a/b/mounted").c_str(), 0755);
  const std::string mounted = directory / "a/b/mounted";
  if (mount((directory / "precious").c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "mount not permitted";
  }
  const auto removed = remove_tree(directory / "a", directory.path());
  const auto itself = remove_tree(mounted, directory.path());
  EXPECT_EQ(umount(mounted.c_str()), 0);
  EXPECT_TRUE(exists(directory / "precious/file"));
  const std::string message =
      "remove \"" + mounted + "\": something is mounted there; unmount it first";
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().kind, ErrorKind::invalid);
  EXPECT_EQ(removed.error().message, message);
  ASSERT_FALSE(itself);
  EXPECT_EQ(itself.error().message, message);
  EXPECT_TRUE(remove_tree(directory / "a", directory.path()));
}

TEST(RemoveTreeTest, ADirectorySwappedForALinkAllTheTimeNeverLeadsOut) {
  const test::Directory directory;
  for (int index = 0; index < 50; ++index) put(directory / "precious/" + std::to_string(index), "");
  const std::string link = directory / "link", real = directory / "a/real";
  std::jthread attacker([&](std::stop_token stop) {
    // renameat2 exchanges both in one step: now a directory, now a link to what must stay.
    while (!stop.stop_requested()) {
      syscall(SYS_renameat2, AT_FDCWD, real.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
    }
  });
  for (int round = 0; round < 3000; ++round) {
    // It may have lost the race below; while there is no `real`, nothing can be exchanged.
    bool gone = false;
    for (int attempt = 0; attempt < 1000 && !gone; ++attempt)
      gone = remove_tree(directory / "a", directory.path()) && remove_tree(link, directory.path());
    ASSERT_TRUE(gone);
    ASSERT_EQ(symlink((directory / "precious").c_str(), link.c_str()), 0);
    mkdir((directory / "a").c_str(), 0755);
    mkdir(real.c_str(), 0755);
    close(open((real + "/x").c_str(), O_CREAT | O_WRONLY, 0644));
    const auto removed = remove_tree(directory / "a", directory.path());
    // It may lose the race ten times running; what counts is what it never touches.
    if (!removed) {
      EXPECT_EQ(removed.error().kind, ErrorKind::transient) << removed.error().message;
    }
  }
  for (int index = 0; index < 50; ++index) {
    EXPECT_TRUE(exists(directory / "precious/" + std::to_string(index))) << index;
  }
}

TEST(RemoveTreeTest, SaysSoWhenSomebodyKeepsWriting) {
  const test::Directory directory;
  mkdir((directory / "a").c_str(), 0755);
  const int handle = open((directory / "a").c_str(), O_RDONLY | O_DIRECTORY);
  std::jthread writer([&](std::stop_token stop) {
    for (int index = 0; !stop.stop_requested(); ++index) {
      close(openat(handle, std::to_string(index % 1000).c_str(), O_CREAT | O_WRONLY, 0644));
    }
  });
  // Either it wins the race, and the writer has no directory any more, or it gives up and says so.
  const auto removed = remove_tree(directory / "a", directory.path());
  writer.request_stop();
  writer.join();
  close(handle);
  if (!removed) {
    EXPECT_EQ(removed.error().kind, ErrorKind::transient);
    EXPECT_EQ(removed.error().message,
              "remove \"" + (directory / "a") + "\": somebody keeps creating files in it");
  } else {
    EXPECT_FALSE(exists(directory / "a"));
  }
}

}  // namespace
}  // namespace tidegate
