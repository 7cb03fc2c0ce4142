#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "controller/host/databases/engine.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;

const DatabaseEngine::Stop never;
const DatabaseEngine::Progress silent;

class Sqlite {
 public:
  explicit Sqlite(const std::string& file) {
    EXPECT_EQ(SQLITE_OK, sqlite3_open(file.c_str(), &handle_)) << file;
    sqlite3_busy_timeout(handle_, 20000);
  }
  ~Sqlite() { sqlite3_close(handle_); }
  int try_run(const std::string& sql) {
    return sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  }
  void run(const std::string& sql) {
    ASSERT_EQ(SQLITE_OK, try_run(sql)) << sql << ": " << sqlite3_errmsg(handle_);
  }
  std::string ask(const std::string& sql) {
    std::string answer;
    const int code = sqlite3_exec(
        handle_, sql.c_str(),
        [](void* kept, int, char** values, char**) {
          if (values[0]) *static_cast<std::string*>(kept) = values[0];
          return 0;
        },
        &answer, nullptr);
    return code == SQLITE_OK ? answer : sqlite3_errmsg(handle_);
  }

 private:
  sqlite3* handle_ = nullptr;
};

class SqliteEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/tidegate-sqlite-XXXXXX";
    ASSERT_NE(nullptr, mkdtemp(name));
    root_ = name;
    ASSERT_EQ(0, ::chmod(name, 0755));
    engine_ = make_sqlite_engine(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string live() const { return engine_->physical({"acme", "live", "main", "1"}); }
  std::string test() const { return engine_->physical({"acme", "test", "main", "2"}); }
  std::string saved() const { return engine_->saved_name(live()); }

  void make(const std::string& physical, const Owner& owner) {
    auto done = engine_->create(physical, owner);
    ASSERT_TRUE(done) << done.error().message;
  }
  // Accounts whose sum never changes, spread over so many pages that a copy takes many steps.
  void fill(const std::string& file, const std::string& journal_mode, int rows = 20000) {
    Sqlite database(file);
    database.run("PRAGMA journal_mode=" + journal_mode);
    database.run("CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER, padding TEXT)");
    database.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<" +
                 std::to_string(rows) +
                 ") INSERT INTO account SELECT i, 100, hex(randomblob(500)) FROM n");
  }

  // Another process that moves amounts between accounts for as long as it lives.
  pid_t start_writer(const std::string& file) {
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork");  // -1 would be every process there is.
    if (child > 0) return child;
    Sqlite database(file);
    for (unsigned i = 1;; ++i) {
      const std::string a = std::to_string(i * 7919 % 20000 + 1);
      const std::string b = std::to_string(i * 104729 % 20000 + 1);
      database.try_run("BEGIN IMMEDIATE; UPDATE account SET amount=amount-1 WHERE id=" + a +
                       "; UPDATE account SET amount=amount+1 WHERE id=" + b + "; COMMIT");
    }
  }
  void end(pid_t child) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }

  void expect_copies_beside_a_writer(const std::string& journal_mode) {
    make(live(), live_);
    fill(live(), journal_mode);
    const std::string before = Sqlite(live()).ask("SELECT sum(id*amount) FROM account");
    const pid_t writer = start_writer(live());
    while (Sqlite(live()).ask("SELECT sum(id*amount) FROM account") == before) {
    }
    for (int i = 0; i < 5; ++i) {
      const std::string to =
          engine_->physical({"acme", "test", "main", "copy" + std::to_string(i)});
      auto copied = engine_->copy(live(), to, test_, never, silent);
      EXPECT_TRUE(copied) << copied.error().message;
      Sqlite copy(to);
      EXPECT_EQ("ok", copy.ask("PRAGMA integrity_check"));
      EXPECT_EQ("2000000", copy.ask("SELECT sum(amount) FROM account"));
      EXPECT_EQ(journal_mode, copy.ask("PRAGMA journal_mode"));
    }
    end(writer);
  }

  std::string root_;
  std::unique_ptr<DatabaseEngine> engine_;
  const Owner live_{"acme", "live", std::nullopt}, test_{"acme", "test", std::nullopt};
};

TEST_F(SqliteEngineTest, PutsADatabaseIntoADirectoryOfItsOwn) {
  EXPECT_EQ(root_ + "/acme/live/content/databases-1/main/database.sqlite", live());
  make(live(), live_);
  auto access = engine_->access(live(), live_);
  ASSERT_TRUE(access);
  EXPECT_EQ("sqlite:///" + live(), access->url);
  EXPECT_EQ(std::vector<std::string>{root_ + "/acme/live/content/databases-1/main"},
            access->sandbox_writable);
  struct stat file, directory;
  ASSERT_EQ(0, ::stat(live().c_str(), &file));
  ASSERT_EQ(0, ::stat(fs::path(live()).parent_path().c_str(), &directory));
  EXPECT_EQ(0660u, file.st_mode & 07777);
  EXPECT_EQ(02770u, directory.st_mode & 07777);
}

TEST_F(SqliteEngineTest, SaysWhetherANameIsTakenWhoeverTookIt) {
  EXPECT_FALSE(*engine_->is_taken(live()));
  make(live(), {"acme", "live", {}});
  EXPECT_TRUE(*engine_->is_taken(live()));
  ASSERT_TRUE(engine_->drop(live()));
  EXPECT_FALSE(*engine_->is_taken(live()));
  fs::create_directories(fs::path(live()).parent_path());
  EXPECT_TRUE(*engine_->is_taken(live())) << "without our mark";
}

TEST_F(SqliteEngineTest, CreatesTwiceWhileEmptyAndThenRefuses) {
  make(live(), live_);
  make(live(), live_);
  Sqlite(live()).run("CREATE TABLE t(x)");
  auto again = engine_->create(live(), live_);
  ASSERT_FALSE(again);
  EXPECT_EQ(ErrorKind::invalid, again.error().kind);
  EXPECT_EQ("database '" + live() + "' is not empty", again.error().message);
}

TEST_F(SqliteEngineTest, LeavesAloneWhatItDidNotMake) {
  const std::string directory = fs::path(live()).parent_path();
  fs::create_directories(directory);
  std::ofstream(live()) << "precious";
  const std::string wanted = "'" + directory + "' was not made by Tidegate: it is left alone";
  make(test(), test_);
  for (const auto& done : {engine_->create(live(), live_), engine_->drop(live()),
                           engine_->copy(test(), live(), live_, never, silent),
                           engine_->save(live(), saved(), never)}) {
    ASSERT_FALSE(done);
    EXPECT_EQ(ErrorKind::invalid, done.error().kind);
    EXPECT_EQ(wanted, done.error().message);
  }
  EXPECT_EQ(8u, fs::file_size(live()));
}

TEST_F(SqliteEngineTest, ClearsAwayWhatAKillLeftBeforeTheMark) {
  const fs::path directory = fs::path(live()).parent_path();
  fs::create_directories(directory.parent_path());
  for (const bool begun : {false, true}) {
    ASSERT_EQ(0, ::mkdir(directory.c_str(), 0700));
    if (begun) std::ofstream(directory / ".tidegate.new") << "acme";
    const auto dropped = engine_->drop(live());
    ASSERT_TRUE(dropped) << dropped.error().message;
    EXPECT_FALSE(fs::exists(directory.parent_path()));
    fs::create_directories(directory.parent_path());
  }
  ASSERT_EQ(0, ::mkdir(directory.c_str(), 0700));
  make(live(), live_);
  EXPECT_TRUE(fs::exists(live()));
}

TEST_F(SqliteEngineTest, RefusesPathsThatAreNoneOfItsOwn) {
  for (const std::string& path :
       {std::string("/etc/passwd"), root_ + "/acme/live/content/databases-1/main/other",
        root_ + "/acme/live/content/databases-1/../../../../x/database.sqlite",
        root_ + "/acme/live/content/uploads/main/database.sqlite"}) {
    auto dropped = engine_->drop(path);
    ASSERT_FALSE(dropped);
    EXPECT_EQ("database '" + path + "' is not one below '" + root_ + "'", dropped.error().message);
  }
}

TEST_F(SqliteEngineTest, RefusesTheDatabaseOfAnotherEnvironment) {
  make(live(), live_);
  auto done = engine_->create(live(), test_);
  ASSERT_FALSE(done);
  EXPECT_EQ("database '" + live() + "' belongs to 'acme/live'", done.error().message);
}

TEST_F(SqliteEngineTest, CopiesConsistentlyBesideAWriterInWalMode) {
  expect_copies_beside_a_writer("wal");
}

TEST_F(SqliteEngineTest, CopiesConsistentlyBesideAWriterInDeleteMode) {
  expect_copies_beside_a_writer("delete");
}

TEST_F(SqliteEngineTest, CopiesTriggersViewsAndAnEmptyDatabase) {
  make(live(), live_);
  ASSERT_TRUE(engine_->copy(live(), test(), test_, never, silent));
  EXPECT_EQ("0", Sqlite(test()).ask("SELECT count(*) FROM sqlite_schema"));
  ASSERT_TRUE(engine_->drop(test()));
  Sqlite(live()).run(
      "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, x UNIQUE); CREATE TABLE b(x REFERENCES "
      "a(id)); CREATE VIEW v AS SELECT x FROM a; CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT "
      "INTO b VALUES(new.id); END; PRAGMA user_version=42; INSERT INTO a(x) VALUES('one')");
  ASSERT_TRUE(engine_->copy(live(), test(), test_, never, silent));
  Sqlite copy(test());
  copy.run("INSERT INTO a(x) VALUES('two')");
  EXPECT_EQ("2", copy.ask("SELECT count(*) FROM b"));
  EXPECT_EQ("two", copy.ask("SELECT x FROM v ORDER BY x"));
  EXPECT_EQ("42", copy.ask("PRAGMA user_version"));
}

TEST_F(SqliteEngineTest, TellsProgressAndRefusesAWholeTarget) {
  make(live(), live_);
  fill(live(), "delete");
  std::vector<int> told;
  ASSERT_TRUE(
      engine_->copy(live(), test(), test_, never, [&](int percent) { told.push_back(percent); }));
  EXPECT_GE(told.size(), 2u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(100, told.back());
  auto again = engine_->copy(live(), test(), test_, never, silent);
  ASSERT_FALSE(again);
  EXPECT_EQ("database '" + test() + "' is there already", again.error().message);
}

TEST_F(SqliteEngineTest, StopsAndLeavesAHalfThatTheNextCopyReplaces) {
  make(live(), live_);
  fill(live(), "wal");
  int asked = 0;
  auto stopped = engine_->copy(
      live(), test(), test_, [&] { return ++asked > 2; }, silent);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(ErrorKind::transient, stopped.error().kind);
  EXPECT_EQ("stopped at '" + live() + "'", stopped.error().message);
  EXPECT_FALSE(fs::exists(test()));
  EXPECT_EQ(std::vector<std::string>{test()}, *engine_->list("acme", "test"));
  ASSERT_TRUE(engine_->copy(live(), test(), test_, never, silent));
  EXPECT_EQ("2000000", Sqlite(test()).ask("SELECT sum(amount) FROM account"));
}

TEST_F(SqliteEngineTest, SaysWhichSourceIsDamaged) {
  make(live(), live_);
  std::ofstream(live()) << std::string(8192, 'x');
  auto copied = engine_->copy(live(), test(), test_, never, silent);
  ASSERT_FALSE(copied);
  EXPECT_EQ(ErrorKind::invalid, copied.error().kind);
  EXPECT_EQ(
      "SQLite database '" + live() + "': file is not a database; put back a copy that is whole",
      copied.error().message);
}

TEST_F(SqliteEngineTest, ListsAndDropsWhatCarriesItsMark) {
  make(live(), live_);
  make(test(), test_);
  ASSERT_TRUE(engine_->save(live(), saved(), never));
  EXPECT_EQ((std::vector<std::string>{saved(), live()}), *engine_->list("acme", "live"));
  EXPECT_EQ((std::vector<std::string>{test()}), *engine_->list("acme", "test"));
  EXPECT_TRUE(engine_->list("acme", "dev")->empty());
  for (const std::string& each : {saved(), live(), live()}) ASSERT_TRUE(engine_->drop(each));
  EXPECT_FALSE(fs::exists(root_ + "/acme/live/content/databases-1"));
  EXPECT_TRUE(fs::exists(test()));
}

TEST_F(SqliteEngineTest, DropEndsWhatAKillLeftOfAnotherDrop) {
  const fs::path directory = fs::path(live()).parent_path(), set = directory.parent_path();
  make(live(), live_);
  for (const auto& each : fs::directory_iterator(directory)) fs::remove(each);
  EXPECT_EQ((std::vector<std::string>{live()}), *engine_->list("acme", "live"));
  ASSERT_TRUE(engine_->drop(live()));
  EXPECT_FALSE(fs::exists(set));
  fs::create_directories(set);
  ASSERT_TRUE(engine_->drop(live()));
  EXPECT_FALSE(fs::exists(set));
}

class RestoreTest : public SqliteEngineTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(JournalModes, RestoreTest, testing::Values("wal", "delete"));

TEST_P(RestoreTest, ShowsOpenHandlesWhatWasSaved) {
  make(live(), live_);
  fill(live(), GetParam());
  Sqlite open_all_along(live());
  EXPECT_EQ("20000", open_all_along.ask("SELECT count(*) FROM account"));
  ASSERT_TRUE(engine_->save(live(), saved(), never));
  open_all_along.run("DELETE FROM account WHERE id > 10; CREATE TABLE more(x)");
  Sqlite(live()).run("DROP TABLE more; ALTER TABLE account ADD COLUMN extra");
  auto restored = engine_->restore(saved(), live(), never);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ("20000", open_all_along.ask("SELECT count(*) FROM account"));
  EXPECT_EQ("no such column: extra", open_all_along.ask("SELECT max(extra) FROM account"));
  open_all_along.run("DELETE FROM account WHERE id = 1");
  EXPECT_EQ("19999", Sqlite(live()).ask("SELECT count(*) FROM account"));
  EXPECT_EQ(GetParam(), Sqlite(live()).ask("PRAGMA journal_mode"));
  // Spent: run again after it succeeded, it takes nothing away.
  ASSERT_TRUE(engine_->restore(saved(), live(), never));
  EXPECT_EQ("19999", Sqlite(live()).ask("SELECT count(*) FROM account"));
}

TEST_P(RestoreTest, PutsBackWhatWasDamagedDeletedOrHasOtherPages) {
  make(live(), live_);
  fill(live(), GetParam(), 500);
  const std::string directory = fs::path(live()).parent_path();
  const std::vector<std::function<void()>> harms{
      [&] { std::ofstream(live(), std::ios::in | std::ios::out) << std::string(4096, 'x'); },
      [&] { fs::remove(live()); },
      [&] { fs::remove_all(directory); },
      [&] { fs::resize_file(live(), 0); },
      [&] { fs::resize_file(live(), 5000); },
      [&] {
        fs::remove(live());
        fs::create_symlink("/etc/passwd", live());
      },
      [&] {
        Sqlite changed(live());
        changed.run("PRAGMA journal_mode=delete; PRAGMA page_size=16384; VACUUM");
        changed.run(std::string("PRAGMA journal_mode=") + GetParam());
        EXPECT_EQ("16384", changed.ask("PRAGMA page_size"));
      }};
  for (std::size_t i = 0; i < harms.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_TRUE(engine_->save(live(), saved(), never));
    harms[i]();
    auto restored = engine_->restore(saved(), live(), never);
    ASSERT_TRUE(restored) << restored.error().message;
    ASSERT_TRUE(fs::is_regular_file(fs::symlink_status(live())));
    Sqlite again(live());
    EXPECT_EQ("50000", again.ask("SELECT sum(amount) FROM account"));
    EXPECT_EQ("ok", again.ask("PRAGMA integrity_check"));
    EXPECT_EQ(GetParam(), again.ask("PRAGMA journal_mode"));
    struct stat file;
    ASSERT_EQ(0, ::stat(live().c_str(), &file));
    EXPECT_EQ(0660u, file.st_mode & 07777);
    ASSERT_TRUE(engine_->drop(saved()));
    ASSERT_EQ(std::vector<std::string>{live()}, *engine_->list("acme", "live"));
  }
}

TEST_P(RestoreTest, GoesOnAfterAKillAtAnyMoment) {
  make(live(), live_);
  fill(live(), GetParam());
  int killed = 0;
  for (int round = 0; round < 12; ++round) {
    ASSERT_TRUE(engine_->save(live(), saved(), never));
    Sqlite(live()).run("UPDATE account SET amount=1; DELETE FROM account WHERE id%3=0");
    const pid_t child = ::fork();
    if (child == 0) {
      auto done = engine_->restore(saved(), live(), never);
      _exit(done ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    ::usleep(round * 3000);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++killed;
    auto restored = engine_->restore(saved(), live(), never);
    ASSERT_TRUE(restored) << restored.error().message;
    Sqlite again(live());
    ASSERT_EQ("2000000", again.ask("SELECT sum(amount) FROM account"));
    ASSERT_EQ("ok", again.ask("PRAGMA integrity_check"));
    ASSERT_TRUE(engine_->drop(saved()));
  }
  EXPECT_GT(killed, 0);
}

TEST_F(SqliteEngineTest, GivesEachEnvironmentsUserItsOwnAndKeepsSavedCopiesForItself) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const Owner live_owner{"acme", "live", {{4711, 4712}}},
      test_owner{"acme", "test", {{4713, 4714}}};
  make(live(), live_owner);
  fill(live(), "wal");
  for (const char* tail : {"", "-wal", "-shm"}) {
    if (!fs::exists(live() + tail)) continue;
    ASSERT_EQ(0, ::chown((live() + tail).c_str(), 4711, 4712));
  }
  ASSERT_TRUE(engine_->save(live(), saved(), never));
  const auto copied = engine_->copy(live(), test(), test_owner, never, silent);
  ASSERT_TRUE(copied) << copied.error().message;
  auto restored = engine_->restore(saved(), live(), never);
  ASSERT_TRUE(restored) << restored.error().message;
  struct stat found;
  ASSERT_EQ(0, ::stat(test().c_str(), &found));
  EXPECT_EQ(4713u, found.st_uid);
  EXPECT_EQ(4714u, found.st_gid);
  ASSERT_EQ(0, ::stat(saved().c_str(), &found));
  EXPECT_EQ(0u, found.st_uid);
  EXPECT_EQ(0600u, found.st_mode & 07777);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(4712) != 0 || ::setuid(4711) != 0) _exit(2);
    const bool own = ::open(live().c_str(), O_RDWR) >= 0;
    const bool others = ::open(test().c_str(), O_RDONLY) >= 0;
    const bool kept = ::open(saved().c_str(), O_RDONLY) >= 0;
    _exit(own && !others && !kept ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_F(SqliteEngineTest, RestoresAsItsOwnerWhatTheOwnerDeleted) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const Owner owner{"acme", "live", {{4711, 4712}}};
  make(live(), owner);
  Sqlite(live()).run("CREATE TABLE t(x); INSERT INTO t VALUES(7)");
  ASSERT_TRUE(engine_->save(live(), saved(), never));
  fs::remove(live());
  auto restored = engine_->restore(saved(), live(), never);
  ASSERT_TRUE(restored) << restored.error().message;
  struct stat found;
  ASSERT_EQ(0, ::stat(live().c_str(), &found));
  EXPECT_EQ(4711u, found.st_uid);
  EXPECT_EQ(4712u, found.st_gid);
  EXPECT_EQ("7", Sqlite(live()).ask("SELECT x FROM t"));
}

// What the site put there is opened with the site's rights, so a link gains it nothing.
TEST_F(SqliteEngineTest, DoesNotLetASiteReachTheControllersFilesThroughALink) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const Owner owner{"acme", "live", {{4711, 4712}}};
  make(live(), owner);
  const std::string secret = root_ + "/secret.sqlite";
  Sqlite(secret).run("CREATE TABLE secret(x)");
  ASSERT_EQ(0, ::chmod(secret.c_str(), 0600));
  fs::remove(live());
  ASSERT_EQ(0, ::link(secret.c_str(), live().c_str()));
  auto copied = engine_->copy(live(), test(), test_, never, silent);
  ASSERT_FALSE(copied);
  EXPECT_EQ("SQLite database '" + live() +
                "': unable to open database file; put back a copy that is whole",
            copied.error().message);
  fs::remove(live());
  fs::create_symlink(secret, live());
  EXPECT_FALSE(engine_->copy(live(), test(), test_, never, silent));
  EXPECT_FALSE(fs::exists(test()));
}

TEST_F(SqliteEngineTest, ChecksItsRoot) {
  EXPECT_EQ(std::nullopt, *engine_->check());
  auto nowhere = make_sqlite_engine(root_ + "/nowhere");
  EXPECT_EQ("root '" + root_ + "/nowhere' is not a directory: make it, or mount it",
            **nowhere->check());
}

}  // namespace
}  // namespace tidegate
