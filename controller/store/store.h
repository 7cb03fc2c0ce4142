#pragma once
// History and small memories: operations, their logs, events, statuses as last told. Nothing here
// is needed to decide well: a lost store loses history, and which roots were once seen.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schemas/result.h"
#include "schemas/time.h"

namespace tidegate {

struct OperationRecord {
  std::string id;  ///< Unique for ever.
  std::string site, environment;
  std::vector<std::string> actions;       ///< Verbs, in order: words without a comma.
  std::string manifest_revision, author;  ///< "" where there is none.
  Timestamp started_at{};
  std::optional<Timestamp> ended_at;  ///< Absent while it runs.
  std::string result;                 ///< "" while it runs; succeeded | failed | undone.
  std::string message, phase;
  std::optional<int> percent;
  bool operator==(const OperationRecord&) const = default;
};

struct EventRecord {
  std::int64_t id = 0;  ///< Rises, is never used again; ignored by append_event.
  Timestamp at{};
  std::string site, environment, type, message;
  bool operator==(const EventRecord&) const = default;
};

struct LogLine {
  std::int64_t id = 0;  ///< 1, 2, 3, … within its operation.
  Timestamp at{};
  std::string text;  ///< Any bytes but a newline.
  bool operator==(const LogLine&) const = default;
};

/// `tidegate retry`: somebody wants the quarantine of an environment lifted, once.
struct RetryRequest {
  std::string site, environment, who;
  Timestamp at{};
  bool operator==(const RetryRequest&) const = default;
};

/// Any call from any thread, and from several processes on one file. What a call wrote is there for
/// every later call of every process, a kill of this one notwithstanding (the last moments before a
/// power cut may be lost). Each write is done wholly or not at all. Errors: `transient` (disk full,
/// busy for 5 s, input/output), else `invalid`; the next call may well succeed, so nobody need
/// stop. When the file is deleted or moved away, the next call goes on with a fresh one.
class Store {
 public:
  virtual ~Store() = default;

  /// Inserts, or replaces the record of that id.
  virtual Result<void> put_operation(const OperationRecord& operation) = 0;
  virtual Result<std::optional<OperationRecord>> operation(const std::string& id) = 0;
  /// Newest first, at most `limit`. site or environment "": of all. `before`: those older than the
  /// operation of that id, for the next page ("": from the newest; none when it is not there).
  virtual Result<std::vector<OperationRecord>> operations(const std::string& site,
                                                          const std::string& environment,
                                                          std::size_t limit,
                                                          const std::string& before = "") = 0;
  /// Those that have no end, oldest first.
  virtual Result<std::vector<OperationRecord>> running_operations() = 0;

  virtual Result<void> append_event(const EventRecord& event) = 0;
  /// Oldest first, ids above `after`, at most `limit`. site "": of all.
  virtual Result<std::vector<EventRecord>> events(std::int64_t after, const std::string& site,
                                                  std::size_t limit) = 0;

  /// Lines in one go. The operation need not have been put yet. No line: nothing happens.
  virtual Result<void> append_log(const std::string& operation, Timestamp at,
                                  const std::vector<std::string>& lines) = 0;
  /// Oldest first, ids above `after`, at most `limit`.
  virtual Result<std::vector<LogLine>> log(const std::string& operation, std::int64_t after,
                                           std::size_t limit) = 0;

  /// Writes only when the text differs from what is there.
  virtual Result<void> put_status(const std::string& site, const std::string& json) = 0;
  virtual Result<std::optional<std::string>> status(const std::string& site) = 0;
  /// All, by site.
  virtual Result<std::map<std::string, std::string>> statuses() = 0;
  virtual Result<void> remove_status(const std::string& site) = 0;

  /// Asking again replaces who asked and when.
  virtual Result<void> ask_retry(const RetryRequest& request) = 0;
  /// By environment.
  virtual Result<std::vector<RetryRequest>> retries(const std::string& site) = 0;
  /// The request, which is gone with this; nothing when there is none. One of two takers gets it.
  virtual Result<std::optional<RetryRequest>> take_retry(const std::string& site,
                                                         const std::string& environment) = 0;

  /// A small fact that outlives the process. Writes only when the value differs.
  virtual Result<void> remember(const std::string& key, const std::string& value) = 0;
  virtual Result<std::optional<std::string>> recall(const std::string& key) = 0;

  /// Removes operations (with their logs) and events that ended before `older_than`, then of each
  /// site's the oldest, until at most `keep_per_site` ended operations and as many events are left.
  /// Works in slices that let other writers in between. Gives the number of operations and events
  /// removed. Safe to run in several processes at once.
  virtual Result<std::size_t> prune(Timestamp older_than, std::size_t keep_per_site) = 0;
};

enum class StoreMode { read_write, read_only };

/// Opens the SQLite file at `path`. read_write: makes the file (0640) and its directory (0750) when
/// they are missing, and brings an older schema up to date. read_only: needs no right to write;
/// every call that writes is refused as `invalid`. A file that is damaged, not SQLite, not ours or
/// newer than this program is refused as `invalid` and left as it is.
Result<std::unique_ptr<Store>> open_store(const std::string& path, StoreMode mode);

}  // namespace tidegate
