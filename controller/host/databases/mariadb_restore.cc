// Putting a saved copy back. No record of progress is needed: where a table lies tells how far it
// is.

#include "controller/host/databases/mariadb_restore.h"

#include <algorithm>
#include <set>

#include "controller/host/databases/mariadb_objects.h"
#include "controller/host/databases/mariadb_tables.h"

namespace tidegate {
namespace {

constexpr const char* table_kind = "TABLE";
constexpr const char* database_kind = "DATABASE";

bool is_definition(const MariaDbDefinition& kept) {
  return kept.kind != table_kind && kept.kind != database_kind;
}

std::vector<MariaDbDefinition> without(const std::vector<MariaDbDefinition>& all,
                                       const std::vector<MariaDbDefinition>& those) {
  std::vector<MariaDbDefinition> rest;
  std::copy_if(all.begin(), all.end(), std::back_inserter(rest), [&](const auto& each) {
    return is_definition(each) && std::find(those.begin(), those.end(), each) == those.end();
  });
  return rest;
}

Result<std::set<std::string>> tables_in(MariaDbConnection& connection,
                                        const std::string& database) {
  auto rows = connection.rows(
      "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=" +
      quote_text(database) + " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')");
  if (!rows) return rows.error();
  std::set<std::string> names;
  for (const auto& row : *rows) names.insert(row[0]);
  return names;
}

Result<void> prepare_database(MariaDbConnection& connection, const std::string& physical,
                              const std::vector<MariaDbDefinition>& kept) {
  for (const auto& each : kept) {
    if (each.kind != database_kind) continue;
    const std::string tail = quote_name(physical) + " COLLATE " + each.collation;
    // The application can drop its own database, and an update that failed may have.
    auto made = connection.run("CREATE DATABASE IF NOT EXISTS " + tail);
    return made ? connection.run("ALTER DATABASE " + tail) : made;
  }
  return {};
}

// Tables that are not back yet make room; those that are back stay; what came since goes.
Result<void> move_tables(MariaDbConnection& connection, const std::string& saved,
                         const std::string& physical, const std::vector<MariaDbDefinition>& kept) {
  auto waiting = tables_in(connection, saved);
  if (!waiting) return waiting.error();
  auto present = tables_in(connection, physical);
  if (!present) return present.error();
  std::set<std::string> wanted;
  for (const auto& each : kept)
    if (each.kind == table_kind) wanted.insert(each.name);
  std::string renames;
  for (const auto& name : *waiting)
    renames += (renames.empty() ? "RENAME TABLE " : ", ") + quote_name(saved) + "." +
               quote_name(name) + " TO " + quote_name(physical) + "." + quote_name(name);
  for (const auto& name : *present) {
    if (wanted.count(name) > 0 && waiting->count(name) == 0) continue;
    auto done =
        connection.run("DROP TABLE IF EXISTS " + quote_name(physical) + "." + quote_name(name));
    if (!done) return done;
  }
  for (const auto& name : wanted)
    if (waiting->count(name) + present->count(name) == 0)
      return Error{ErrorKind::invalid, "table '" + name + "' is neither in '" + saved +
                                           "' nor back in '" + physical + "'"};
  return renames.empty() ? Result<void>() : connection.run(renames);
}

}  // namespace

Result<std::vector<MariaDbDefinition>> describe_saved(MariaDbConnection& connection,
                                                      const MariaDbServer& server,
                                                      const std::string& physical,
                                                      const std::string& saved) {
  auto definitions = read_definitions(connection, server, physical);
  if (!definitions) return definitions;
  auto tables = tables_in(connection, saved);
  if (!tables) return tables.error();
  for (const auto& name : *tables) definitions->push_back({table_kind, name, "", "", "", ""});
  auto collation = connection.rows(
      "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=" +
      quote_text(physical));
  if (!collation) return collation.error();
  if (collation->empty()) return Error{ErrorKind::transient, "database '" + physical + "' is gone"};
  definitions->push_back({database_kind, physical, "", collation->front()[0], "", ""});
  return definitions;
}

Result<void> move_back(MariaDbConnection& connection, const MariaDbServer& server,
                       const std::string& saved, const std::string& physical,
                       const std::vector<MariaDbDefinition>& kept) {
  if (auto done = connection.run("SET SESSION foreign_key_checks=0"); !done) return done;
  if (auto done = prepare_database(connection, physical, kept); !done) return done;
  // What is as it was stays: an event goes on, and a view that is broken could not be made again.
  auto present = read_definitions(connection, server, physical);
  if (!present) return present.error();
  if (auto done = drop_definitions(connection, physical, without(*present, kept)); !done)
    return done;
  if (auto done = move_tables(connection, saved, physical, kept); !done) return done;
  // Triggers went with their tables; what is still there need not be made.
  auto left = read_definitions(connection, server, physical);
  if (!left) return left.error();
  return make_definitions(connection, physical, without(kept, *left));
}

}  // namespace tidegate
