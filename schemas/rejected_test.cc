// What is refused, and in which words: every file of manifests/rejected says in its first lines
// what comes of it, exactly and all of it. What no file can hold well is made here.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "schemas/fleet.h"

namespace tidegate {
namespace {

struct RejectedFile {
  FileChange file;
  std::string expected;  ///< One problem a line.
};

std::vector<RejectedFile> rejected_files() {
  const std::filesystem::path folder =
      std::filesystem::path(TIDEGATE_SOURCE_DIR) / "manifests" / "rejected";
  std::vector<RejectedFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    RejectedFile rejected{{entry.path().filename().string(), text.str()}, {}};
    std::istringstream lines(text.str());
    const std::string mark = "# expect: ";
    for (std::string line; std::getline(lines, line) && line.starts_with(mark);) {
      rejected.expected += line.substr(mark.size()) + "\n";
    }
    files.push_back(std::move(rejected));
  }
  return files;
}

Fleet fleet_of(const std::vector<FileChange>& files) { return Fleet{}.with(files, "one", "Ann"); }

std::string told(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += to_string(problem) + "\n";
  return text;
}

std::string told_of(const std::string& text) {
  return told(fleet_of({{"a.yaml", text}}).problems());
}

const std::string bystander =
    "apiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: bystanders}\n"
    "spec: {host: {root: /srv/bystanders}}\n---\n"
    "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: bystander}\n"
    "spec: {driver: bystanders, repository: {url: /srv/git/b.git}, stages: [live]}\n---\n"
    "apiVersion: tidegate/v1\nkind: Environment\nmetadata: {name: live, site: bystander}\n"
    "spec: {code: {branch: main}}\n";

TEST(RejectedTest, EachFileGivesExactlyItsText) {
  const std::vector<RejectedFile> files = rejected_files();
  EXPECT_GE(files.size(), 60u);
  for (const RejectedFile& rejected : files) {
    const std::vector<Problem> problems = fleet_of({rejected.file}).problems();
    EXPECT_EQ(told(problems), rejected.expected) << rejected.file.path;
    EXPECT_TRUE(std::any_of(problems.begin(), problems.end(), [](const Problem& problem) {
      return !problem.warning;
    })) << rejected.file.path;
  }
}

TEST(RejectedTest, NoneHoldsUpASiteBesideIt) {
  for (const RejectedFile& rejected : rejected_files()) {
    const Fleet fleet = fleet_of({rejected.file, {"z-bystander.yaml", bystander}});
    const auto site = fleet.find("bystander");
    ASSERT_TRUE(site) << rejected.file.path;
    EXPECT_EQ(site->invalid, "") << rejected.file.path;
    EXPECT_EQ(told(fleet.problems_of("bystander")), "") << rejected.file.path;
  }
}

TEST(RejectedTest, NoneTellsASecretOrSpansTwoLines) {
  for (const RejectedFile& rejected : rejected_files()) {
    for (const Problem& problem : fleet_of({rejected.file}).problems()) {
      const std::string line = to_string(problem);
      EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
      EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](unsigned char c) {
        return c >= 0x20 && c != 0x7f;
      })) << line;
    }
  }
}

struct Made {
  const char* what;
  std::string text, expected;
};

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(RejectedTest, WhatNoFileHoldsWellIsRefusedToo) {
  const std::string no_utf8 = "is not UTF-8: save the file as UTF-8\n";
  const std::string too_deep = "is nested deeper than 64 levels\n";
  const std::vector<Made> made = {
      {"a NUL", std::string("a: b\nc: d\0e\n", 12), "2:5: a NUL character is not allowed\n"},
      {"bytes that are no UTF-8", "a: b\nc: \xff\xfe\n", "2:4: " + no_utf8},
      {"an overlong slash", "a: \xc0\xaf\n", "1:4: " + no_utf8},
      {"a surrogate", "a: \xed\xa0\x80\n", "1:4: " + no_utf8},
      {"a character cut in two", "a: \xe2\x82", "1:4: " + no_utf8},
      {"a file too large", "# " + repeated("x", 256 * 1024) + "\n",
       "1:1: is larger than 256 KiB: spread it over several files\n"},
      {"too many documents", repeated("---\n", 1001),
       "1001:1: has more than 1000 documents: spread them over several files\n"},
      {"too many nodes", "a: [" + repeated("1,", 50'000) + "]\n",
       "1:99999: has more than 50000 values: spread them over several files\n"},
      {"a scalar too long", "a: " + repeated("x", 8193) + "\n", "1:4: is longer than 8192 bytes\n"},
      {"lists too deep", repeated("[", 5'000) + repeated("]", 5'000) + "\n", "1:65: " + too_deep},
      {"maps too deep", repeated("{a: ", 5'000) + repeated("}", 5'000) + "\n",
       "1:257: " + too_deep},
      {"a byte at which yaml-cpp loops for ever", ",",
       "1:1: is not YAML: nothing can begin here\n"},
      {"nothing but a quote", "\"", "1:1: is not YAML: a quote is never closed\n"},
  };
  for (const Made& trap : made)
    EXPECT_EQ(told_of(trap.text), "a.yaml:" + trap.expected) << trap.what;
}

TEST(RejectedTest, ABombOfAliasesCostsNothing) {
  std::string bomb = "a0: &a0 [lol]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1) + ", ";
    bomb +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeated(alias, 9) + "]\n";
  }
  const std::vector<Problem> problems = fleet_of({{"a.yaml", bomb}}).problems();
  EXPECT_LT(problems.size(), 500u);
  EXPECT_EQ(to_string(problems.back()),
            "a.yaml:40:60: an alias (*name) is not allowed: write the value out");
}

}  // namespace
}  // namespace tidegate
