#pragma once
// The proof that a notification comes from who knows the secret.

#include <string>

namespace tidegate {

/// HMAC-SHA256: 64 lower-case hex digits.
std::string hmac_sha256_hex(const std::string& secret, const std::string& text);

}  // namespace tidegate
