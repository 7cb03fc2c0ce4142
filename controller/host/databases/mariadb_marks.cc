// The marks as two small tables.

#include "controller/host/databases/mariadb_marks.h"

#include <array>
#include <string_view>

#include "controller/host/databases/mariadb_names.h"

namespace tidegate {
namespace {

constexpr std::array<std::string_view, 5> state_names{"making", "ready", "saved", "restoring",
                                                      "restored"};

MariaDbMark::State state_of(std::string_view name) {
  for (std::size_t i = 0; i < state_names.size(); ++i)
    if (state_names[i] == name) return static_cast<MariaDbMark::State>(i);
  return MariaDbMark::State::making;
}

std::string spelt(MariaDbMark::State state) {
  return quote_text(state_names[static_cast<std::size_t>(state)]);
}

}  // namespace

MariaDbMarks::MariaDbMarks(MariaDbConnection& connection, const std::string& prefix)
    : connection_(connection),
      database_(quote_name(mariadb_marks_database(prefix))),
      marks_(database_ + ".marks"),
      definitions_(database_ + ".definitions") {}

Result<void> MariaDbMarks::prepare() {
  if (connection_.run("SELECT 1 FROM " + marks_ + ", " + definitions_ + " LIMIT 0")) return {};
  const std::string tail = " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  for (const std::string& statement :
       {"CREATE DATABASE IF NOT EXISTS " + database_,
        "CREATE TABLE IF NOT EXISTS " + marks_ +
            "(physical VARCHAR(64) PRIMARY KEY, site VARCHAR(255) NOT NULL, environment "
            "VARCHAR(255) NOT NULL, state VARCHAR(16) NOT NULL, created_at DATETIME NOT NULL, "
            "KEY owner (site, environment))" +
            tail,
        "CREATE TABLE IF NOT EXISTS " + definitions_ +
            "(physical VARCHAR(64) NOT NULL, position INT NOT NULL, kind VARCHAR(16) NOT NULL, "
            "name VARCHAR(64) NOT NULL, sql_mode TEXT NOT NULL, collation VARCHAR(64) NOT NULL, "
            "time_zone VARCHAR(64) NOT NULL, text LONGTEXT NOT NULL, "
            "PRIMARY KEY (physical, position))" +
            tail})
    if (auto done = connection_.run(statement); !done) return done;
  return {};
}

bool MariaDbMarks::missing() const {
  const unsigned number = connection_.error_number();
  return number == mariadb_error::unknown_database || number == mariadb_error::no_such_table;
}

Result<std::optional<MariaDbMark>> MariaDbMarks::find(const std::string& physical) {
  auto rows = connection_.rows("SELECT physical, site, environment, state FROM " + marks_ +
                               " WHERE physical=" + quote_text(physical));
  if (!rows && missing()) return std::optional<MariaDbMark>();
  if (!rows) return rows.error();
  if (rows->empty()) return std::optional<MariaDbMark>();
  const auto& row = rows->front();
  return std::optional<MariaDbMark>({row[0], row[1], row[2], state_of(row[3])});
}

Result<std::vector<std::string>> MariaDbMarks::list(const std::string& site,
                                                    const std::string& environment) {
  auto rows =
      connection_.rows("SELECT physical FROM " + marks_ + " WHERE site=" + quote_text(site) +
                       " AND environment=" + quote_text(environment) + " ORDER BY physical");
  if (!rows && missing()) return std::vector<std::string>();
  if (!rows) return rows.error();
  std::vector<std::string> names;
  for (const auto& row : *rows) names.push_back(row[0]);
  return names;
}

Result<void> MariaDbMarks::write(const MariaDbMark& mark) {
  return connection_.run("INSERT INTO " + marks_ + " VALUES (" + quote_text(mark.physical) + ", " +
                         quote_text(mark.site) + ", " + quote_text(mark.environment) + ", " +
                         spelt(mark.state) +
                         ", UTC_TIMESTAMP()) ON DUPLICATE KEY UPDATE state=VALUES(state)");
}

Result<void> MariaDbMarks::remove(const std::string& physical) {
  for (const std::string& table : {definitions_, marks_}) {
    auto done = connection_.run("DELETE FROM " + table + " WHERE physical=" + quote_text(physical));
    if (!done) return done;
  }
  return {};
}

Result<void> MariaDbMarks::keep(const std::string& physical,
                                const std::vector<MariaDbDefinition>& definitions) {
  auto done =
      connection_.run("DELETE FROM " + definitions_ + " WHERE physical=" + quote_text(physical));
  for (std::size_t i = 0; done && i < definitions.size(); ++i) {
    const auto& each = definitions[i];
    std::string values = quote_text(physical) + ", " + std::to_string(i);
    for (const std::string* value :
         {&each.kind, &each.name, &each.sql_mode, &each.collation, &each.time_zone, &each.text})
      values += ", " + quote_text(*value);
    done = connection_.run("INSERT INTO " + definitions_ + " VALUES (" + values + ")");
  }
  return done;
}

Result<std::vector<MariaDbDefinition>> MariaDbMarks::kept(const std::string& physical) {
  auto rows = connection_.rows("SELECT kind, name, sql_mode, collation, time_zone, text FROM " +
                               definitions_ + " WHERE physical=" + quote_text(physical) +
                               " ORDER BY position");
  if (!rows) return rows.error();
  std::vector<MariaDbDefinition> definitions;
  for (auto& row : *rows) definitions.push_back({row[0], row[1], row[2], row[3], row[4], row[5]});
  return definitions;
}

}  // namespace tidegate
