#include <atomic>
#include <thread>

#include "controller/host/databases/mariadb_test_support.h"

namespace tidegate {
namespace {

class MariaDbCopyTest : public MariaDbTest {
 protected:
  void SetUp() override {
    MariaDbTest::SetUp();
    if (HasFatalFailure()) return;
    from_ = made(live_, "1");
    to_ = engine_->physical({"acme", "test", "main", "2"});
    run("USE " + from_);
  }
  void copy() {
    auto done = copied(from_, to_, test_);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::string in_copy(const std::string& query) {
    auto connection = as(test_, to_);
    run_on(connection, "USE " + to_);
    return ask_on(connection, query);
  }
  std::string in_both(const std::string& query) {
    run("USE " + from_);
    const std::string source = ask(query);
    EXPECT_EQ(std::string::npos, source.find("(error")) << source;
    EXPECT_EQ(source, in_copy(query)) << query;
    return source;
  }

  void expect_same_rows(const std::string& table) {
    const auto checksum = [&](const std::string& database) {
      const std::string answer = ask("CHECKSUM TABLE " + database + "." + table + " EXTENDED");
      return answer.substr(answer.find('|'));
    };
    EXPECT_EQ(checksum(from_), checksum(to_)) << table;
  }

  std::string from_, to_;
};

TEST_F(MariaDbCopyTest, CopiesAWordPressSchemaWithItsRows) {
  run("CREATE TABLE wp_posts(ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, post_date DATETIME NOT "
      "NULL "
      "DEFAULT '0000-00-00 00:00:00', post_content LONGTEXT NOT NULL, post_name VARCHAR(200) NOT "
      "NULL DEFAULT '', PRIMARY KEY (ID), KEY post_name (post_name(191))) ENGINE=InnoDB "
      "AUTO_INCREMENT=500 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci");
  run("CREATE TABLE wp_postmeta(meta_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, "
      "post_id BIGINT UNSIGNED NOT NULL DEFAULT 0, meta_key VARCHAR(255), meta_value LONGTEXT, "
      "KEY post_id (post_id)) ENGINE=InnoDB");
  run("INSERT INTO wp_posts(post_content, post_name) VALUES ('Grüße \\' \\\\ \\0 \\n 🌊', 'a')");
  run("INSERT INTO wp_posts SELECT seq+600, '2026-11-20 03:00:00', REPEAT('ab', 3000), "
      "CONCAT('post-', seq) FROM seq_1_to_2000");
  run("INSERT INTO wp_postmeta(post_id, meta_key) SELECT ID, NULL FROM wp_posts");
  copy();
  for (const char* table : {"wp_posts", "wp_postmeta"}) {
    expect_same_rows(table);
    in_both(std::string("SHOW CREATE TABLE ") + table);
  }
  EXPECT_EQ("2001", in_copy("SELECT count(*) FROM wp_postmeta WHERE meta_key IS NULL"));
}

TEST_F(MariaDbCopyTest, CopiesEveryValueToTheByte) {
  run("SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'");
  run("CREATE TABLE `odd ``name``` (id INT PRIMARY KEY, f FLOAT, d DOUBLE, "
      "n DECIMAL(30,10), u BIGINT UNSIGNED, b BIT(11), y YEAR, t TIME(6), ts TIMESTAMP(6) NULL, "
      "dt DATETIME, da DATE, bl LONGBLOB, vb VARBINARY(40), l1 VARCHAR(20) CHARACTER SET latin1, "
      "sj VARCHAR(20) CHARACTER SET sjis, e ENUM('x','','ü'), s SET('a','b'), js JSON, g GEOMETRY, "
      "ip INET6, id128 UUID, `ünïcode` TEXT, inv INT INVISIBLE DEFAULT 7, "
      "twice INT GENERATED ALWAYS AS (id*2) VIRTUAL, kept INT AS (id*3) STORED, "
      "CHECK (id <> 77))");
  run("INSERT INTO `odd ``name```(id, f, d, n, u, b, y, t, ts, dt, da, bl, vb, l1, sj, e, s, js, "
      "g, "
      "ip, id128, `ünïcode`, inv) VALUES (0, 0.1, 0.1e0+0.2e0, 12345678901234567890.0123456789, "
      "18446744073709551615, b'10000000001', 1999, '-838:59:58.999999', '2026-03-29 "
      "01:30:00.123456', "
      "'0000-00-00 00:00:00', '2026-02-31', CHAR(0,255,39,92,10,13,26,240,159,37 USING binary), "
      "x'00ff', _latin1 x'fcdf', _sjis x'835c', 3, 'a,b', '{\"a\": \"ü\"}', "
      "ST_GeomFromText('POINT(1.5 -2.25)', 4326), 'fe80::1', "
      "'123e4567-e89b-12d3-a456-426614174000', "
      "'🌊\\'\\\"', NULL)");
  run("INSERT INTO `odd ``name```(id, f, d, e) VALUES (5, 16777217.5, -1.7976931348623157e308, 0)");
  run("INSERT INTO `odd ``name```(id, f) VALUES (6, 3.4028235e38)");
  copy();
  const std::string all =
      "SELECT id, f+0e0, d+0e0, n, u, HEX(b), y, t, ts, dt, da, HEX(bl), HEX(vb), HEX(l1), "
      "HEX(sj), "
      "e+0, s+0, js, HEX(g), ip, id128, HEX(`ünïcode`), inv, twice, kept FROM `odd ``name``` ORDER "
      "BY id";
  const std::string rows = in_both(all);
  EXPECT_EQ(0u, rows.find("0|0.10000000149011612|0.30000000000000004|12345678901234567890."
                          "0123456789|18446744073709551615|401|1999|"));
  in_both("SHOW CREATE TABLE `odd ``name```");
}

TEST_F(MariaDbCopyTest, CopiesDefinitionsSoThatTheyWorkForTheNewOwner) {
  auto user = as(live_, from_);
  run_on(user, "USE " + from_);
  run_on(user, "SET SESSION sql_mode='ANSI_QUOTES'");
  run_on(user,
         "CREATE TABLE item(id INT PRIMARY KEY AUTO_INCREMENT, price INT, changed INT DEFAULT 0)");
  run_on(user, "CREATE TABLE log(text VARCHAR(50) CHARACTER SET utf8mb4)");
  run_on(user, "CREATE FUNCTION doubled(x INT) RETURNS INT DETERMINISTIC RETURN x * 2");
  run_on(user, "CREATE VIEW zz AS SELECT id, doubled(price) AS twice FROM " + from_ + ".item");
  run_on(user, "CREATE VIEW aa AS SELECT id, twice FROM \"zz\" WHERE twice > 10");
  run_on(user, "CREATE VIEW broken AS SELECT changed FROM item");
  run_on(user,
         "CREATE TRIGGER second_named_first AFTER INSERT ON item FOR EACH ROW "
         "INSERT INTO \"" +
             from_ + "\".log VALUES ('one: " + from_ + ".x ü')");
  run_on(user,
         "CREATE TRIGGER a_second AFTER INSERT ON item FOR EACH ROW "
         "INSERT INTO log VALUES ('two')");
  run_on(user, "CREATE PROCEDURE count_items() SELECT count(*) FROM item");
  run_on(user, "CREATE EVENT mailer ON SCHEDULE EVERY 1 SECOND DO INSERT INTO log VALUES ('sent')");
  run_on(user, "CREATE EVENT sleeper ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1");
  run("CREATE DEFINER=root@localhost VIEW by_root AS SELECT count(*) AS n FROM item");
  run_on(user, "ALTER TABLE item DROP COLUMN changed");
  run_on(user, "INSERT INTO item(price) VALUES (5), (6)");
  run("ALTER EVENT mailer DISABLE");
  run("DELETE FROM log WHERE text = 'sent'");
  run("ALTER EVENT mailer ENABLE");
  copy();
  run("DROP DATABASE " + from_);  // nothing may lean on the source
  run("CREATE DATABASE " + from_);
  EXPECT_EQ("2|12", in_copy("SELECT * FROM aa"));
  EXPECT_EQ("2", in_copy("SELECT n FROM by_root"));
  EXPECT_EQ("2", in_copy("CALL count_items()"));
  in_copy("DELETE FROM log");
  in_copy("INSERT INTO item(price) VALUES (7)");
  EXPECT_EQ("one: " + from_ + ".x ü\ntwo", in_copy("SELECT text FROM log"));
  EXPECT_EQ("mailer|DISABLED\nsleeper|DISABLED",
            in_copy("SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS ORDER BY 1"));
  const std::string owner = in_copy("SELECT CURRENT_USER()");
  EXPECT_EQ(owner,
            in_copy("SELECT DISTINCT DEFINER FROM (SELECT DEFINER, TRIGGER_SCHEMA s FROM "
                    "information_schema.TRIGGERS UNION ALL SELECT DEFINER, ROUTINE_SCHEMA FROM "
                    "information_schema.ROUTINES UNION ALL SELECT DEFINER, TABLE_SCHEMA FROM "
                    "information_schema.VIEWS UNION ALL SELECT DEFINER, EVENT_SCHEMA FROM "
                    "information_schema.EVENTS) d WHERE s='" +
                    to_ + "'"));
  EXPECT_EQ("0",
            in_copy("SELECT count(*) FROM information_schema.VIEWS WHERE TABLE_NAME='broken'"));
  EXPECT_EQ("ANSI_QUOTES", in_copy("SELECT DISTINCT SQL_MODE FROM information_schema.TRIGGERS"));
}

TEST_F(MariaDbCopyTest, CopiesForeignKeysSequencesAndOtherEngines) {
  run("ALTER DATABASE " + from_ + " COLLATE latin1_german2_ci");
  run("CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 5 CACHE 10");
  run("DO NEXTVAL(numbers)");
  run("SET foreign_key_checks=0");
  run("CREATE TABLE a_child(id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), parent INT, "
      "FOREIGN KEY (parent) REFERENCES z_parent(id) ON DELETE CASCADE) ENGINE=InnoDB");
  run("CREATE TABLE z_parent(id INT PRIMARY KEY) ENGINE=InnoDB");
  run("INSERT INTO z_parent VALUES (1), (2)");
  run("INSERT INTO a_child VALUES (1, 1), (2, 2)");
  run("CREATE TABLE old(id INT PRIMARY KEY AUTO_INCREMENT, t TEXT CHARACTER SET latin1, FULLTEXT "
      "(t)) ENGINE=MyISAM");
  run("INSERT INTO old(t) VALUES ('M\xc3\xbcnchen'), ('Rom')");
  run("CREATE TABLE aria(x INT) ENGINE=Aria");
  run("INSERT INTO aria VALUES (1), (2), (3)");
  run("CREATE TABLE parts(id INT PRIMARY KEY, v INT) ENGINE=InnoDB PARTITION BY HASH(id) "
      "PARTITIONS 4");
  run("INSERT INTO parts SELECT seq, seq FROM seq_1_to_100");
  run("CREATE TABLE empty_one(x INT)");
  copy();
  for (const char* table : {"a_child", "z_parent", "old", "aria", "parts", "empty_one"})
    expect_same_rows(table);
  in_both("SELECT HEX(t) FROM old ORDER BY id");
  in_both("SHOW CREATE TABLE parts");
  EXPECT_EQ("latin1_german2_ci", in_copy("SELECT @@collation_database"));
  EXPECT_NE(std::string::npos, in_copy("INSERT INTO a_child VALUES (9, 99)").find("foreign key"));
  in_copy("DELETE FROM z_parent WHERE id=1");
  EXPECT_EQ("2", in_copy("SELECT id FROM a_child"));
  in_copy("INSERT INTO a_child(parent) VALUES (2)");
  EXPECT_EQ("150", in_copy("SELECT max(id) FROM a_child"));
  EXPECT_EQ("150", ask("SELECT next_not_cached_value FROM " + from_ + ".numbers"));
}

TEST_F(MariaDbCopyTest, RefusesATableWhoseRowsLieOutside) {
  if (!admin_->run("INSTALL SONAME 'ha_federatedx'")) GTEST_SKIP() << "no FEDERATED engine here";
  run("CREATE TABLE mysql.near(x INT)");
  run("CREATE OR REPLACE SERVER here FOREIGN DATA WRAPPER mysql OPTIONS (SOCKET '" +
      server_->settings("root").socket + "', USER 'root', DATABASE 'mysql')");
  run("CREATE TABLE far(x INT) ENGINE=FEDERATED CONNECTION='here/near'");
  auto done = copied(from_, to_, test_);
  run("DROP TABLE far, mysql.near");
  ASSERT_FALSE(done);
  EXPECT_EQ(ErrorKind::invalid, done.error().kind);
  EXPECT_EQ("table 'far' in '" + from_ +
                "' uses engine 'FEDERATED', whose rows lie outside the "
                "database: drop it, or make it a table of InnoDB",
            done.error().message);
}

TEST_F(MariaDbCopyTest, SeesOneMomentBesideWriters) {
  run("CREATE TABLE debit(id INT PRIMARY KEY, amount BIGINT) ENGINE=InnoDB");
  run("CREATE TABLE credit(id INT PRIMARY KEY, amount BIGINT) ENGINE=InnoDB");
  run("INSERT INTO debit SELECT seq, 1000 FROM seq_1_to_60000");
  run("INSERT INTO credit SELECT seq, 1000 FROM seq_1_to_60000");
  run("CREATE TABLE orders(id INT PRIMARY KEY AUTO_INCREMENT, line_count INT) ENGINE=InnoDB");
  run("CREATE TABLE order_lines(id INT PRIMARY KEY AUTO_INCREMENT, order_id INT, KEY (order_id)) "
      "ENGINE=InnoDB");
  std::atomic<bool> ending{false};
  std::atomic<int> written{0}, refused{0};
  const auto write = [&](int salt) {
    auto connection = as(live_, from_);
    run_on(connection, "USE " + from_);
    for (int i = salt; !ending; i += 2) {
      // The writers cannot deadlock each other, so what refuses one is the copy.
      const std::string a = std::to_string(i * 7 % 60000 + salt), b = std::to_string(i % 60000 + 1);
      for (const std::string& statement :
           {std::string("BEGIN"), "UPDATE debit SET amount=amount-1 WHERE id=" + a,
            "UPDATE credit SET amount=amount+1 WHERE id=" + b,
            std::string("INSERT INTO orders(line_count) VALUES (3)"),
            std::string("SET @o = LAST_INSERT_ID()"),
            std::string("INSERT INTO order_lines(order_id) VALUES (@o), (@o), (@o)"),
            std::string("COMMIT")})
        if (!connection.run(statement)) {
          ++refused;
          run_on(connection, "ROLLBACK");
          break;
        }
      ++written;
    }
  };
  std::thread one(write, 1), two(write, 2);
  while (written < 20) std::this_thread::yield();
  for (int round = 0; round < 6; ++round) {
    const int before = written;
    to_ = engine_->physical({"acme", "test", "main", "r" + std::to_string(round)});
    auto done = copied(from_, to_, test_);
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_GT(written, before) << "the writers were held up";
    EXPECT_EQ("120000000", ask("SELECT SUM(amount) FROM (SELECT amount FROM " + to_ +
                               ".debit UNION ALL SELECT amount FROM " + to_ + ".credit) s"));
    EXPECT_EQ("0", ask("SELECT count(*) FROM " + to_ +
                       ".orders o WHERE line_count <> (SELECT count(*) "
                       "FROM " +
                       to_ + ".order_lines l WHERE l.order_id=o.id)"));
    EXPECT_EQ("0", ask("SELECT count(*) FROM " + to_ +
                       ".order_lines WHERE order_id NOT IN (SELECT id "
                       "FROM " +
                       to_ + ".orders)"));
    EXPECT_GE(std::stoi(ask("SELECT count(*) FROM " + to_ + ".orders")), before - 2);
  }
  ending = true;
  one.join();
  two.join();
  EXPECT_EQ(0, refused) << "a writer was refused";
}

// Small tables and many copies: what is tried again and again is the moment of the two snapshots.
TEST_F(MariaDbCopyTest, TakesBothItsSnapshotsAtOneMoment) {
  run("CREATE TABLE debit(id INT PRIMARY KEY, amount BIGINT) ENGINE=InnoDB");
  run("CREATE TABLE credit(id INT PRIMARY KEY, amount BIGINT) ENGINE=InnoDB");
  for (const char* table : {"debit", "credit"})
    run(std::string("INSERT INTO ") + table + " VALUES (1, 0), (2, 0), (3, 0)");
  std::atomic<bool> ending{false};
  std::vector<std::thread> writers;
  for (int id = 1; id <= 3; ++id)
    writers.emplace_back([&, where = " WHERE id=" + std::to_string(id)] {
      auto connection = as(live_, from_);
      run_on(connection, "USE " + from_);
      while (!ending)
        for (const std::string& statement :
             {std::string("BEGIN"), "UPDATE debit SET amount=amount-1" + where,
              "UPDATE credit SET amount=amount+1" + where, std::string("COMMIT")})
          run_on(connection, statement);
    });
  run("SET GLOBAL log_output='TABLE'");
  run("TRUNCATE mysql.general_log");
  for (int round = 0; round < 60; ++round) {
    to_ = engine_->physical({"acme", "test", "main", "r" + std::to_string(round)});
    if (round == 0) run("SET GLOBAL general_log=1");
    auto done = copied(from_, to_, test_);
    if (round == 0) run("SET GLOBAL general_log=0");
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_EQ("0", ask("SELECT SUM(amount) FROM (SELECT amount FROM " + to_ +
                       ".debit UNION ALL SELECT amount FROM " + to_ + ".credit) s"));
    EXPECT_TRUE(engine_->drop(to_));
  }
  ending = true;
  for (auto& writer : writers) writer.join();
  EXPECT_EQ("2", ask("SELECT count(DISTINCT thread_id) FROM mysql.general_log WHERE argument LIKE "
                     "'START TRANSACTION WITH CONSISTENT SNAPSHOT'"));
}

TEST_F(MariaDbCopyTest, NeedsNoRightToHoldUpCommits) {
  run("REVOKE RELOAD ON *.* FROM tidegate@localhost");
  run("CREATE TABLE a(x INT PRIMARY KEY) ENGINE=InnoDB");
  run("CREATE TABLE b(x INT PRIMARY KEY) ENGINE=InnoDB");
  run("INSERT INTO a VALUES (1), (2)");
  run("INSERT INTO b SELECT x FROM a");
  EXPECT_EQ(std::nullopt, *engine_->check());
  copy();
  for (const char* table : {"a", "b"}) expect_same_rows(table);
}

TEST_F(MariaDbCopyTest, StartsOverWhenTablesAreAlteredMeanwhile) {
  for (int i = 0; i < 8; ++i) {
    const std::string table = "t" + std::to_string(i);
    run("CREATE TABLE " + table + "(id INT PRIMARY KEY, x VARCHAR(200)) ENGINE=InnoDB");
    run("INSERT INTO " + table + " SELECT seq, REPEAT('x', 150) FROM seq_1_to_20000");
  }
  std::atomic<bool> ending{false};
  std::thread application([&] {
    auto connection = as(live_, from_);
    run_on(connection, "USE " + from_);
    for (int i = 0; !ending && i < 12; ++i) {
      const std::string table = "t" + std::to_string(i % 8);
      (void)connection.run("ALTER TABLE " + table +
                           " ADD COLUMN extra INT NOT NULL DEFAULT 5, "
                           "ALGORITHM=COPY");
      (void)connection.run("ALTER TABLE " + table + " DROP COLUMN extra, ALGORITHM=COPY");
    }
  });
  auto done = copied(from_, to_, test_);
  for (int tries = 0; !done && tries < 20; ++tries) {
    EXPECT_EQ(ErrorKind::transient, done.error().kind);
    EXPECT_EQ("the tables of '" + from_ + "' were altered during 3 copies one after another",
              done.error().message);
    done = copied(from_, to_, test_);
  }
  ending = true;
  application.join();
  ASSERT_TRUE(done) << done.error().message;
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ("20000|1|20000",
              in_copy("SELECT count(*), min(id), max(id) FROM t" + std::to_string(i)));
}

TEST_F(MariaDbCopyTest, WaitsForNoLongTransaction) {
  run("CREATE TABLE t(x INT PRIMARY KEY) ENGINE=InnoDB");
  run("INSERT INTO t VALUES (1)");
  auto importer = as(live_, from_);
  run_on(importer, "BEGIN");
  run_on(importer, "INSERT INTO " + from_ + ".t VALUES (2)");
  copy();
  run_on(importer, "COMMIT");
  EXPECT_EQ("1", in_copy("SELECT x FROM t"));
}

TEST_F(MariaDbCopyTest, TellsProgressStopsAndReplacesTheHalf) {
  run("CREATE TABLE t(x INT PRIMARY KEY, y VARCHAR(500)) ENGINE=InnoDB");
  run("INSERT INTO t SELECT seq, REPEAT('y', 500) FROM seq_1_to_100000");
  run("ANALYZE TABLE t");
  int asked = 0;
  auto stopped = engine_->copy(from_, to_, test_, [&] { return ++asked > 2; }, {});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(ErrorKind::transient, stopped.error().kind);
  EXPECT_EQ("stopped while copying '" + from_ + "'", stopped.error().message);
  EXPECT_EQ(std::vector<std::string>{to_}, *engine_->list("acme", "test"));
  auto half = engine_->copy(to_, from_ + "9", live_, {}, {});
  ASSERT_FALSE(half);
  EXPECT_EQ("database '" + to_ + "' is not whole, or a saved copy", half.error().message);
  std::vector<int> told;
  auto done = engine_->copy(from_, to_, test_, {}, [&](int percent) { told.push_back(percent); });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(100, told.back());
  EXPECT_EQ("100000", in_copy("SELECT count(*) FROM t"));
  auto again = copied(from_, to_, test_);
  ASSERT_FALSE(again);
  EXPECT_EQ("database '" + to_ + "' is there already", again.error().message);
}

TEST_F(MariaDbCopyTest, StopsEvenWhenTheServerHangs) {
  run("CREATE TABLE t(x INT PRIMARY KEY, y VARCHAR(500)) ENGINE=InnoDB");
  run("INSERT INTO t SELECT seq, REPEAT('y', 500) FROM seq_1_to_100000");
  int asked = 0;
  const auto begun = std::chrono::steady_clock::now();
  auto stopped = engine_->copy(from_, to_, test_,
                               [&] {
                                 if (++asked == 2) server_->halt();
                                 return asked > 4;
                               },
                               {});
  server_->resume();
  ASSERT_FALSE(stopped);
  EXPECT_EQ("stopped while copying '" + from_ + "'", stopped.error().message);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
}

}  // namespace
}  // namespace tidegate
