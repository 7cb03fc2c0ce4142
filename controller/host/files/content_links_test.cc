#include "controller/host/files/content_links.h"

#include <gtest/gtest.h>

#include "controller/host/files/test_directory.h"

namespace tidegate {
namespace {

using test::exists;
using test::mode_of;
using test::put;
using test::status_of;
using test::text_of;

class ContentPlacesTest : public testing::Test {
 protected:
  void SetUp() override {
    put(build + "/web/index.php", "x");
    std::filesystem::create_directories(content);
    places.files = {{"web/uploads", content}};
    places.writable = {"web/cache"};
  }

  Result<void> make() {
    auto sealed = seal_tree(build);
    if (!sealed) return sealed.error();
    manifest = std::move(*sealed);
    auto linked = link_tree(build, manifest, code, excluded_paths(places));
    if (!linked) return linked.error();
    return make_content_places(build, manifest, code, places);
  }
  void expect_refused(ErrorKind kind, const std::string& message) {
    const auto made = make();
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, kind);
    EXPECT_EQ(made.error().message, message);
  }

  const test::Directory directory;
  const std::string build = directory / "build", code = directory / "code";
  const std::string content = directory / "content/1";
  ContentPlaces places;
  TreeManifest manifest;
};

TEST_F(ContentPlacesTest, MakesLinksAndWritableDirectories) {
  places.files.push_back({"private/deep/files", content});
  const mode_t before = umask(0077);
  const auto made = make();
  umask(before);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(std::filesystem::read_symlink(code + "/web/uploads"), content);
  EXPECT_EQ(std::filesystem::read_symlink(code + "/private/deep/files"), content);
  EXPECT_EQ(mode_of(code + "/private/deep"), 0755u);
  EXPECT_TRUE(S_ISDIR(status_of(code + "/web/cache").st_mode));
  EXPECT_EQ(mode_of(code + "/web/cache"), 0755u);
}

TEST_F(ContentPlacesTest, NoneOfItIsDrift) {
  places.files.push_back({"private/deep/files", content});
  ASSERT_TRUE(make());
  put(code + "/web/cache/page", "x");
  put(code + "/web/uploads/photo", "x");
  const auto changes = scan(code, manifest, excluded_paths(places), true);
  ASSERT_TRUE(changes);
  EXPECT_EQ(*changes, std::vector<Change>{});
}

TEST_F(ContentPlacesTest, WritableDirectoriesGetTheBuildsFilesAsTheirOwn) {
  put(build + "/web/cache/sub/seed", "seed", 0644);
  put(build + "/lib/x", "");
  ASSERT_EQ(symlink("../../../lib/x", (build + "/web/cache/sub/link").c_str()), 0);
  if (test::is_root()) places.owner = {65534u, 65534u};
  const auto made = make();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(text_of(code + "/web/cache/sub/seed"), "seed");
  EXPECT_EQ(mode_of(code + "/web/cache/sub/seed"), 0644u);
  EXPECT_EQ(std::filesystem::read_symlink(code + "/web/cache/sub/link"), "../../../lib/x");
  EXPECT_NE(status_of(code + "/web/cache/sub/seed").st_ino,
            status_of(build + "/web/cache/sub/seed").st_ino);
  if (!test::is_root()) return;
  EXPECT_EQ(status_of(code + "/web/cache").st_uid, 65534u);
  EXPECT_EQ(status_of(code + "/web/cache/sub/seed").st_uid, 65534u);
  EXPECT_EQ(status_of(code + "/web").st_uid, 0u);
}

TEST_F(ContentPlacesTest, FilesMayLieInAWritableDirectory) {
  put(build + "/sites/default/settings.php", "x");
  std::filesystem::create_directories(build + "/sites/default/files/css");
  places.writable = {"sites/default", "sites/default/private"};
  places.files = {{"sites/default/files", content}};
  const auto made = make();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(text_of(code + "/sites/default/settings.php"), "x");
  EXPECT_TRUE(S_ISDIR(status_of(code + "/sites/default/private").st_mode));
  EXPECT_EQ(std::filesystem::read_symlink(code + "/sites/default/files"), content);
}

TEST_F(ContentPlacesTest, EmptyDirectoriesOfTheBuildGiveWay) {
  std::filesystem::create_directories(build + "/web/uploads/2026");
  ASSERT_TRUE(make());
  EXPECT_EQ(std::filesystem::read_symlink(code + "/web/uploads"), content);
}

TEST_F(ContentPlacesTest, RefusesFilesOfTheCodeBelowAContentPath) {
  put(build + "/web/uploads/2026/.gitkeep", "");
  expect_refused(ErrorKind::site,
                 "files path \"web/uploads\" is taken: the code has \"web/uploads/2026/.gitkeep\" "
                 "there; remove that from the code, or choose another path");
}

TEST_F(ContentPlacesTest, RefusesAFileOrALinkOnTheWay) {
  put(build + "/web/cache", "");
  expect_refused(ErrorKind::site,
                 "writable path \"web/cache\" is taken: the code has \"web/cache\" there; remove "
                 "that from the code, or choose another path");
  std::filesystem::remove_all(build);
  put(build + "/html/index.php", "");
  ASSERT_EQ(symlink("html", (build + "/web").c_str()), 0);
  places.writable.clear();
  ASSERT_TRUE(remove_tree(code, directory.path()));
  expect_refused(
      ErrorKind::site,
      "files path \"web/uploads\" is taken: the code has \"web\" there; remove that from "
      "the code, or choose another path");
}

TEST_F(ContentPlacesTest, RefusesPlacesThatLieInEachOther) {
  const auto message = [&](ContentPlaces nested) {
    const auto checked = check_content_places({}, nested);
    return checked ? "" : checked.error().message;
  };
  EXPECT_EQ(message({{{"a", "/c/1"}, {"a/b", "/c/2"}}, {}, {}}),
            "files path \"a/b\" lies in files path \"a\"; declare the outer one alone");
  EXPECT_EQ(message({{{"a", "/c/1"}, {"a", "/c/2"}}, {}, {}}),
            "files path \"a\" lies in files path \"a\"; declare the outer one alone");
  EXPECT_EQ(
      message({{{"a", "/c/1"}}, {"a/cache"}, {}}),
      "writable path \"a/cache\" lies in files path \"a\", which is writable anyway; drop it");
  EXPECT_EQ(message({{{"a", "/c/1"}, {"ab", "/c/2"}}, {"a-b"}, {}}), "");
  EXPECT_EQ(message({{{"a", "c/1"}}, {}, {}}), "content directory \"c/1\" is not absolute");
  for (const char* path : {"", "/a", "a/", "a//b", "a/../../b", ".", ".."}) {
    EXPECT_EQ(message({{}, {path}, {}}),
              std::string("content path \"") + path + "\" is not a path below the code");
  }
}

}  // namespace
}  // namespace tidegate
