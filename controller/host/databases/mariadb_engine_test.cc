#include <sys/stat.h>

#include <fstream>

#include "controller/host/databases/mariadb_names.h"
#include "controller/host/databases/mariadb_test_support.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;

TEST(MariaDbNamesTest, AreTheIdWhereThatIsPossible) {
  EXPECT_EQ("tg_acme_live_main_12", mariadb_database("tg", {"acme", "live", "main", "12"}));
}

TEST(MariaDbNamesTest, KeepApartWhatNormalisationWouldJoin) {
  const std::string one = mariadb_database("tg", {"a-b", "c", "main", "1"});
  const std::string other = mariadb_database("tg", {"a", "b-c", "main", "1"});
  EXPECT_EQ("tg_a_b_c_main_1", one.substr(0, 15));
  EXPECT_EQ("tg_a_b_c_main_1", other.substr(0, 15));
  EXPECT_NE(one, other);
}

TEST(MariaDbNamesTest, AreNeverTooLong) {
  const std::string site(80, 's');
  const std::string one = mariadb_database("tg", {site, "live", "main", "1"});
  const std::string other = mariadb_database("tg", {site, "live", "main", "2"});
  for (const auto& name : {one, other, mariadb_saved(one), mariadb_saved(other)}) {
    EXPECT_EQ(64u, name.size());
    EXPECT_TRUE(is_mariadb_database("tg", name));
  }
  EXPECT_NE(one, other);
  EXPECT_NE(mariadb_saved(one), mariadb_saved(other));
  EXPECT_EQ("tg_a_b_c_1__back", mariadb_saved("tg_a_b_c_1"));
}

TEST(MariaDbNamesTest, AreKnownFromOthers) {
  for (const char* other : {"mysql", "tg", "tg_", "tgx_a", "tg_tidegate", "tg_a`b", "tg_A", ""})
    EXPECT_FALSE(is_mariadb_database("tg", other)) << other;
}

TEST(MariaDbNamesTest, AreSpeltForGrantsAndUrls) {
  EXPECT_EQ("`tg\\_a\\_b`", grant_pattern("tg_a_b"));
  EXPECT_EQ("%2Frun%2Fa%20b%3F", percent_encode("/run/a b?"));
  EXPECT_EQ("/run/a%20b", percent_encode("/run/a b", "/"));
}

class MariaDbEngineTest : public MariaDbTest {};

TEST_F(MariaDbEngineTest, SaysWhetherADatabaseIsThereThoughItsMarkIs) {
  const std::string physical = made(live_, "1");
  EXPECT_TRUE(*engine_->exists(physical));
  const std::string later = made(live_, "2");
  EXPECT_TRUE(*engine_->exists(later)) << "an old answer hides a new database";
  EXPECT_FALSE(*engine_->exists("tg_nobody_1"));
  run("DROP DATABASE " + physical);
  const auto fresh = make_mariadb_engine(server_->settings("tidegate"), "secret", state_);
  EXPECT_FALSE(*fresh->exists(physical));
  EXPECT_TRUE(*fresh->exists(later));
  MariaDbServer nowhere = server_->settings("tidegate");
  nowhere.socket = state_ + "/none";
  EXPECT_FALSE(make_mariadb_engine(nowhere, "secret", state_)->exists(later));
}

TEST_F(MariaDbEngineTest, SaysWhetherANameIsTakenWhoeverTookIt) {
  const std::string physical = made(live_, "1");
  EXPECT_TRUE(*engine_->is_taken(physical));
  ASSERT_TRUE(engine_->drop(physical));
  EXPECT_FALSE(*engine_->is_taken(physical)) << "an answer of a moment ago";
  run("CREATE DATABASE tg_acme_live_main_1");
  EXPECT_TRUE(*engine_->is_taken(physical));
}

TEST_F(MariaDbEngineTest, CreatesTwiceWhileEmptyAndThenRefuses) {
  const std::string physical = made(live_, "1");
  EXPECT_EQ("tg_acme_live_main_1", physical);
  made(live_, "1");
  run("CREATE TABLE tg_acme_live_main_1.t(x INT)");
  auto again = engine_->create(physical, live_);
  ASSERT_FALSE(again);
  EXPECT_EQ(ErrorKind::invalid, again.error().kind);
  EXPECT_EQ("database 'tg_acme_live_main_1' is not empty", again.error().message);
  EXPECT_EQ("t", ask("SHOW TABLES IN tg_acme_live_main_1")) << "a mark must not be seen";
}

TEST_F(MariaDbEngineTest, LeavesAloneWhatItDidNotMake) {
  run("CREATE DATABASE tg_acme_live_main_1");
  run("CREATE DATABASE theirs");
  const std::string source = made(test_, "2");
  const std::string ours = "tg_acme_live_main_1";
  for (const auto& done : {engine_->create(ours, live_), engine_->drop(ours),
                           copied(source, ours, live_), engine_->save(ours, ours + "__back", {})}) {
    ASSERT_FALSE(done);
    EXPECT_EQ(ErrorKind::invalid, done.error().kind);
    EXPECT_EQ("database 'tg_acme_live_main_1' on " + mariadb_place(server_->settings("tidegate")) +
                  " was not made by Tidegate: it is left alone",
              done.error().message);
  }
  for (const char* other : {"theirs", "mysql", "tg_tidegate", "tg_x`; DROP DATABASE theirs; -- "}) {
    auto done = engine_->drop(other);
    ASSERT_FALSE(done);
    EXPECT_EQ(std::string("database '") + other + "' is not one of the prefix 'tg'",
              done.error().message);
  }
  run("DROP DATABASE theirs");
}

TEST_F(MariaDbEngineTest, RefusesTheDatabaseOfAnotherEnvironment) {
  auto done = engine_->create(made(live_, "1"), test_);
  ASSERT_FALSE(done);
  EXPECT_EQ("database 'tg_acme_live_main_1' belongs to 'acme/live'", done.error().message);
}

TEST_F(MariaDbEngineTest, ListsAndDropsWhatCarriesItsMark) {
  EXPECT_TRUE(engine_->list("acme", "live")->empty());
  const std::string one = made(live_, "1"), two = made(live_, "2");
  auto saved = engine_->save(one, engine_->saved_name(one), {});
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_EQ((std::vector<std::string>{one, one + "__back", two}), *engine_->list("acme", "live"));
  for (const auto& each : {one, one, one + "__back", two}) {
    auto done = engine_->drop(each);
    ASSERT_TRUE(done) << done.error().message;
  }
  EXPECT_TRUE(engine_->list("acme", "live")->empty());
  EXPECT_EQ("tg_tidegate", ask("SHOW DATABASES LIKE 'tg\\_%'"));
}

TEST_F(MariaDbEngineTest, TakesTheUserAwayWithItsLastDatabase) {
  const std::string one = made(live_, "1"), two = made(live_, "2");
  const std::string count = "SELECT count(*) FROM mysql.user WHERE user LIKE 'tg\\_%'";
  ASSERT_TRUE(engine_->drop(one));
  EXPECT_EQ("1", ask(count));
  EXPECT_EQ("1", ask("SELECT count(*) FROM mysql.db WHERE user LIKE 'tg\\_%'"));
  // As after a kill between the user and the mark.
  run("DROP USER " +
      ask("SELECT CONCAT(user, '@', host) FROM mysql.user WHERE user LIKE 'tg\\_%'"));
  auto done = engine_->drop(two);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ("0", ask(count));
  EXPECT_FALSE(fs::exists(state_ + "/acme"));
}

TEST_F(MariaDbEngineTest, GivesEachEnvironmentAUserForItsOwnDatabasesAlone) {
  // Were "_" a wildcard in the grant, the first would reach the second.
  const Owner odd{"acme1live", "x", std::nullopt};
  const std::string own = made(live_, "1"), others = made(odd, "1");
  ASSERT_TRUE(engine_->save(own, engine_->saved_name(own), {}));
  run("CREATE DATABASE tg_acmexlive_main_1");
  auto user = as(live_, own);
  run_on(user, "CREATE TABLE " + own + ".t(x INT) ENGINE=InnoDB");
  run_on(user, "CREATE VIEW " + own + ".v AS SELECT x FROM " + own + ".t");
  EXPECT_EQ("information_schema\n" + own, ask_on(user, "SHOW DATABASES"));
  for (const std::string& query : std::vector<std::string>{
           "SELECT * FROM " + others + ".t", std::string("SELECT * FROM tg_tidegate.marks"),
           std::string("SELECT * FROM mysql.user"), "CREATE TABLE " + others + ".t(x INT)",
           std::string("CREATE TABLE tg_acmexlive_main_1.t(x INT)"),
           "SELECT * FROM " + own + "__back.t", std::string("CREATE DATABASE tg_acme_live_main_2"),
           std::string("CREATE USER x"),
           std::string("SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE '/tmp/x'")}) {
    EXPECT_FALSE(user.run(query)) << query;
    EXPECT_TRUE(user.error_number() == 1044 || user.error_number() == 1142 ||
                user.error_number() == 1045 || user.error_number() == 1227)
        << query << ": " << user.error_number();
  }
}

TEST_F(MariaDbEngineTest, KeepsThePasswordWhereAnotherRunFindsIt) {
  const std::string physical = made(live_, "1");
  const auto before = engine_->access(physical, live_);
  ASSERT_TRUE(before);
  const std::string socket = server_->settings("tidegate").socket;
  EXPECT_EQ(std::vector<std::string>{socket}, before->sandbox_sockets);
  const std::string tail = "@localhost/tg_acme_live_main_1?socket=" + socket;
  EXPECT_EQ(0u, before->url.find("mysql://tg_"));
  EXPECT_EQ(tail, before->url.substr(before->url.size() - tail.size()));
  struct stat found;
  ASSERT_EQ(0, ::stat((state_ + "/acme/live").c_str(), &found));
  EXPECT_EQ(0600u, found.st_mode & 07777);
  ASSERT_EQ(0, ::stat((state_ + "/acme").c_str(), &found));
  EXPECT_EQ(0700u, found.st_mode & 07777);
  engine_ = make_mariadb_engine(server_->settings("tidegate"), "secret", state_);
  made(live_, "2");
  EXPECT_EQ(before->url, engine_->access(physical, live_)->url);
  as(live_, physical);
}

TEST_F(MariaDbEngineTest, DoesNotLockOutPagesWhenThePasswordWasLost) {
  const std::string physical = made(live_, "1");
  fs::remove_all(state_ + "/acme");
  const std::string user = mariadb_user("tg", "acme", "live");
  auto done = engine_->create(engine_->physical({"acme", "live", "main", "2"}), live_);
  ASSERT_FALSE(done);
  EXPECT_EQ(ErrorKind::invalid, done.error().kind);
  EXPECT_EQ(mariadb_place(server_->settings("tidegate")) + " has user '" + user +
                "', but its password is not in '" + state_ +
                "/acme/live': put that file back, or run DROP USER `" + user + "`@'localhost'",
            done.error().message);
  auto access = engine_->access(physical, live_);
  ASSERT_FALSE(access);
  EXPECT_EQ("the password of the database user of 'acme/live' is not in '" + state_ +
                "/acme/live': put that file back",
            access.error().message);
}

TEST_F(MariaDbEngineTest, ChecksThatItsRightsAreEnoughAndTellsTheMend) {
  const std::string place = mariadb_place(server_->settings("tidegate"));
  const std::string mend =
      "; as its administrator run: GRANT ALL PRIVILEGES ON `tg\\_%`.* TO `tidegate`@'localhost' "
      "WITH GRANT OPTION; GRANT CREATE USER, RELOAD, SET USER ON *.* TO `tidegate`@'localhost'; "
      "GRANT SELECT ON mysql.proc TO `tidegate`@'localhost'";
  EXPECT_EQ(std::nullopt, *engine_->check());
  EXPECT_EQ("", ask("SHOW DATABASES LIKE 'tg\\_%'")) << "a check changes nothing";
  run("REVOKE SET USER ON *.* FROM tidegate@localhost");
  run("REVOKE SELECT ON mysql.proc FROM tidegate@localhost");
  EXPECT_EQ(place + ": user 'tidegate' lacks SET USER, SELECT on mysql.proc" + mend,
            **engine_->check());
  run("CREATE OR REPLACE USER tidegate@localhost IDENTIFIED BY 'secret'");
  auto done = engine_->create("tg_acme_live_main_1", live_);
  ASSERT_FALSE(done);
  EXPECT_EQ(ErrorKind::invalid, done.error().kind);
  EXPECT_EQ(
      place + " refuses: Access denied for user 'tidegate'@'localhost' to database 'tg_tidegate'" +
          mend,
      done.error().message);
  run("CREATE OR REPLACE USER tidegate@localhost IDENTIFIED BY 'changed'");
  EXPECT_EQ(place +
                " refuses: Access denied for user 'tidegate'@'localhost' (using password: YES)" +
                mend,
            **engine_->check());
  auto as_root = make_mariadb_engine(server_->settings("root"), "", state_);
  EXPECT_EQ(std::nullopt, *as_root->check());
}

TEST_F(MariaDbEngineTest, SaysThatNobodyAnswers) {
  MariaDbServer nowhere = server_->settings("tidegate");
  nowhere.socket = state_ + "/none";
  auto done = make_mariadb_engine(nowhere, "secret", state_)->create("tg_a_b_c_1", live_);
  ASSERT_FALSE(done);
  EXPECT_EQ(ErrorKind::transient, done.error().kind);
  EXPECT_EQ("MariaDB at '" + nowhere.socket +
                "' does not answer: Can't connect to local server through socket '" +
                nowhere.socket + "' (2)",
            done.error().message);
}

}  // namespace
}  // namespace tidegate
