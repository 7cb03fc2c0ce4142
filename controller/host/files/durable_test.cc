#include "controller/host/files/durable.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <thread>

#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

using test::mode_of;
using test::put;
using test::text_of;

TEST(WriteDurablyTest, WritesExactlyTheTextAndTheModeWhateverTheUmask) {
  const test::Directory directory;
  const mode_t before = umask(0077);
  const auto written = write_durably(directory / "a", std::string("one\0two", 7), 0644);
  umask(before);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(text_of(directory / "a"), std::string("one\0two", 7));
  EXPECT_EQ(mode_of(directory / "a"), 0644u);
}

TEST(WriteDurablyTest, ReplacesTheFileAndLeavesNothingBeside) {
  const test::Directory directory;
  put(directory / "a", "a much longer old text", 0600);
  ASSERT_TRUE(write_durably(directory / "a", "new", 0640));
  EXPECT_EQ(text_of(directory / "a"), "new");
  EXPECT_EQ(mode_of(directory / "a"), 0640u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(WriteDurablyTest, UsesAgainWhatACrashLeftBehind) {
  const test::Directory directory;
  put(directory / ".a.new", "half of a text that was longer than the new one");
  ASSERT_TRUE(write_durably(directory / "a", "new", 0644));
  EXPECT_EQ(text_of(directory / "a"), "new");
  EXPECT_FALSE(test::exists(directory / ".a.new"));
}

TEST(WriteDurablyTest, OfManyWritersAtOnceEachTextIsWhole) {
  const test::Directory directory;
  const auto write = [&](char letter) {
    const std::string text(10000, letter);
    for (int round = 0; round < 20; ++round) {
      const auto written = write_durably(directory / "a", text, 0644);
      ASSERT_TRUE(written) << written.error().message;
      const std::string seen = text_of(directory / "a");
      ASSERT_EQ(seen.size(), 10000u);
      ASSERT_EQ(seen, std::string(10000, seen[0]));
    }
  };
  std::jthread one(write, 'x'), two(write, 'y'), three(write, 'z');
  one.join(), two.join(), three.join();
}

TEST(WriteDurablyTest, RefusesToReplaceADirectoryOrALink) {
  const test::Directory directory;
  mkdir((directory / "d").c_str(), 0755);
  ASSERT_EQ(symlink("/etc/passwd", (directory / "l").c_str()), 0);
  const auto over_directory = write_durably(directory / "d", "x", 0644);
  const auto over_link = write_durably(directory / "l", "x", 0644);
  ASSERT_FALSE(over_directory);
  ASSERT_FALSE(over_link);
  EXPECT_EQ(over_directory.error().kind, ErrorKind::invalid);
  EXPECT_EQ(over_directory.error().message,
            '"' + (directory / "d") + "\" is in the way: it is not a regular file; move it away");
  EXPECT_EQ(over_link.error().message,
            '"' + (directory / "l") + "\" is in the way: it is not a regular file; move it away");
}

TEST(WriteDurablyTest, NamesThePathAndTheReasonWhenTheDirectoryIsMissing) {
  const test::Directory directory;
  const auto written = write_durably(directory / "none/a", "x", 0644);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::transient);
  EXPECT_EQ(written.error().message,
            "create \"" + (directory / "none/a") + "\": No such file or directory");
}

TEST(WriteDurablyTest, ShowsOddPathsOnOneLine) {
  const test::Directory directory;
  const auto written = write_durably(directory / "a\nb\"/c", "x", 0644);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message,
            "create \"" + (directory / "a\\x0ab\\\"/c") + "\": No such file or directory");
}

TEST(WriteDurablyTest, SaysHowMuchIsFreeOnAFullDiskAndKeepsTheOldText) {
  const test::Directory directory;
  const std::string disk = directory / "disk";
  mkdir(disk.c_str(), 0755);
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "mount not permitted";
  ASSERT_TRUE(write_durably(disk + "/a", "old", 0644));
  const auto written = write_durably(disk + "/a", std::string(2 << 20, 'x'), 0644);
  EXPECT_EQ(text_of(disk + "/a"), "old");
  EXPECT_FALSE(test::exists(disk + "/.a.new"));
  EXPECT_EQ(umount(disk.c_str()), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::transient);
  EXPECT_EQ(written.error().message,
            "disk full: write \"" + disk + "/a\": 0 KiB free on its file system");
}

TEST(RemoveDurablyTest, RemovesAFileOrALinkOnceAndNoDirectory) {
  const test::Directory directory;
  put(directory / "a", "text");
  ASSERT_TRUE(point_link(directory / "link", "a"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(remove_durably(directory / "link"));
    EXPECT_TRUE(remove_durably(directory / "a"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_TRUE(remove_durably(directory / "none/a"));
  std::filesystem::create_directory(directory / "folder");
  const auto refused = remove_durably(directory / "folder");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "remove \"" + (directory / "folder") + "\": Is a directory");
}

TEST(ReadSmallTest, TellsAbsentFromEmpty) {
  const test::Directory directory;
  put(directory / "empty", "");
  const auto absent = read_small(directory / "none", 10);
  const auto below_a_file = read_small(directory / "empty/none", 10);
  const auto empty = read_small(directory / "empty", 10);
  ASSERT_TRUE(absent && below_a_file && empty);
  EXPECT_FALSE(absent->has_value());
  EXPECT_FALSE(below_a_file->has_value());
  EXPECT_EQ(**empty, "");
}

TEST(ReadSmallTest, ReadsUpToTheLimitAndRefusesAByteMore) {
  const test::Directory directory;
  put(directory / "a", std::string(100000, 'x'));
  const auto fits = read_small(directory / "a", 100000);
  const auto over = read_small(directory / "a", 99999);
  ASSERT_TRUE(fits);
  EXPECT_EQ((*fits)->size(), 100000u);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().message, "read \"" + (directory / "a") + "\": longer than 99999 bytes");
}

TEST(ReadSmallTest, NeverWaitsOnAFifo) {
  const test::Directory directory;
  ASSERT_EQ(mkfifo((directory / "f").c_str(), 0644), 0);
  const auto read = read_small(directory / "f", 10);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "read \"" + (directory / "f") + "\": not a regular file");
}

TEST(MakeDirectoryTest, MakesParentsAndKeepsTheModesOfThoseThatExist) {
  const test::Directory directory;
  mkdir((directory / "a").c_str(), 0700);
  const mode_t before = umask(0077);
  const auto made = make_directory(directory / "a/b/c/", 0751);
  umask(before);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(mode_of(directory / "a"), 0700u);
  EXPECT_EQ(mode_of(directory / "a/b"), 0755u);
  EXPECT_EQ(mode_of(directory / "a/b/c"), 0751u);
  ASSERT_TRUE(make_directory(directory / "a/b/c", 0700));
  EXPECT_EQ(mode_of(directory / "a/b/c"), 0751u);
}

TEST(MakeDirectoryTest, SaysWhatIsInTheWay) {
  const test::Directory directory;
  put(directory / "a", "");
  const auto made = make_directory(directory / "a/b", 0755);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::invalid);
  EXPECT_EQ(made.error().message,
            '"' + (directory / "a") + "\" is in the way: it is not a directory; move it away");
}

TEST(PointLinkTest, SwitchesAndTouchesNothingWhenItPointsThereAlready) {
  const test::Directory directory;
  ASSERT_TRUE(point_link(directory / "current", "releases/1"));
  ASSERT_TRUE(point_link(directory / "current", "releases/2"));
  const auto first = test::status_of(directory / "current");
  const auto parent = test::status_of(directory.path());
  ASSERT_TRUE(point_link(directory / "current", "releases/2"));
  const auto second = test::status_of(directory / "current");
  EXPECT_EQ(first.st_ino, second.st_ino);
  EXPECT_EQ(parent.st_mtim.tv_nsec, test::status_of(directory.path()).st_mtim.tv_nsec);
  EXPECT_EQ(**read_link(directory / "current"), "releases/2");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(PointLinkTest, AReaderAlwaysFindsOneOfBothTargets) {
  const test::Directory directory;
  put(directory / "1/page", "one");
  put(directory / "2/page", "two");
  ASSERT_TRUE(point_link(directory / "current", "1"));
  std::jthread writer([&](std::stop_token stop) {
    for (int round = 0; !stop.stop_requested(); ++round) {
      ASSERT_TRUE(point_link(directory / "current", round % 2 ? "1" : "2"));
    }
  });
  for (int round = 0; round < 5000; ++round) {
    const std::string page = text_of(directory / "current/page");
    ASSERT_TRUE(page == "one" || page == "two") << page;
  }
}

TEST(PointLinkTest, RefusesToReplaceADirectoryOrAFile) {
  const test::Directory directory;
  mkdir((directory / "d").c_str(), 0755);
  put(directory / "f", "precious");
  const auto over_directory = point_link(directory / "d", "x");
  const auto over_file = point_link(directory / "f", "x");
  ASSERT_FALSE(over_directory);
  ASSERT_FALSE(over_file);
  EXPECT_EQ(over_file.error().message,
            '"' + (directory / "f") + "\" is in the way: it is not a symbolic link; move it away");
  EXPECT_EQ(text_of(directory / "f"), "precious");
}

TEST(ReadLinkTest, TellsAbsentFromSomethingElse) {
  const test::Directory directory;
  put(directory / "f", "");
  const auto absent = read_link(directory / "none");
  ASSERT_TRUE(absent);
  EXPECT_FALSE(absent->has_value());
  const auto other = read_link(directory / "f");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message, "read link \"" + (directory / "f") + "\": not a symbolic link");
}

TEST(SyncTest, SyncsTheFileSystemOfAPathAndNamesAMissingOne) {
  const test::Directory directory;
  EXPECT_TRUE(sync_tree_filesystem(directory.path()));
  const auto synced = sync_tree_filesystem(directory / "none");
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().message,
            "open \"" + (directory / "none") + "\": No such file or directory");
}

}  // namespace
}  // namespace tidegate
