#include "controller/process/users.h"

#include <pwd.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

namespace tidegate {
namespace {

/// What useradd accepts on Debian.
bool can_be_added(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 32 && name[0] != '-' &&
         !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), allowed);
}

Error missing(const std::string& name) {
  if (can_be_added(name))
    return {ErrorKind::invalid, "there is no system user \"" + name +
                                    "\": useradd --system --no-create-home --shell "
                                    "/usr/sbin/nologin " +
                                    name};
  return {ErrorKind::invalid,
          "there is no system user \"" + name +
              "\", nor can one be added: names have at most 32 lower-case letters, digits, \"_\" "
              "and \"-\", and begin with a letter; choose another runAs"};
}

}  // namespace

Result<SystemUser> find_user(const std::string& name) {
  std::vector<char> buffer(4096);
  passwd entry{}, *found = nullptr;
  int status;
  while ((status = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) ==
         ERANGE)
    buffer.resize(buffer.size() * 2);
  if (found) return SystemUser{entry.pw_uid, entry.pw_gid, entry.pw_dir};
  // Name services say "none" in several ways.
  if (status == 0 || status == ENOENT || status == ESRCH || status == EBADF || status == EPERM)
    return missing(name);
  return Error{ErrorKind::transient,
               "cannot look up user \"" + name + "\": " + strerrordesc_np(status)};
}

}  // namespace tidegate
