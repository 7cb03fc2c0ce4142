#pragma once
// One connection to a MariaDB server: statements in, rows and errors out. Used by this folder
// alone.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/result.h"
#include "schemas/site.h"

namespace tidegate {

/// Values of one row as text, or bytes; absent is NULL. Views live until the next row.
using MariaDbRow = std::vector<std::optional<std::string_view>>;
/// Rows kept whole; NULL became "".
using MariaDbRows = std::vector<std::vector<std::string>>;

/// Error numbers of server and client that decide what is done next.
namespace mariadb_error {
inline constexpr unsigned unknown_database = 1049, table_exists = 1050, unknown_column = 1054,
                          no_such_grant = 1141, no_such_table = 1146, lock_timeout = 1205,
                          deadlock = 1213, view_invalid = 1356, no_such_user = 1396,
                          definition_changed = 1412;
}

/// Not thread-safe but for cut().
class MariaDbConnection {
 public:
  /// Connects and makes the session fit for moving data: utf8mb4, UTC, no time limits of the
  /// server's on a statement. `invalid` when access is denied, `transient` when nobody answers.
  static Result<MariaDbConnection> open(const MariaDbServer& server, const std::string& password);
  MariaDbConnection(MariaDbConnection&&) noexcept;
  MariaDbConnection& operator=(MariaDbConnection&&) noexcept;
  ~MariaDbConnection();

  /// Runs a statement and drops what it answers.
  Result<void> run(std::string_view statement);
  /// Runs a query and keeps its rows.
  Result<MariaDbRows> rows(std::string_view query);
  /// Runs a query and hands each row on as it comes. An error of `take` ends it, and the
  /// connection.
  Result<void> each(std::string_view query,
                    const std::function<Result<void>(const MariaDbRow&)>& take);

  /// The number of the last error; 0 when the last call succeeded. (`take`'s error counts as none.)
  unsigned error_number() const;
  /// Warnings of the last statement.
  unsigned warnings() const;
  /// From any thread: ends the connection, so that a call which waits for the server returns.
  void cut();

 private:
  struct State;
  explicit MariaDbConnection(std::unique_ptr<State> state);
  Error failure();
  std::unique_ptr<State> state_;
};

/// What an administrator runs to give Tidegate's user its rights on the server.
std::string mariadb_grants(const MariaDbServer& server);

/// "MariaDB at '/run/mysqld/mysqld.sock'": how messages name a server.
std::string mariadb_place(const MariaDbServer& server);

/// `name` in backticks.
std::string quote_name(std::string_view name);
/// 'text' with escapes; for a session without NO_BACKSLASH_ESCAPES, which ours never has.
std::string quote_text(std::string_view text);
/// The same, appended to what is there.
void append_quoted(std::string& statement, std::string_view text);

}  // namespace tidegate
