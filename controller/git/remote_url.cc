// Which addresses of git repositories are accepted.

#include "controller/git/remote_url.h"

#include <algorithm>
#include <optional>

namespace tidegate {

namespace {

Error refused(const std::string& cause) { return {ErrorKind::invalid, cause}; }

/// Reads %41 as "A". Nothing for a broken escape or one that hides a control character.
std::optional<std::string> decode(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    const std::string digits = text.substr(i + 1, 2);
    if (digits.size() != 2 || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos)
      return std::nullopt;
    const char c = static_cast<char>(std::stoi(digits, nullptr, 16));
    if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
    plain += c;
    i += 2;
  }
  return plain;
}

Result<RemoteUrl> parse_file(const std::string& text) {
  RemoteUrl url{.text = text};
  if (text.starts_with("file://")) {
    const auto path = decode(text.substr(7));
    if (!path) return refused("\"" + text + "\" has a broken % escape");
    url.path = *path;
    if (url.path.starts_with("localhost/")) url.path.erase(0, 9);
    if (!url.path.starts_with("/"))
      return refused("\"" + text + "\" names no absolute path; write file:///path");
  } else {
    url.path = text;
  }
  return url;
}

/// "user@host:port", each part where it is written.
Result<RemoteUrl> parse_authority(const std::string& authority, RemoteUrl url) {
  std::string host = authority;
  if (const auto at = authority.rfind('@'); at != authority.npos) {
    url.user = authority.substr(0, at);
    host = authority.substr(at + 1);
  }
  const auto colon = host.rfind(':');
  if (colon != host.npos && host.find(']', colon) == host.npos) {
    const std::string digits = host.substr(colon + 1);
    if (digits.empty() || digits.size() > 5 ||
        digits.find_first_not_of("0123456789") != digits.npos)
      return refused("\"" + url.text + "\" has a port that is no number");
    url.port = std::stoi(digits);
    host.erase(colon);
  }
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  url.host = bracketed ? host.substr(1, host.size() - 2) : host;
  if (url.host.empty()) return refused("\"" + url.text + "\" names no host");
  if (url.host.front() == '-' || url.user.starts_with("-"))
    return refused("\"" + url.text + "\" has a host or user that begins with \"-\"");
  if (url.port < 1 || url.port > 65535)
    return refused("\"" + url.text + "\" has a port outside 1–65535");
  return url;
}

}  // namespace

Result<RemoteUrl> parse_remote_url(const std::string& text) {
  if (text.empty()) return refused("the repository URL is empty");
  if (std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return c <= 0x20 || c == 0x7F; }) &&
      text.front() != '/')
    return refused("the repository URL has a space or control character");
  if (text.find_first_of(std::string("\n\r\0", 3)) != text.npos)
    return refused("the repository URL has a line break");
  if (text.front() == '-') return refused("\"" + text + "\" begins with \"-\" and is no URL");
  if (text.front() == '/' || text.starts_with("file://")) return parse_file(text);

  RemoteUrl url{.text = text};
  std::size_t start = 0;
  if (text.starts_with("https://")) {
    url.transport = Transport::https, url.port = 443, start = 8;
  } else if (text.starts_with("http://")) {
    url.transport = Transport::http, url.port = 80, start = 7;
  } else if (text.starts_with("ssh://")) {
    url.transport = Transport::ssh, url.port = 22, start = 6;
  } else if (text.find("://") == text.npos && text.find("::") == text.npos &&
             text.find(':') != text.npos) {
    const auto colon = text.find(':');
    return refused("\"" + text + "\" is not supported; write ssh://" + text.substr(0, colon) + "/" +
                   text.substr(colon + 1));
  } else {
    return refused(
        "\"" + text +
        "\" is not supported; use https://, http://, ssh://, file:/// or an absolute path");
  }
  const auto slash = text.find('/', start);
  const std::string authority = text.substr(start, slash == text.npos ? slash : slash - start);
  // The URL itself is not repeated here: it holds a secret.
  if (const auto at = authority.rfind('@'); at != authority.npos && authority.find(':') < at)
    return refused("the repository URL holds a password; name a secret in credentials instead");
  url.path = slash == text.npos ? "" : text.substr(slash);
  if (url.path.size() < 2) return refused("\"" + text + "\" names no repository on that host");
  return parse_authority(authority, std::move(url));
}

bool may_share_credentials(const RemoteUrl& meant, const RemoteUrl& other) {
  if (meant.host != other.host) return false;
  if (meant.transport == other.transport) return meant.port == other.port;
  return meant.transport == Transport::http && meant.port == 80 &&
         other.transport == Transport::https && other.port == 443;
}

}  // namespace tidegate
