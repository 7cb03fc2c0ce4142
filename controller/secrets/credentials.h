#pragma once
// What a git server wants to see, from secrets.

#include <optional>
#include <string>

#include "controller/git/mirror.h"
#include "controller/secrets/secrets.h"

namespace tidegate {

/// What git wants to see for a URL: from a secret with a token, "user:password", or an ssh key's
/// file (known hosts beside it, in a secret of the same name with ".known_hosts").
Result<Credentials> credentials_for(const std::string& url, const std::optional<SecretRef>& secret,
                                    const Secrets& secrets, const std::string& site);

}  // namespace tidegate
