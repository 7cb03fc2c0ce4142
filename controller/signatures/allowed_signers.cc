#include "controller/signatures/allowed_signers.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace tidegate {
namespace {

constexpr const char* block_begin = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
constexpr const char* block_end = "-----END PGP PUBLIC KEY BLOCK-----";
constexpr std::size_t openpgp_fingerprint = 40;

Error at_line(int line, const std::string& what) {
  return {ErrorKind::invalid, "line " + std::to_string(line) + " of the allowed signers " + what};
}

std::string trimmed(const std::string& line) {
  const auto begin = line.find_first_not_of(" \t\r");
  if (begin == line.npos) return "";
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

bool is_hex(const std::string& text) {
  return std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

/// What follows "@revoked". False: it is nothing that could be revoked.
bool revoke(AllowedSigners& signers, const std::string& text) {
  std::istringstream words(text);
  std::string first, second;
  words >> first >> second;
  if (!second.empty() &&
      (first.starts_with("ssh-") || first.starts_with("ecdsa-") || first.starts_with("sk-"))) {
    signers.ssh_gone += first + " " + second + "\n";
    return true;
  }
  if (first.starts_with("SHA256:")) {
    signers.gone.insert(first);
    return second.empty();
  }
  std::string digits = text;  // gpg shows them in groups.
  std::erase(digits, ' ');
  if (digits.size() != openpgp_fingerprint || !is_hex(digits)) return false;
  std::ranges::transform(digits, digits.begin(), [](unsigned char c) { return std::toupper(c); });
  signers.gone.insert(digits);
  return true;
}

}  // namespace

Result<AllowedSigners> parse_allowed_signers(const std::string& text) {
  AllowedSigners signers;
  std::istringstream lines(text);
  std::string raw;
  int number = 0, block = 0;  // `block`: the line on which the open one began.
  while (std::getline(lines, raw)) {
    ++number;
    const std::string line = trimmed(raw);
    if (block != 0) {
      signers.openpgp += line + "\n";
      if (line == block_end) block = 0;
    } else if (line == block_begin) {
      block = number;
      signers.openpgp += line + "\n";
    } else if (line.starts_with("-----")) {
      return at_line(number, "begins something that is no OpenPGP public key block");
    } else if (line.starts_with("@")) {
      constexpr std::string_view word = "@revoked ";
      if (!line.starts_with(word) || !revoke(signers, trimmed(line.substr(word.size()))))
        return at_line(number,
                       "is neither \"@revoked\" and an SSH public key nor \"@revoked\" and a "
                       "fingerprint (SHA256:…, or 40 hex digits of OpenPGP)");
    } else if (!line.empty() && line[0] != '#') {
      signers.ssh += line + "\n";
    }
  }
  if (block != 0) return at_line(block, "begins an OpenPGP public key block that does not end");
  return signers;
}

}  // namespace tidegate
