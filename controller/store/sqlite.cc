#include "controller/store/sqlite.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tidegate {
namespace {

constexpr int busy_milliseconds = 5000;

/// A path as it may stand in a "file:" address.
std::string as_address(const std::string& path) {
  std::string address = "file:";
  for (const char letter : path) {
    switch (letter) {
      case '%':
        address += "%25";
        break;
      case '?':
        address += "%3f";
        break;
      case '#':
        address += "%23";
        break;
      default:
        address += letter;
    }
  }
  return address;
}

void bind(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    sqlite3_bind_int64(statement, index, *number);
  } else if (const auto* text = std::get_if<std::string_view>(&value)) {
    // An empty view may have no data, which would be bound as NULL.
    const char* data = text->data() ? text->data() : "";
    sqlite3_bind_text64(statement, index, data, text->size(), SQLITE_STATIC, SQLITE_UTF8);
  } else {
    sqlite3_bind_null(statement, index);
  }
}

bool spoils_connection(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_MISUSE:
      return true;
    default:
      return false;
  }
}

bool refuses_access(int code, int system_error) {
  switch (code & 0xff) {
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return true;
    case SQLITE_CANTOPEN:
      return system_error == EACCES || system_error == EPERM || system_error == EROFS;
    default:
      return false;
  }
}

Error explain(const std::string& file, int code, const char* cause, int system_error) {
  const std::string because = system_error ? std::strerror(system_error) : cause;
  if (refuses_access(code, system_error)) {
    return {ErrorKind::invalid,
            "no right to use state file " + file + ": run this as the user that owns it"};
  }
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorKind::invalid,
              "state file " + file +
                  " is damaged or not SQLite: move it away; only history and the audit are lost"};
    case SQLITE_FULL:
      return {ErrorKind::transient, "no space left for state file " + file + ": free some"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::transient,
              "state file " + file + " has been busy for 5 s: another process is writing"};
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
      return {ErrorKind::transient, "using state file " + file + " failed: " + because};
    default:
      return {ErrorKind::invalid, "state file " + file + " is not as Tidegate left it (" + cause +
                                      "): move it away; only history and the audit are lost"};
  }
}

}  // namespace

std::string Row::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (!data) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Row::integer(int column) const { return sqlite3_column_int64(statement_, column); }

bool Row::null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

void Connection::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access) {
  std::unique_ptr<Connection> connection(new Connection(path));
  std::string address = as_address(path);
  if (access == Access::read_frozen) address += "?immutable=1";
  const int mode = access == Access::write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(address.c_str(), &connection->handle_,
                                   mode | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) return connection->failure(code);
  sqlite3_extended_result_codes(connection->handle_, 1);
  sqlite3_busy_timeout(connection->handle_, busy_milliseconds);
  sqlite3_db_config(connection->handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return connection;
}

Connection::~Connection() {
  statements_.clear();
  sqlite3_close_v2(handle_);
}

Result<void> Connection::run(std::string_view sql, std::initializer_list<Value> values) {
  return each(sql, values, [](const Row&) {});
}

Result<void> Connection::each(std::string_view sql, std::initializer_list<Value> values,
                              const std::function<void(const Row&)>& take) {
  const auto prepared_statement = prepared(sql, values);
  if (!prepared_statement) return prepared_statement.error();
  sqlite3_stmt* statement = *prepared_statement;
  int code;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) take(Row(statement));
  std::optional<Error> error;
  if (code != SQLITE_DONE) error = failure(code);
  // Reset at once: a statement that stays open keeps its view of the file, and the log from being
  // folded in.
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (error) return *error;
  return {};
}

Result<std::optional<std::string>> Connection::text(std::string_view sql,
                                                    std::initializer_list<Value> values) {
  std::optional<std::string> first;
  const auto read = each(sql, values, [&](const Row& row) {
    if (!first) first = row.text(0);
  });
  if (!read) return read.error();
  return first;
}

Result<std::int64_t> Connection::integer(std::string_view sql,
                                         std::initializer_list<Value> values) {
  std::optional<std::int64_t> first;
  const auto read = each(sql, values, [&](const Row& row) {
    if (!first) first = row.integer(0);
  });
  if (!read) return read.error();
  return first.value_or(0);
}

Result<void> Connection::script(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code);
  return {};
}

Result<void> Connection::transaction(const std::function<Result<void>()>& body) {
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = body();
  if (done) done = run("COMMIT");
  // Some errors have rolled back already, and a second time would be an error of its own.
  if (!done && !sqlite3_get_autocommit(handle_)) {
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  return done;
}

std::size_t Connection::changed_rows() const {
  return static_cast<std::size_t>(sqlite3_changes64(handle_));
}

Result<sqlite3_stmt*> Connection::prepared(std::string_view sql,
                                           std::initializer_list<Value> values) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return failure(code);
    found = statements_.emplace(sql, statement).first;
  }
  int index = 0;
  for (const Value& value : values) bind(found->second.get(), ++index, value);
  return found->second.get();
}

Error Connection::failure(int code) {
  broken_ = broken_ || spoils_connection(code);
  const char* cause = handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  const int system_error = handle_ ? sqlite3_system_errno(handle_) : 0;
  access_refused_ = refuses_access(code, system_error);
  return explain('"' + path_ + '"', code, cause, system_error);
}

}  // namespace tidegate
