#include "controller/host/failure_reason.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace tidegate {
namespace {

constexpr std::size_t longest = 300;  // Bytes; it becomes a part of a message of one line.

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class List>
bool begins_with_one_of(std::string_view text, const List& beginnings) {
  return std::ranges::any_of(beginnings,
                             [&](std::string_view with) { return text.starts_with(with); });
}

/// "PHP Fatal error: …", "ERROR 1064 (42000) at line 1: …", "PDOException: …", "TypeError: …".
bool is_error(std::string_view text) {
  constexpr std::array<std::string_view, 12> beginnings{
      "php fatal error", "php parse error", "fatal error", "parse error", "fatal:", "error:",
      "error ",          "[error]",         "exception",   "uncaught ",   "panic:", "npm err!"};
  const std::string line = lower(text);
  const std::string_view first = std::string_view(line).substr(0, line.find(' '));
  return begins_with_one_of(line, beginnings) || first.ends_with("error:") ||
         first.ends_with("exception:");
}

/// What PHP and Node.js write between and after errors: where they came from.
bool is_trace(std::string_view text) {
  constexpr std::array<std::string_view, 5> beginnings{"#", "stack trace:", "thrown in ", "next ",
                                                       "node.js v"};
  return begins_with_one_of(lower(text), beginnings);
}

}  // namespace

void FailureReason::line(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.empty()) return;
  if (is_trace(text) && !last_.empty()) return;
  last_ = text.substr(0, longest);
  if (is_error(text)) {
    if (error_.empty()) error_ = last_;
  } else if (text.data() == line.data()) {  // What is indented belongs to what is before it.
    error_.clear();
  }
}

}  // namespace tidegate
