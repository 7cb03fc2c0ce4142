#include "controller/host/files/tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

using test::exists;
using test::mode_of;
using test::put;
using test::status_of;
using test::text_of;

TreeManifest sealed(const std::string& directory, const SealOptions& options = {}) {
  auto manifest = seal_tree(directory, options);
  EXPECT_TRUE(manifest) << manifest.error().message;
  return manifest ? std::move(*manifest) : TreeManifest{};
}

TEST(SealTest, RecordsEverythingAndTakesWritePermissionAway) {
  const test::Directory directory;
  put(directory / "build/index.php", "<?php\n", 0664);
  put(directory / "build/bin/run", "#!/bin/sh\n", 06775);
  chmod((directory / "build/bin").c_str(), 0777);
  ASSERT_EQ(symlink("bin/run", (directory / "build/run").c_str()), 0);
  const TreeManifest manifest = sealed(directory / "build");
  ASSERT_EQ(manifest.entries.size(), 4u);
  const TreeEntry &bin = manifest.entries[0], &script = manifest.entries[1];
  const TreeEntry &index = manifest.entries[2], &link = manifest.entries[3];
  EXPECT_EQ(bin.path, "bin");
  EXPECT_EQ(bin.kind, EntryKind::directory);
  EXPECT_EQ(bin.mode, 0755u);
  EXPECT_EQ(script.path, "bin/run");
  EXPECT_EQ(script.mode, 0555u);
  EXPECT_EQ(script.size, 10u);
  EXPECT_EQ(script.inode, status_of(directory / "build/bin/run").st_ino);
  // printf '#!/bin/sh\n' | sha256sum
  EXPECT_EQ(script.sha256, "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf");
  EXPECT_EQ(index.mode, 0444u);
  EXPECT_EQ(link.kind, EntryKind::link);
  EXPECT_EQ(link.target, "bin/run");
  EXPECT_EQ(mode_of(directory / "build"), 0700u) << "another site's pages would read it";
  EXPECT_EQ(mode_of(directory / "build/bin"), 0755u);
  EXPECT_EQ(mode_of(directory / "build/bin/run"), 0555u);
  EXPECT_EQ(mode_of(directory / "build/index.php"), 0444u);
}

TEST(SealTest, WhatABuildMadeForItselfAloneCanBeReadByTheEnvironment) {
  const test::Directory directory;
  put(directory / "build/vendor/autoload.php", "<?php\n", 0600);
  put(directory / "build/vendor/bin/tool", "#!/bin/sh\n", 0700);
  chmod((directory / "build/vendor").c_str(), 0700);
  const TreeManifest manifest = sealed(directory / "build");
  EXPECT_EQ(mode_of(directory / "build/vendor"), 0755u);
  EXPECT_EQ(mode_of(directory / "build/vendor/autoload.php"), 0444u);
  EXPECT_EQ(mode_of(directory / "build/vendor/bin/tool"), 0555u);
}

TEST(SealTest, TheDigestIsOfContentAndNotOfTimesOrPlace) {
  const test::Directory directory;
  for (const char* build : {"one", "two", "content", "mode", "name"}) {
    put(directory / build + "/a/file", "same");
  }
  const timespec times[2] = {{1, 0}, {1, 0}};
  utimensat(AT_FDCWD, (directory / "two/a/file").c_str(), times, 0);
  put(directory / "content/a/file", "Same");
  chmod((directory / "mode/a/file").c_str(), 0755);
  std::filesystem::rename(directory / "name/a/file", directory / "name/a/File");
  const std::string digest = sealed(directory / "one").digest;
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(sealed(directory / "two").digest, digest);
  EXPECT_EQ(sealed(directory / "one").digest, digest);
  EXPECT_NE(sealed(directory / "content").digest, digest);
  EXPECT_NE(sealed(directory / "mode").digest, digest);
  EXPECT_NE(sealed(directory / "name").digest, digest);
}

TEST(SealTest, SealingAgainTouchesNothing) {
  const test::Directory directory;
  put(directory / "build/a/file", "x");
  sealed(directory / "build");
  const auto before = status_of(directory / "build/a/file");
  const auto folder = status_of(directory / "build/a");
  sealed(directory / "build");
  EXPECT_EQ(status_of(directory / "build/a/file").st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  EXPECT_EQ(status_of(directory / "build/a").st_ctim.tv_nsec, folder.st_ctim.tv_nsec);
}

TEST(SealTest, RefusesEveryWayALinkCanLeadOut) {
  for (const auto& [target, at] :
       std::vector<std::pair<std::string, std::string>>{{"/etc/passwd", "link"},
                                                        {"/", "link"},
                                                        {"..", "link"},
                                                        {"../build/a", "link"},
                                                        {"../../x", "a/link"},
                                                        {"b/../../..", "a/link"},
                                                        {"self/../../etc", "link"}}) {
    const test::Directory directory;
    put(directory / "build/a/b/file", "");
    ASSERT_EQ(symlink("a/..", (directory / "build/self").c_str()), 0);
    ASSERT_EQ(symlink(target.c_str(), (directory / "build/" + at).c_str()), 0);
    const auto manifest = seal_tree(directory / "build");
    ASSERT_FALSE(manifest) << target;
    EXPECT_EQ(manifest.error().kind, ErrorKind::site);
    EXPECT_EQ(manifest.error().message, "symbolic link \"" + at +
                                            "\" leads out of the code tree, to \"" + target +
                                            "\"; let it point inside, relatively");
  }
}

TEST(SealTest, AllowsLinksIntoNamedDirectoriesAndNoWayOutOfThose) {
  const test::Directory directory;
  const std::string link = directory / "build/a/link";
  SealOptions options;
  options.allowed = {"/usr/share"};
  for (const auto& [target, allowed] :
       std::vector<std::pair<std::string, bool>>{{"/usr/share", true},
                                                 {"/usr/share/javascript/x.js", true},
                                                 {"//usr//share/x", true},
                                                 {"/usr/shared/x", false},
                                                 {"/usr/share/../../etc/passwd", false},
                                                 {"../../usr/share", false}}) {
    std::filesystem::create_directories(directory / "build/a");
    ASSERT_EQ(symlink(target.c_str(), link.c_str()), 0);
    EXPECT_EQ(bool(seal_tree(directory / "build", options)), allowed) << target;
    unlink(link.c_str());
  }
}

TEST(SealTest, KeepsLinksToWhereContentWillBe) {
  const test::Directory directory;
  put(directory / "build/web/index.php", "");
  ASSERT_EQ(symlink("web/uploads/logo.png", (directory / "build/logo.png").c_str()), 0);
  EXPECT_EQ(sealed(directory / "build").entries.size(), 3u);
}

TEST(SealTest, RefusesSpecialFiles) {
  const test::Directory directory;
  put(directory / "build/a/file", "");
  ASSERT_EQ(mkfifo((directory / "build/a/pipe").c_str(), 0600), 0);
  const auto manifest = seal_tree(directory / "build");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().kind, ErrorKind::site);
  EXPECT_EQ(manifest.error().message,
            "\"a/pipe\" in the build is neither file, directory nor symbolic link; let the build "
            "remove it");
}

TEST(SealTest, HandsEverythingOver) {
  if (!test::is_root()) GTEST_SKIP() << "only root gives files away";
  const test::Directory directory;
  put(directory / "build/a/file", "");
  ASSERT_EQ(symlink("a", (directory / "build/link").c_str()), 0);
  for (const char* path : {"build", "build/a", "build/a/file", "build/link"}) {
    ASSERT_EQ(lchown((directory / path).c_str(), 65534, 65534), 0);
  }
  SealOptions options;
  options.owner = {0u, 65533u};
  sealed(directory / "build", options);
  for (const char* path : {"build", "build/a", "build/a/file", "build/link"}) {
    EXPECT_EQ(status_of(directory / path).st_uid, 0u) << path;
    EXPECT_EQ(status_of(directory / path).st_gid, 65533u) << path;
  }
}

TEST(ManifestTest, ComesBackFromDiskAsItWasWithOddNamesToo) {
  const test::Directory directory;
  put(directory / "build/plain", "x");
  put(directory / "build/tab\tnew\nline %0a \xff end", "y", 0755);
  put(directory / "build/ leading", "z");
  ASSERT_EQ(symlink("tab\t%", (directory / "build/link\n").c_str()), 0);
  const TreeManifest manifest = sealed(directory / "build");
  ASSERT_TRUE(save(manifest, directory / "manifest"));
  const auto loaded = load_manifest(directory / "manifest");
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_TRUE(*loaded);
  EXPECT_EQ((*loaded)->digest, manifest.digest);
  EXPECT_FALSE((*loaded)->renewed);
  ASSERT_EQ((*loaded)->entries.size(), manifest.entries.size());
  for (std::size_t index = 0; index < manifest.entries.size(); ++index) {
    const TreeEntry &was = manifest.entries[index], &is = (*loaded)->entries[index];
    EXPECT_EQ(is.path, was.path);
    EXPECT_EQ(is.kind, was.kind);
    EXPECT_EQ(is.mode, was.mode);
    EXPECT_EQ(is.size, was.size);
    EXPECT_EQ(is.sha256, was.sha256);
    EXPECT_EQ(is.target, was.target);
    EXPECT_EQ(is.inode, was.inode);
    EXPECT_EQ(is.mtime_ns, was.mtime_ns);
    EXPECT_EQ(is.ctime_ns, was.ctime_ns);
  }
}

TEST(ManifestTest, AbsentIsNothing) {
  const test::Directory directory;
  const auto loaded = load_manifest(directory / "none");
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(*loaded);
}

TEST(ManifestTest, EveryCutAndEveryChangedHashIsNoticed) {
  const test::Directory directory;
  put(directory / "build/a", "x");
  put(directory / "build/b", "y");
  ASSERT_TRUE(save(sealed(directory / "build"), directory / "manifest"));
  const std::string text = text_of(directory / "manifest");
  // Without its last newline it is still whole.
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    put(directory / "cut", text.substr(0, size));
    const auto loaded = load_manifest(directory / "cut");
    ASSERT_FALSE(loaded) << size;
  }
  std::string forged = text;
  forged[forged.find("\t444\t") + 1] = '5';
  put(directory / "forged", forged);
  const auto loaded = load_manifest(directory / "forged");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::invalid);
  EXPECT_EQ(loaded.error().message,
            "tree manifest \"" + (directory / "forged") +
                "\" is damaged: remove it and its tree, and they are made anew");
}

TEST(LinkTreeTest, MakesRealDirectoriesHardLinksAndTheSameSymbolicLinks) {
  const test::Directory directory;
  put(directory / "build/web/index.php", "x");
  put(directory / "build/closed/deep/file", "x");
  ASSERT_EQ(symlink("web/index.php", (directory / "build/link").c_str()), 0);
  chmod((directory / "build/closed").c_str(), 0555);
  const TreeManifest manifest = sealed(directory / "build");
  const mode_t before = umask(0077);
  const auto linked = link_tree(directory / "build", manifest, directory / "code", {});
  umask(before);
  ASSERT_TRUE(linked) << linked.error().message;
  EXPECT_EQ(linked->linked, 2u);
  EXPECT_EQ(linked->copied, 0u);
  EXPECT_EQ(status_of(directory / "code/web/index.php").st_ino,
            status_of(directory / "build/web/index.php").st_ino);
  EXPECT_NE(status_of(directory / "code/web").st_ino, status_of(directory / "build/web").st_ino);
  EXPECT_EQ(mode_of(directory / "code"), 0755u);
  EXPECT_EQ(mode_of(directory / "code/web"), 0755u);
  EXPECT_EQ(mode_of(directory / "code/closed"), 0555u);
  EXPECT_EQ(std::filesystem::read_symlink(directory / "code/link"), "web/index.php");
}

TEST(LinkTreeTest, LeavesExcludedPathsOutAndThoseAloneThatOnlyBeginAlike) {
  const test::Directory directory;
  for (const char* file : {"web/cache/a", "web/cache-old/a", "web/cached", "var/x"}) {
    put(directory / "build/" + file, "");
  }
  const TreeManifest manifest = sealed(directory / "build");
  ASSERT_TRUE(link_tree(directory / "build", manifest, directory / "code", {"web/cache", "var"}));
  EXPECT_FALSE(exists(directory / "code/web/cache"));
  EXPECT_FALSE(exists(directory / "code/var"));
  EXPECT_TRUE(exists(directory / "code/web/cache-old/a"));
  EXPECT_TRUE(exists(directory / "code/web/cached"));
}

TEST(LinkTreeTest, CopiesWhereItCannotLink) {
  const test::Directory directory;
  char other[] = "/dev/shm/tidegate-files-XXXXXX";
  if (!mkdtemp(other)) GTEST_SKIP() << "no /dev/shm";
  put(directory / "build/bin/run", "#!/bin/sh\n", 0755);
  TreeManifest manifest = sealed(directory / "build");
  const std::string code = std::string(other) + "/code";
  const auto linked = link_tree(directory / "build", manifest, code, {});
  const auto copy = status_of(code + "/bin/run");
  const std::string text = text_of(code + "/bin/run");
  auto changes = scan(code, manifest, {}, false);
  std::filesystem::remove(code + "/bin/run");
  put(code + "/bin/run", "#!/bin/SH\n", 0555);
  const auto after = scan(code, manifest, {}, false);
  ASSERT_TRUE(remove_tree(other, "/dev/shm"));
  ASSERT_TRUE(linked) << linked.error().message;
  EXPECT_EQ(linked->copied, 1u);
  EXPECT_EQ(text, "#!/bin/sh\n");
  EXPECT_EQ(copy.st_mode & 07777, 0555u);
  EXPECT_EQ(copy.st_mtim.tv_nsec, status_of(directory / "build/bin/run").st_mtim.tv_nsec);
  ASSERT_TRUE(changes);
  EXPECT_TRUE(changes->empty());
  ASSERT_TRUE(after);
  EXPECT_EQ(*after, (std::vector<Change>{{"bin/run", ChangeKind::changed}}));
}

TEST(LinkTreeTest, RefusesADirectoryThatIsThere) {
  const test::Directory directory;
  put(directory / "build/a", "");
  mkdir((directory / "code").c_str(), 0755);
  const auto linked =
      link_tree(directory / "build", sealed(directory / "build"), directory / "code", {});
  ASSERT_FALSE(linked);
  EXPECT_EQ(linked.error().message,
            "create directory \"" + (directory / "code") + "\": File exists");
}

TEST(LinkTreeTest, ABuildDirectorySwappedForALinkLeadsNowhere) {
  const test::Directory directory;
  put(directory / "build/a/file", "x");
  put(directory / "secret/file", "secret");
  const TreeManifest manifest = sealed(directory / "build");
  std::filesystem::rename(directory / "build/a", directory / "gone");
  ASSERT_EQ(symlink("../secret", (directory / "build/a").c_str()), 0);
  const auto linked = link_tree(directory / "build", manifest, directory / "code", {});
  ASSERT_FALSE(linked);
  EXPECT_EQ(linked.error().message,
            "open directory \"" + (directory / "build/a") + "\": Not a directory");
  EXPECT_FALSE(exists(directory / "code/a/file"));
}

}  // namespace
}  // namespace tidegate
