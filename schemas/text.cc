#include "schemas/text.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tidegate {
namespace {

constexpr std::size_t quoted_bytes_max = 80;

// Insertions, deletions, replacements and swaps of neighbours; anything above `limit` is limit + 1.
std::size_t typing_mistakes(std::string_view left, std::string_view right, std::size_t limit) {
  const std::size_t difference =
      left.size() > right.size() ? left.size() - right.size() : right.size() - left.size();
  if (difference > limit) return limit + 1;
  std::vector<std::size_t> before(right.size() + 1), above(right.size() + 1), row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    row[0] = i;
    std::size_t best = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
      best = std::min(best, row[j]);
    }
    if (best > limit) return limit + 1;
    std::swap(before, above);
    std::swap(above, row);
  }
  return std::min(above[right.size()], limit + 1);
}

}  // namespace

std::string quote(std::string_view text) {
  std::string result = "\"";
  std::size_t end = std::min(text.size(), quoted_bytes_max);
  // A cut inside a UTF-8 sequence would make the message invalid.
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  for (const char c : text.substr(0, end)) {
    char escaped[8];
    if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (is_control(c)) {
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
      result += escaped;
    } else {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result + (end < text.size() ? "…\"" : "\"");
}

std::string nearest(std::string_view word, const std::vector<std::string_view>& known) {
  const std::size_t limit = word.size() <= 3 ? 1 : word.size() <= 7 ? 2 : 3;
  std::string_view best;
  std::size_t mistakes = limit + 1;
  for (const std::string_view candidate : known) {
    const std::size_t found = typing_mistakes(word, candidate, limit);
    // A word all of which was replaced resembles nothing.
    if (found >= mistakes || found >= candidate.size()) continue;
    best = candidate;
    mistakes = found;
  }
  return std::string(best);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? "" : "; did you mean " + quote(near) + "?";
}

std::string alternatives(const std::vector<std::string_view>& words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) result += i + 1 == words.size() ? " or " : ", ";
    result += words[i];
  }
  return result;
}

std::string filled_in(std::string text, const std::string& site, const std::string& environment) {
  for (const auto& [what, name] : {std::pair{"{site}", &site}, {"{environment}", &environment}}) {
    const std::string_view pattern = what;
    for (auto at = text.find(pattern); at != text.npos; at = text.find(pattern, at + name->size()))
      text.replace(at, pattern.size(), *name);
  }
  return text;
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter(char c) { return is_lower(c) || is_upper(c); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

}  // namespace tidegate
