#pragma once
// What the tests of this folder stand on: a directory of their own, and short ways to fill it.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "controller/host/files/remove.h"

namespace tidegate::test {

/// Made below /tmp, gone with everything in it at the end.
class Directory {
 public:
  Directory() {
    char name[] = "/tmp/tidegate-files-XXXXXX";
    path_ = mkdtemp(name) ? name : "";
    EXPECT_FALSE(path_.empty());
  }
  Directory(const Directory&) = delete;
  ~Directory() {
    const auto removed = remove_tree(path_, "/tmp");
    EXPECT_TRUE(removed) << removed.error().message;
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + '/' + name; }

 private:
  std::string path_;
};

inline void put(const std::string& path, const std::string& text, unsigned mode = 0644) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  ASSERT_TRUE(std::ofstream(path, std::ios::binary) << text << std::flush) << path;
  ASSERT_EQ(chmod(path.c_str(), mode), 0) << path;
}

inline std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
  return status;
}

inline unsigned mode_of(const std::string& path) { return status_of(path).st_mode & 07777; }
inline bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }
inline bool is_root() { return geteuid() == 0; }

}  // namespace tidegate::test
