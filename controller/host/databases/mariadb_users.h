#pragma once
// The database user of an environment: its password, kept in a file of ours so that it is the same
// after a restart, and its rights, on its own databases alone. Used by this folder alone.

#include <string>

#include "controller/host/databases/engine.h"
#include "controller/host/databases/mariadb_connection.h"

namespace tidegate {

class MariaDbUsers {
 public:
  MariaDbUsers(const MariaDbServer& server, std::string state_directory);

  /// The user's name and host, as DEFINER and GRANT want them.
  std::string name(const std::string& site, const std::string& environment) const;
  std::string host() const;

  /// Makes the user where it is missing. `invalid` when the user is there but its password is not:
  /// a new one would lock out the pages that use the old one.
  Result<void> prepare(MariaDbConnection& connection, const Owner& owner) const;
  Result<void> grant(MariaDbConnection& connection, const Owner& owner,
                     const std::string& physical) const;
  /// Success also when there was no such right, or no such user.
  Result<void> revoke(MariaDbConnection& connection, const std::string& site,
                      const std::string& environment, const std::string& physical) const;
  /// The user and its password, once no database is left to it. Success also when absent.
  Result<void> remove(MariaDbConnection& connection, const std::string& site,
                      const std::string& environment) const;
  /// `invalid` when there is none.
  Result<std::string> password(const Owner& owner) const;

 private:
  std::string account(const std::string& site, const std::string& environment) const;
  std::string file(const std::string& site, const std::string& environment) const;
  const MariaDbServer server_;
  const std::string state_directory_;
};

}  // namespace tidegate
