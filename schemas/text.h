#pragma once
// How messages quote what people wrote, and which word they may have meant.

#include <string>
#include <string_view>
#include <vector>

namespace tidegate {

/// The text in double quotes, on one line: control characters escaped, cut after 80 bytes.
std::string quote(std::string_view text);

/// The nearest of `known` within a few typing mistakes of `word`; "" when none is near.
std::string nearest(std::string_view word, const std::vector<std::string_view>& known);

/// `; did you mean "live"?`, or "" when nothing known is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known);

/// "a, b or c".
std::string alternatives(const std::vector<std::string_view>& words);

/// The text with the names in the places of {site} and {environment}.
std::string filled_in(std::string text, const std::string& site, const std::string& environment);

bool is_lower(char c);
bool is_upper(char c);
bool is_letter(char c);
bool is_digit(char c);
/// Bytes below space, and DEL.
bool is_control(char c);
bool has_control(std::string_view text);

}  // namespace tidegate
