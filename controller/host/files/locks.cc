#include "controller/host/files/locks.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "controller/host/files/durable.h"
#include "controller/host/files/handle.h"

namespace tidegate {
namespace {

using files::failure;
using files::Handle;

constexpr std::size_t owner_limit = 4096;

struct flock whole_file(short type) {
  struct flock lock {};  // l_pid must be 0 for locks of an open file description.
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

std::string owner_path(const std::string& path) { return path + ".owner"; }

/// Who wrote their name last; for people alone, so what cannot be read is nobody.
std::string read_owner(const std::string& path) {
  const auto text = read_small(owner_path(path), owner_limit);
  if (!text || !*text) return "";
  return (*text)->substr(0, (*text)->find('\n'));
}

/// Not durable: it means nothing once the kernel has let go of the lock.
void write_owner(const std::string& path, const std::string& owner) {
  const std::string temporary = owner_path(path) + ".new-" + std::to_string(getpid());
  std::FILE* file = std::fopen(temporary.c_str(), "wex");
  if (!file) return;
  const bool written = std::fputs((owner + '\n').c_str(), file) >= 0;
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(temporary.c_str(), owner_path(path).c_str()) != 0) {
    std::remove(temporary.c_str());
  }
}

/// Whether an open lock file is still the one others find by its path.
bool is_current(int descriptor, const std::string& path) {
  struct stat opened {
  }, present{};
  return fstat(descriptor, &opened) == 0 && files::status_of(AT_FDCWD, path, present) &&
         opened.st_ino == present.st_ino && opened.st_dev == present.st_dev;
}

}  // namespace

Result<std::optional<EnvironmentLock>> EnvironmentLock::take(const std::string& path,
                                                             const std::string& owner, short type) {
  for (;;) {
    Handle file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!file) return failure("open lock", path, errno);
    struct flock lock = whole_file(type);
    if (fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
      if (errno == EAGAIN || errno == EACCES) return std::optional<EnvironmentLock>();
      return failure("lock", path, errno);
    }
    if (!is_current(file.get(), path)) continue;
    write_owner(path, owner);
    return std::optional(EnvironmentLock(file.give_up(), path, owner));
  }
}

Result<std::optional<EnvironmentLock>> EnvironmentLock::try_exclusive(const std::string& path,
                                                                      const std::string& owner) {
  return take(path, owner, F_WRLCK);
}

Result<std::optional<EnvironmentLock>> EnvironmentLock::try_shared(const std::string& path,
                                                                   const std::string& owner) {
  return take(path, owner, F_RDLCK);
}

EnvironmentLock::EnvironmentLock(int descriptor, std::string path, std::string owner)
    : descriptor_(descriptor), path_(std::move(path)), owner_(std::move(owner)) {}

EnvironmentLock::EnvironmentLock(EnvironmentLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      owner_(std::move(other.owner_)) {}

EnvironmentLock& EnvironmentLock::operator=(EnvironmentLock&& other) noexcept {
  if (this == &other) return *this;
  release();
  descriptor_ = std::exchange(other.descriptor_, -1);
  path_ = std::move(other.path_);
  owner_ = std::move(other.owner_);
  return *this;
}

EnvironmentLock::~EnvironmentLock() { release(); }

void EnvironmentLock::release() noexcept {
  if (descriptor_ < 0) return;
  // Another reader may have put its name there since.
  if (read_owner(path_) == owner_) std::remove(owner_path(path_).c_str());
  // Closing alone would not do while a child that has not come to exec yet shares the descriptor.
  struct flock lock = whole_file(F_UNLCK);
  fcntl(descriptor_, F_OFD_SETLK, &lock);
  close(std::exchange(descriptor_, -1));
}

Result<LockState> look(const std::string& path) {
  const Handle file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return LockState{};
    return failure("open lock", path, errno);
  }
  struct flock lock = whole_file(F_WRLCK);
  if (fcntl(file.get(), F_OFD_GETLK, &lock) != 0) return failure("look at lock", path, errno);
  if (lock.l_type == F_UNLCK) return LockState{};
  return LockState{lock.l_type == F_WRLCK, lock.l_type == F_RDLCK, read_owner(path)};
}

}  // namespace tidegate
