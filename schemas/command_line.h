#pragma once
// Command lines as manifests spell them.

#include <string>
#include <vector>

#include "schemas/result.h"

namespace tidegate {

/// Splits one command line into its words by POSIX quoting: blanks separate, '…' is literal, in "…"
/// and outside quotes a backslash escapes. Nothing is expanded and there is no shell, so words that
/// only a shell understands (&&, |, >) are errors unless quoted. At least one word, the first not
/// empty. Error{invalid} says what is wrong, without the command line itself.
Result<std::vector<std::string>> split_command(const std::string& text);

}  // namespace tidegate
