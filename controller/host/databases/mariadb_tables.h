#pragma once
// The tables of a database, and the statements that read one's rows and write them elsewhere to the
// byte. Used by this folder alone.

#include <cstdint>
#include <string>
#include <vector>

#include "controller/host/databases/mariadb_connection.h"

namespace tidegate {

struct MariaDbTable {
  std::string name;
  bool sequence = false;
  bool transactional = false;  ///< Its rows can be read as of a snapshot.
  bool has_rows = true;        ///< False for engines whose rows lie in other tables.
  std::uint64_t bytes = 0;     ///< The server's estimate.
  bool operator==(const MariaDbTable& other) const {
    return name == other.name && sequence == other.sequence;
  }
};

/// Tables and sequences, no views, in order of their names. `invalid` when one of them reaches
/// outside its database, so that a copy would share it.
Result<std::vector<MariaDbTable>> read_tables(MariaDbConnection& connection,
                                              const std::string& database);

/// How a table is made and moved. Columns that the server computes are not moved.
struct MariaDbShape {
  enum class Spelling { text, bytes, number };
  std::string create;               ///< CREATE …, for the current database.
  std::string columns;              ///< "`a`,`b`"; "" when there is nothing to move.
  std::string expressions;          ///< What to select for them.
  std::vector<Spelling> spellings;  ///< How each is written.
};

/// The current database must be the table's.
Result<MariaDbShape> read_shape(MariaDbConnection& connection, const std::string& database,
                                const MariaDbTable& table);

/// Appends one row as "(…)".
void append_row(std::string& statement, const MariaDbShape& shape, const MariaDbRow& row);

}  // namespace tidegate
