#include "controller/host/databases/mariadb_test_support.h"

namespace tidegate {
namespace {

class MariaDbRestoreTest : public MariaDbTest {
 protected:
  void SetUp() override {
    MariaDbTest::SetUp();
    if (HasFatalFailure()) return;
    physical_ = made(live_, "1");
    saved_ = engine_->saved_name(physical_);
    user_ = std::make_unique<MariaDbConnection>(as(live_, physical_));
    on("USE " + physical_);
    fill();
    before_ = everything();
  }
  void on(const std::string& statement) { run_on(*user_, statement); }

  void fill() {
    on("CREATE SEQUENCE numbers START WITH 100");
    on("CREATE TABLE parent(id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(50), FULLTEXT (t)) "
       "ENGINE=InnoDB AUTO_INCREMENT=77");
    on("CREATE TABLE child(id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), parent INT, "
       "FOREIGN KEY (parent) REFERENCES parent(id) ON DELETE CASCADE) ENGINE=InnoDB");
    on("CREATE TABLE log(text VARCHAR(50)) ENGINE=MyISAM");
    on("INSERT INTO parent(id, t) SELECT seq, CONCAT('word', seq) FROM seq_1_to_70");
    on("INSERT INTO child SELECT seq, seq FROM seq_1_to_70");
    for (int i = 0; i < 12; ++i)
      on("CREATE TABLE extra" + std::to_string(i) +
         " ENGINE=InnoDB AS SELECT seq x FROM seq_1_to_50");
    on("CREATE TRIGGER logged AFTER INSERT ON parent FOR EACH ROW INSERT INTO log VALUES (NEW.t)");
    on("CREATE FUNCTION twice(x INT) RETURNS INT RETURN x*2");
    on("CREATE VIEW doubled AS SELECT id, twice(id) AS two FROM parent");
    on("CREATE VIEW broken AS SELECT x FROM extra0");
    on("ALTER TABLE extra0 CHANGE x y BIGINT NOT NULL");
    on("CREATE EVENT waiting ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO DELETE FROM log");
    on("CREATE PROCEDURE untouched() SELECT 'ü'");
  }

  std::string everything() {
    const std::string schema = "'" + physical_ + "'";
    std::string all =
        ask("SELECT TABLE_NAME, TABLE_TYPE, ENGINE, AUTO_INCREMENT FROM "
            "information_schema.TABLES WHERE TABLE_SCHEMA=" +
            schema + " ORDER BY 1");
    for (const char* table : {"parent", "child", "log", "extra0", "extra11"})
      all += "\n" + ask("CHECKSUM TABLE " + physical_ + "." + table + " EXTENDED") + "\n" +
             ask("SHOW CREATE TABLE " + physical_ + "." + table);
    return all + "\n" +
           ask("SELECT TABLE_NAME, VIEW_DEFINITION, DEFINER FROM information_schema.VIEWS WHERE "
               "TABLE_SCHEMA=" +
               schema + " ORDER BY 1") +
           "\n" +
           ask("SELECT TRIGGER_NAME, ACTION_STATEMENT, DEFINER FROM information_schema.TRIGGERS "
               "WHERE "
               "TRIGGER_SCHEMA=" +
               schema + " ORDER BY 1") +
           "\n" +
           ask("SELECT ROUTINE_NAME, ROUTINE_DEFINITION, DEFINER FROM information_schema.ROUTINES "
               "WHERE ROUTINE_SCHEMA=" +
               schema + " ORDER BY 1") +
           "\n" +
           ask("SELECT EVENT_NAME, STATUS, EVENT_DEFINITION FROM information_schema.EVENTS WHERE "
               "EVENT_SCHEMA=" +
               schema + " ORDER BY 1");
  }

  // What a failed update may leave.
  void harm() {
    on("DROP TRIGGER logged");
    on("DROP TABLE child");
    on("ALTER TABLE parent ADD COLUMN more INT");
    on("UPDATE parent SET t='changed'");
    on("INSERT INTO log VALUES ('changed')");
    on("DROP TABLE extra11");
    on("TRUNCATE TABLE extra0");
    on("CREATE TABLE new_one(id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent(id)) "
       "ENGINE=InnoDB");
    on("CREATE TRIGGER fresh BEFORE INSERT ON parent FOR EACH ROW SET NEW.t='x'");
    on("CREATE OR REPLACE VIEW doubled AS SELECT 1 AS one");
    on("CREATE VIEW fresh_view AS SELECT * FROM new_one");
    on("DROP FUNCTION twice");
    on("CREATE PROCEDURE fresh_routine() SELECT 1");
    on("ALTER EVENT waiting DISABLE");
    on("DROP SEQUENCE numbers");
  }

  void restore() {
    auto done = engine_->restore(saved_, physical_, {});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(before_, everything());
    on("INSERT INTO parent(t) VALUES ('after')");
    EXPECT_EQ("77|154", ask_on(*user_, "SELECT id, two FROM doubled ORDER BY id DESC LIMIT 1"));
    EXPECT_EQ("after", ask_on(*user_, "SELECT text FROM log"));
    EXPECT_EQ("77", ask_on(*user_, "SELECT id FROM parent WHERE MATCH(t) AGAINST ('after')"));
    EXPECT_FALSE(user_->run("INSERT INTO child VALUES (1000, 12345)")) << "a foreign key is lost";
    on("INSERT INTO child(parent) VALUES (77)");
    on("DELETE FROM parent WHERE id=77");
    EXPECT_EQ("70", ask_on(*user_, "SELECT count(*) FROM child"));
    EXPECT_EQ("", ask("SHOW TABLES IN " + saved_));
  }

  std::string physical_, saved_, before_;
  std::unique_ptr<MariaDbConnection> user_;
};

TEST_F(MariaDbRestoreTest, PutsBackTablesDefinitionsAndNothingElse) {
  auto saved = engine_->save(physical_, saved_, {});
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_EQ(before_, everything()) << "a save must change nothing";
  harm();
  EXPECT_NE(before_, everything());
  restore();
}

TEST_F(MariaDbRestoreTest, PutsBackADatabaseThatWasDropped) {
  ASSERT_TRUE(engine_->save(physical_, saved_, {}));
  on("DROP DATABASE " + physical_);
  auto done = engine_->restore(saved_, physical_, {});
  ASSERT_TRUE(done) << done.error().message;
  on("USE " + physical_);
  EXPECT_EQ("70",
            ask_on(*user_, "SELECT count(*) FROM parent JOIN child ON parent.id=child.parent"));
}

TEST_F(MariaDbRestoreTest, TakesNothingAwayWhenItIsRunAgain) {
  ASSERT_TRUE(engine_->save(physical_, saved_, {}));
  harm();
  ASSERT_TRUE(engine_->restore(saved_, physical_, {}));
  on("INSERT INTO parent(t) VALUES ('later')");
  ASSERT_TRUE(engine_->restore(saved_, physical_, {}));
  EXPECT_EQ("71", ask_on(*user_, "SELECT count(*) FROM parent"));
}

TEST_F(MariaDbRestoreTest, RefusesWhatIsNoSavedCopy) {
  auto none = engine_->restore(saved_, physical_, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(ErrorKind::invalid, none.error().kind);
  EXPECT_EQ("'" + saved_ + "' is not a saved copy, or only half of one", none.error().message);
  auto stopped = engine_->save(physical_, saved_, [] { return true; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ("stopped while copying '" + physical_ + "'", stopped.error().message);
  EXPECT_FALSE(engine_->restore(saved_, physical_, {}));
  EXPECT_EQ(before_, everything());
  ASSERT_TRUE(engine_->save(physical_, saved_, {}));
  auto twice = engine_->save(physical_, saved_, {});
  ASSERT_FALSE(twice);
  EXPECT_EQ("database '" + saved_ + "' is there already", twice.error().message);
}

TEST_F(MariaDbRestoreTest, GoesOnAfterAKillAtAnyMoment) {
  ASSERT_TRUE(engine_->save(physical_, saved_, {}));
  harm();
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(engine_->restore(saved_, physical_, {}));
  const std::chrono::nanoseconds whole = std::chrono::steady_clock::now() - begun;
  ASSERT_TRUE(engine_->drop(saved_));
  int killed = 0;
  for (int round = 0; round < 14; ++round) {
    SCOPED_TRACE(round);
    ASSERT_TRUE(engine_->save(physical_, saved_, {}));
    harm();
    const pid_t child = ::fork();
    if (child == 0) {
      auto done = engine_->restore(saved_, physical_, {});
      ::_exit(done ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    std::this_thread::sleep_for(whole * round / 14);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++killed;
    auto done = engine_->restore(saved_, physical_, {});
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_EQ(before_, everything());
    ASSERT_TRUE(engine_->drop(saved_));
  }
  EXPECT_GT(killed, 2);
}

}  // namespace
}  // namespace tidegate
