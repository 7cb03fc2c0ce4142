#pragma once
// Where one signature is verified: a directory that ends with its owner, and programs that see
// nothing else of this machine's users. Internal to the folder.

#include <string>
#include <vector>

#include "controller/process/process.h"

namespace tidegate {

class Workshop {
 public:
  /// `transient` when there is no room in /tmp. `programs`: where they are looked for.
  static Result<Workshop> make(const std::string& programs);
  Workshop(Workshop&& other) noexcept;
  Workshop& operator=(Workshop&&) = delete;
  ~Workshop();

  /// Writes a file that its owner alone can read, and says where it is.
  Result<std::string> put(const std::string& name, const std::string& text) const;
  /// Runs a program with `input` at its stdin, bounded in time and output. How the program ends is
  /// the caller's to judge; not to get it to an end at all is an error.
  Result<ProcessResult> run(std::vector<std::string> argv, const std::string& input) const;
  const std::string& path() const { return path_; }

 private:
  Workshop(std::string path, std::string programs)
      : path_(std::move(path)), programs_(std::move(programs)) {}
  std::string path_, programs_;
};

}  // namespace tidegate
