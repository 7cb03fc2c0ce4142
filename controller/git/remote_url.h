#pragma once
// Which addresses of git repositories are accepted, taken apart. Pure.

#include <string>

#include "schemas/result.h"

namespace tidegate {

enum class Transport { http, https, ssh, file };

struct RemoteUrl {
  Transport transport = Transport::file;
  std::string user{}, host{};  ///< "" for files.
  int port = 0;                ///< The transport's own when none is written; 0 for files.
  std::string path{};          ///< Absolute for files, decoded.
  std::string text{};          ///< The URL as written.
};

/// http://, https://, ssh://, file:///path and /path. Everything else is invalid: other transports,
/// a password in the URL, a relative path, control characters, anything an option could hide in.
Result<RemoteUrl> parse_remote_url(const std::string& text);

/// Whether credentials meant for one address may be shown at the other: the same server, or the
/// same host with https instead of http, both at their usual ports.
bool may_share_credentials(const RemoteUrl& meant, const RemoteUrl& other);

}  // namespace tidegate
