#pragma once
// A saved copy, and its way back: its tables lie in a database of their own and are renamed back;
// the rest is kept as definitions. Used by this folder alone.

#include <string>
#include <vector>

#include "controller/host/databases/mariadb_connection.h"
#include "controller/host/databases/mariadb_definitions.h"

namespace tidegate {

/// What is kept of `physical` beside its tables' rows: definitions, and a list of the tables that
/// were copied to `saved`.
Result<std::vector<MariaDbDefinition>> describe_saved(MariaDbConnection& connection,
                                                      const MariaDbServer& server,
                                                      const std::string& physical,
                                                      const std::string& saved);

/// Makes `physical` what describe_saved() described. After a kill it goes on where it was: a table
/// that is still in `saved` is not back yet.
Result<void> move_back(MariaDbConnection& connection, const MariaDbServer& server,
                       const std::string& saved, const std::string& physical,
                       const std::vector<MariaDbDefinition>& kept);

}  // namespace tidegate
