#pragma once
// What the tests of this folder share.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

#include "controller/process/process.h"

namespace tidegate {

inline constexpr const char* test_path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// sh runs `script`; $1 is `argument`.
inline ProcessRequest shell(const std::string& script, const std::string& argument = "") {
  ProcessRequest request;
  request.argv = {"sh", "-c", script, "sh", argument};
  request.environment = {{"PATH", test_path}};
  request.deadline = std::chrono::seconds(60);
  return request;
}

/// A directory that ends with its owner.
class TestDirectory {
 public:
  TestDirectory() {
    std::string name = "/tmp/tidegate-process-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  TestDirectory(const TestDirectory&) = delete;
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write_file(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// How many living processes have `marker` in their command line.
inline int count_processes(const std::string& marker) {
  int count = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored))
    if (read_text(entry.path().string() + "/cmdline").find(marker) != std::string::npos) ++count;
  return count;
}

/// Whether what has `marker` in its command line is gone, at the latest after two seconds: the
/// kernel ends a process some time after it was told to.
inline bool soon_gone(const std::string& marker) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (count_processes(marker) > 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// Whether something with `marker` in its command line is there, at the latest after ten seconds.
inline bool soon_there(const std::string& marker) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (count_processes(marker) == 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// Starts this program again, for one disabled test, which finds `marker` in its environment.
inline pid_t start_own_test(const std::string& test, const std::string& marker) {
  setenv("TIDEGATE_TEST_MARKER", marker.c_str(), 1);
  std::string self = "/proc/self/exe", also = "--gtest_also_run_disabled_tests",
              filter = "--gtest_filter=" + test;
  char* argv[] = {self.data(), also.data(), filter.data(), nullptr};
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int code = posix_spawn(&child, self.c_str(), &quiet, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&quiet);
  if (code != 0) throw std::runtime_error("cannot start " + test);  // 0 would be our own group.
  return child;
}

/// A word no other process has in its command line.
inline std::string unique_marker() {
  static int last = 0;
  return "marker-" + std::to_string(getpid()) + "-" + std::to_string(++last);
}

}  // namespace tidegate
