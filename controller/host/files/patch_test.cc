#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "controller/host/files/diff_text.h"
#include "controller/host/files/test_directory.h"
#include "controller/host/files/tree.h"

namespace tidegate {
namespace {

using test::put;
using test::text_of;

class PatchTest : public testing::Test {
 protected:
  void SetUp() override {
    put(build + "/a.php", "one\ntwo\nthree\n");
    put(build + "/logo.png", std::string("\x89PNG\0\x01", 6));
    put(build + "/run", "run\n", 0755);
    ASSERT_EQ(symlink("a.php", (build + "/link").c_str()), 0);
    auto made = seal_tree(build);
    ASSERT_TRUE(made) << made.error().message;
    manifest = std::move(*made);
    ASSERT_TRUE(link_tree(build, manifest, code, {}));
  }

  std::string patch(std::size_t limit = 1 << 20) {
    const auto changes = scan(code, manifest, {}, true);
    EXPECT_TRUE(changes) << changes.error().message;
    return patch_of(code, manifest, *changes, originals_in(build, manifest), limit);
  }
  void replace(const std::string& name, const std::string& text, unsigned mode = 0444) {
    std::filesystem::remove(code + '/' + name);
    put(code + '/' + name, text, mode);
  }

  const test::Directory directory;
  const std::string build = directory / "build", code = directory / "code";
  TreeManifest manifest;
};

TEST_F(PatchTest, ShowsAChangedFileAsAUnifiedDiff) {
  replace("a.php", "one\nTWO\nthree\n");
  EXPECT_EQ(patch(),
            "# \"a.php\" changed\n"
            "--- a/a.php\n+++ b/a.php\n"
            "@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n");
}

TEST_F(PatchTest, ShowsAddedRemovedAndModeChanges) {
  replace("new.php", "new");
  std::filesystem::remove(code + "/a.php");
  chmod((code + "/run").c_str(), 0755);
  EXPECT_EQ(patch(),
            "# \"a.php\" removed\n"
            "--- a/a.php\n+++ /dev/null\n"
            "@@ -1,3 +0,0 @@\n-one\n-two\n-three\n"
            "# \"new.php\" added\n"
            "--- /dev/null\n+++ b/new.php\n"
            "@@ -0,0 +1 @@\n+new\n\\ No newline at end of file\n"
            "# \"run\" mode\n"
            "old mode 0555\nnew mode 0755\n");
}

TEST_F(PatchTest, NamesBinaryFilesWithTheirHash) {
  replace("logo.png", std::string("\x89PNG\0\x02", 6));
  // printf '\x89PNG\0\x02' | sha256sum
  EXPECT_EQ(patch(),
            "# \"logo.png\" changed\n"
            "Binary file \"logo.png\" changed (sha256 "
            "19ed57bd94881e1149f7fd0a7439e1ddc58702bfdc40b63793a2b6392a3cc818)\n");
}

TEST_F(PatchTest, SaysLinksAndDirectoriesInWords) {
  std::filesystem::remove(code + "/link");
  ASSERT_EQ(symlink("/etc/passwd", (code + "/link").c_str()), 0);
  std::filesystem::remove(code + "/a.php");
  mkdir((code + "/a.php").c_str(), 0755);
  EXPECT_EQ(patch(),
            "# \"a.php\" type\n"
            "old mode 0444\nnew mode 0755\n"
            "+ directory\n"
            "--- a/a.php\n+++ /dev/null\n"
            "@@ -1,3 +0,0 @@\n-one\n-two\n-three\n"
            "# \"link\" changed\n"
            "- symbolic link to \"a.php\"\n"
            "+ symbolic link to \"/etc/passwd\"\n");
}

TEST_F(PatchTest, SaysSoWhenTheOriginalWasChangedThroughAHardLink) {
  chmod((code + "/run").c_str(), 0755);
  std::ofstream(code + "/run") << "bad\n";
  chmod((code + "/run").c_str(), 0555);
  EXPECT_EQ(text_of(build + "/run"), "bad\n");
  // printf 'run\n' | sha256sum
  EXPECT_EQ(patch(),
            "# \"run\" changed\n"
            "# the sealed bytes are not at hand (sha256 "
            "b5004f26a852b0d60ec1237432c1a33c2307ff2458c374d9d99749d045c7feb9)\n"
            "--- a/run\n+++ b/run\n"
            "@@ -0,0 +1 @@\n+bad\n");
}

TEST_F(PatchTest, TakesOriginalsFromWhereItIsTold) {
  replace("a.php", "one\ntwo\n");
  const Original original = [](const std::string& path) { return path + " was here\n"; };
  EXPECT_EQ(patch_of(code, manifest, {{"a.php", ChangeKind::changed}}, original),
            "# \"a.php\" changed\n"
            "--- a/a.php\n+++ b/a.php\n"
            "@@ -1 +1,2 @@\n-a.php was here\n+one\n+two\n");
}

TEST_F(PatchTest, KeepsToItsLimitAndCountsWhatItLeftOut) {
  std::string long_text;
  for (int line = 0; line < 1000; ++line) long_text += "line " + std::to_string(line) + "\n";
  for (int index = 10; index < 60; ++index) replace("n" + std::to_string(index), "x\n");
  replace("a.php", long_text);
  const std::string text = patch(1000);
  EXPECT_LT(text.size(), 1100u);
  EXPECT_TRUE(text.starts_with("# \"a.php\" changed: too long to show\n# \"n10\" added\n")) << text;
  EXPECT_TRUE(text.ends_with(" more changes are not shown\n")) << text;
}

TEST_F(PatchTest, FollowsNoLinkToWhatIsNotInTheTree) {
  put(directory / "secret/file", "secret\n");
  ASSERT_EQ(symlink("../secret", (code + "/dir").c_str()), 0);
  const std::string text = patch_of(code, manifest, {{"dir/file", ChangeKind::added}}, {});
  EXPECT_EQ(text, "# \"dir/file\" added\n");
}

/// Applies with patch(1), the reference for the format.
void expect_applies(const std::string& before, const std::string& after) {
  const test::Directory directory;
  put(directory / "file", before);
  put(directory / "diff", "--- a/file\n+++ b/file\n" + files::hunks(before, after));
  const std::string command = "cd " + directory.path() + " && patch -s -p1 -F0 < diff > out 2>&1";
  if (before != after) {
    ASSERT_EQ(std::system(command.c_str()), 0)
        << text_of(directory / "out") << text_of(directory / "diff");
  }
  EXPECT_EQ(text_of(directory / "file"), after) << text_of(directory / "diff");
}

TEST(HunksTest, ApplyWithPatchWhateverTheTexts) {
  if (std::system("patch --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no patch(1)";
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string before, after;
    const unsigned lines = 1 + random() % 40;
    for (unsigned line = 0; line < lines; ++line) {
      const std::string text = "line " + std::to_string(random() % 9) + "\n";
      const unsigned choice = random() % 8;
      if (choice != 0) before += text;
      if (choice > 1) after += choice == 2 ? "other\n" : text;
    }
    if (round % 3 == 0 && !before.empty()) before.pop_back();
    if (round % 5 == 0 && !after.empty()) after.pop_back();
    if (before.empty() || after.empty()) continue;
    expect_applies(before, after);
  }
}

TEST(HunksTest, PartChangesThatAreFarApart) {
  std::string before, after;
  for (int line = 1; line <= 20; ++line) {
    before += std::to_string(line) + "\n";
    after += (line == 2 || line == 18 ? "x" : "") + std::to_string(line) + "\n";
  }
  EXPECT_EQ(files::hunks(before, after),
            "@@ -1,5 +1,5 @@\n 1\n-2\n+x2\n 3\n 4\n 5\n"
            "@@ -15,6 +15,6 @@\n 15\n 16\n 17\n-18\n+x18\n 19\n 20\n");
}

TEST(HunksTest, ReplaceWholeWhatIsTooLargeToCompare) {
  std::string before, after;
  for (int line = 0; line < 3000; ++line) {
    before += "a" + std::to_string(line) + "\n";
    after += "b" + std::to_string(line) + "\n";
  }
  const std::string text = files::hunks("same\n" + before + "end\n", "same\n" + after + "end\n");
  EXPECT_TRUE(text.starts_with("@@ -1,3002 +1,3002 @@\n same\n-a0\n")) << text.substr(0, 100);
  EXPECT_TRUE(text.ends_with("+b2999\n end\n"));
}

}  // namespace
}  // namespace tidegate
