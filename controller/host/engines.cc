#include "controller/host/engines.h"

#include <unistd.h>

#include "controller/host/layout.h"
#include "controller/process/users.h"
#include "schemas/text.h"

namespace tidegate {

Result<std::shared_ptr<DatabaseEngine>> Engines::of(const HostDriverSpec& driver, Engine engine) {
  std::string key = driver.root;
  std::string password;
  if (engine == Engine::mariadb) {
    if (!driver.mariadb) {
      return Error{ErrorKind::invalid,
                   "driver \"" + driver.name + "\" says nothing of mariadb; add spec.host.mariadb"};
    }
    const MariaDbServer& server = *driver.mariadb;
    if (server.password) {
      auto value = secrets_.read(*server.password, "");
      if (!value) return std::move(value.error()).within("driver " + driver.name);
      password = *value;
    }
    key += "\n" + server.socket + "\n" + server.host + ":" + std::to_string(server.port) + "\n" +
           server.user + "\n" + server.prefix + "\n" + password;
  }
  std::lock_guard lock(mutex_);
  auto& made = made_[key];
  if (!made && engine == Engine::sqlite) made = make_sqlite_engine(driver.root);
  if (!made)
    made = make_mariadb_engine(*driver.mariadb, password, RootLayout{driver.root}.database_users());
  return made;
}

Result<std::optional<std::pair<unsigned, unsigned>>> user_of(const HostDriverSpec& driver,
                                                             const std::string& site,
                                                             const std::string& environment) {
  using User = std::optional<std::pair<unsigned, unsigned>>;
  if (driver.run_as.empty()) return User{};
  const std::string name = filled_in(driver.run_as, site, environment);
  auto user = find_user(name);
  if (!user) return std::move(user.error()).within("runAs of driver \"" + driver.name + "\"");
  if (user->uid == ::geteuid()) return User{};
  if (::geteuid() != 0) {
    return Error{ErrorKind::invalid, "runAs of driver \"" + driver.name +
                                         "\": only a controller that is "
                                         "root can become \"" +
                                         name + "\"; run it as root, or leave runAs out"};
  }
  return User{{user->uid, user->gid}};
}

}  // namespace tidegate
