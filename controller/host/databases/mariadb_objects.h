#pragma once
// Everything in a database that is not a table: read, dropped and made again. Used by this folder
// alone.

#include <string>
#include <vector>

#include "controller/host/databases/mariadb_connection.h"
#include "controller/host/databases/mariadb_definitions.h"

namespace tidegate {

/// Routines, views, triggers and events of a database, in an order in which they can be made again.
/// `invalid` when the right to read a routine's text is missing.
Result<std::vector<MariaDbDefinition>> read_definitions(MariaDbConnection& connection,
                                                        const MariaDbServer& server,
                                                        const std::string& database);

/// Drops them from `database`; what is not there counts as dropped.
Result<void> drop_definitions(MariaDbConnection& connection, const std::string& database,
                              const std::vector<MariaDbDefinition>& definitions);

/// Makes them in `database`. A view that cannot be made because it names what is not there is left
/// out: it was as broken where it came from.
Result<void> make_definitions(MariaDbConnection& connection, const std::string& database,
                              const std::vector<MariaDbDefinition>& definitions);

}  // namespace tidegate
