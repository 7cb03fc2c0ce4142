#pragma once
// The texts by which MariaDB makes views, triggers, routines and events again, and what changes in
// them when they move to another database. Pure. Used by this folder alone.

#include <string>
#include <string_view>

namespace tidegate {

/// One object of a database other than a table, as SHOW CREATE tells it.
struct MariaDbDefinition {
  std::string
      kind;  ///< As in DROP: FUNCTION, PROCEDURE, PACKAGE, PACKAGE BODY, VIEW, TRIGGER, EVENT.
  std::string name;
  std::string sql_mode;   ///< Under which it was made, and is made again.
  std::string collation;  ///< collation_connection; "" for none.
  std::string time_zone;  ///< Of events; "" for the rest.
  std::string text;
  bool operator==(const MariaDbDefinition&) const = default;
};

/// `text` with names qualified by database `from` (quoted or not; not in strings and comments)
/// qualified by `to`.
std::string move_qualifiers(std::string_view text, std::string_view sql_mode, std::string_view from,
                            std::string_view to);

/// `text` with the first DEFINER=… made user@host; unchanged when it has none.
std::string replace_definer(std::string_view text, std::string_view sql_mode, std::string_view user,
                            std::string_view host);

/// A CREATE EVENT text as SHOW CREATE EVENT tells it, disabled.
std::string disable_event(std::string_view text, std::string_view sql_mode);

}  // namespace tidegate
