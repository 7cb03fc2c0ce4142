// Addresses: of repositories (which reach git) and of web sites (which reach an HTTP client and a
// web server's configuration).
#include <algorithm>
#include <optional>
#include <string_view>

#include "schemas/checks.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

// scheme://[user[:password]@]host[:port][/rest], nothing decoded.
struct Address {
  std::string scheme, user, host, port, rest;
  bool has_user = false, has_password = false, has_port = false;
};

// "user:password@host", in whatever else is wrong.
bool may_hold_password(std::string_view text) {
  const auto mark = text.find("://");
  if (mark != std::string_view::npos) text.remove_prefix(mark + 3);
  const auto at = text.find('@');
  return at != std::string_view::npos && text.find(':') < at;
}

std::string shown(const std::string& text) {
  return may_hold_password(text) ? "what is written" : quote(text);
}

std::optional<Address> split_address(std::string_view text) {
  const auto mark = text.find("://");
  if (mark == std::string_view::npos) return std::nullopt;
  Address address;
  address.scheme = text.substr(0, mark);
  text.remove_prefix(mark + 3);
  const auto end = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, end);
  address.rest = text.substr(end);
  const auto at = authority.rfind('@');
  if (at != std::string_view::npos) {
    const auto colon = authority.substr(0, at).find(':');
    address.has_user = true;
    address.has_password = colon != std::string_view::npos;
    address.user = authority.substr(0, std::min(colon, at));
    authority.remove_prefix(at + 1);
  }
  const auto bracket = authority.find(']');
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  address.host = authority.substr(0, colon);
  address.has_port = colon != std::string_view::npos;
  if (address.has_port) address.port = authority.substr(colon + 1);
  return address;
}

bool is_host(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    return host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
  if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.') return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

bool is_port(std::string_view port) {
  if (port.empty() || port.size() > 5 || port.front() == '0') return false;
  int value = 0;
  for (const char c : port) {
    if (!is_digit(c)) return false;
    value = value * 10 + (c - '0');
  }
  return value <= 65535;
}

std::string wrong_host_and_port(const Address& address, const std::string& text) {
  if (!is_host(address.host)) return shown(text) + " has no valid host name";
  if (address.has_port && !is_port(address.port))
    return shown(text) + " has a port that is not between 1 and 65535";
  return "";
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7F && std::string_view("\"'<>\\^`{|}").find(c) == std::string::npos;
  });
}

std::string wrong_ssh_url(const Address& address, const std::string& text) {
  if (address.has_password)
    return "has a password in it: name a secret in repository.credentials instead";
  const bool user_fits = std::all_of(address.user.begin(), address.user.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
  if (address.has_user && (address.user.empty() || address.user.front() == '-' || !user_fits))
    return shown(text) + " has no valid user name";
  if (address.rest.size() < 2 || address.rest.front() != '/')
    return shown(text) + " has no path to a repository";
  if (address.rest.compare(0, 2, "/-") == 0)
    return shown(text) + " has a path that begins with '-': programs would read an option";
  return wrong_host_and_port(address, text);
}

// "git@host:path", which git reads as ssh.
std::string scp_like(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || text.find('/') < colon) return "";
  const std::string host = text.substr(0, colon);
  const auto at = host.find('@');
  if (!is_host(at == std::string::npos ? host : host.substr(at + 1))) return "";
  std::string path = text.substr(colon + 1);
  while (!path.empty() && path.front() == '/') path.erase(0, 1);
  return "ssh://" + host + "/" + path;
}

}  // namespace

std::string wrong_repository_url(const std::string& text) {
  if (text.empty()) return "is empty: write the address of a git repository";
  if (text.size() > 2048) return "is longer than 2048 bytes";
  if (has_control(text)) return "has a control character: remove it";
  if (text.front() == '-') return shown(text) + " begins with '-': programs would read an option";
  if (text.front() == '/') {
    return text.find_first_not_of('/') == std::string::npos
               ? shown(text) + " is the whole machine: name a repository"
               : "";
  }
  if (text.find("::") < text.find('/'))
    return shown(text) +
           " names a transport that runs programs: write an https:// or ssh:// address";
  const auto address = split_address(text);
  if (!address) {
    if (may_hold_password(text))
      return "has a user or password in it: name a secret in repository.credentials instead";
    const std::string ssh = scp_like(text);
    if (!ssh.empty()) return shown(text) + " is scp's spelling: write " + quote(ssh);
    return shown(text) +
           " is not an address: write https://…, ssh://…, file:///… or an absolute path";
  }
  if (address->scheme == "file") {
    return address->host.empty() && !address->has_user && address->rest.size() > 1 &&
                   address->rest.front() == '/'
               ? ""
               : shown(text) + " is not a local address: write file:///path";
  }
  if (address->scheme == "ssh") return wrong_ssh_url(*address, text);
  if (address->scheme != "http" && address->scheme != "https")
    return "has the scheme " + quote(address->scheme) + ": write https, http, ssh or file";
  if (address->has_user)
    return "has a user or password in it: name a secret in repository.credentials instead";
  if (!printable(text)) return shown(text) + " has characters an address cannot have";
  return wrong_host_and_port(*address, text);
}

std::string wrong_web_url(const std::string& text) {
  const auto address = split_address(text);
  if (!address || (address->scheme != "http" && address->scheme != "https"))
    return shown(text) + " is not an address: write it with https:// or http://";
  if (address->has_user) return "has a user or password in it: remove them";
  if (text.size() > 2048) return "is longer than 2048 bytes";
  if (!printable(text)) return shown(text) + " has characters an address cannot have";
  if (address->rest.find_first_of("?#") != std::string::npos)
    return shown(text) + " has a query or fragment: write it up to the path";
  return wrong_host_and_port(*address, text);
}

}  // namespace tidegate
