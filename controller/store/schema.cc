#include "controller/store/schema.h"

namespace tidegate {
namespace {

// "tide" in ASCII, in the file's header: what `file` and we know our files by.
constexpr std::int64_t application_id = 0x74696465;

constexpr const char* version_1 = R"sql(
CREATE TABLE operations (
  sequence INTEGER PRIMARY KEY,
  put INTEGER NOT NULL,          -- 0: known by its log alone so far.
  id TEXT NOT NULL UNIQUE,
  site TEXT NOT NULL,
  environment TEXT NOT NULL,
  actions TEXT NOT NULL,         -- Verbs with commas between them.
  manifest_revision TEXT NOT NULL,
  author TEXT NOT NULL,
  started_at INTEGER NOT NULL,   -- Times: milliseconds since 1970.
  ended_at INTEGER,
  result TEXT NOT NULL,
  message TEXT NOT NULL,
  phase TEXT NOT NULL,
  percent INTEGER
) STRICT;
CREATE INDEX operations_of_site ON operations (site, started_at);
CREATE INDEX operations_by_time ON operations (started_at);
CREATE INDEX operations_running ON operations (started_at) WHERE ended_at IS NULL;
CREATE VIEW history AS         -- In the order in which the program reads it.
  SELECT id, site, environment, actions, manifest_revision, author, started_at, ended_at, result,
    message, phase, percent, sequence
  FROM operations WHERE put;
CREATE TABLE log (
  operation INTEGER NOT NULL,    -- operations.sequence.
  line INTEGER NOT NULL,
  at INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (operation, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  site TEXT NOT NULL,
  environment TEXT NOT NULL,
  type TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_site ON events (site);
CREATE TABLE statuses (site TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE retries (
  site TEXT NOT NULL,
  environment TEXT NOT NULL,
  who TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (site, environment)
) STRICT, WITHOUT ROWID;
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* version_2 = R"sql(
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  previous TEXT NOT NULL,        -- The hash of the entry before; 64 zeros in the first.
  hash TEXT NOT NULL,            -- SHA-256 of previous and entry together.
  entry TEXT NOT NULL            -- JSON with its keys sorted, seq among them.
) STRICT;
CREATE TABLE outbox (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  receiver TEXT NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_of_receiver ON outbox (receiver, sequence);
CREATE TABLE unrest (            -- What receivers know of an environment that is not at rest.
  site TEXT NOT NULL,
  environment TEXT NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY (site, environment)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* steps_so_far[] = {version_1, version_2};

}  // namespace

std::span<const char* const> schema_steps() { return steps_so_far; }

Result<bool> check_schema(Connection& connection, const std::string& path,
                          std::span<const char* const> steps) {
  const auto owner = connection.integer("PRAGMA application_id");
  if (!owner) return owner.error();
  const auto version = connection.integer("PRAGMA user_version");
  if (!version) return version.error();
  const auto tables = connection.integer("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  const std::string file = "state file \"" + path + '"';
  if (*owner != application_id && (*owner != 0 || *version != 0 || *tables != 0)) {
    return Error{ErrorKind::invalid,
                 file + " is a SQLite file that Tidegate did not make: name another one"};
  }
  const auto known = static_cast<std::int64_t>(steps.size());
  if (*version > known) {
    return Error{ErrorKind::invalid, file + " is of version " + std::to_string(*version) +
                                         ", this program knows " + std::to_string(known) +
                                         ": run a newer Tidegate, or move the file away; only "
                                         "history and the audit are lost"};
  }
  return *version == known;
}

Result<void> prepare_schema(Connection& connection, const std::string& path,
                            std::span<const char* const> steps) {
  auto complete = check_schema(connection, path, steps);
  if (!complete) return complete.error();
  if (*complete) return {};
  return connection.transaction([&]() -> Result<void> {
    // Asked again: somebody else may have been faster.
    const auto version = connection.integer("PRAGMA user_version");
    if (!version) return version.error();
    const auto first = static_cast<std::size_t>(*version);
    for (std::size_t done = first; done < steps.size(); ++done) {
      if (auto step = connection.script(steps[done]); !step) return step;
    }
    const std::string marks = "PRAGMA application_id = " + std::to_string(application_id) +
                              "; PRAGMA user_version = " + std::to_string(steps.size());
    return connection.script(marks.c_str());
  });
}

}  // namespace tidegate
