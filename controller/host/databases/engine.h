#pragma once
// The databases of environments, whatever the engine: made, copied while they are in use, saved and
// put back, and dropped only when they carry our mark. What a database is called here is recorded
// by the caller and given back word for word.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schemas/result.h"
#include "schemas/site.h"

namespace tidegate {

/// One declared database of one content set.
struct DatabaseId {
  std::string site, environment, name;
  std::string content;  ///< The content set's id, e.g. "12": what makes the physical name unique.
};

/// Whose database it is.
struct Owner {
  std::string site, environment;
  std::optional<std::pair<unsigned, unsigned>>
      user;  ///< uid and gid; absent: the controller's own.
};

/// What an environment's commands and pages need to reach a database.
struct DatabaseAccess {
  std::string url;                            ///< As in CONTRACT. Holds a password: a secret.
  std::vector<std::string> sandbox_writable;  ///< Directories to bind writable (SQLite).
  std::vector<std::string> sandbox_sockets;   ///< Sockets to bind (MariaDB on this machine).
};

/// One engine with one server's settings. Thread-safe: every call brings its own connections. Two
/// calls at once must not change the same database; copies may read one source together. Errors:
/// `transient` for what may heal (server gone, disk full, locked, stopped), `invalid` for what a
/// person must change (not ours, missing rights, damaged source).
class DatabaseEngine {
 public:
  using Stop = std::function<bool()>;  ///< Asked often, on the caller's thread; true ends the call.
                                       ///< May be empty.
  using Progress =
      std::function<void(int percent)>;  ///< 0–100, rising, on the caller's thread. May be empty.

  virtual ~DatabaseEngine() = default;

  /// What is recorded for it: SQLite the absolute path of the file, MariaDB the database's name.
  /// Pure: always the same for the same id, and different for different ones.
  virtual std::string physical(const DatabaseId& id) const = 0;

  /// The `saved_as` that goes with a database: one for each, never equal to a physical().
  virtual std::string saved_name(const std::string& physical) const = 0;

  /// Makes an empty database with our mark. Success also when it is there, of this owner, whole and
  /// empty; `invalid` when it is not ours or holds anything.
  virtual Result<void> create(const std::string& physical, const Owner& owner) = 0;

  /// Makes `to` what `from` (one of ours) was at one moment, while `from` goes on being written.
  /// `to` must not exist: a half one of an earlier try is dropped first, a whole one is `invalid`.
  /// A copy belongs to `owner`, definers included; its events are disabled, for a copy must act on
  /// nobody. MariaDB: history of system-versioned tables, and views that are broken in the source,
  /// stay behind.
  virtual Result<void> copy(const std::string& from, const std::string& to, const Owner& owner,
                            const Stop& stop, const Progress& progress) = 0;

  /// Saves a copy to go back to, which only the controller can read. As copy() about `saved_as`.
  virtual Result<void> save(const std::string& physical, const std::string& saved_as,
                            const Stop& stop) = 0;

  /// Makes `physical` what it was at save(), in the same file or under the same name, so that open
  /// handles stay good and see it. Until it succeeded `physical` may be half; after a kill or an
  /// error at any moment it is run again. It spends the saved copy: once restored, running it again
  /// changes nothing; drop(saved_as) is left to the caller.
  virtual Result<void> restore(const std::string& saved_as, const std::string& physical,
                               const Stop& stop) = 0;

  /// Drops what carries our mark, half or whole or saved, and the rights to it. Absent: success.
  /// Without our mark: `invalid`. Whether a release still names it is the caller's to know.
  virtual Result<void> drop(const std::string& physical) = 0;

  /// Every database here with our mark for this environment, in order; half and saved ones too, and
  /// what a drop that was killed left.
  virtual Result<std::vector<std::string>> list(const std::string& site,
                                                const std::string& environment) = 0;

  /// Whether anything has that name now, with our mark or without: what create() and copy() would
  /// find and not make.
  virtual Result<bool> is_taken(const std::string& physical) = 0;

  /// Whether it is there at all, whole or half. For what is looked at often: that it was there may
  /// be some seconds old, that it was not never is.
  virtual Result<bool> exists(const std::string& physical) = 0;

  /// How `owner` reaches a database that create() or copy() made for it.
  virtual Result<DatabaseAccess> access(const std::string& physical, const Owner& owner) const = 0;

  /// For doctor: nothing when all is well, else what is missing and the mend. Changes nothing. An
  /// error when that could not be found out.
  virtual Result<std::optional<std::string>> check() = 0;
};

/// Databases as files below the driver's root (an existing directory).
std::unique_ptr<DatabaseEngine> make_sqlite_engine(std::string root);

/// Databases and users of one MariaDB server whose names begin with its prefix. `password` is the
/// resolved secret; `state_directory` keeps the passwords of the users made here (made 0700).
std::unique_ptr<DatabaseEngine> make_mariadb_engine(MariaDbServer server, std::string password,
                                                    std::string state_directory);

}  // namespace tidegate
