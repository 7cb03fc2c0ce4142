// SQLite's backup interface with its restarts bounded. Whose files are touched is switched between
// the two sides: what belongs to the controller is opened before it acts as an owner, and held
// open.

#include "controller/host/databases/sqlite_backup.h"

#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "controller/host/databases/sqlite_place.h"

namespace tidegate {
namespace {

constexpr int pages_at_once = 2048;  // 8 MiB of the usual pages: some milliseconds
constexpr int restarts_max = 3;
constexpr auto lock_patience = std::chrono::seconds(30);
constexpr auto lock_pause = std::chrono::milliseconds(5);

struct Close {
  void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};
using Handle = std::unique_ptr<sqlite3, Close>;

// How long somebody else's lock is waited for; handed to SQLite as its busy handler.
struct Patience {
  const DatabaseEngine::Stop& stop;
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::now() + lock_patience;
  bool stopped = false;

  bool wait() {
    stopped = stopped || (stop && stop());
    if (stopped || std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(lock_pause);
    return true;
  }
  // Once something moved, the next lock is waited for afresh.
  void renew() { until = std::chrono::steady_clock::now() + lock_patience; }
  static int handler(void* self, int) { return static_cast<Patience*>(self)->wait() ? 1 : 0; }
};

Error described(int code, const std::string& file, const Patience& patience) {
  if (patience.stopped) return {ErrorKind::transient, "stopped at '" + file + "'"};
  const int kind = code & 0xff;
  const std::string message = "SQLite database '" + file + "': " + sqlite3_errstr(code);
  if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
    return {ErrorKind::transient, message + " by another program for longer than 30 s"};
  if (kind == SQLITE_FULL || kind == SQLITE_IOERR || kind == SQLITE_NOMEM)
    return {ErrorKind::transient, message};
  return {ErrorKind::invalid, message + "; put back a copy that is whole"};
}

bool is_damage(int code) {
  const int kind = code & 0xff;
  return kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT || kind == SQLITE_CANTOPEN ||
         kind == SQLITE_READONLY;
}

class Side {
 public:
  Side(std::string file, Patience& patience) : file_(std::move(file)), patience_(patience) {}

  int open(int flags) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(file_.c_str(), &handle,
                                     flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) return code;
    sqlite3_extended_result_codes(handle, 1);
    return sqlite3_busy_handler(handle, Patience::handler, &patience_);
  }
  int run(const char* statement) {
    return sqlite3_exec(handle_.get(), statement, nullptr, nullptr, nullptr);
  }
  std::string answer(const char* query) {
    std::string text;
    sqlite3_exec(
        handle_.get(), query,
        [](void* kept, int, char** values, char**) {
          if (values[0]) *static_cast<std::string*>(kept) = values[0];
          return 0;
        },
        &text, nullptr);
    return text;
  }
  Error error(int code) const { return described(code, file_, patience_); }
  sqlite3* handle() const { return handle_.get(); }
  void close() { handle_.reset(); }

 private:
  const std::string file_;
  Patience& patience_;
  Handle handle_;
};

// Holds one moment of the source: its snapshot in WAL mode, a shared lock otherwise.
constexpr const char* hold = "BEGIN; SELECT count(*) FROM sqlite_schema";

class Backup {
 public:
  Backup(const SqliteBackup& order, const DatabaseEngine::Stop& stop,
         const DatabaseEngine::Progress& progress)
      : order_(order),
        progress_(progress),
        patience_{stop},
        source_(order.from, patience_),
        target_(order.to, patience_) {}

  Result<BackupOutcome> run() {
    // The controller's own side is opened for good before this thread acts as somebody else.
    if (order_.from_owner.empty())
      if (auto opened = open_source(); !opened) return opened.error();
    if (order_.to_owner.empty())
      if (const int code = open_target(); code != SQLITE_OK) return target_.error(code);
    const std::string& owner = order_.from_owner.empty() ? order_.to_owner : order_.from_owner;
    std::optional<ActingAsOwner> acting;
    if (!owner.empty()) acting.emplace(owner);
    auto outcome = finish();
    // Each side is closed as whom it was opened: closing may write and remove journals.
    if (!order_.from_owner.empty()) source_.close();
    if (!order_.to_owner.empty()) target_.close();
    return outcome;
  }

 private:
  Result<BackupOutcome> finish() {
    if (!order_.from_owner.empty())
      if (auto opened = open_source(); !opened) return opened.error();
    if (!order_.to_owner.empty()) {
      const int code = open_target();
      if (is_damage(code)) return BackupOutcome::target_damaged;
      if (code != SQLITE_OK) return target_.error(code);
      if (!pages_fit()) return BackupOutcome::target_damaged;
    }
    return copy_pages();
  }

  Result<void> open_source() {
    int code = source_.open(SQLITE_OPEN_READWRITE);
    if (code == SQLITE_OK) code = source_.run(hold);
    if (code != SQLITE_OK) return source_.error(code);
    // Of a database in use the moment is held only in WAL mode, where it holds up nobody.
    held_ = order_.from_owner.empty() || source_.answer("PRAGMA journal_mode") == "wal";
    if (!held_) code = source_.run("COMMIT");
    if (code != SQLITE_OK) return source_.error(code);
    return {};
  }

  int open_target() {
    const int code = target_.open(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (code != SQLITE_OK) return code;
    if (!order_.fresh) return target_.run("SELECT count(*) FROM sqlite_schema");
    // Opened by its first write, then never again: no journal, no second look at its name.
    return target_.run(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; "
        "BEGIN EXCLUSIVE; CREATE TABLE opened(x); DROP TABLE opened; COMMIT");
  }

  // Pages of another size cannot go into a WAL. Out of WAL mode they can, unless somebody holds it.
  bool pages_fit() {
    const std::string size = "PRAGMA page_size";
    if (source_.answer(size.c_str()) == target_.answer(size.c_str())) return true;
    return target_.answer("PRAGMA journal_mode=DELETE") == "delete";
  }

  Result<BackupOutcome> copy_pages() {
    sqlite3_backup* backup =
        sqlite3_backup_init(target_.handle(), "main", source_.handle(), "main");
    if (!backup) return target_.error(sqlite3_errcode(target_.handle()));
    int code = SQLITE_OK, last_remaining = -1, restarts = 0;
    while (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) {
      if (patience_.stop && patience_.stop()) patience_.stopped = true;
      if (patience_.stopped) break;
      code = sqlite3_backup_step(backup, pages_at_once);
      if ((code == SQLITE_BUSY || code == SQLITE_LOCKED) && !patience_.wait()) break;
      if (code == SQLITE_OK) patience_.renew();
      const int remaining = sqlite3_backup_remaining(backup);
      if (last_remaining >= 0 && remaining >= last_remaining && code == SQLITE_OK) ++restarts;
      last_remaining = remaining;
      if (!held_ && restarts > restarts_max) code = hold_source(code);
      tell(remaining, sqlite3_backup_pagecount(backup));
    }
    const int finished = sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE || finished != SQLITE_OK) return failed(code, finished);
    if (!order_.fresh) leave_wal_mode();
    if (progress_) progress_(100);
    return BackupOutcome::done;
  }

  // A target in WAL mode stays there whatever its pages say. Where nobody holds it, it follows.
  void leave_wal_mode() {
    patience_.until = {};
    if (source_.answer("PRAGMA journal_mode") != "wal")
      target_.answer("PRAGMA journal_mode=DELETE");
  }

  int hold_source(int code) {
    const int begun = source_.run(hold);
    held_ = begun == SQLITE_OK;
    return held_ ? code : begun;
  }

  Result<BackupOutcome> failed(int code, int finished) {
    const int cause = code == SQLITE_OK || code == SQLITE_DONE ? finished : code;
    if (patience_.stopped) return source_.error(SQLITE_INTERRUPT);
    if (order_.fresh || !is_damage(cause)) return source_.error(cause);
    // The source was read in full when it was saved, so the damage is the target's.
    return BackupOutcome::target_damaged;
  }

  void tell(int remaining, int total) {
    if (!progress_ || total <= 0) return;
    const int percent = static_cast<int>(99LL * (total - remaining) / total);
    if (percent > told_) progress_(told_ = percent);
  }

  const SqliteBackup& order_;
  const DatabaseEngine::Progress& progress_;
  Patience patience_;
  Side source_, target_;
  bool held_ = false;
  int told_ = -1;
};

}  // namespace

Result<BackupOutcome> back_up(const SqliteBackup& backup, const DatabaseEngine::Stop& stop,
                              const DatabaseEngine::Progress& progress) {
  return Backup(backup, stop, progress).run();
}

Result<bool> is_empty_sqlite(const std::string& file) {
  const DatabaseEngine::Stop never;
  Patience patience{never};
  const ActingAsOwner acting(SqlitePlace(file).directory());
  Side side(file, patience);
  int code = side.open(SQLITE_OPEN_READWRITE);
  if (code == SQLITE_OK) code = side.run("SELECT 1 FROM sqlite_schema");
  if (code != SQLITE_OK) return side.error(code);
  return side.answer("SELECT count(*) FROM sqlite_schema") == "0";
}

}  // namespace tidegate
