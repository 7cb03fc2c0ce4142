#include "controller/process/mask.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>

#include "controller/process/process.h"

namespace tidegate {
namespace {

constexpr std::size_t length_min = 4;
/// The shortest line that run_process may have cut.
constexpr std::size_t cut_line_min = error_tail_bytes_max - 1;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Percent-encoded, but for letters, digits and `plain`.
std::string url_encoded(std::string_view text, const char* digits, std::string_view plain) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_alphanumeric(c) || plain.find(c) != plain.npos)
      result += c;
    else
      (result += '%', result += digits[byte >> 4], result += digits[byte & 15]);
  }
  return result;
}

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The base64 characters that `text` alone decides when `before` other bytes (0, 1, 2 of a group of
/// three) precede it.
std::string base64_inside(std::string_view text, std::size_t before) {
  std::string result;
  const std::size_t first_bit = before * 8, end_bit = first_bit + text.size() * 8;
  for (std::size_t bit = (first_bit + 5) / 6 * 6; bit + 6 <= end_bit; bit += 6) {
    std::uint32_t value = 0;
    for (std::size_t i = bit; i < bit + 6; ++i) {
      const auto byte = static_cast<unsigned char>(text[(i - first_bit) / 8]);
      value = value << 1 | (byte >> (7 - i % 8) & 1);
    }
    result += base64_alphabet[value];
  }
  return result;
}

/// With its last group and padding.
std::string base64_alone(std::string_view text) {
  std::string padded(text);
  padded.resize((text.size() + 2) / 3 * 3);
  std::string result = base64_inside(padded, 0);
  for (std::size_t i = 0; i < padded.size() - text.size(); ++i) result[result.size() - 1 - i] = '=';
  return result;
}

std::string with_url_alphabet(std::string base64) {
  std::replace(base64.begin(), base64.end(), '+', '-');
  std::replace(base64.begin(), base64.end(), '/', '_');
  return base64;
}

/// One code point of UTF-8 at `at`, which moves behind it; a byte that is none stands for itself.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at++]);
  const int more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
  std::uint32_t value = more ? byte & (0x3f >> more) : byte;
  for (int i = 0; i < more && at < text.size(); ++i)
    value = value << 6 | (static_cast<unsigned char>(text[at++]) & 0x3f);
  return value;
}

void append_unicode_escape(std::string& to, std::uint32_t unit) {
  to += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) to += "0123456789abcdef"[unit >> shift & 15];
}

/// As the inside of a JSON string; as PHP writes it, with `slashes` "\/", and `ascii` only.
std::string json_escaped(std::string_view text, bool slashes, bool ascii) {
  static constexpr std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    if (const std::size_t which = special.find(c); which != special.npos) {
      (result += '\\', result += letters[which], ++at);
    } else if (c == '/' && slashes) {
      (result += "\\/", ++at);
    } else if (byte < 0x20 || (byte >= 0x80 && ascii)) {
      const std::uint32_t point = next_code_point(text, at);
      if (point < 0x10000) {
        append_unicode_escape(result, point);
      } else {
        append_unicode_escape(result, 0xd800 + ((point - 0x10000) >> 10));
        append_unicode_escape(result, 0xdc00 + ((point - 0x10000) & 0x3ff));
      }
    } else {
      (result += c, ++at);
    }
  }
  return result;
}

void add_spellings(std::set<std::string>& all, const std::string& text) {
  if (text.size() < length_min) return;
  const auto add = [&all](std::string spelling) {
    if (spelling.size() >= length_min) all.insert(std::move(spelling));
  };
  add(text);
  for (const char* digits : {"0123456789ABCDEF", "0123456789abcdef"})
    for (const std::string_view plain : {"-_.~", "-_.", "-_.~!'()*"}) {
      std::string encoded = url_encoded(text, digits, plain);
      add(encoded);
      for (std::size_t at; (at = encoded.find("%20")) != encoded.npos;) encoded.replace(at, 3, "+");
      add(encoded);
    }
  for (std::string base64 : {base64_alone(text), base64_inside(text, 0), base64_inside(text, 1),
                             base64_inside(text, 2)}) {
    add(with_url_alphabet(base64));
    add(std::move(base64));
  }
  for (const bool slashes : {false, true})
    for (const bool ascii : {false, true}) add(json_escaped(text, slashes, ascii));
}

}  // namespace

Mask::Mask(std::vector<std::string> secrets) {
  std::set<std::string> all;
  for (const std::string& secret : secrets) {
    add_spellings(all, secret);
    for (std::size_t begin = 0; begin < secret.size();) {
      const std::size_t end = std::min(secret.find_first_of("\r\n", begin), secret.size());
      add_spellings(all, secret.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  spellings_.assign(all.begin(), all.end());
}

void Mask::mark(std::string_view text, std::vector<bool>& covered) const {
  // Marked first, replaced afterwards: of two secrets that overlap, no end is left standing.
  for (const std::string& spelling : spellings_)
    for (std::size_t at = 0; (at = text.find(spelling, at)) != text.npos; ++at)
      std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(at), spelling.size(), true);
}

void Mask::mark_cut(std::string_view line, std::size_t begin, std::vector<bool>& covered) const {
  for (const std::string& spelling : spellings_)
    for (std::size_t length = std::min(spelling.size(), line.size()); length >= length_min;
         --length)
      if (line.ends_with(std::string_view(spelling).substr(0, length))) {
        std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(begin + line.size() - length),
                    length, true);
        break;
      }
}

std::size_t Mask::settled(std::string_view text) const {
  std::size_t end = text.size();
  for (const std::string& spelling : spellings_)
    for (std::size_t length = std::min(spelling.size() - 1, text.size()); length > 0; --length)
      if (text.ends_with(std::string_view(spelling).substr(0, length))) {
        end = std::min(end, text.size() - length);
        break;
      }
  std::vector<bool> covered(text.size());
  mark(text, covered);
  while (end > 0 && end < text.size() && covered[end - 1]) --end;
  return end;
}

std::string Mask::apply(std::string_view text) const {
  if (spellings_.empty()) return std::string(text);
  std::vector<bool> covered(text.size());
  mark(text, covered);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end - begin >= cut_line_min) mark_cut(text.substr(begin, end - begin), begin, covered);
    begin = end + 1;
  }
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!covered[at])
      result += text[at];
    else if (at == 0 || !covered[at - 1])
      result += "***";
  }
  return result;
}

void MaskedStream::feed(std::string_view bytes) {
  held_ += bytes;
  const std::size_t settled = mask_.settled(held_);
  if (settled == 0) return;
  sink_(mask_.apply(std::string_view(held_).substr(0, settled)));
  held_.erase(0, settled);
}

void MaskedStream::finish() {
  if (!held_.empty()) sink_(mask_.apply(held_));
  held_.clear();
}

}  // namespace tidegate
