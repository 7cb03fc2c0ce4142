// Names of databases and users.

#include "controller/host/databases/mariadb_names.h"

#include <algorithm>

#include "controller/host/databases/mariadb_connection.h"
#include "schemas/digest.h"

namespace tidegate {
namespace {

constexpr std::size_t digest_length = 8;

bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// `exact` says that the digest is not needed to tell this name from another one's.
std::string shortened(std::string name, const std::string& id, bool exact, std::string_view tail) {
  if (exact && name.size() + tail.size() <= mariadb_name_max) return name.append(tail);
  const std::string digest = "_" + sha256_hex(id).substr(0, digest_length);
  name.resize(std::min(name.size(), mariadb_name_max - digest.size() - tail.size()));
  return name.append(digest).append(tail);
}

}  // namespace

std::string mariadb_database(const std::string& prefix, const DatabaseId& id) {
  std::string name = prefix, whole = prefix;
  bool exact = true;
  for (const std::string* part : {&id.site, &id.environment, &id.name, &id.content}) {
    whole += "/" + *part;
    name += '_';
    for (const char c : *part) {
      exact = exact && is_plain(c);
      const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      name += is_plain(lower) ? lower : '_';
    }
    exact = exact && !part->empty();
  }
  return shortened(std::move(name), whole, exact, "");
}

std::string mariadb_saved(const std::string& physical) {
  return shortened(physical, physical, true, "__back");
}

std::string mariadb_marks_database(const std::string& prefix) { return prefix + "_tidegate"; }

std::string mariadb_user(const std::string& prefix, const std::string& site,
                         const std::string& environment) {
  return prefix + "_" + sha256_hex(prefix + "/" + site + "/" + environment).substr(0, 16);
}

bool is_mariadb_database(const std::string& prefix, const std::string& name) {
  if (name.size() > mariadb_name_max || name == mariadb_marks_database(prefix)) return false;
  if (name.size() <= prefix.size() + 1 || name.compare(0, prefix.size(), prefix) != 0) return false;
  for (std::size_t i = prefix.size(); i < name.size(); ++i)
    if (!is_plain(name[i]) && name[i] != '_') return false;
  return name[prefix.size()] == '_';
}

std::string grant_pattern(std::string_view database) {
  std::string pattern;
  for (const char c : database) {
    if (c == '_' || c == '%') pattern += '\\';
    pattern += c;
  }
  return quote_name(pattern);
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool letter = (c >= 'A' && c <= 'Z') || is_plain(c);
    if (letter || std::string_view("-._~").find(c) != std::string_view::npos ||
        keep.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += digits[byte >> 4];
    encoded += digits[byte & 15];
  }
  return encoded;
}

}  // namespace tidegate
