// All references of a mirror as one file.

#include "controller/git/packed_references.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace tidegate {

namespace {

bool write_durably(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(file, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) break;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  const bool synced = done == text.size() && ::fsync(file) == 0;
  return ::close(file) == 0 && synced;
}

bool sync_directory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  const bool synced = ::fsync(directory) == 0;
  return ::close(directory) == 0 && synced;
}

}  // namespace

std::string packed_references(const AdvertisedReferences& references) {
  // std::map's order of names is the byte order that "sorted" promises.
  std::string text = "# pack-refs with: peeled fully-peeled sorted \n";
  for (const auto& [name, reference] : references) {
    text += reference.oid + " " + name + "\n";
    if (!reference.peeled.empty()) text += "^" + reference.peeled + "\n";
  }
  return text;
}

std::string read_packed_references(const std::string& mirror) {
  std::ifstream file(mirror + "/packed-refs", std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

std::optional<Error> write_packed_references(const std::string& mirror, const std::string& text) {
  const std::string path = mirror + "/packed-refs", fresh = path + ".new";
  if (write_durably(fresh, text) && std::rename(fresh.c_str(), path.c_str()) == 0 &&
      sync_directory(mirror))
    return std::nullopt;
  return Error{ErrorKind::transient, "write \"" + path + "\": " + std::strerror(errno)};
}

}  // namespace tidegate
