#pragma once
// SHA-256, for the digests that tie quarantines, builds and plans to what they were made of.

#include <string>
#include <string_view>

namespace tidegate {

/// 64 lower-case hex digits.
std::string sha256_hex(std::string_view text);

}  // namespace tidegate
