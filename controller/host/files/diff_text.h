#pragma once
// Line differences as `diff -u` prints them. For the files of this folder only.

#include <string>
#include <string_view>

namespace tidegate::files {

/// Whether people can read it: no NUL and no other control bytes but tab, newline, return, escape.
bool is_text(std::string_view bytes);

/// The hunks, with three lines of context, that lead from one text to the other; "" when they are
/// equal. Smallest possible, unless the part that differs is so large that it is replaced whole.
std::string hunks(std::string_view before, std::string_view after);

}  // namespace tidegate::files
