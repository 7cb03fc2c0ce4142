#include "controller/store/store.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <sstream>

#include "controller/store/file.h"
#include "controller/store/prune.h"

namespace tidegate {
namespace {

std::int64_t number(Timestamp time) { return time.time_since_epoch().count(); }
Timestamp moment(std::int64_t number) { return Timestamp(Duration(number)); }

std::int64_t number(std::size_t limit) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
  return static_cast<std::int64_t>(std::min(limit, most));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ',';
    text += word;
  }
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

OperationRecord as_operation(const Row& row) {
  OperationRecord operation;
  operation.id = row.text(0);
  operation.site = row.text(1);
  operation.environment = row.text(2);
  operation.actions = split(row.text(3));
  operation.manifest_revision = row.text(4);
  operation.author = row.text(5);
  operation.started_at = moment(row.integer(6));
  if (!row.null(7)) operation.ended_at = moment(row.integer(7));
  operation.result = row.text(8);
  operation.message = row.text(9);
  operation.phase = row.text(10);
  if (!row.null(11)) operation.percent = static_cast<int>(row.integer(11));
  return operation;
}

EventRecord as_event(const Row& row) {
  return {row.integer(0), moment(row.integer(1)), row.text(2), row.text(3), row.text(4),
          row.text(5)};
}

LogLine as_line(const Row& row) { return {row.integer(0), moment(row.integer(1)), row.text(2)}; }

RetryRequest as_retry(const Row& row) {
  return {row.text(0), row.text(1), row.text(2), moment(row.integer(3))};
}

/// SQLite behind the door. Two connections, so that a long read holds up no write.
class SqliteStore : public Store {
 public:
  SqliteStore(const std::string& path, StoreMode mode)
      : path_(path), mode_(mode), writer_(path, mode), reader_(path, mode) {}

  /// Opens both connections, so that what is wrong with the file is known at once.
  Result<void> open() {
    const auto nothing = [](Connection&) -> Result<void> { return {}; };
    if (mode_ == StoreMode::read_write) {
      if (auto opened = writer_.use(nothing); !opened) return opened;
    }
    return reader_.use(nothing);
  }

  Result<void> put_operation(const OperationRecord& operation) override;
  Result<std::optional<OperationRecord>> operation(const std::string& id) override;
  Result<std::vector<OperationRecord>> operations(const std::string& site,
                                                  const std::string& environment, std::size_t limit,
                                                  const std::string& before) override;
  Result<std::vector<OperationRecord>> running_operations() override;
  Result<void> append_event(const EventRecord& event) override;
  Result<std::vector<EventRecord>> events(std::int64_t after, const std::string& site,
                                          std::size_t limit) override;
  Result<void> append_log(const std::string& operation, Timestamp at,
                          const std::vector<std::string>& lines) override;
  Result<std::vector<LogLine>> log(const std::string& operation, std::int64_t after,
                                   std::size_t limit) override;
  Result<void> put_status(const std::string& site, const std::string& json) override;
  Result<std::optional<std::string>> status(const std::string& site) override;
  Result<std::map<std::string, std::string>> statuses() override;
  Result<void> remove_status(const std::string& site) override;
  Result<void> ask_retry(const RetryRequest& request) override;
  Result<std::vector<RetryRequest>> retries(const std::string& site) override;
  Result<std::optional<RetryRequest>> take_retry(const std::string& site,
                                                 const std::string& environment) override;
  Result<void> remember(const std::string& key, const std::string& value) override;
  Result<std::optional<std::string>> recall(const std::string& key) override;
  Result<std::size_t> prune(Timestamp older_than, std::size_t keep_per_site) override;

 private:
  using Values = std::initializer_list<Value>;

  Result<void> may_write() const {
    if (mode_ == StoreMode::read_write) return {};
    return Error{ErrorKind::invalid, "state file \"" + path_ + "\" was opened for reading only"};
  }

  /// One transaction with all that `body` does.
  Result<void> write(const std::function<Result<void>(Connection&)>& body) {
    if (auto may = may_write(); !may) return may;
    return writer_.use([&](Connection& connection) {
      return connection.transaction([&] { return body(connection); });
    });
  }
  Result<void> write(std::string_view sql, Values values) {
    return write([&](Connection& connection) { return connection.run(sql, values); });
  }

  /// Every row of a query, turned into what a caller knows.
  template <class Record>
  Result<std::vector<Record>> read(std::string_view sql, Values values,
                                   Record (*record)(const Row&)) {
    return reader_.use([&](Connection& connection) -> Result<std::vector<Record>> {
      std::vector<Record> records;
      auto done =
          connection.each(sql, values, [&](const Row& row) { records.push_back(record(row)); });
      if (!done) return std::move(done.error());
      return records;
    });
  }
  Result<std::optional<std::string>> read_text(std::string_view sql, Values values) {
    return reader_.use([&](Connection& connection) { return connection.text(sql, values); });
  }

  const std::string path_;
  const StoreMode mode_;
  StoreFile writer_;
  StoreFile reader_;
};

Result<void> SqliteStore::put_operation(const OperationRecord& operation) {
  const std::string actions = joined(operation.actions);
  Value ended_at = nullptr, percent = nullptr;
  if (operation.ended_at) ended_at = number(*operation.ended_at);
  if (operation.percent) percent = std::int64_t{*operation.percent};
  return write(
      "INSERT INTO operations (put, id, site, environment, actions, manifest_revision, author, "
      "started_at, ended_at, result, message, phase, percent) "
      "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET put = 1, "
      "site = excluded.site, environment = excluded.environment, actions = excluded.actions, "
      "manifest_revision = excluded.manifest_revision, author = excluded.author, "
      "started_at = excluded.started_at, ended_at = excluded.ended_at, result = excluded.result, "
      "message = excluded.message, phase = excluded.phase, percent = excluded.percent",
      {operation.id, operation.site, operation.environment, actions, operation.manifest_revision,
       operation.author, number(operation.started_at), ended_at, operation.result,
       operation.message, operation.phase, percent});
}

Result<std::optional<OperationRecord>> SqliteStore::operation(const std::string& id) {
  auto found = read("SELECT * FROM history WHERE id = ?", {id}, as_operation);
  if (!found) return std::move(found.error());
  if (found->empty()) return std::optional<OperationRecord>{};
  return std::optional(std::move(found->front()));
}

Result<std::vector<OperationRecord>> SqliteStore::operations(const std::string& site,
                                                             const std::string& environment,
                                                             std::size_t limit,
                                                             const std::string& before) {
  // Two statements, so that each finds its rows by an index.
  constexpr std::string_view all =
      "SELECT * FROM history WHERE (?2 = '' OR environment = ?2) AND (?3 = '' OR (started_at, "
      "sequence) < "
      "(SELECT started_at, sequence FROM operations WHERE id = ?3)) AND ?1 = '' "
      "ORDER BY started_at DESC, sequence DESC LIMIT ?4";
  constexpr std::string_view of_site =
      "SELECT * FROM history WHERE (?2 = '' OR environment = ?2) AND (?3 = '' OR (started_at, "
      "sequence) < "
      "(SELECT started_at, sequence FROM operations WHERE id = ?3)) AND site = ?1 "
      "ORDER BY started_at DESC, sequence DESC LIMIT ?4";
  return read(site.empty() ? all : of_site, {site, environment, before, number(limit)},
              as_operation);
}

Result<std::vector<OperationRecord>> SqliteStore::running_operations() {
  return read("SELECT * FROM history WHERE ended_at IS NULL ORDER BY started_at, sequence", {},
              as_operation);
}

Result<void> SqliteStore::append_log(const std::string& operation, Timestamp at,
                                     const std::vector<std::string>& lines) {
  if (lines.empty()) return may_write();
  return write([&](Connection& connection) -> Result<void> {
    auto known = connection.run(
        "INSERT INTO operations (put, id, site, environment, actions, manifest_revision, author, "
        "started_at, result, message, phase) VALUES (0, ?, '', '', '', '', '', ?, '', '', '') "
        "ON CONFLICT (id) DO NOTHING",
        {operation, number(at)});
    if (!known) return known;
    const auto sequence =
        connection.integer("SELECT sequence FROM operations WHERE id = ?", {operation});
    if (!sequence) return sequence.error();
    const auto last =
        connection.integer("SELECT max(line) FROM log WHERE operation = ?", {*sequence});
    if (!last) return last.error();
    std::int64_t line = *last;
    for (const std::string& text : lines) {
      auto added = connection.run("INSERT INTO log (operation, line, at, text) VALUES (?, ?, ?, ?)",
                                  {*sequence, ++line, number(at), text});
      if (!added) return added;
    }
    return {};
  });
}

Result<std::vector<LogLine>> SqliteStore::log(const std::string& operation, std::int64_t after,
                                              std::size_t limit) {
  return read(
      "SELECT line, at, text FROM log WHERE operation = (SELECT sequence FROM operations "
      "WHERE id = ?) AND line > ? ORDER BY line LIMIT ?",
      {operation, after, number(limit)}, as_line);
}

Result<void> SqliteStore::append_event(const EventRecord& event) {
  return write("INSERT INTO events (at, site, environment, type, message) VALUES (?, ?, ?, ?, ?)",
               {number(event.at), event.site, event.environment, event.type, event.message});
}

Result<std::vector<EventRecord>> SqliteStore::events(std::int64_t after, const std::string& site,
                                                     std::size_t limit) {
  constexpr std::string_view all =
      "SELECT id, at, site, environment, type, message FROM events "
      "WHERE ?1 = '' AND id > ?2 ORDER BY id LIMIT ?3";
  constexpr std::string_view of_site =
      "SELECT id, at, site, environment, type, message FROM events "
      "WHERE site = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
  return read(site.empty() ? all : of_site, {site, after, number(limit)}, as_event);
}

Result<void> SqliteStore::put_status(const std::string& site, const std::string& json) {
  if (auto may = may_write(); !may) return may;
  // Looked at first, because even a write that changes nothing waits for other writers.
  const auto known = status(site);
  if (!known) return known.error();
  if (*known == json) return {};
  return write(
      "INSERT INTO statuses (site, json) VALUES (?, ?) "
      "ON CONFLICT (site) DO UPDATE SET json = excluded.json",
      {site, json});
}

Result<std::optional<std::string>> SqliteStore::status(const std::string& site) {
  return read_text("SELECT json FROM statuses WHERE site = ?", {site});
}

Result<std::map<std::string, std::string>> SqliteStore::statuses() {
  return reader_.use([&](Connection& connection) -> Result<std::map<std::string, std::string>> {
    std::map<std::string, std::string> all;
    auto done = connection.each("SELECT site, json FROM statuses", {},
                                [&](const Row& row) { all.emplace(row.text(0), row.text(1)); });
    if (!done) return std::move(done.error());
    return all;
  });
}

Result<void> SqliteStore::remove_status(const std::string& site) {
  return write("DELETE FROM statuses WHERE site = ?", {site});
}

Result<void> SqliteStore::ask_retry(const RetryRequest& request) {
  return write(
      "INSERT INTO retries (site, environment, who, at) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (site, environment) DO UPDATE SET who = excluded.who, at = excluded.at",
      {request.site, request.environment, request.who, number(request.at)});
}

Result<std::vector<RetryRequest>> SqliteStore::retries(const std::string& site) {
  return read("SELECT site, environment, who, at FROM retries WHERE site = ? ORDER BY environment",
              {site}, as_retry);
}

Result<std::optional<RetryRequest>> SqliteStore::take_retry(const std::string& site,
                                                            const std::string& environment) {
  if (auto may = may_write(); !may) return std::move(may.error());
  // Asked at every look, and nearly always in vain: no need to wait for other writers then.
  const auto asked = retries(site);
  if (!asked) return asked.error();
  std::optional<RetryRequest> taken;
  if (asked->empty()) return taken;
  auto done = write([&](Connection& connection) {
    return connection.each(
        "DELETE FROM retries WHERE site = ? AND environment = ? "
        "RETURNING site, environment, who, at",
        {site, environment}, [&](const Row& row) { taken = as_retry(row); });
  });
  if (!done) return std::move(done.error());
  return taken;
}

Result<void> SqliteStore::remember(const std::string& key, const std::string& value) {
  if (auto may = may_write(); !may) return may;
  const auto known = recall(key);
  if (!known) return known.error();
  if (*known == value) return {};
  return write(
      "INSERT INTO facts (key, value) VALUES (?, ?) "
      "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      {key, value});
}

Result<std::optional<std::string>> SqliteStore::recall(const std::string& key) {
  return read_text("SELECT value FROM facts WHERE key = ?", {key});
}

Result<std::size_t> SqliteStore::prune(Timestamp older_than, std::size_t keep_per_site) {
  if (auto may = may_write(); !may) return std::move(may.error());
  return tidegate::prune(reader_, writer_, older_than, keep_per_site);
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(const std::string& path, StoreMode mode) {
  if (path.empty()) return Error{ErrorKind::invalid, "the state file has no name: name one"};
  const std::size_t scheme = path.find("://");
  if (scheme != std::string::npos) {
    // The rest may hold a password.
    return Error{ErrorKind::invalid,
                 "state \"" + path.substr(0, scheme) + "://…\" is not supported yet: name a file"};
  }
  std::error_code ignored;
  const std::string absolute = std::filesystem::absolute(path, ignored).lexically_normal();
  auto store = std::make_unique<SqliteStore>(absolute, mode);
  if (auto opened = store->open(); !opened) return std::move(opened.error());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace tidegate
