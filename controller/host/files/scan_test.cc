#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "controller/host/files/test_directory.h"
#include "controller/host/files/tree.h"
#include "controller/host/files/tree_parts.h"

namespace tidegate {
namespace {

using test::put;
using test::status_of;
using test::text_of;

/// A build, a release linked from it, and a manifest whose stat records are up to date.
class ScanTest : public testing::Test {
 protected:
  void SetUp() override {
    put(build + "/index.php", "<?php one();\n");
    put(build + "/lib/a.php", "a\n");
    put(build + "/lib/b.php", "b\n");
    put(build + "/bin/run", "run\n", 0755);
    ASSERT_EQ(symlink("lib/a.php", (build + "/link").c_str()), 0);
    auto made = seal_tree(build);
    ASSERT_TRUE(made) << made.error().message;
    manifest = std::move(*made);
    ASSERT_TRUE(link_tree(build, manifest, code, {}));
    settle();
  }

  /// Scans once the clock that stamps files has moved on, so that every record can be trusted.
  void settle() {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    ASSERT_EQ(changes(), std::vector<Change>{});
    manifest.renewed = false;
  }

  std::vector<Change> changes(bool thorough = false) {
    auto found = scan(code, manifest, excluded, thorough);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : std::vector<Change>{};
  }

  /// Writes without a new inode, as an editor that was told to, or a page, would.
  static void change_in_place(const std::string& path, const std::string& text) {
    const auto before = status_of(path);
    ASSERT_EQ(chmod(path.c_str(), 0644), 0);
    std::ofstream(path, std::ios::in | std::ios::out) << text;
    ASSERT_EQ(status_of(path).st_ino, before.st_ino);
    const timespec times[2] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    ASSERT_EQ(chmod(path.c_str(), before.st_mode & 07777), 0);
  }

  const test::Directory directory;
  const std::string build = directory / "build", code = directory / "code";
  TreeManifest manifest;
  std::vector<std::string> excluded;
};

TEST_F(ScanTest, AnUnchangedTreeHasNoChangesAndRenewsNothing) {
  EXPECT_EQ(changes(), std::vector<Change>{});
  EXPECT_EQ(changes(true), std::vector<Change>{});
  EXPECT_FALSE(manifest.renewed);
}

TEST_F(ScanTest, SeesEveryKindOfChangeInTheOrderOfPaths) {
  std::filesystem::remove(code + "/index.php");
  put(code + "/index.php", "<?php two();\n", 0444);
  std::filesystem::remove(code + "/lib/a.php");
  std::filesystem::remove(code + "/lib/b.php");
  mkdir((code + "/lib/b.php").c_str(), 0755);
  put(code + "/lib/c.php", "new\n");
  std::filesystem::create_directory(code + "/empty");
  chmod((code + "/bin/run").c_str(), 0755);
  std::filesystem::remove(code + "/link");
  ASSERT_EQ(symlink("lib/b.php", (code + "/link").c_str()), 0);
  EXPECT_EQ(changes(), (std::vector<Change>{{"bin/run", ChangeKind::mode},
                                            {"empty", ChangeKind::added},
                                            {"index.php", ChangeKind::changed},
                                            {"lib/a.php", ChangeKind::removed},
                                            {"lib/b.php", ChangeKind::type},
                                            {"lib/c.php", ChangeKind::added},
                                            {"link", ChangeKind::changed}}));
}

TEST_F(ScanTest, SeesAFileWrittenInPlaceWithItsSizeAndMtimePutBack) {
  change_in_place(code + "/index.php", "<?php bad();\n");
  EXPECT_EQ(changes(), (std::vector<Change>{{"index.php", ChangeKind::changed}}));
}

TEST_F(ScanTest, AChangeInPlaceThroughAHardLinkIsSeenInTheBuildToo) {
  change_in_place(code + "/lib/a.php", "A\n");
  EXPECT_EQ(text_of(build + "/lib/a.php"), "A\n");
  const auto found = verify_build(build, manifest);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (std::vector<Change>{{"lib/a.php", ChangeKind::changed}}));
}

TEST_F(ScanTest, AChangeByReplacementLeavesTheBuildAlone) {
  put(code + "/lib/new", "A\n", 0444);
  std::filesystem::rename(code + "/lib/new", code + "/lib/a.php");
  EXPECT_EQ(changes(), (std::vector<Change>{{"lib/a.php", ChangeKind::changed}}));
  const auto found = verify_build(build, manifest);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->empty());
}

TEST_F(ScanTest, AChangeRightAfterTheRecordIsSeenAlthoughTheClockHasNotTicked) {
  for (int round = 0; round < 20; ++round) {
    change_in_place(code + "/lib/a.php", "A\n");
    change_in_place(code + "/lib/a.php", "a\n");
    ASSERT_EQ(changes(), std::vector<Change>{});
    change_in_place(code + "/lib/a.php", "X\n");
    ASSERT_EQ(changes(), (std::vector<Change>{{"lib/a.php", ChangeKind::changed}}));
  }
}

TEST(RecordTest, TrustsNoCtimeThatALaterChangeCouldShare) {
  struct stat status {};
  status.st_ino = 7;
  status.st_mtim = {1, 5};
  status.st_ctim = {2, 0};
  TreeEntry entry;
  files::record(entry, status, 2'000'000'000 + 20'000'000);
  EXPECT_EQ(entry.ctime_ns, 0);
  files::record(entry, status, 2'000'000'000 + 20'000'001);
  EXPECT_EQ(entry.ctime_ns, 2'000'000'000);
  EXPECT_EQ(entry.mtime_ns, 1'000'000'005);
  EXPECT_EQ(entry.inode, 7u);
}

TEST_F(ScanTest, OnlyAThoroughScanSeesAChangeThatLeftNoStampBehind) {
  // A ctime cannot be forged from here; a record that already has the new one is the same.
  change_in_place(code + "/lib/a.php", "A\n");
  const auto status = status_of(code + "/lib/a.php");
  for (TreeEntry& entry : manifest.entries) {
    if (entry.path != "lib/a.php") continue;
    entry.ctime_ns = std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec;
  }
  EXPECT_EQ(changes(false), std::vector<Change>{});
  EXPECT_EQ(changes(true), (std::vector<Change>{{"lib/a.php", ChangeKind::changed}}));
}

TEST_F(ScanTest, TouchedAndRelinkedFilesAreNoChangeAndTheirRecordsAreRenewedOnce) {
  ASSERT_EQ(utimensat(AT_FDCWD, (code + "/lib/a.php").c_str(), nullptr, 0), 0);
  ASSERT_TRUE(link_tree(build, manifest, directory / "second", {}));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(changes(), std::vector<Change>{});
  EXPECT_TRUE(manifest.renewed);
  manifest.renewed = false;
  EXPECT_EQ(changes(), std::vector<Change>{});
  EXPECT_FALSE(manifest.renewed);
  const auto build_changes = verify_build(build, manifest);
  ASSERT_TRUE(build_changes);
  EXPECT_TRUE(build_changes->empty());
  EXPECT_FALSE(manifest.renewed);
}

TEST_F(ScanTest, DoesNotLookAtExcludedPathsNorAtDirectoriesThatOnlyLeadThere) {
  excluded = {"lib", "var/cache/pages"};
  put(code + "/lib/added.php", "x");
  put(code + "/var/cache/pages/1", "x");
  std::filesystem::remove(code + "/lib/a.php");
  EXPECT_EQ(changes(), std::vector<Change>{});
  put(code + "/var/other", "x");
  EXPECT_EQ(changes(), (std::vector<Change>{{"var/other", ChangeKind::added}}));
}

TEST_F(ScanTest, ADirectorySwappedForALinkIsATypeChangeAndNotEntered) {
  std::filesystem::rename(code + "/lib", directory / "elsewhere");
  put(directory / "elsewhere/more", "");
  ASSERT_EQ(symlink("../elsewhere", (code + "/lib").c_str()), 0);
  EXPECT_EQ(changes(), (std::vector<Change>{{"lib", ChangeKind::type},
                                            {"lib/a.php", ChangeKind::removed},
                                            {"lib/b.php", ChangeKind::removed}}));
}

TEST_F(ScanTest, AFifoInAFilesPlaceIsATypeChangeAndNobodyWaitsForIt) {
  std::filesystem::remove(code + "/index.php");
  ASSERT_EQ(mkfifo((code + "/index.php").c_str(), 0444), 0);
  EXPECT_EQ(changes(true), (std::vector<Change>{{"index.php", ChangeKind::type}}));
}

TEST_F(ScanTest, ADirectoryThatKeepsUsOutIsAChangeAndNoError) {
  if (test::is_root()) GTEST_SKIP() << "nothing keeps root out";
  chmod((code + "/lib").c_str(), 0);
  EXPECT_EQ(changes(), (std::vector<Change>{{"lib", ChangeKind::mode},
                                            {"lib/a.php", ChangeKind::removed},
                                            {"lib/b.php", ChangeKind::removed}}));
}

TEST_F(ScanTest, AMissingTreeIsAnError) {
  const auto found = scan(directory / "none", manifest, {}, false);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message,
            "open directory \"" + (directory / "none") + "\": No such file or directory");
}

TEST_F(ScanTest, TheManifestKeepsItsDigestThroughScans) {
  const std::string digest = manifest.digest;
  change_in_place(code + "/index.php", "<?php bad();\n");
  changes(true);
  ASSERT_TRUE(save(manifest, directory / "manifest"));
  const auto loaded = load_manifest(directory / "manifest");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->digest, digest);
  EXPECT_EQ(changes(), (std::vector<Change>{{"index.php", ChangeKind::changed}}));
}

}  // namespace
}  // namespace tidegate
