#pragma once
// A thin, safe skin over one SQLite connection: statements kept prepared, values bound, errors in
// our words. For the store alone.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "schemas/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tidegate {

/// What a `?` in SQL stands for. Text is not copied: it must live as long as the call.
using Value = std::variant<std::nullptr_t, std::int64_t, std::string_view>;

/// The row a statement is at. Columns count from 0.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  std::string text(int column) const;
  std::int64_t integer(int column) const;
  bool null(int column) const;

 private:
  sqlite3_stmt* statement_;
};

enum class Access {
  write,
  read,
  read_frozen,  ///< Takes no lock and looks at no write-ahead log: right only while nobody writes.
};

/// One thread at a time. Every `sql` is a literal: it is prepared once and found by its text again.
class Connection {
 public:
  /// `path` is absolute and the file exists. A busy file is waited for, 5 s at most.
  static Result<std::unique_ptr<Connection>> open(const std::string& path, Access access);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<void> run(std::string_view sql, std::initializer_list<Value> values = {});
  /// Calls `take` for every row. It must not use the connection.
  Result<void> each(std::string_view sql, std::initializer_list<Value> values,
                    const std::function<void(const Row&)>& take);
  /// The first column of the first row as text; nothing when there is no row.
  Result<std::optional<std::string>> text(std::string_view sql,
                                          std::initializer_list<Value> values);
  /// The first column of the first row; 0 when there is no row.
  Result<std::int64_t> integer(std::string_view sql, std::initializer_list<Value> values = {});
  /// Several statements without values.
  Result<void> script(const char* sql);

  /// All that `body` does, or, when it fails, nothing. Waits for other writers before it begins.
  Result<void> transaction(const std::function<Result<void>()>& body);
  /// Rows that the last insert, update or delete touched.
  std::size_t changed_rows() const;

  /// An error came that says the connection itself, or its file, may be no good any more.
  bool broken() const { return broken_; }
  /// The last error was that this user may not touch the file, or make those that go with it.
  bool access_refused() const { return access_refused_; }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };

  explicit Connection(std::string path) : path_(std::move(path)) {}
  Result<sqlite3_stmt*> prepared(std::string_view sql, std::initializer_list<Value> values);
  Error failure(int code);

  const std::string path_;
  sqlite3* handle_ = nullptr;
  std::map<std::string_view, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
  bool broken_ = false;
  bool access_refused_ = false;
};

}  // namespace tidegate
