#pragma once
// Keeps secrets out of what people read.

#include <string>
#include <string_view>
#include <vector>

namespace tidegate {

/// Knows the spellings a secret takes in output: as it is, url-encoded, base64 (alone, or inside
/// something longer), escaped in JSON; of a secret with several lines, each line too. Secrets and
/// lines of fewer than four characters are left: they would mask half of every text.
class Mask {
 public:
  Mask() = default;
  explicit Mask(std::vector<std::string> secrets);

  /// `text` with every occurrence replaced by "***"; occurrences that touch become one. A secret
  /// that the end of a line cut by run_process has cut is replaced too.
  std::string apply(std::string_view text) const;

 private:
  void mark(std::string_view text, std::vector<bool>& covered) const;
  void mark_cut(std::string_view line, std::size_t begin, std::vector<bool>& covered) const;

  std::vector<std::string> spellings_;
};

}  // namespace tidegate
