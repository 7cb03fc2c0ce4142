#include "controller/secrets/credentials.h"

namespace tidegate {

Result<Credentials> credentials_for(const std::string& url, const std::optional<SecretRef>& secret,
                                    const Secrets& secrets, const std::string& site) {
  Credentials out;
  if (!secret) return out;
  if (url.starts_with("ssh://")) {
    out.ssh_private_key_file = secrets.path_of(*secret, site);
    SecretRef hosts = *secret;
    hosts.name += ".known_hosts";
    if (secrets.read(hosts, site)) out.ssh_known_hosts_file = secrets.path_of(hosts, site);
    return out;
  }
  auto value = secrets.read(*secret, site);
  if (!value) return std::move(value.error()).within("credentials of " + url);
  const auto colon = value->find(':');
  if (colon != std::string::npos) out.username = value->substr(0, colon);
  out.password = colon == std::string::npos ? *value : value->substr(colon + 1);
  return out;
}

}  // namespace tidegate
