// The connection on libmariadb, the only file that includes it. What a number means for the caller
// (try again, or tell a person) is decided here once.

#include "controller/host/databases/mariadb_connection.h"

#include <mysql.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <mutex>

namespace tidegate {
namespace {

constexpr unsigned connect_seconds = 10;
// A call that hears nothing for so long gives up; building the indexes of a large table is silent.
constexpr unsigned silence_seconds = 3600;

// What heals without a person: the server stops, is full, has too many guests, or we met a lock.
constexpr std::array transient_numbers{1020u, 1021u, 1030u, 1037u, 1038u, 1040u, 1041u, 1053u,
                                       1114u, 1129u, 1135u, 1152u, 1158u, 1159u, 1160u, 1161u,
                                       1180u, 1184u, 1203u, 1205u, 1213u, 1226u, 1317u, 1412u,
                                       1614u, 1877u, 1927u, 1969u, 3024u};
constexpr std::array denied_numbers{1044u, 1045u, 1142u, 1143u, 1227u, 1370u, 1410u, 1698u};

bool among(const auto& numbers, unsigned number) {
  return std::find(std::begin(numbers), std::end(numbers), number) != std::end(numbers);
}

bool of_client(unsigned number) { return number >= 2000 && number < 3000; }

Error described(const MariaDbServer& server, unsigned number, const std::string& text) {
  if (of_client(number))
    return {ErrorKind::transient, mariadb_place(server) + " does not answer: " + text};
  if (among(denied_numbers, number))
    return {ErrorKind::invalid, mariadb_place(server) + " refuses: " + text +
                                    "; as its administrator run: " + mariadb_grants(server)};
  const ErrorKind kind =
      among(transient_numbers, number) ? ErrorKind::transient : ErrorKind::invalid;
  return {kind, mariadb_place(server) + ": " + text + " (error " + std::to_string(number) + ")"};
}

// The client library sets itself up once, and not safely from two threads.
void set_up_library() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
}

constexpr const char* session_set_up =
    "SET SESSION sql_mode='NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES', time_zone='+00:00', "
    "wait_timeout=86400, net_read_timeout=3600, net_write_timeout=3600, max_statement_time=0, "
    "lock_wait_timeout=30, sql_quote_show_create=1, autocommit=1";

}  // namespace

struct MariaDbConnection::State {
  MariaDbServer server;
  MYSQL* handle = nullptr;
  std::atomic<int> socket{-1};
  unsigned number = 0;

  ~State() {
    if (handle) mysql_close(handle);
  }
};

MariaDbConnection::MariaDbConnection(std::unique_ptr<State> state) : state_(std::move(state)) {}
MariaDbConnection::MariaDbConnection(MariaDbConnection&&) noexcept = default;
MariaDbConnection& MariaDbConnection::operator=(MariaDbConnection&&) noexcept = default;
MariaDbConnection::~MariaDbConnection() = default;

Result<MariaDbConnection> MariaDbConnection::open(const MariaDbServer& server,
                                                  const std::string& password) {
  set_up_library();
  auto state = std::make_unique<State>();
  state->server = server;
  state->handle = mysql_init(nullptr);
  if (!state->handle) return Error{ErrorKind::transient, "out of memory"};
  MYSQL* handle = state->handle;
  const unsigned long packet_max = 1UL << 30;
  mysql_optionsv(handle, MYSQL_OPT_CONNECT_TIMEOUT, &connect_seconds);
  mysql_optionsv(handle, MYSQL_OPT_READ_TIMEOUT, &silence_seconds);
  mysql_optionsv(handle, MYSQL_OPT_WRITE_TIMEOUT, &silence_seconds);
  mysql_optionsv(handle, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max);
  mysql_optionsv(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  const bool local = !server.socket.empty();
  const char* host = local ? nullptr : server.host.c_str();
  const unsigned port = local ? 0 : static_cast<unsigned>(server.port);
  if (!mysql_real_connect(handle, host, server.user.c_str(), password.c_str(), nullptr, port,
                          local ? server.socket.c_str() : nullptr, 0))
    return described(server, mysql_errno(handle), mysql_error(handle));
  state->socket = static_cast<int>(mysql_get_socket(handle));
  MariaDbConnection connection(std::move(state));
  if (auto done = connection.run(session_set_up); !done) return done.error();
  return connection;
}

Error MariaDbConnection::failure() {
  state_->number = mysql_errno(state_->handle);
  return described(state_->server, state_->number, mysql_error(state_->handle));
}

Result<void> MariaDbConnection::run(std::string_view statement) {
  return each(statement, [](const MariaDbRow&) { return Result<void>(); });
}

Result<MariaDbRows> MariaDbConnection::rows(std::string_view query) {
  MariaDbRows kept;
  auto done = each(query, [&](const MariaDbRow& row) -> Result<void> {
    auto& values = kept.emplace_back();
    for (const auto& value : row) values.emplace_back(value.value_or(std::string_view()));
    return {};
  });
  if (!done) return done.error();
  return kept;
}

Result<void> MariaDbConnection::each(std::string_view query,
                                     const std::function<Result<void>(const MariaDbRow&)>& take) {
  MYSQL* handle = state_->handle;
  state_->number = 0;
  if (mysql_real_query(handle, query.data(), query.size()) != 0) return failure();
  MYSQL_RES* result = mysql_use_result(handle);
  if (!result) {
    if (mysql_field_count(handle) != 0) return failure();
    return {};
  }
  const unsigned width = mysql_num_fields(result);
  MariaDbRow row(width);
  Result<void> taken;
  while (MYSQL_ROW values = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    for (unsigned i = 0; i < width; ++i) {
      row[i].reset();
      if (values[i]) row[i] = std::string_view(values[i], lengths[i]);
    }
    taken = take(row);
    // Freeing the result would read all that is still to come; without its line it ends at once.
    if (!taken) {
      cut();
      break;
    }
  }
  const bool failed = taken && mysql_errno(handle) != 0;
  Result<void> outcome = failed ? Result<void>(failure()) : taken;
  mysql_free_result(result);
  return outcome;
}

unsigned MariaDbConnection::error_number() const { return state_->number; }

unsigned MariaDbConnection::warnings() const { return mysql_warning_count(state_->handle); }

void MariaDbConnection::cut() {
  if (const int socket = state_->socket; socket >= 0) ::shutdown(socket, SHUT_RDWR);
}

std::string mariadb_place(const MariaDbServer& server) {
  return "MariaDB at '" +
         (server.socket.empty() ? server.host + ":" + std::to_string(server.port) : server.socket) +
         "'";
}

std::string mariadb_grants(const MariaDbServer& server) {
  const std::string user =
      quote_name(server.user) + "@" + (server.socket.empty() ? "'%'" : "'localhost'");
  std::string pattern;
  for (const char c : server.prefix) pattern += c == '_' ? std::string("\\_") : std::string(1, c);
  return "GRANT ALL PRIVILEGES ON `" + pattern + "\\_%`.* TO " + user +
         " WITH GRANT OPTION; GRANT CREATE USER, RELOAD, SET USER ON *.* TO " + user +
         "; GRANT SELECT ON mysql.proc TO " + user;
}

std::string quote_name(std::string_view name) {
  std::string quoted = "`";
  for (const char c : name) quoted += c == '`' ? std::string("``") : std::string(1, c);
  return quoted + "`";
}

void append_quoted(std::string& statement, std::string_view text) {
  statement.reserve(statement.size() + text.size() + 2);
  statement += '\'';
  for (const char c : text) {
    switch (c) {
      case '\0':
        statement += "\\0";
        break;
      case '\n':
        statement += "\\n";
        break;
      case '\r':
        statement += "\\r";
        break;
      case '\x1a':
        statement += "\\Z";
        break;
      case '\'':
        statement += "\\'";
        break;
      case '\\':
        statement += "\\\\";
        break;
      default:
        statement += c;
    }
  }
  statement += '\'';
}

std::string quote_text(std::string_view text) {
  std::string quoted;
  append_quoted(quoted, text);
  return quoted;
}

}  // namespace tidegate
