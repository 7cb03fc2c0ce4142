#pragma once
// The public key inside an SSH signature. Internal to the folder.

#include <optional>
#include <string>

namespace tidegate {

struct SshKey {
  std::string type;     ///< "ssh-ed25519"; of a certificate "ssh-ed25519-cert-v01@openssh.com".
  int rsa_bits = 0;     ///< 0 when it is not RSA.
  std::string encoded;  ///< As in a public key's file: base64.
};

/// From an armoured signature, as PROTOCOL.sshsig of OpenSSH describes it; nothing when it is none.
std::optional<SshKey> key_of_signature(const std::string& armoured);

/// Why signatures of such a key do not count: "a DSA key"; "" when they may.
std::string weakness_of(const SshKey& key);

}  // namespace tidegate
