#pragma once
// Our marks: which databases on a server are Tidegate's, whose, and how far they are. They lie in a
// database of our own, for a table among the application's would be seen by it. Used by this folder
// alone.

#include <optional>
#include <string>
#include <vector>

#include "controller/host/databases/mariadb_connection.h"
#include "controller/host/databases/mariadb_definitions.h"

namespace tidegate {

struct MariaDbMark {
  /// making: half made. ready: an environment's. saved: a whole saved copy. restoring: it is being
  /// put back. restored: it is spent.
  enum class State { making, ready, saved, restoring, restored };
  std::string physical, site, environment;
  State state = State::making;
};

class MariaDbMarks {
 public:
  MariaDbMarks(MariaDbConnection& connection, const std::string& prefix);

  /// Makes the database of marks where it is not there yet.
  Result<void> prepare();
  /// No mark also when there is no database of marks.
  Result<std::optional<MariaDbMark>> find(const std::string& physical);
  Result<std::vector<std::string>> list(const std::string& site, const std::string& environment);
  /// Adds the mark, or changes its state.
  Result<void> write(const MariaDbMark& mark);
  /// Forgets the mark and the definitions kept with it.
  Result<void> remove(const std::string& physical);

  /// What a saved copy needs beside its tables' rows. Replaces what was kept before.
  Result<void> keep(const std::string& physical, const std::vector<MariaDbDefinition>& definitions);
  Result<std::vector<MariaDbDefinition>> kept(const std::string& physical);

 private:
  bool missing() const;
  MariaDbConnection& connection_;
  std::string database_, marks_, definitions_;
};

}  // namespace tidegate
