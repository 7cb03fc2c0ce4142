#include "controller/secrets/secrets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tidegate {
namespace {

constexpr std::size_t secret_bytes_max = 64 << 10;

bool plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

bool lies_below(const std::filesystem::path& top, const std::filesystem::path& path) {
  return std::mismatch(top.begin(), top.end(), path.begin(), path.end()).first == top.end();
}

}  // namespace

std::string Secrets::path_of(const SecretRef& secret, const std::string& site) const {
  if (secret.scope == SecretRef::Scope::platform) return directory_ + "/" + secret.name;
  return directory_ + "/sites/" + site + "/" + secret.name;
}

Result<std::string> Secrets::read(const SecretRef& secret, const std::string& site) const {
  const std::string path = path_of(secret, site);
  auto refuse = [&](const std::string& why) {
    return Error{ErrorKind::invalid, "secret \"" + secret.name + "\": " + why};
  };
  if (directory_.empty())
    return refuse("there is no secrets directory; give one with --secrets or secretsDirectory");
  if (!plain_name(secret.name)) return refuse("not a name of a file");
  // Mounted secrets are often links, and their value is exchanged by moving one.
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  if (error) return refuse("cannot read \"" + path + "\": " + error.message());
  const auto top = std::filesystem::canonical(directory_, error);
  if (error || !lies_below(top, real))
    return refuse("\"" + path + "\" is a link that leaves \"" + directory_ +
                  "\"; put the file there");
  const int file = ::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return refuse("cannot read \"" + path + "\": " + std::strerror(errno));
  std::string value;
  char buffer[4096];
  struct stat facts {};
  ssize_t got = 0;
  const bool regular = ::fstat(file, &facts) == 0 && S_ISREG(facts.st_mode);
  while (regular && (got = ::read(file, buffer, sizeof buffer)) > 0 &&
         value.size() <= secret_bytes_max) {
    value.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(file);
  if (!regular) return refuse("\"" + path + "\" is not a file");
  if (got < 0) return refuse("cannot read \"" + path + "\"");
  if (value.size() > secret_bytes_max) return refuse("\"" + path + "\" is larger than 64 KiB");
  if (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

}  // namespace tidegate
