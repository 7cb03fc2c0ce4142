#pragma once
// For the tests of this folder: temporary directories, and repositories made by the real git.

#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "schemas/site.h"

namespace tidegate {

/// A directory below /tmp that goes with its object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_("/tmp/tidegate-git-test-XXXXXX") {
    if (!::mkdtemp(path_.data())) throw std::runtime_error("mkdtemp");
    path_ = std::filesystem::canonical(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Runs a shell command and returns what it printed; a command that fails ends the test.
inline std::string shell(const std::string& command) {
  std::string output;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  for (std::size_t size; (size = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    output.append(buffer, size);
  const int status = ::pclose(pipe);
  if (status != 0) throw std::runtime_error("failed: " + command + "\n" + output);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

inline void write_file(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// A work tree with branch main, driven through the git command.
class WorkTree {
 public:
  explicit WorkTree(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    git("init -q -b main");
  }
  const std::string& path() const { return path_; }
  std::string git(const std::string& arguments) const { return run("git " + arguments); }
  /// A shell script in the work tree, with nobody's configuration and a fixed author and time.
  std::string run(const std::string& script) const {
    return shell(
        "cd '" + path_ +
        "' && export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null "
        "GIT_AUTHOR_NAME='Ada Lovelace' GIT_AUTHOR_EMAIL=ada@example.org "
        "GIT_COMMITTER_NAME=Bot GIT_COMMITTER_EMAIL=bot@example.org "
        "GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-02-03T04:05:06Z'; " +
        script);
  }
  void write(const std::string& name, const std::string& text) const {
    write_file(path_ + "/" + name, text);
  }
  CommitId commit(const std::string& message) const {
    git("add -A");
    git("commit -q --allow-empty -m '" + message + "'");
    return {git("rev-parse HEAD")};
  }

 private:
  std::string path_;
};

}  // namespace tidegate
