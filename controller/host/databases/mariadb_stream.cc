// The stream. One thread for each pair of connections (read there, write here) takes the largest
// table that is left; the caller's thread watches over them, asks `stop` and tells progress.

#include "controller/host/databases/mariadb_stream.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "controller/host/databases/mariadb_definitions.h"
#include "controller/host/databases/mariadb_tables.h"

namespace tidegate {
namespace {

constexpr std::size_t statement_size = 1
                                       << 20;  // larger ones gain nothing, and wait longer to stop
constexpr int readers = 2;                     // as many as the measured best on two cores
constexpr auto watch_interval = std::chrono::milliseconds(50);

constexpr const char* reading = "SET SESSION character_set_results=binary, lock_wait_timeout=5";
constexpr const char* one_view = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
// Bulk loading into an empty table in one transaction, checks off: what is read was checked before.
constexpr const char* writing =
    "SET SESSION foreign_key_checks=0, unique_checks=0, check_constraint_checks=0, autocommit=0, "
    "innodb_strict_mode=0, "
    "sql_mode='NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES'";

// A snapshot meets what the application did to the tables since: the copy starts over.
bool means_changed(unsigned number) {
  return number == mariadb_error::definition_changed || number == mariadb_error::no_such_table ||
         number == mariadb_error::unknown_column;
}

struct Failed {
  Error error;
  bool changed = false;
};
using Outcome = std::optional<Failed>;  // nothing: it went well

Outcome failed(Result<void> done) { return Failed{std::move(done.error())}; }

Outcome failed_reading(Result<void> done, const MariaDbConnection& source) {
  return Failed{std::move(done.error()), means_changed(source.error_number())};
}

Outcome stopped(const MariaDbStream& order) {
  return Failed{{ErrorKind::transient, "stopped while copying '" + order.from + "'"}};
}

// Values that did not fit were altered, not refused: nothing may be altered on its way.
Outcome check_warnings(MariaDbConnection& target, const std::string& table) {
  auto warnings = target.rows("SHOW WARNINGS LIMIT 20");
  if (!warnings) return Failed{warnings.error()};
  for (const auto& warning : *warnings) {
    const std::string& number = warning[1];
    if (number == "1048" || number == "1264" || number == "1366" || number == "1406")
      return Failed{{ErrorKind::invalid, "table '" + table + "' cannot be copied without a loss: " +
                                             warning[2] + "; correct that value where it is"}};
  }
  return {};
}

class TableCopy {
 public:
  /// `stop` is asked on the calling thread after each statement; a lane's thread has none.
  TableCopy(const MariaDbStream& order, std::size_t packet_max, std::atomic<std::uint64_t>& moved,
            DatabaseEngine::Stop stop = {})
      : order_(order), packet_max_(packet_max), moved_(moved), stop_(std::move(stop)) {}

  Outcome run(MariaDbConnection& source, MariaDbConnection& target, const MariaDbTable& table) {
    auto shape = read_shape(source, order_.from, table);
    if (!shape) return Failed{shape.error(), means_changed(source.error_number())};
    std::string create = shape->create;
    if (order_.own_references) create = move_qualifiers(create, "", order_.from, order_.to);
    if (auto made = target.run(create); !made)
      return Failed{std::move(made.error()).within("make table '" + table.name + "'")};
    if (table.sequence) return set_sequence(source, target, table);
    if (shape->columns.empty()) return {};
    return move_rows(source, target, table, *shape);
  }

 private:
  Outcome move_rows(MariaDbConnection& source, MariaDbConnection& target, const MariaDbTable& table,
                    const MariaDbShape& shape) {
    const std::string name = quote_name(table.name);
    const std::string head = "INSERT INTO " + name + " (" + shape.columns + ") VALUES ";
    std::string statement = head;
    Outcome wrong;
    const auto send = [&]() -> Result<void> {
      wrong = write(target, table.name, statement);
      statement = head;
      return wrong ? Result<void>(wrong->error) : Result<void>();
    };
    auto read =
        source.each("SELECT " + shape.expressions + " FROM " + quote_name(order_.from) + "." + name,
                    [&](const MariaDbRow& row) -> Result<void> {
                      if (statement.size() > head.size()) statement += ',';
                      append_row(statement, shape, row);
                      return statement.size() < statement_size ? Result<void>() : send();
                    });
    if (wrong) return wrong;
    if (!read) return failed_reading(std::move(read), source);
    if (statement.size() > head.size() && !send()) return wrong;
    if (auto done = target.run("COMMIT"); !done) return failed(std::move(done));
    return {};
  }

  Outcome write(MariaDbConnection& target, const std::string& table, const std::string& statement) {
    if (statement.size() >= packet_max_)
      return Failed{{ErrorKind::invalid,
                     "table '" + table + "' has a row of about " +
                         std::to_string(statement.size() >> 20) +
                         " MiB, more than the server takes: raise its max_allowed_packet"}};
    if (auto done = target.run(statement); !done)
      return Failed{std::move(done.error()).within("fill table '" + table + "'")};
    moved_ += statement.size();
    if (stop_ && stop_()) return stopped(order_);
    return target.warnings() == 0 ? Outcome() : check_warnings(target, table);
  }

  // The next value it has not handed out in advance: never one that was used in the source.
  Outcome set_sequence(MariaDbConnection& source, MariaDbConnection& target,
                       const MariaDbTable& table) {
    const std::string name = quote_name(table.name);
    auto state = source.rows("SELECT next_not_cached_value, cycle_count FROM " +
                             quote_name(order_.from) + "." + name);
    if (!state) return Failed{state.error(), means_changed(source.error_number())};
    auto done = target.run("DO SETVAL(" + name + ", " + state->front()[0] + ", 0, " +
                           state->front()[1] + ")");
    if (!done) return failed(std::move(done));
    return {};
  }

  const MariaDbStream& order_;
  const std::size_t packet_max_;
  std::atomic<std::uint64_t>& moved_;
  const DatabaseEngine::Stop stop_;
};

// A source and a target connection, and the thread that works with them.
struct Lane {
  MariaDbConnection source, target;
};

class Stream {
 public:
  Stream(const MariaDbStream& order, const DatabaseEngine::Stop& stop,
         const DatabaseEngine::Progress& progress)
      : order_(order), stop_(stop), progress_(progress) {}

  Outcome run() {
    if (stop_ && stop_()) return stopped(order_);
    if (auto opened = open(); !opened) return failed(std::move(opened));
    if (auto outcome = freeze(); outcome) return outcome;
    return move();
  }

 private:
  Result<void> open() {
    auto control = connect(reading, order_.from);
    if (!control) return control.error();
    control_.emplace(std::move(*control));
    auto packet = control_->rows("SELECT @@max_allowed_packet");
    if (!packet) return packet.error();
    packet_max_ = std::stoull(packet->front()[0]);
    for (int i = 0; i < readers; ++i) {
      auto source = connect(reading, order_.from);
      if (!source) return source.error();
      auto target = connect(writing, order_.to);
      if (!target) return target.error();
      lanes_.push_back({std::move(*source), std::move(*target)});
    }
    return {};
  }

  Result<MariaDbConnection> connect(const std::string& settings, const std::string& database) {
    auto connection = MariaDbConnection::open(order_.server, order_.password);
    if (!connection) return connection;
    for (const std::string& statement :
         {settings, std::string(one_view), "USE " + quote_name(database)})
      if (auto done = connection->run(statement); !done) return done.error();
    return connection;
  }

  // One moment for all lanes. Afterwards tables_ is what there was then, and nothing is locked.
  Outcome freeze() {
    auto tables = read_tables(*control_, order_.from);
    if (!tables) return Failed{tables.error()};
    tables_ = std::move(*tables);
    const bool locked = std::any_of(tables_.begin(), tables_.end(), outside_snapshots);
    if (locked)
      if (auto outcome = lock_tables(); outcome) return outcome;
    if (locked || !block_commits()) lanes_.erase(lanes_.begin() + 1, lanes_.end());
    for (Lane& lane : lanes_)
      if (auto done = lane.source.run("START TRANSACTION WITH CONSISTENT SNAPSHOT"); !done)
        return failed(std::move(done));
    if (lanes_.size() > 1)
      if (auto done = control_->run("BACKUP STAGE END"); !done) return failed(std::move(done));
    auto again = read_tables(*control_, order_.from);
    if (!again) return Failed{again.error()};
    if (*again != tables_) return Failed{{ErrorKind::transient, ""}, true};
    return copy_what_no_snapshot_holds();
  }

  static bool outside_snapshots(const MariaDbTable& table) {
    return !table.transactional && !table.sequence;
  }

  // For the moment in which two snapshots are taken nobody on the server commits; nobody who writes
  // is waited for, and nobody can meet a deadlock. false: the server lacks the right, or another
  // backup is at work; one lane alone needs no lock to see one moment.
  bool block_commits() {
    if (!control_->run("BACKUP STAGE START")) return false;
    if (control_->run("BACKUP STAGE BLOCK_COMMIT")) return true;
    (void)control_->run("BACKUP STAGE END");
    return false;
  }

  Outcome lock_tables() {
    std::string statement;
    for (const auto& table : tables_)
      if (outside_snapshots(table))
        statement += (statement.empty() ? "LOCK TABLES " : ", ") + quote_name(table.name) + " READ";
    auto done = control_->run(statement);
    if (done) return {};
    return failed_reading(std::move(done), *control_);
  }

  Outcome copy_what_no_snapshot_holds() {
    TableCopy copy(order_, packet_max_, moved_, stop_);
    MariaDbConnection& target = lanes_[0].target;
    // Sequences come first: tables may take defaults from them.
    for (const auto& table : tables_)
      if (table.sequence)
        if (auto outcome = copy.run(lanes_[0].source, target, table); outcome) return outcome;
    for (const auto& table : tables_)
      if (outside_snapshots(table))
        if (auto outcome = copy.run(*control_, target, table); outcome) return outcome;
    if (auto done = control_->run("UNLOCK TABLES"); !done) return failed(std::move(done));
    return {};
  }

  Outcome move() {
    for (const auto& table : tables_) {
      if (!table.transactional || table.sequence) continue;
      queue_.push_back(table);
      expected_ += table.bytes;
    }
    std::stable_sort(queue_.begin(), queue_.end(),
                     [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
    std::vector<std::jthread> threads;
    working_ = lanes_.size();
    for (Lane& lane : lanes_) threads.emplace_back([this, &lane] { work(lane); });
    watch();
    threads.clear();  // joins
    if (stopped_) return stopped(order_);
    if (progress_ && !outcome_) progress_(100);
    return outcome_;
  }

  void work(Lane& lane) {
    TableCopy copy(order_, packet_max_, moved_);
    while (auto table = take()) {
      Outcome outcome;
      auto done = lane.source.run("SAVEPOINT before_table");
      if (done) outcome = copy.run(lane.source, lane.target, *table);
      // Lets go of the table, so that the application may alter it again, and keeps the snapshot.
      if (done && !outcome) done = lane.source.run("ROLLBACK TO SAVEPOINT before_table");
      if (!done) outcome = failed(std::move(done));
      if (outcome) give_up(std::move(*outcome));
    }
    const std::lock_guard guard(mutex_);
    --working_;
    finished_.notify_one();
  }

  std::optional<MariaDbTable> take() {
    const std::lock_guard guard(mutex_);
    if (queue_.empty()) return std::nullopt;
    auto table = std::move(queue_.front());
    queue_.pop_front();
    return table;
  }

  // The first failure is the cause; what fails because its connection was cut follows from it.
  void give_up(Failed failure) {
    const std::lock_guard guard(mutex_);
    if (!outcome_) outcome_ = std::move(failure);
    end_all();
  }

  void end_all() {
    queue_.clear();
    for (Lane& lane : lanes_) {
      lane.source.cut();
      lane.target.cut();
    }
  }

  void watch() {
    int told = -1;
    std::unique_lock lock(mutex_);
    while (!finished_.wait_for(lock, watch_interval, [this] { return working_ == 0; })) {
      lock.unlock();
      const bool stopping = stop_ && stop_();
      const std::uint64_t moved = moved_;
      const int percent =
          expected_ == 0 ? 0
                         : static_cast<int>(std::min<std::uint64_t>(99, moved * 100 / expected_));
      if (progress_ && percent > told) progress_(told = percent);
      lock.lock();
      if (!stopping || stopped_) continue;
      stopped_ = true;
      end_all();
    }
  }

  const MariaDbStream& order_;
  const DatabaseEngine::Stop& stop_;
  const DatabaseEngine::Progress& progress_;
  std::vector<Lane> lanes_;
  std::optional<MariaDbConnection> control_;
  std::vector<MariaDbTable> tables_;
  std::size_t packet_max_ = 0;
  std::uint64_t expected_ = 0;
  std::atomic<std::uint64_t> moved_{0};

  std::mutex mutex_;  // guards what follows
  std::condition_variable finished_;
  std::deque<MariaDbTable> queue_;
  std::size_t working_ = 0;
  bool stopped_ = false;
  Outcome outcome_;
};

}  // namespace

Result<bool> stream_tables(const MariaDbStream& order, const DatabaseEngine::Stop& stop,
                           const DatabaseEngine::Progress& progress) {
  Outcome outcome = Stream(order, stop, progress).run();
  if (!outcome) return true;
  if (outcome->changed) return false;
  return outcome->error;
}

}  // namespace tidegate
