#pragma once
// Keeps secrets out of what people read.

#include <functional>
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

  /// How much of the beginning of a stream can be masked now, whatever comes next: no secret lies
  /// across its end.
  std::size_t settled(std::string_view text) const;

 private:
  void mark(std::string_view text, std::vector<bool>& covered) const;
  void mark_cut(std::string_view line, std::size_t begin, std::vector<bool>& covered) const;

  std::vector<std::string> spellings_;
};

/// Masks bytes as they come, and holds back only what may be the beginning of a secret.
class MaskedStream {
 public:
  MaskedStream(const Mask& mask, std::function<void(std::string_view)> sink)
      : mask_(mask), sink_(std::move(sink)) {}
  void feed(std::string_view bytes);
  void finish();

 private:
  const Mask& mask_;
  const std::function<void(std::string_view)> sink_;
  std::string held_;
};

}  // namespace tidegate
