#include "controller/host/databases/mariadb_definitions.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

struct Case {
  const char *before, *sql_mode, *after;
};

TEST(DefinitionsTest, MoveQualifiersButNotStringsCommentsOrOtherNames) {
  const Case cases[] = {
      {"SELECT `old`.`t`.`c`, old . t.c", "", "SELECT `new`.`t`.`c`, `new` . t.c"},
      {"SELECT 'old.t', \"old.t\", old", "", "SELECT 'old.t', \"old.t\", old"},
      {"SELECT \"old\".t", "ANSI_QUOTES", "SELECT `new`.t"},
      {"SELECT 'it''s old.t', 'a\\' old.t', old.t", "",
       "SELECT 'it''s old.t', 'a\\' old.t', `new`.t"},
      {"SELECT 'a\\', old.t", "NO_BACKSLASH_ESCAPES", "SELECT 'a\\', `new`.t"},
      {"x /* old.t */ -- old.t\n # old.t\n old.t", "",
       "x /* old.t */ -- old.t\n # old.t\n `new`.t"},
      {"/*!50003 old.t */ /*M! old.t */", "", "/*!50003 `new`.t */ /*M! `new`.t */"},
      {"a.old.t, older.t, `o``ld`.t, 5--old.t", "", "a.old.t, older.t, `o``ld`.t, 5--`new`.t"},
      {"'never closed old.t", "", "'never closed old.t"},
      {"/* never closed old.t", "", "/* never closed old.t"},
      {"old", "", "old"},
      {"", "", ""},
  };
  for (const Case& each : cases)
    EXPECT_EQ(each.after, move_qualifiers(each.before, each.sql_mode, "old", "new"));
}

TEST(DefinitionsTest, ReplaceTheFirstDefinerAlone) {
  const Case cases[] = {
      {"CREATE DEFINER=`root`@`localhost` FUNCTION f() RETURNS INT RETURN 1", "",
       "CREATE DEFINER=`u`@`h` FUNCTION f() RETURNS INT RETURN 1"},
      {"CREATE ALGORITHM=UNDEFINED DEFINER=`a b`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1", "",
       "CREATE ALGORITHM=UNDEFINED DEFINER=`u`@`h` SQL SECURITY DEFINER VIEW `v` AS select 1"},
      {"CREATE DEFINER=`role` PROCEDURE p() SELECT 'DEFINER=`x`@`y`'", "",
       "CREATE DEFINER=`u`@`h` PROCEDURE p() SELECT 'DEFINER=`x`@`y`'"},
      {"CREATE DEFINER=\"r\"@\"l\" TRIGGER t", "ANSI_QUOTES", "CREATE DEFINER=`u`@`h` TRIGGER t"},
      {"CREATE VIEW v AS SELECT 1", "", "CREATE VIEW v AS SELECT 1"},
      {"DEFINER=", "", "DEFINER="},
  };
  for (const Case& each : cases)
    EXPECT_EQ(each.after, replace_definer(each.before, each.sql_mode, "u", "h"));
}

TEST(DefinitionsTest, DisableEvents) {
  const Case cases[] = {
      {"CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1", "",
       "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE DISABLE DO SELECT 1"},
      {"CREATE EVENT `preserve` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE COMMENT "
       "'PRESERVE ENABLE' DO SELECT 1",
       "",
       "CREATE EVENT `preserve` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DISABLE COMMENT "
       "'PRESERVE ENABLE' DO SELECT 1"},
      {"CREATE EVENT e ON COMPLETION PRESERVE DISABLE ON SLAVE DO SELECT 1", "",
       "CREATE EVENT e ON COMPLETION PRESERVE DISABLE ON SLAVE DO SELECT 1"},
  };
  for (const Case& each : cases) EXPECT_EQ(each.after, disable_event(each.before, each.sql_mode));
}

}  // namespace
}  // namespace tidegate
