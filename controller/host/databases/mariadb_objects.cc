// Reading and making definitions. Each is made under the settings it was made under first; only the
// client's character set is ours, for the texts were read in it.

#include "controller/host/databases/mariadb_objects.h"

#include <algorithm>

namespace tidegate {
namespace {

constexpr const char* own_settings =
    "SET SESSION sql_mode='NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES', time_zone='+00:00', "
    "collation_connection='utf8mb4_general_ci'";

// Where SHOW CREATE <kind> puts what we keep; no column is -1.
struct Columns {
  int sql_mode, text, collation, time_zone;
};

Columns columns_of(const std::string& kind) {
  if (kind == "VIEW") return {-1, 1, 3, -1};
  if (kind == "EVENT") return {1, 3, 5, 2};
  return {1, 2, 4, -1};
}

std::string cell(const std::vector<std::string>& row, int column) {
  return column < 0 || column >= static_cast<int>(row.size()) ? "" : row[column];
}

// Kind and name of every object; triggers in the order they fire in.
std::string objects_query(const std::string& database) {
  const std::string schema = quote_text(database);
  return "SELECT kind, name FROM ("
         "SELECT ROUTINE_TYPE kind, ROUTINE_NAME name, FIELD(ROUTINE_TYPE, 'PACKAGE', "
         "'PACKAGE BODY', 'FUNCTION', 'PROCEDURE') rank1, 0 rank2 "
         "FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=" +
         schema +
         " UNION ALL SELECT 'VIEW', TABLE_NAME, 10, 0 FROM information_schema.VIEWS "
         "WHERE TABLE_SCHEMA=" +
         schema +
         " UNION ALL SELECT 'TRIGGER', TRIGGER_NAME, 11, ACTION_ORDER "
         "FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=" +
         schema +
         " UNION ALL SELECT 'EVENT', EVENT_NAME, 12, 0 FROM information_schema.EVENTS "
         "WHERE EVENT_SCHEMA=" +
         schema + ") objects ORDER BY rank1, rank2, name";
}

Result<void> make_one(MariaDbConnection& connection, const MariaDbDefinition& definition) {
  std::string settings = "SET SESSION sql_mode=" + quote_text(definition.sql_mode);
  if (!definition.collation.empty())
    settings += ", collation_connection=" + quote_text(definition.collation);
  if (!definition.time_zone.empty()) settings += ", time_zone=" + quote_text(definition.time_zone);
  if (auto done = connection.run(settings); !done) return done;
  if (auto done = connection.run(definition.text); !done)
    return std::move(done.error()).within("make " + definition.kind + " '" + definition.name + "'");
  return {};
}

bool names_what_is_missing(unsigned number) {
  constexpr unsigned no_such_function = 1305;
  return number == mariadb_error::no_such_table || number == mariadb_error::view_invalid ||
         number == mariadb_error::unknown_column || number == no_such_function;
}

// Views may rest on views, so they are tried round after round until a round makes none.
Result<void> make_views(MariaDbConnection& connection, std::vector<MariaDbDefinition> views) {
  while (!views.empty()) {
    std::vector<MariaDbDefinition> postponed;
    for (auto& view : views) {
      auto done = make_one(connection, view);
      if (done) continue;
      if (!names_what_is_missing(connection.error_number())) return done;
      postponed.push_back(std::move(view));
    }
    if (postponed.size() == views.size()) break;
    views = std::move(postponed);
  }
  return {};
}

}  // namespace

Result<std::vector<MariaDbDefinition>> read_definitions(MariaDbConnection& connection,
                                                        const MariaDbServer& server,
                                                        const std::string& database) {
  // SHOW CREATE leaves the current database's name out of what it shows.
  if (auto done = connection.run("USE " + quote_name(database)); !done) return done.error();
  auto objects = connection.rows(objects_query(database));
  if (!objects) return objects.error();
  std::vector<MariaDbDefinition> definitions;
  for (const auto& object : *objects) {
    const std::string &kind = object[0], &name = object[1];
    auto shown = connection.rows("SHOW CREATE " + kind + " " + quote_name(name));
    if (!shown) return shown.error();
    const Columns columns = columns_of(kind);
    const std::string text = shown->empty() ? "" : cell(shown->front(), columns.text);
    if (text.empty())
      return Error{ErrorKind::invalid,
                   mariadb_place(server) + " does not show the text of " + kind + " '" + name +
                       "' in '" + database +
                       "'; as its administrator run: " + mariadb_grants(server)};
    const auto& row = shown->front();
    definitions.push_back({kind, name, cell(row, columns.sql_mode), cell(row, columns.collation),
                           cell(row, columns.time_zone), text});
  }
  return definitions;
}

Result<void> drop_definitions(MariaDbConnection& connection, const std::string& database,
                              const std::vector<MariaDbDefinition>& definitions) {
  for (const auto& definition : definitions) {
    auto done = connection.run("DROP " + definition.kind + " IF EXISTS " + quote_name(database) +
                               "." + quote_name(definition.name));
    if (!done) return done;
  }
  return {};
}

Result<void> make_definitions(MariaDbConnection& connection, const std::string& database,
                              const std::vector<MariaDbDefinition>& definitions) {
  if (auto done = connection.run("USE " + quote_name(database)); !done) return done;
  std::vector<MariaDbDefinition> views;
  for (const auto& definition : definitions)
    if (definition.kind == "VIEW") views.push_back(definition);
  bool views_made = false;
  for (const auto& definition : definitions) {
    if (definition.kind == "VIEW") continue;
    const bool routine = definition.kind != "TRIGGER" && definition.kind != "EVENT";
    if (!routine && !views_made) {
      if (auto done = make_views(connection, views); !done) return done;
      views_made = true;
    }
    if (auto done = make_one(connection, definition); !done) return done;
  }
  if (!views_made)
    if (auto done = make_views(connection, views); !done) return done;
  return connection.run(own_settings);
}

}  // namespace tidegate
