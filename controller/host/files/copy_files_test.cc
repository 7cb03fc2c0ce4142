#include "controller/host/files/copy_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <atomic>
#include <set>
#include <thread>

#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

using test::exists;
using test::mode_of;
using test::put;
using test::status_of;
using test::text_of;

void set_mtime(const std::string& path, time_t seconds, long nanoseconds) {
  const timespec times[2] = {{1, 0}, {seconds, nanoseconds}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

TEST(CopyFilesTest, KeepsBytesModesAndTimes) {
  const test::Directory directory;
  put(directory / "from/2026/a.jpg", std::string(100000, 'a'), 0640);
  put(directory / "from/b", "", 0604);
  put(directory / "from/set", "", 04755);
  mkdir((directory / "from/empty").c_str(), 0);
  chmod((directory / "from/empty").c_str(), 0710);
  set_mtime(directory / "from/2026/a.jpg", 1'000'000, 123'456'789);
  set_mtime(directory / "from/2026", 2'000'000, 987'654'321);
  const auto copied = copy_files(directory / "from", directory / "to");
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(text_of(directory / "to/2026/a.jpg"), std::string(100000, 'a'));
  EXPECT_EQ(mode_of(directory / "to/2026/a.jpg"), 0640u);
  EXPECT_EQ(mode_of(directory / "to/b"), 0604u);
  EXPECT_EQ(mode_of(directory / "to/set"), 0755u);
  EXPECT_EQ(mode_of(directory / "to/empty"), 0710u);
  EXPECT_EQ(mode_of(directory / "to"), mode_of(directory / "from"));
  const auto file = status_of(directory / "to/2026/a.jpg");
  EXPECT_EQ(file.st_mtim.tv_sec, 1'000'000);
  EXPECT_EQ(file.st_mtim.tv_nsec, 123'456'789);
  const auto folder = status_of(directory / "to/2026");
  EXPECT_EQ(folder.st_mtim.tv_sec, 2'000'000);
  EXPECT_EQ(folder.st_mtim.tv_nsec, 987'654'321);
  EXPECT_EQ(copied->files, 3u);
  EXPECT_EQ(copied->directories, 2u);
  EXPECT_EQ(copied->bytes, 100000u);
}

TEST(CopyFilesTest, CopiesAreIndependentOfTheirSource) {
  const test::Directory directory;
  put(directory / "from/a", "old");
  link((directory / "from/a").c_str(), (directory / "from/b").c_str());
  ASSERT_TRUE(copy_files(directory / "from", directory / "to"));
  put(directory / "from/a", "new");
  EXPECT_EQ(text_of(directory / "to/a"), "old");
  EXPECT_EQ(text_of(directory / "to/b"), "old");
  EXPECT_NE(status_of(directory / "to/a").st_ino, status_of(directory / "to/b").st_ino);
}

TEST(CopyFilesTest, KeepsLinksThatStayInsideAndNamesThoseThatDoNot) {
  const test::Directory directory;
  put(directory / "from/a/b/file", "x");
  put(directory / "secret", "");
  const auto make_link = [&](const std::string& target, const std::string& name) {
    ASSERT_EQ(symlink(target.c_str(), (directory / "from/" + name).c_str()), 0);
  };
  make_link("a/b/file", "plain");
  make_link("../../a", "a/b/up");
  make_link("nowhere", "dangling");
  make_link("ring", "ring");
  make_link("/etc/passwd", "absolute");
  make_link("../secret", "outside");
  // By their text alone these stay inside; through another link they do not.
  make_link("../../a", "a/b/top");
  make_link("top/../../secret", "a/b/crooked");
  const auto copied = copy_files(directory / "from", directory / "to");
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(std::filesystem::read_symlink(directory / "to/plain"), "a/b/file");
  EXPECT_EQ(std::filesystem::read_symlink(directory / "to/a/b/up"), "../../a");
  EXPECT_EQ(std::filesystem::read_symlink(directory / "to/dangling"), "nowhere");
  EXPECT_EQ(std::filesystem::read_symlink(directory / "to/ring"), "ring");
  EXPECT_EQ(copied->links, 5u);
  EXPECT_EQ(copied->outside_links.count, 3u);
  EXPECT_EQ(copied->outside_links.first,
            (std::vector<std::string>{"a/b/crooked", "absolute", "outside"}));
}

TEST(CopyFilesTest, SkipsAndCountsWhatIsNoFileAndNamesTheFirstTwenty) {
  const test::Directory directory;
  std::vector<std::string> expected;
  mkdir((directory / "from").c_str(), 0755);
  for (int index = 10; index < 40; ++index) {
    const std::string name = "fifo" + std::to_string(index);
    ASSERT_EQ(mkfifo((directory / "from/" + name).c_str(), 0644), 0);
    if (index < 30) expected.push_back(name);
  }
  const auto copied = copy_files(directory / "from", directory / "to");
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->special.count, 30u);
  EXPECT_EQ(copied->special.first, expected);
  EXPECT_TRUE(std::filesystem::is_empty(directory / "to"));
}

TEST(CopyFilesTest, KeepsHoles) {
  const test::Directory directory;
  mkdir((directory / "from").c_str(), 0755);
  const std::string path = directory / "from/sparse";
  const int file = open(path.c_str(), O_CREAT | O_WRONLY, 0644);
  ASSERT_EQ(pwrite(file, "middle", 6, 4 << 20), 6);
  ASSERT_EQ(ftruncate(file, 8 << 20), 0);
  close(file);
  ASSERT_TRUE(copy_files(directory / "from", directory / "to"));
  EXPECT_EQ(status_of(directory / "to/sparse").st_size, 8 << 20);
  EXPECT_LT(status_of(directory / "to/sparse").st_blocks * 512, 1 << 20);
  EXPECT_TRUE(text_of(directory / "to/sparse") == text_of(path));
}

TEST(CopyFilesTest, CopiesToAnotherFileSystem) {
  const test::Directory directory;
  char name[] = "/dev/shm/tidegate-files-XXXXXX";
  if (!mkdtemp(name)) GTEST_SKIP() << "no /dev/shm";
  put(directory / "from/a", std::string(3 << 20, 'a'), 0600);
  const auto copied = copy_files(directory / "from", std::string(name) + "/to");
  const std::string text = text_of(std::string(name) + "/to/a");
  ASSERT_TRUE(remove_tree(name, "/dev/shm"));
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_TRUE(text == std::string(3 << 20, 'a'));
}

TEST(CopyFilesTest, GivesTheCopyToItsOwner) {
  const test::Directory directory;
  put(directory / "from/a/file", "x", 0440);
  ASSERT_EQ(symlink("a", (directory / "from/link").c_str()), 0);
  CopyOptions options;
  options.owner = {getuid(), getgid()};
  if (test::is_root()) options.owner = {65534u, 65533u};
  options.add_owner_access = true;
  const auto copied = copy_files(directory / "from", directory / "to", options);
  ASSERT_TRUE(copied) << copied.error().message;
  for (const char* path : {"to", "to/a", "to/a/file", "to/link"}) {
    EXPECT_EQ(status_of(directory / path).st_uid, options.owner->first) << path;
    EXPECT_EQ(status_of(directory / path).st_gid, options.owner->second) << path;
  }
  EXPECT_EQ(mode_of(directory / "to/a/file"), 0640u);
}

TEST(CopyFilesTest, RefusesATargetThatHoldsSomething) {
  const test::Directory directory;
  put(directory / "from/a", "x");
  put(directory / "to/b", "x");
  const auto copied = copy_files(directory / "from", directory / "to");
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().kind, ErrorKind::invalid);
  EXPECT_EQ(copied.error().message, "copy \"" + (directory / "from") + "\" to \"" +
                                        (directory / "to") +
                                        "\": it is not empty; remove it first");
}

TEST(CopyFilesTest, NeitherSideMayBeALink) {
  const test::Directory directory;
  put(directory / "real/a", "x");
  mkdir((directory / "other").c_str(), 0755);
  ASSERT_EQ(symlink("real", (directory / "from").c_str()), 0);
  ASSERT_EQ(symlink("other", (directory / "to").c_str()), 0);
  const auto from_link = copy_files(directory / "from", directory / "x");
  const auto to_link = copy_files(directory / "real", directory / "to");
  ASSERT_FALSE(from_link);
  ASSERT_FALSE(to_link);
  EXPECT_EQ(to_link.error().message,
            "open directory \"" + (directory / "to") + "\": Not a directory");
  EXPECT_TRUE(std::filesystem::is_empty(directory / "other"));
}

TEST(CopyFilesTest, TellsProgressThatRisesToAHundred) {
  const test::Directory directory;
  for (int index = 0; index < 50; ++index) put(directory / "from/" + std::to_string(index), "x");
  std::vector<int> told;
  CopyOptions options;
  options.progress = [&](int percent) { told.push_back(percent); };
  ASSERT_TRUE(copy_files(directory / "from", directory / "to", options));
  ASSERT_GT(told.size(), 10u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(std::set<int>(told.begin(), told.end()).size(), told.size());
  EXPECT_EQ(told.back(), 100);
}

TEST(CopyFilesTest, StopsWhenAskedTo) {
  const test::Directory directory;
  for (int index = 0; index < 1000; ++index) put(directory / "from/" + std::to_string(index), "x");
  std::atomic<int> asked{0};
  CopyOptions options;
  options.stop = [&] { return ++asked > 100; };
  const auto copied = copy_files(directory / "from", directory / "to", options);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().kind, ErrorKind::transient);
  EXPECT_EQ(copied.error().message,
            "copy \"" + (directory / "from") + "\" to \"" + (directory / "to") + "\": stopped");
  EXPECT_LT(std::distance(std::filesystem::directory_iterator(directory / "to"), {}), 200);
}

TEST(CopyFilesTest, SaysHowMuchIsFreeWhenTheDiskIsFull) {
  const test::Directory directory;
  const std::string disk = directory / "disk";
  put(directory / "from/a", std::string(2 << 20, 'a'));
  mkdir(disk.c_str(), 0755);
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "mount not permitted";
  const auto copied = copy_files(directory / "from", disk + "/to");
  EXPECT_EQ(umount(disk.c_str()), 0);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().kind, ErrorKind::transient);
  EXPECT_EQ(copied.error().message,
            "disk full: copy to \"" + disk + "/to/a\": 0 KiB free on its file system");
}

TEST(CopyFilesTest, EveryFileThatIsReplacedWholeArrivesWholeUnderManyWriters) {
  const test::Directory directory;
  const std::string from = directory / "from";
  for (int index = 0; index < 200; ++index) {
    put(from + "/" + std::to_string(index % 7) + "/" + std::to_string(index),
        std::string(50000, 'a'));
  }
  // As applications do: write beside, rename over; and delete, and create anew.
  const auto write = [&](std::stop_token stop, int seed) {
    for (int round = seed; !stop.stop_requested(); ++round) {
      const int index = round * 37 % 200;
      const std::string folder = from + "/" + std::to_string(index % 7) + "/";
      const std::string path = folder + std::to_string(index);
      const std::string beside = folder + ".new" + std::to_string(seed);
      std::ofstream(beside) << std::string(50000, static_cast<char>('a' + round % 20));
      rename(beside.c_str(), path.c_str());
      if (round % 11 == 0) unlink(path.c_str());
    }
  };
  std::jthread one(write, 1), two(write, 2);
  for (int round = 0; round < 5; ++round) {
    const std::string to = directory / "to" + std::to_string(round);
    const auto copied = copy_files(from, to);
    ASSERT_TRUE(copied) << copied.error().message;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(to)) {
      if (!entry.is_regular_file() || entry.path().filename().string()[0] == '.') continue;
      const std::string text = text_of(entry.path());
      ASSERT_EQ(text.size(), 50000u) << entry.path();
      ASSERT_EQ(text, std::string(50000, text[0])) << entry.path();
    }
  }
}

// `stop` is asked while a file is read, so that it can stand for the page that writes meanwhile.

TEST(CopyFilesTest, AFileThatGrowsAllTheTimeEndsAndIsReported) {
  const test::Directory directory;
  const std::string log = directory / "from/log";
  put(log, std::string(1 << 20, 'x'));
  CopyOptions options;
  options.stop = [&] {
    std::ofstream(log, std::ios::app) << "line\n";
    return false;
  };
  const auto copied = copy_files(directory / "from", directory / "to", options);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->files, 1u);
  if (copied->reflinked == 0) {
    EXPECT_EQ(copied->changing.count, 1u);
    EXPECT_EQ(copied->changing.first, std::vector<std::string>{"log"});
  }
  EXPECT_TRUE(text_of(directory / "to/log").starts_with(std::string(1 << 20, 'x')));
}

TEST(CopyFilesTest, AFileWrittenOnceWhileItIsReadIsReadAgain) {
  const test::Directory directory;
  const std::string page = directory / "from/page";
  put(page, std::string(100, 'a'));
  int asked = 0;
  CopyOptions options;
  options.stop = [&] {
    // The first question comes before the file is opened.
    if (++asked == 2) put(page, std::string(40, 'b'));
    return false;
  };
  const auto copied = copy_files(directory / "from", directory / "to", options);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->changing.count, 0u);
  if (copied->reflinked > 0) GTEST_SKIP() << "reflinks take a file in one moment";
  EXPECT_EQ(text_of(directory / "to/page"), std::string(40, 'b'));
}

TEST(CopyFilesTest, WhatVanishesAfterItWasListedIsSkippedAndReported) {
  const test::Directory directory;
  put(directory / "from/a", "x");
  put(directory / "from/b", "x");
  put(directory / "from/c/d", "x");
  CopyOptions options;
  options.threads = 1;
  options.stop = [&] {
    std::filesystem::remove(directory / "from/b");
    std::filesystem::remove_all(directory / "from/c");
    return false;
  };
  const auto copied = copy_files(directory / "from", directory / "to", options);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->files, 1u);
  EXPECT_EQ(copied->vanished.count, 2u);
  EXPECT_EQ(copied->vanished.first, (std::vector<std::string>{"b", "c"}));
  EXPECT_FALSE(exists(directory / "to/b"));
}

TEST(CopyFilesTest, FilesAndDirectoriesSwappedForLinksNeverLeadOut) {
  const test::Directory directory;
  put(directory / "secret/file", "secret");
  const std::string folder = directory / "from/folder", file = directory / "from/file";
  put(folder + "/file", "public");
  put(file, "public");
  const std::string folder_link = directory / "folder-link", file_link = directory / "file-link";
  ASSERT_EQ(symlink((directory / "secret").c_str(), folder_link.c_str()), 0);
  ASSERT_EQ(symlink((directory / "secret/file").c_str(), file_link.c_str()), 0);
  std::jthread attacker([&](std::stop_token stop) {
    const auto exchange = [](const std::string& one, const std::string& other) {
      syscall(SYS_renameat2, AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
    };
    while (!stop.stop_requested()) exchange(folder, folder_link), exchange(file, file_link);
  });
  for (int round = 0; round < 200; ++round) {
    const std::string to = directory / "to";
    CopyOptions options;
    options.durable = false;
    const auto copied = copy_files(directory / "from", to, options);
    ASSERT_TRUE(copied) << copied.error().message;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(to)) {
      ASSERT_FALSE(entry.is_symlink()) << entry.path();
      if (!entry.is_regular_file()) continue;
      ASSERT_EQ(text_of(entry.path()), "public") << entry.path();
    }
    ASSERT_TRUE(remove_tree(to, directory.path()));
  }
}

}  // namespace
}  // namespace tidegate
