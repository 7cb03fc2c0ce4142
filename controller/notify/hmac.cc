#include "controller/notify/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdexcept>

namespace tidegate {

std::string hmac_sha256_hex(const std::string& secret, const std::string& text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned count = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  if (!HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), data, text.size(), bytes,
            &count))
    throw std::runtime_error("HMAC-SHA256 is not available");
  constexpr const char* digits = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < count; ++i) {
    hex += digits[bytes[i] >> 4];
    hex += digits[bytes[i] & 0xf];
  }
  return hex;
}

}  // namespace tidegate
