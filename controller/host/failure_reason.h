#pragma once
// Which line of a failed command's output says what went wrong.

#include <string>
#include <string_view>

namespace tidegate {

/// Reads a command's lines as they come. Remembers no more than two of them.
class FailureReason {
 public:
  void line(std::string_view line);
  /// Where the output ends with an error and its trace ("PHP Fatal error: …", "#0 {main}", "thrown
  /// in …"): the first line of that error. Else the last line that is neither blank nor a trace; at
  /// most 300 bytes.
  const std::string& text() const { return error_.empty() ? last_ : error_; }

 private:
  std::string error_;  // The first one with nothing but errors and traces since.
  std::string last_;
};

}  // namespace tidegate
