#include "controller/signatures/ssh_key.h"

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

namespace tidegate {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view certificate = "-cert-v01@openssh.com";
constexpr int rsa_bits_min = 2048;

std::string decoded(std::string_view text) {
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == alphabet.npos) continue;  // Newlines, and "=" at the end.
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

std::string encoded(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : alphabet[group >> (18 - 6 * k) & 0x3F];
  }
  return text;
}

/// Takes what SSH calls a string: four bytes of length, then that many.
std::optional<std::string_view> take_string(std::string_view& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  if (bytes.size() - 4 < length) return std::nullopt;
  const std::string_view taken = bytes.substr(4, length);
  bytes.remove_prefix(4 + length);
  return taken;
}

int bits_of(std::string_view number) {
  while (!number.empty() && number[0] == '\0') number.remove_prefix(1);
  if (number.empty()) return 0;
  const auto first = static_cast<unsigned char>(number[0]);
  return static_cast<int>(number.size() * 8) - std::countl_zero(first);
}

}  // namespace

std::optional<SshKey> key_of_signature(const std::string& armoured) {
  constexpr std::string_view begin = "-----BEGIN SSH SIGNATURE-----",
                             end = "-----END SSH SIGNATURE-----", magic = "SSHSIG";
  const std::size_t last = armoured.find(end);
  if (!armoured.starts_with(begin) || last == armoured.npos) return std::nullopt;
  const std::string bytes =
      decoded(std::string_view(armoured).substr(begin.size(), last - begin.size()));
  std::string_view rest = bytes;
  if (!rest.starts_with(magic) || rest.size() < magic.size() + 4) return std::nullopt;
  rest.remove_prefix(magic.size() + 4);  // And the version, which ssh-keygen looks at.
  const auto blob = take_string(rest);
  if (!blob) return std::nullopt;
  SshKey key{.type = {}, .rsa_bits = 0, .encoded = encoded(*blob)};
  std::string_view fields = *blob;
  const auto type = take_string(fields);
  if (!type) return std::nullopt;
  key.type = *type;
  if (!type->starts_with("ssh-rsa")) return key;
  if (type->ends_with(certificate) && !take_string(fields)) return std::nullopt;  // Its nonce.
  const auto exponent = take_string(fields), modulus = take_string(fields);
  if (!exponent || !modulus) return std::nullopt;
  key.rsa_bits = bits_of(*modulus);
  return key;
}

std::string weakness_of(const SshKey& key) {
  constexpr std::array strong{
      "ssh-ed25519",         "ecdsa-sha2-nistp256",        "ecdsa-sha2-nistp384",
      "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"};
  std::string type = key.type;
  if (type.ends_with(certificate)) type.resize(type.size() - certificate.size());
  if (type == "ssh-rsa")
    return key.rsa_bits >= rsa_bits_min ? ""
                                        : "an RSA key of " + std::to_string(key.rsa_bits) + " bits";
  for (const std::string_view name : strong)
    if (type == name || type + "@openssh.com" == name) return "";
  return type == "ssh-dss" ? "a DSA key" : "a key of an unknown type";
}

}  // namespace tidegate
