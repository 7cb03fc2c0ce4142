// A tree of 20 000 files, as a Drupal site has: that all of it holds at that size, and how long it
// takes beside the cheapest tools. Times are printed, never asserted.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "controller/host/files/copy_files.h"
#include "controller/host/files/test_directory.h"
#include "controller/host/files/tree.h"

namespace tidegate {
namespace {

class Stopwatch {
 public:
  explicit Stopwatch(const char* what) : what_(what) {}
  ~Stopwatch() {
    const auto taken = std::chrono::steady_clock::now() - started_;
    std::printf("%-32s %6lld ms\n", what_,
                static_cast<long long>(
                    std::chrono::duration_cast<std::chrono::milliseconds>(taken).count()));
  }

 private:
  const char* what_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

void fill(const std::string& build) {
  for (int folder = 0; folder < 2000; ++folder) {
    const std::string path =
        build + "/core/m" + std::to_string(folder / 100) + "/d" + std::to_string(folder % 100);
    std::filesystem::create_directories(path);
    for (int file = 0; file < 10; ++file) {
      std::ofstream(path + "/f" + std::to_string(file))
          << std::string(200 + 97 * file * file, 'x') << folder;
    }
  }
}

TEST(LargeTreeTest, SealsLinksScansCopiesAndRemoves) {
  const test::Directory directory;
  const std::string build = directory / "build", code = directory / "code";
  fill(build);
  TreeManifest manifest;
  {
    const Stopwatch stopwatch("seal_tree");
    auto made = seal_tree(build);
    ASSERT_TRUE(made) << made.error().message;
    manifest = std::move(*made);
  }
  ASSERT_EQ(manifest.entries.size(), 20'000u + 2'000 + 20 + 1);
  {
    const Stopwatch stopwatch("cp -al");
    const std::string command = "cp -al " + build + " " + directory.path() + "/cp";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  {
    const Stopwatch stopwatch("link_tree");
    const auto linked = link_tree(build, manifest, code, {});
    ASSERT_TRUE(linked) << linked.error().message;
    ASSERT_EQ(linked->linked, 20'000u);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  for (const char* what : {"scan, first after linking", "scan, unchanged"}) {
    const Stopwatch stopwatch(what);
    const auto changes = scan(code, manifest, {}, false);
    ASSERT_TRUE(changes && changes->empty());
  }
  {
    const Stopwatch stopwatch("scan, thorough");
    const auto changes = scan(code, manifest, {}, true);
    ASSERT_TRUE(changes && changes->empty());
  }
  {
    const Stopwatch stopwatch("save");
    ASSERT_TRUE(save(manifest, directory / "manifest"));
  }
  {
    const Stopwatch stopwatch("load_manifest");
    const auto loaded = load_manifest(directory / "manifest");
    ASSERT_TRUE(loaded && *loaded);
    ASSERT_EQ((*loaded)->digest, manifest.digest);
  }
  {
    const Stopwatch stopwatch("copy_files (without syncfs)");
    CopyOptions options;
    options.durable = false;
    const auto copied = copy_files(build, directory / "copy", options);
    ASSERT_TRUE(copied) << copied.error().message;
    ASSERT_EQ(copied->files, 20'000u);
  }
  {
    const Stopwatch stopwatch("remove_tree");
    ASSERT_TRUE(remove_tree(directory / "copy", directory.path()));
  }
}

}  // namespace
}  // namespace tidegate
