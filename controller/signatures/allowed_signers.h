#pragma once
// The secret `allowed-signers` taken apart. Internal to the folder; its format is told in
// signatures.h.

#include <set>
#include <string>

#include "schemas/result.h"

namespace tidegate {

struct AllowedSigners {
  std::string ssh;             ///< Lines for ssh-keygen.
  std::string ssh_gone;        ///< Revoked SSH keys, one each line.
  std::string openpgp;         ///< Armoured blocks, one after the other.
  std::set<std::string> gone;  ///< Revoked fingerprints: "SHA256:…", or upper-case hex.
};

/// invalid: what a line has that nobody can mean, by its number, never its text.
Result<AllowedSigners> parse_allowed_signers(const std::string& text);

}  // namespace tidegate
