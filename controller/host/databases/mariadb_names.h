#pragma once
// What databases and users made here are called on a MariaDB server, and how URLs and grants spell
// them. Pure. Used by this folder alone.

#include <cstddef>
#include <string>
#include <string_view>

#include "controller/host/databases/engine.h"

namespace tidegate {

/// What MariaDB allows for the name of a database.
inline constexpr std::size_t mariadb_name_max = 64;

/// PREFIX_SITE_ENVIRONMENT_NAME_CONTENT of [a-z0-9_], never longer than 64. Where that is not the
/// id letter for letter, it ends in a digest of the id, so that "a-b", "c" and "a", "b-c" stay
/// apart.
std::string mariadb_database(const std::string& prefix, const DatabaseId& id);

/// The saved copy's name: "…__back", shortened with a digest when that is too long.
std::string mariadb_saved(const std::string& physical);

/// The one database of our own, which holds the marks.
std::string mariadb_marks_database(const std::string& prefix);

/// The user of an environment: PREFIX_ and 16 hex digits of a digest.
std::string mariadb_user(const std::string& prefix, const std::string& site,
                         const std::string& environment);

/// Whether a name is one that mariadb_database or mariadb_saved could have made.
bool is_mariadb_database(const std::string& prefix, const std::string& name);

/// A database's name in a GRANT, where `_` and `%` would match other names too.
std::string grant_pattern(std::string_view database);

/// Everything but unreserved characters and those in `keep` as %XX.
std::string percent_encode(std::string_view text, std::string_view keep = {});

}  // namespace tidegate
