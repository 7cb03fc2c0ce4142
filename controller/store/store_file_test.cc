#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "controller/store/schema.h"
#include "controller/store/store_fixture.h"

namespace tidegate {
namespace {

class StoreFileTest : public StoreFixture {
 protected:
  void write_file(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string read_file() {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string damaged() const {
    return "state file \"" + path_ +
           "\" is damaged or not SQLite: move it away; only history and the audit are lost";
  }
  /// Does `act` in a process of its own; its return is the exit code.
  static int in_child(const std::function<int()>& act) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(act());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(StoreFileTest, ADamagedFileIsRefusedAndLeftAlone) {
  for (const std::string& bytes :
       {std::string("xy"), std::string("not a data base\n"), std::string(100'000, 'x')}) {
    write_file(bytes);
    EXPECT_EQ(refusal(StoreMode::read_write), damaged());
    EXPECT_EQ(refusal(StoreMode::read_only), damaged());
    EXPECT_TRUE(read_file() == bytes);
  }
}

TEST_F(StoreFileTest, AnEmptyFileIsTakenIntoUse) {
  write_file("");
  EXPECT_TRUE(open()->remember("key", "value"));
}

TEST_F(StoreFileTest, SomebodyElsesSqliteFileIsRefusedAndLeftAlone) {
  write_file("");
  {
    auto foreign = Connection::open(path_, Access::write);
    ASSERT_TRUE(
        (*foreign)->script("CREATE TABLE posts (id INTEGER); INSERT INTO posts VALUES (7)"));
  }
  const std::string before = read_file();
  const std::string wanted =
      "state file \"" + path_ + "\" is a SQLite file that Tidegate did not make: name another one";
  EXPECT_EQ(refusal(StoreMode::read_write), wanted);
  EXPECT_EQ(refusal(StoreMode::read_only), wanted);
  EXPECT_TRUE(read_file() == before);
}

TEST_F(StoreFileTest, AFileOfANewerProgramIsRefused) {
  open().reset();
  {
    auto newer = Connection::open(path_, Access::write);
    ASSERT_TRUE((*newer)->script("PRAGMA user_version = 99"));
  }
  const std::string wanted = "state file \"" + path_ +
                             "\" is of version 99, this program knows 2: run a newer Tidegate, or "
                             "move the file away; only history and the audit are lost";
  EXPECT_EQ(refusal(StoreMode::read_write), wanted);
  EXPECT_EQ(refusal(StoreMode::read_only), wanted);
}

TEST_F(StoreFileTest, AnOlderFileIsBroughtUpToDateAndKeepsWhatItHas) {
  write_file("");
  auto connection = Connection::open(path_, Access::write);
  const char* first[] = {"CREATE TABLE old (word TEXT) STRICT"};
  ASSERT_TRUE(prepare_schema(**connection, path_, first));
  ASSERT_TRUE((*connection)->run("INSERT INTO old VALUES (?)", {"kept"}));
  const char* then[] = {first[0], "ALTER TABLE old RENAME TO new", "CREATE TABLE other (a TEXT)"};
  EXPECT_EQ(*check_schema(**connection, path_, then), false);
  ASSERT_TRUE(prepare_schema(**connection, path_, then));
  EXPECT_EQ(*check_schema(**connection, path_, then), true);
  EXPECT_EQ(*(*connection)->text("SELECT word FROM new", {}), "kept");
  EXPECT_EQ(*(*connection)->integer("PRAGMA user_version"), 3);
}

TEST_F(StoreFileTest, AFailedUpgradeLeavesTheOldVersion) {
  write_file("");
  auto connection = Connection::open(path_, Access::write);
  const char* first[] = {"CREATE TABLE old (word TEXT) STRICT"};
  ASSERT_TRUE(prepare_schema(**connection, path_, first));
  const char* then[] = {first[0], "CREATE TABLE other (a TEXT)", "this is no SQL"};
  const auto upgraded = prepare_schema(**connection, path_, then);
  ASSERT_FALSE(upgraded);
  EXPECT_EQ(upgraded.error().message,
            "state file \"" + path_ +
                "\" is not as Tidegate left it (near \"this\": syntax error): move it away; only "
                "history and the audit are lost");
  EXPECT_EQ(*(*connection)->integer("PRAGMA user_version"), 1);
  EXPECT_EQ(*(*connection)->integer("SELECT count(*) FROM sqlite_schema"), 1);
}

TEST_F(StoreFileTest, AReaderSaysThatNothingIsThere) {
  EXPECT_EQ(refusal(StoreMode::read_only),
            "no state file \"" + path_ +
                "\": nothing has run with it yet; start the controller, or name the file it uses");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(StoreFileTest, ADirectoryOrAnAddressIsNoStateFile) {
  path_ = directory_;
  EXPECT_EQ(refusal(StoreMode::read_write),
            "state file \"" + path_ + "\" is not a file: name a file");
  path_ = "postgresql://tidegate:secret@db/state";
  EXPECT_EQ(refusal(StoreMode::read_write),
            "state \"postgresql://…\" is not supported yet: name a file");
  path_ = "";
  EXPECT_EQ(refusal(StoreMode::read_write), "the state file has no name: name one");
  path_ = directory_ / "file" / "state.db";
  std::ofstream(directory_ / "file") << "x";
  EXPECT_EQ(refusal(StoreMode::read_write),
            "looking at state file \"" + path_ + "\" failed: Not a directory");
}

TEST_F(StoreFileTest, AReaderSeesWhatAWriterWroteAndMayNotWrite) {
  const auto writer = open();
  const auto reader = open(StoreMode::read_only);
  ASSERT_TRUE(writer->put_status("acme", "{}"));
  EXPECT_EQ(*reader->status("acme"), "{}");
  const auto refused = reader->put_status("acme", "{}");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid);
  const std::string wanted = "state file \"" + path_ + "\" was opened for reading only";
  EXPECT_EQ(refused.error().message, wanted);
  EXPECT_EQ(reader->ask_retry({"acme", "test", "ann", noon}).error().message, wanted);
  EXPECT_EQ(reader->take_retry("acme", "test").error().message, wanted);
  EXPECT_EQ(reader->prune(noon, 1).error().message, wanted);
  EXPECT_EQ(reader->append_log("op", noon, {}).error().message, wanted);
  EXPECT_EQ(reader->remember("key", "value").error().message, wanted);
}

TEST_F(StoreFileTest, ADeletedFileIsMadeAnewWhileTheStoreIsOpen) {
  const auto store = open();
  const auto other = open();
  const auto reader = open(StoreMode::read_only);
  for (const bool with_log : {true, false}) {
    ASSERT_TRUE(store->append_event(event("acme", "before")));
    ASSERT_EQ(other->events(0, "", 10)->size(), 1u);
    ASSERT_EQ(reader->events(0, "", 10)->size(), 1u);
    for (const char* end : {"", "-wal", "-shm"}) {
      if (with_log || !*end) std::filesystem::remove(path_ + end);
    }
    EXPECT_FALSE(reader->events(0, "", 10)) << "nothing is there to read";
    ASSERT_TRUE(store->append_event(event("acme", "after")));
    ASSERT_TRUE(other->append_event(event("acme", "after, too")));
    for (Store* each : {store.get(), other.get(), reader.get()}) {
      const auto events = each->events(0, "", 10);
      ASSERT_TRUE(events) << events.error().message;
      ASSERT_EQ(events->size(), 2u);
      EXPECT_EQ(events->front().message, "after");
    }
    ASSERT_TRUE(store->prune(noon + std::chrono::seconds(1), 0));
  }
}

TEST_F(StoreFileTest, ClosingAStoreWhoseFileWasReplacedHarmsNotTheNewOne) {
  auto stale = open();
  ASSERT_TRUE(stale->remember("key", "old"));
  std::filesystem::remove(path_);
  const auto fresh = open();
  ASSERT_TRUE(fresh->remember("key", "new"));
  stale.reset();
  ASSERT_TRUE(std::filesystem::exists(path_ + "-wal"));
  EXPECT_EQ(*open(StoreMode::read_only)->recall("key"), "new");
  EXPECT_EQ(*fresh->recall("key"), "new");
}

TEST_F(StoreFileTest, AFileThatIsDamagedLaterIsToldOfAndMovingItAwayMendsIt) {
  {
    const auto before = open();
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(before->append_event(event("acme", "before")));
  }
  const auto store = open();
  {
    // All but the first page, behind the back of every connection.
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(std::filesystem::file_size(path_) - 4096, 'x');
  }
  for (int i = 0; i < 2; ++i) {
    const auto written = store->append_event(event("acme", "lost"));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::invalid);
    EXPECT_EQ(written.error().message, damaged());
    EXPECT_EQ(store->events(0, "", 1).error().message, damaged());
  }
  std::filesystem::rename(path_, path_ + ".damaged");
  const auto written = store->append_event(event("acme", "after"));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(store->events(0, "", 10)->size(), 1u);
}

TEST_F(StoreFileTest, AReaderWithoutRightsToWriteReadsWithAndWithoutAWriter) {
  auto writer = open();
  ASSERT_TRUE(writer->remember("key", "first"));
  namespace fs = std::filesystem;
  fs::permissions(directory_, fs::perms(0755));
  const auto make_readable = [&] {
    for (const char* end : {"", "-wal", "-shm"}) {
      if (fs::exists(path_ + end)) fs::permissions(path_ + end, fs::perms(0644));
    }
  };
  make_readable();
  const auto recall = [&](const char* wanted) {
    return in_child([&] {
      if (::geteuid() == 0 && ::setuid(65534) != 0) return 9;
      const auto reader = open_store(path_, StoreMode::read_only);
      if (!reader) return 1;
      const auto value = (*reader)->recall("key");
      return value && *value == wanted ? 0 : 2;
    });
  };
  EXPECT_EQ(recall("first"), 0) << "while a writer works";
  writer.reset();
  ASSERT_FALSE(fs::exists(path_ + "-wal"));
  fs::permissions(directory_, fs::perms(0555));
  EXPECT_EQ(recall("first"), 0) << "when nobody works";
  const auto frozen = in_child([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 9;
    const auto reader = open_store(path_, StoreMode::read_only);
    if (!reader) return 1;
    return (*reader)->remember("key", "value") ? 2 : 0;
  });
  fs::permissions(directory_, fs::perms(0755));
  EXPECT_EQ(frozen, 0);
}

TEST_F(StoreFileTest, AFrozenReaderSeesWhatAWriterWritesLater) {
  ASSERT_TRUE(open()->remember("key", "first"));
  namespace fs = std::filesystem;
  int to_child[2], from_child[2];
  ASSERT_EQ(::pipe(to_child), 0);
  ASSERT_EQ(::pipe(from_child), 0);
  fs::permissions(path_, fs::perms(0644));
  fs::permissions(directory_, fs::perms(0555));
  const pid_t child = ::fork();
  if (child == 0) {
    // So that the end of the parent ends this one too.
    ::close(to_child[1]);
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(9);
    const auto reader = open_store(path_, StoreMode::read_only);
    if (!reader || *(*reader)->recall("key") != "first") ::_exit(1);
    char byte = 0;
    if (::write(from_child[1], "r", 1) != 1 || ::read(to_child[0], &byte, 1) != 1) ::_exit(2);
    const auto value = (*reader)->recall("key");
    ::_exit(value && *value == "second" ? 0 : 3);
  }
  char byte = 0;
  ASSERT_EQ(::read(from_child[0], &byte, 1), 1);
  fs::permissions(directory_, fs::perms(0755));
  const auto writer = open();
  ASSERT_TRUE(writer->remember("key", "second"));
  ASSERT_EQ(::write(to_child[1], "w", 1), 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  for (const int end : {to_child[0], to_child[1], from_child[0], from_child[1]}) ::close(end);
}

TEST_F(StoreFileTest, WithoutRightsTheErrorSaysSo) {
  open().reset();
  namespace fs = std::filesystem;
  fs::permissions(path_, fs::perms(0));
  fs::permissions(directory_, fs::perms(0755));
  const std::string wanted =
      "no right to use state file \"" + path_ + "\": run this as the user that owns it";
  const int told = in_child([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 9;
    for (const StoreMode mode : {StoreMode::read_only, StoreMode::read_write}) {
      const auto store = open_store(path_, mode);
      if (store || store.error().kind != ErrorKind::invalid) return 1;
      if (store.error().message != wanted) return 2;
    }
    return 0;
  });
  EXPECT_EQ(told, 0);
}

/// A view of the file systems of this process's own. Whether this machine allows it.
bool leave_the_machines_mounts() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (user == 0) return ::unshare(CLONE_NEWNS) == 0;
  if (::unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
  // Without a name in the new name space a user can make no file.
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
  return ::geteuid() == 0 && ::getegid() == 0;
}

/// Exit code: 0 as it should be, 77 when this machine lets us mount nothing.
int fill_the_disk(const std::string& directory) {
  if (!leave_the_machines_mounts()) return 77;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=1m") != 0) return 77;
  const auto opened = open_store(directory + "/state.db", StoreMode::read_write);
  if (!opened) return 1;
  Store& store = **opened;
  if (!store.remember("key", "value")) return 2;
  { std::ofstream(directory + "/ballast") << std::string(300'000, 'x'); }
  const std::vector<std::string> lines(20, std::string(1000, 'x'));
  Result<void> written;
  int complete = 0;
  for (; complete < 1000 && written; ++complete) {
    written = store.append_log("op", noon, lines);
  }
  --complete;
  if (written || written.error().kind != ErrorKind::transient) return 3;
  if (written.error().message !=
      "no space left for state file \"" + directory + "/state.db\": free some") {
    return 4;
  }
  const auto read = store.log("op", 0, 100'000);
  if (!read || read->size() != static_cast<std::size_t>(complete) * 20) return 5;
  std::filesystem::remove(directory + "/ballast");
  if (!store.append_log("op", noon, lines)) return 6;
  if (!open_store(directory + "/state.db", StoreMode::read_only)) return 7;
  return 0;
}

TEST_F(StoreFileTest, AFullDiskIsTransientAndLosesNothingThatWasWritten) {
  const int code = in_child([&] { return fill_the_disk(directory_); });
  if (code == 77) GTEST_SKIP() << "mounting a small file system is not allowed here";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace tidegate
