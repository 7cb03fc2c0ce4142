// What moving a table rests on: its kind, its columns, and how a value is written so that the very
// same value is read again.

#include "controller/host/databases/mariadb_tables.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tidegate {
namespace {

bool is_one_of(std::string_view name, const auto& names) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Their rows lie on another server or in a file anywhere: a copy would be no copy.
constexpr std::array<std::string_view, 5> outside_engines{"FEDERATED", "CONNECT", "SPIDER",
                                                          "OQGRAPH", "SPHINX"};
constexpr std::array<std::string_view, 2> rowless_engines{"MRG_MyISAM", "BLACKHOLE"};

// Written with a binary introducer: bytes go over as they are, without conversion between character
// sets. The others (numbers, times, uuid, inet6) go over as text that means the same value.
constexpr std::array<std::string_view, 21> byte_types{"char",
                                                      "varchar",
                                                      "tinytext",
                                                      "text",
                                                      "mediumtext",
                                                      "longtext",
                                                      "binary",
                                                      "varbinary",
                                                      "tinyblob",
                                                      "blob",
                                                      "mediumblob",
                                                      "longblob",
                                                      "bit",
                                                      "geometry",
                                                      "point",
                                                      "linestring",
                                                      "polygon",
                                                      "multipoint",
                                                      "multilinestring",
                                                      "multipolygon",
                                                      "geometrycollection"};

using Spelling = MariaDbShape::Spelling;

// enum and set go over as what they are inside: the number tells an empty member from a wrong
// value.
Spelling spelling_of(const std::string& type) {
  if (type == "enum" || type == "set") return Spelling::number;
  return is_one_of(type, byte_types) ? Spelling::bytes : Spelling::text;
}

// A float shows 6 digits, which is less than it holds; as a double it shows them all.
std::string expression_of(const std::string& type, const std::string& name) {
  if (type == "float") return name + "+0e0";
  return spelling_of(type) == Spelling::number ? name + "+0" : name;
}

Result<std::string> shown_create(MariaDbConnection& connection, const std::string& statement) {
  auto shown = connection.rows(statement);
  if (!shown) return shown.error();
  if (shown->empty() || shown->front().size() < 2 || shown->front()[1].empty())
    return Error{ErrorKind::transient, "'" + statement + "' answered nothing"};
  return shown->front()[1];
}

}  // namespace

Result<std::vector<MariaDbTable>> read_tables(MariaDbConnection& connection,
                                              const std::string& database) {
  auto rows = connection.rows(
      "SELECT TABLE_NAME, TABLE_TYPE, IFNULL(ENGINE, ''), IFNULL(DATA_LENGTH, 0), "
      "IFNULL(TABLE_COMMENT, '') FROM information_schema.TABLES WHERE TABLE_SCHEMA=" +
      quote_text(database) +
      " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') ORDER BY TABLE_NAME");
  if (!rows) return rows.error();
  std::vector<MariaDbTable> tables;
  for (const auto& row : *rows) {
    const std::string& engine = row[2];
    if (engine.empty())
      return Error{ErrorKind::invalid, "table '" + row[0] + "' in '" + database +
                                           "' cannot be opened: " + row[4] + "; repair or drop it"};
    if (is_one_of(engine, outside_engines))
      return Error{ErrorKind::invalid, "table '" + row[0] + "' in '" + database +
                                           "' uses engine '" + engine +
                                           "', whose rows lie outside the database: drop it, or "
                                           "make it a table of InnoDB"};
    tables.push_back({row[0], row[1] == "SEQUENCE", engine == "InnoDB",
                      row[1] != "SEQUENCE" && !is_one_of(engine, rowless_engines),
                      std::stoull(row[3])});
  }
  return tables;
}

Result<MariaDbShape> read_shape(MariaDbConnection& connection, const std::string& database,
                                const MariaDbTable& table) {
  MariaDbShape shape;
  auto create = shown_create(connection, std::string("SHOW CREATE ") +
                                             (table.sequence ? "SEQUENCE " : "TABLE ") +
                                             quote_name(table.name));
  if (!create) return create.error();
  shape.create = std::move(*create);
  if (!table.has_rows) return shape;
  auto columns = connection.rows(
      "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=" +
      quote_text(database) + " AND TABLE_NAME=" + quote_text(table.name) +
      " AND IS_GENERATED='NEVER' AND EXTRA NOT LIKE '%GENERATED%' ORDER BY ORDINAL_POSITION");
  if (!columns) return columns.error();
  for (const auto& column : *columns) {
    const std::string name = quote_name(column[0]);
    const std::string comma = shape.columns.empty() ? "" : ",";
    shape.columns += comma + name;
    shape.expressions += comma + expression_of(column[1], name);
    shape.spellings.push_back(spelling_of(column[1]));
  }
  return shape;
}

void append_row(std::string& statement, const MariaDbShape& shape, const MariaDbRow& row) {
  statement += '(';
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) statement += ',';
    if (!row[i]) {
      statement += "NULL";
      continue;
    }
    if (shape.spellings[i] == Spelling::number) {
      statement += *row[i];
      continue;
    }
    if (shape.spellings[i] == Spelling::bytes) statement += "_binary";
    append_quoted(statement, *row[i]);
  }
  statement += ')';
}

}  // namespace tidegate
