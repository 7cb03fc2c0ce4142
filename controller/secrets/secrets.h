#pragma once
// Secrets: one file each below a directory. What the platform names lies at its top, what site S
// names below sites/S/ alone.

#include <map>
#include <string>

#include "schemas/result.h"
#include "schemas/site.h"

namespace tidegate {

class Secrets {
 public:
  /// "" means there are none.
  explicit Secrets(std::string directory = {}) : directory_(std::move(directory)) {}

  /// Its value without one final newline. `invalid` when it is not there or cannot be read; the
  /// message names the file, never a value. Names cannot leave their directory; a link is followed
  /// while it leads to a file below the directory of all secrets.
  Result<std::string> read(const SecretRef& secret, const std::string& site) const;
  /// Where it lies, for programs that want a file (ssh keys).
  std::string path_of(const SecretRef& secret, const std::string& site) const;
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
};

}  // namespace tidegate
