// Users and their passwords. The file is written before the user is made, so a kill between the two
// leaves nothing that the next call cannot finish.

#include "controller/host/databases/mariadb_users.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "controller/host/databases/mariadb_names.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;

Error with_errno(const std::string& doing, const std::string& path) {
  return {ErrorKind::transient, doing + " '" + path + "': " + std::strerror(errno)};
}

// 192 bits. The tail satisfies servers that ask for a mixture of characters.
Result<std::string> random_password() {
  std::array<unsigned char, 24> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return Error{ErrorKind::transient, "the system gives no random numbers"};
  constexpr std::string_view digits = "0123456789abcdef";
  std::string password;
  for (const unsigned char byte : bytes) {
    password += digits[byte >> 4];
    password += digits[byte & 15];
  }
  return password + "-Tg";
}

Result<void> write_whole(const std::string& path, const std::string& text) {
  const int file =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return with_errno("write", path);
  const bool written =
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(file) == 0;
  Result<void> outcome = written ? Result<void>() : Result<void>(with_errno("write", path));
  ::close(file);
  return outcome;
}

std::optional<std::string> read_whole(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!file || !std::getline(file, text) || text.empty()) return std::nullopt;
  return text;
}

}  // namespace

MariaDbUsers::MariaDbUsers(const MariaDbServer& server, std::string state_directory)
    : server_(server), state_directory_(std::move(state_directory)) {}

std::string MariaDbUsers::name(const std::string& site, const std::string& environment) const {
  return mariadb_user(server_.prefix, site, environment);
}

std::string MariaDbUsers::host() const { return server_.socket.empty() ? "%" : "localhost"; }

std::string MariaDbUsers::account(const std::string& site, const std::string& environment) const {
  return quote_name(name(site, environment)) + "@" + quote_text(host());
}

std::string MariaDbUsers::file(const std::string& site, const std::string& environment) const {
  return state_directory_ + "/" + site + "/" + environment;
}

Result<std::string> MariaDbUsers::password(const Owner& owner) const {
  const std::string path = file(owner.site, owner.environment);
  if (auto text = read_whole(path)) return *text;
  return Error{ErrorKind::invalid, "the password of the database user of '" + owner.site + "/" +
                                       owner.environment + "' is not in '" + path +
                                       "': put that file back"};
}

Result<void> MariaDbUsers::prepare(MariaDbConnection& connection, const Owner& owner) const {
  const std::string path = file(owner.site, owner.environment);
  const std::string user = account(owner.site, owner.environment);
  if (auto known = read_whole(path)) {
    auto done = connection.run("CREATE USER IF NOT EXISTS " + user + " IDENTIFIED BY " +
                               quote_text(*known));
    if (!done) return done;
    return connection.run("ALTER USER " + user + " IDENTIFIED BY " + quote_text(*known));
  }
  const fs::path directory = fs::path(path).parent_path();
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    return Error{ErrorKind::transient, "make '" + directory.string() + "': " + error.message()};
  for (const fs::path& each : {fs::path(state_directory_), directory})
    if (::chmod(each.c_str(), 0700) != 0) return with_errno("protect", each);
  auto fresh = random_password();
  if (!fresh) return fresh.error();
  const std::string prepared = path + ".new";
  if (auto done = write_whole(prepared, *fresh + "\n"); !done) return done;
  if (::rename(prepared.c_str(), path.c_str()) != 0) return with_errno("write", path);
  auto done = connection.run("CREATE USER " + user + " IDENTIFIED BY " + quote_text(*fresh));
  if (done || connection.error_number() != mariadb_error::no_such_user) return done;
  ::unlink(path.c_str());
  return Error{ErrorKind::invalid, mariadb_place(server_) + " has user '" +
                                       name(owner.site, owner.environment) +
                                       "', but its password is not in '" + path +
                                       "': put that file back, or run DROP USER " + user};
}

Result<void> MariaDbUsers::grant(MariaDbConnection& connection, const Owner& owner,
                                 const std::string& physical) const {
  return connection.run("GRANT ALL PRIVILEGES ON " + grant_pattern(physical) + ".* TO " +
                        account(owner.site, owner.environment));
}

Result<void> MariaDbUsers::revoke(MariaDbConnection& connection, const std::string& site,
                                  const std::string& environment,
                                  const std::string& physical) const {
  auto done = connection.run("REVOKE ALL PRIVILEGES ON " + grant_pattern(physical) + ".* FROM " +
                             account(site, environment));
  if (!done && connection.error_number() == mariadb_error::no_such_grant) return {};
  return done;
}

Result<void> MariaDbUsers::remove(MariaDbConnection& connection, const std::string& site,
                                  const std::string& environment) const {
  auto done = connection.run("DROP USER IF EXISTS " + account(site, environment));
  if (!done) return done;
  const std::string path = file(site, environment);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return with_errno("remove", path);
  ::rmdir(fs::path(path).parent_path().c_str());  // stays while another environment has a user
  return {};
}

}  // namespace tidegate
