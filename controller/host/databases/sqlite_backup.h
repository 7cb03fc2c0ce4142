#pragma once
// Pages from one SQLite database into another while both may be in use. Used by this folder alone.

#include <string>

#include "controller/host/databases/engine.h"

namespace tidegate {

struct SqliteBackup {
  std::string from, to;    ///< Files.
  std::string from_owner;  ///< Directory whose owner reads `from`; "" for the controller itself.
  std::string to_owner;    ///< Directory whose owner writes `to`; "" for the controller itself.
  bool fresh = false;      ///< `to` is new and nobody else's: no journal is kept for it.
};

enum class BackupOutcome { done, target_damaged };

/// Makes `to` what `from` is at one moment. A writer of `from` is not held up, unless it keeps
/// `from` changing so fast in a rollback journal that only a lock helps. `to` changes in one
/// transaction: a kill leaves it as it was. target_damaged: `to` is no database any more, or its
/// pages are of another size and it is held open in WAL mode; nothing was changed.
Result<BackupOutcome> back_up(const SqliteBackup& backup, const DatabaseEngine::Stop& stop,
                              const DatabaseEngine::Progress& progress);

/// Whether nothing was ever made in this database.
Result<bool> is_empty_sqlite(const std::string& file);

}  // namespace tidegate
