#pragma once
// All tables of one database into another, as they were at one moment, while the source is written:
// two connections read the same snapshot, taken in the milliseconds in which nobody commits. Used
// by this folder alone.

#include <string>

#include "controller/host/databases/engine.h"
#include "controller/host/databases/mariadb_connection.h"

namespace tidegate {

struct MariaDbStream {
  const MariaDbServer& server;
  const std::string& password;
  std::string from, to;        ///< `to` exists and is empty.
  bool own_references = true;  ///< What refers to `from` by name refers to `to` in the copy.
};

/// false: the application changed tables meanwhile, so what `to` holds is worth nothing: empty it
/// and try again. Tables of engines without transactions are locked against writers while they are
/// read. Errors as DatabaseEngine::copy.
Result<bool> stream_tables(const MariaDbStream& order, const DatabaseEngine::Stop& stop,
                           const DatabaseEngine::Progress& progress);

}  // namespace tidegate
