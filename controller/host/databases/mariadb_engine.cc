// The MariaDB engine: the order of marks, rights and data, such that a kill between any two steps
// leaves what the next call recognises.

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>

#include "controller/host/databases/engine.h"
#include "controller/host/databases/mariadb_marks.h"
#include "controller/host/databases/mariadb_names.h"
#include "controller/host/databases/mariadb_objects.h"
#include "controller/host/databases/mariadb_restore.h"
#include "controller/host/databases/mariadb_stream.h"
#include "controller/host/databases/mariadb_tables.h"
#include "controller/host/databases/mariadb_users.h"

namespace tidegate {
namespace {

using State = MariaDbMark::State;

constexpr int copy_tries = 3;  // of a copy that the application altered tables under
// One question for all sites' looks; a server that hangs is not asked by each of them either.
constexpr auto seen_for = std::chrono::seconds(10);

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

bool belongs(const MariaDbMark& mark, const Owner& owner) {
  return mark.site == owner.site && mark.environment == owner.environment;
}

class MariaDbEngine final : public DatabaseEngine {
 public:
  MariaDbEngine(MariaDbServer server, std::string password, std::string state_directory)
      : server_(std::move(server)),
        password_(std::move(password)),
        users_(server_, std::move(state_directory)) {}

  std::string physical(const DatabaseId& id) const override {
    return mariadb_database(server_.prefix, id);
  }
  std::string saved_name(const std::string& physical) const override {
    return mariadb_saved(physical);
  }

  Result<void> create(const std::string& physical, const Owner& owner) override {
    auto connection = connect(physical);
    if (!connection) return connection.error();
    MariaDbMarks marks(*connection, server_.prefix);
    if (auto done = marks.prepare(); !done) return done;
    auto mark = marks.find(physical);
    if (!mark) return mark.error();
    if (*mark && !belongs(**mark, owner)) return another_owner(physical, **mark);
    if (*mark) {
      auto empty = is_empty(*connection, physical);
      if (!empty) return empty.error();
      if (!*empty) return invalid("database '" + physical + "' is not empty");
    } else if (auto done = begin(*connection, marks, physical, owner, "utf8mb4_unicode_ci");
               !done) {
      return done;
    }
    if (auto done = make(*connection, physical, "utf8mb4_unicode_ci"); !done) return done;
    return open_to_owner(*connection, marks, physical, owner);
  }

  Result<void> copy(const std::string& from, const std::string& to, const Owner& owner,
                    const Stop& stop, const Progress& progress) override {
    auto connection = connect(to);
    if (!connection) return connection.error();
    MariaDbMarks marks(*connection, server_.prefix);
    auto source = whole(marks, from);
    if (!source) return source.error();
    if (auto done = clear_half(*connection, marks, to, owner); !done) return done;
    if (auto done = users_.prepare(*connection, owner); !done) return done;
    const MariaDbStream order{server_, password_, from, to, true};
    if (auto done = fill(*connection, marks, order, owner, stop, progress); !done) return done;
    auto definitions = read_definitions(*connection, server_, from);
    if (!definitions) return definitions.error();
    // Before them: a view is refused while its definer may not do what it does.
    if (auto done = users_.grant(*connection, owner, to); !done) return done;
    for (auto& definition : *definitions) adapt(definition, from, to, owner);
    if (auto done = make_definitions(*connection, to, *definitions); !done) return done;
    return open_to_owner(*connection, marks, to, owner);
  }

  Result<void> save(const std::string& physical, const std::string& saved_as,
                    const Stop& stop) override {
    auto connection = connect(saved_as);
    if (!connection) return connection.error();
    MariaDbMarks marks(*connection, server_.prefix);
    auto source = whole(marks, physical);
    if (!source) return source.error();
    const Owner owner{source->site, source->environment, std::nullopt};
    if (auto done = clear_half(*connection, marks, saved_as, owner); !done) return done;
    // What refers to `physical` by name keeps doing so: the tables will be back there.
    const MariaDbStream order{server_, password_, physical, saved_as, false};
    if (auto done = fill(*connection, marks, order, owner, stop, {}); !done) return done;
    auto kept = describe_saved(*connection, server_, physical, saved_as);
    if (!kept) return kept.error();
    if (auto done = marks.keep(saved_as, *kept); !done) return done;
    return marks.write({saved_as, owner.site, owner.environment, State::saved});
  }

  Result<void> restore(const std::string& saved_as, const std::string& physical,
                       const Stop& stop) override {
    auto connection = connect(physical);
    if (!connection) return connection.error();
    MariaDbMarks marks(*connection, server_.prefix);
    auto saved = marks.find(saved_as);
    if (!saved) return saved.error();
    if (!*saved || (*saved)->state == State::making || (*saved)->state == State::ready)
      return invalid("'" + saved_as + "' is not a saved copy, or only half of one");
    auto target = whole(marks, physical);
    if (!target) return target.error();
    const Owner owner{target->site, target->environment, std::nullopt};
    if (!belongs(**saved, owner)) return another_owner(saved_as, **saved);
    if ((*saved)->state == State::restored) return {};
    if (stop && stop())
      return Error{ErrorKind::transient, "stopped before '" + physical + "' was restored"};
    auto kept = marks.kept(saved_as);
    if (!kept) return kept.error();
    if (auto done = marks.write({saved_as, owner.site, owner.environment, State::restoring}); !done)
      return done;
    if (auto done = move_back(*connection, server_, saved_as, physical, *kept); !done) return done;
    if (auto done = users_.grant(*connection, owner, physical); !done) return done;
    return marks.write({saved_as, owner.site, owner.environment, State::restored});
  }

  Result<void> drop(const std::string& physical) override {
    auto connection = connect(physical);
    if (!connection) return connection.error();
    MariaDbMarks marks(*connection, server_.prefix);
    auto mark = marks.find(physical);
    if (!mark) return mark.error();
    if (!*mark) {
      auto there = exists(*connection, physical);
      if (!there) return there.error();
      return *there ? Result<void>(unmarked(physical)) : Result<void>();
    }
    const std::string &site = (*mark)->site, &environment = (*mark)->environment;
    if (auto done = users_.revoke(*connection, site, environment, physical); !done) return done;
    auto dropped = connection->run("DROP DATABASE IF EXISTS " + quote_name(physical));
    if (!dropped) return dropped;
    auto left = marks.list(site, environment);
    if (!left) return left.error();
    if (left->size() == 1)
      if (auto done = users_.remove(*connection, site, environment); !done) return done;
    return marks.remove(physical);
  }

  Result<std::vector<std::string>> list(const std::string& site,
                                        const std::string& environment) override {
    auto connection = MariaDbConnection::open(server_, password_);
    if (!connection) return connection.error();
    return MariaDbMarks(*connection, server_.prefix).list(site, environment);
  }

  Result<bool> is_taken(const std::string& physical) override {
    auto connection = connect(physical);
    if (!connection) return connection.error();
    auto mark = MariaDbMarks(*connection, server_.prefix).find(physical);
    if (!mark) return mark.error();
    return *mark ? Result<bool>(true) : exists(*connection, physical);
  }

  Result<bool> exists(const std::string& physical) override {
    std::lock_guard lock(seen_mutex_);
    const auto now = std::chrono::steady_clock::now();
    const bool fresh = now < seen_until_;
    if (fresh && seen_problem_) return *seen_problem_;
    if (fresh && seen_.contains(physical)) return true;
    seen_until_ = now + seen_for;
    seen_problem_.reset();
    auto rows = all_of_the_prefix();
    if (!rows) {
      seen_problem_ = rows.error();
      return std::move(rows.error());
    }
    seen_.clear();
    for (auto& row : *rows) seen_.insert(std::move(row[0]));
    return seen_.contains(physical);
  }

  Result<DatabaseAccess> access(const std::string& physical, const Owner& owner) const override {
    auto password = users_.password(owner);
    if (!password) return password.error();
    const bool local = !server_.socket.empty();
    DatabaseAccess access;
    access.url = "mysql://" + users_.name(owner.site, owner.environment) + ":" +
                 percent_encode(*password) + "@" +
                 (local ? "localhost" : server_.host + ":" + std::to_string(server_.port)) + "/" +
                 percent_encode(physical);
    if (local) {
      access.url += "?socket=" + percent_encode(server_.socket, "/");
      access.sandbox_sockets = {server_.socket};
    }
    return access;
  }

  Result<std::optional<std::string>> check() override {
    auto connection = MariaDbConnection::open(server_, password_);
    if (!connection) return std::optional<std::string>(connection.error().message);
    auto wanting = missing_rights(*connection);
    if (!wanting) return wanting.error();
    if (wanting->empty()) return std::optional<std::string>();
    return std::optional<std::string>(mariadb_place(server_) + ": user '" + server_.user +
                                      "' lacks " + *wanting +
                                      "; as its administrator run: " + mariadb_grants(server_));
  }

 private:
  // Every change begins here: nothing outside the prefix is ever named in a statement.
  Result<MariaDbConnection> connect(const std::string& changed) const {
    if (!is_mariadb_database(server_.prefix, changed))
      return invalid("database '" + changed + "' is not one of the prefix '" + server_.prefix +
                     "'");
    return MariaDbConnection::open(server_, password_);
  }

  Result<MariaDbRows> all_of_the_prefix() const {
    auto connection = MariaDbConnection::open(server_, password_);
    if (!connection) return connection.error();
    return connection->rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE LEFT(" +
                            std::string("SCHEMA_NAME, ") + std::to_string(server_.prefix.size()) +
                            ")=" + quote_text(server_.prefix));
  }

  Error unmarked(const std::string& physical) const {
    return invalid("database '" + physical + "' on " + mariadb_place(server_) +
                   " was not made by Tidegate: it is left alone");
  }

  static Error another_owner(const std::string& physical, const MariaDbMark& mark) {
    return invalid("database '" + physical + "' belongs to '" + mark.site + "/" + mark.environment +
                   "'");
  }

  Result<MariaDbMark> whole(MariaDbMarks& marks, const std::string& physical) const {
    auto mark = marks.find(physical);
    if (!mark) return mark.error();
    if (!*mark) return unmarked(physical);
    if ((*mark)->state != State::ready)
      return invalid("database '" + physical + "' is not whole, or a saved copy");
    return **mark;
  }

  Result<bool> exists(MariaDbConnection& connection, const std::string& physical) const {
    auto rows = connection.rows("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=" +
                                quote_text(physical));
    if (!rows) return rows.error();
    return !rows->empty();
  }

  Result<bool> is_empty(MariaDbConnection& connection, const std::string& physical) const {
    auto there = exists(connection, physical);
    if (!there || !*there) return there ? Result<bool>(true) : there;
    auto tables = connection.rows("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA=" +
                                  quote_text(physical) + " LIMIT 1");
    if (!tables) return tables.error();
    auto others = read_definitions(connection, server_, physical);
    if (!others) return others.error();
    return tables->empty() && others->empty();
  }

  static Result<void> make(MariaDbConnection& connection, const std::string& physical,
                           const std::string& collation) {
    return connection.run("CREATE DATABASE IF NOT EXISTS " + quote_name(physical) + " COLLATE " +
                          collation);
  }

  // The mark is there before what it marks.
  Result<void> begin(MariaDbConnection& connection, MariaDbMarks& marks,
                     const std::string& physical, const Owner& owner,
                     const std::string& collation) const {
    auto there = exists(connection, physical);
    if (!there) return there.error();
    if (*there) return unmarked(physical);
    const MariaDbMark mark{physical, owner.site, owner.environment, State::making};
    if (auto done = marks.write(mark); !done) return done;
    return make(connection, physical, collation);
  }

  Result<void> open_to_owner(MariaDbConnection& connection, MariaDbMarks& marks,
                             const std::string& physical, const Owner& owner) const {
    if (auto done = users_.prepare(connection, owner); !done) return done;
    if (auto done = users_.grant(connection, owner, physical); !done) return done;
    return marks.write({physical, owner.site, owner.environment, State::ready});
  }

  // Leaves nothing under that name, if what is there is ours to drop.
  Result<void> clear_half(MariaDbConnection& connection, MariaDbMarks& marks,
                          const std::string& physical, const Owner& owner) const {
    auto mark = marks.find(physical);
    if (!mark) return mark.error();
    if (!*mark) return {};
    if (!belongs(**mark, owner)) return another_owner(physical, **mark);
    if ((*mark)->state != State::making)
      return invalid("database '" + physical + "' is there already");
    auto dropped = connection.run("DROP DATABASE IF EXISTS " + quote_name(physical));
    return dropped ? marks.remove(physical) : dropped;
  }

  Result<void> fill(MariaDbConnection& connection, MariaDbMarks& marks, const MariaDbStream& order,
                    const Owner& owner, const Stop& stop, const Progress& progress) const {
    auto collation = connection.rows(
        "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=" +
        quote_text(order.from));
    if (!collation) return collation.error();
    if (collation->empty())
      return invalid("database '" + order.from + "' is not on " + mariadb_place(server_));
    for (int tried = 1; tried <= copy_tries; ++tried) {
      if (auto done = begin(connection, marks, order.to, owner, collation->front()[0]); !done)
        return done;
      auto filled = stream_tables(order, stop, progress);
      if (!filled) return filled.error();
      if (*filled) return {};
      if (auto done = clear_half(connection, marks, order.to, owner); !done) return done;
    }
    return Error{ErrorKind::transient, "the tables of '" + order.from + "' were altered during " +
                                           std::to_string(copy_tries) +
                                           " copies one after another"};
  }

  void adapt(MariaDbDefinition& definition, const std::string& from, const std::string& to,
             const Owner& owner) const {
    std::string text = move_qualifiers(definition.text, definition.sql_mode, from, to);
    text = replace_definer(text, definition.sql_mode, users_.name(owner.site, owner.environment),
                           users_.host());
    if (definition.kind == "EVENT") text = disable_event(text, definition.sql_mode);
    definition.text = std::move(text);
  }

  Result<std::string> missing_rights(MariaDbConnection& connection) const {
    auto global = rights(connection, "USER_PRIVILEGES", "");
    if (!global) return global.error();
    auto own =
        rights(connection, "SCHEMA_PRIVILEGES",
               " AND IS_GRANTABLE='YES' AND " + quote_text(mariadb_marks_database(server_.prefix)) +
                   " LIKE TABLE_SCHEMA");
    if (!own) return own.error();
    const bool everything = global->count("GRANT OPTION") + global->count("SUPER") > 0;
    std::string missing;
    const auto want = [&](bool there, const std::string& right) {
      if (!there && !everything) missing += (missing.empty() ? "" : ", ") + right;
    };
    want(global->count("CREATE USER") > 0, "CREATE USER");
    want(global->count("SET USER") > 0, "SET USER");
    for (const char* right :
         {"SELECT", "INSERT", "DELETE", "CREATE", "DROP", "ALTER", "EVENT", "LOCK TABLES",
          "SHOW VIEW", "CREATE VIEW", "CREATE ROUTINE", "TRIGGER"})
      want(own->count(right) > 0, std::string(right) + " on its databases with GRANT OPTION");
    if (!everything && !connection.run("SELECT 1 FROM mysql.proc LIMIT 0"))
      want(false, "SELECT on mysql.proc");
    return missing;
  }

  static Result<std::set<std::string>> rights(MariaDbConnection& connection,
                                              const std::string& table, const std::string& where) {
    auto rows = connection.rows(
        "SELECT PRIVILEGE_TYPE FROM information_schema." + table +
        " WHERE GRANTEE=CONCAT('\\'', REPLACE(CURRENT_USER(), '@', '\\'@\\''), '\\'')" + where);
    if (!rows) return rows.error();
    std::set<std::string> names;
    for (const auto& row : *rows) names.insert(row[0]);
    return names;
  }

  const MariaDbServer server_;
  const std::string password_;
  const MariaDbUsers users_;
  std::mutex seen_mutex_;
  std::set<std::string> seen_;  // Databases that were there a moment ago, for exists().
  std::optional<Error> seen_problem_;
  std::chrono::steady_clock::time_point seen_until_{};
};

}  // namespace

std::unique_ptr<DatabaseEngine> make_mariadb_engine(MariaDbServer server, std::string password,
                                                    std::string state_directory) {
  return std::make_unique<MariaDbEngine>(std::move(server), std::move(password),
                                         std::move(state_directory));
}

}  // namespace tidegate
