#pragma once
// Cuts a stream of bytes into lines, each bounded.

#include <functional>
#include <string>
#include <string_view>

namespace tidegate {

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t line_max) : line_max_(line_max) {}

  /// Calls `on_line` for each line that `bytes` completes, without its newline.
  template <class OnLine>
  void feed(std::string_view bytes, const OnLine& on_line) {
    for (std::size_t end; (end = bytes.find('\n')) != bytes.npos; bytes.remove_prefix(end + 1)) {
      keep(bytes.substr(0, end));
      on_line(std::string_view(line_));
      line_.clear();
    }
    keep(bytes);
  }

  /// The last line when no newline ended it.
  template <class OnLine>
  void finish(const OnLine& on_line) {
    if (!line_.empty()) on_line(std::string_view(line_));
    line_.clear();
  }

 private:
  void keep(std::string_view piece) { line_ += piece.substr(0, line_max_ - line_.size()); }

  std::size_t line_max_;
  std::string line_;
};

}  // namespace tidegate
