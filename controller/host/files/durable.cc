#include "controller/host/files/durable.h"

#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>

#include "controller/host/files/handle.h"

namespace tidegate {
namespace {

using files::failure;
using files::Handle;
using files::quoted;

std::string beside(const std::string& path, const std::string& suffix) {
  return files::joined(files::parent_of(path), "." + std::string(files::name_of(path)) + suffix);
}

std::string directory_of(const std::string& path) {
  const std::string parent = files::parent_of(path);
  return parent.empty() ? "." : parent;
}

Result<void> sync_directory(const std::string& path) {
  const Handle directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return failure("open directory", path, errno);
  if (fsync(directory.get()) != 0) return failure("sync directory", path, errno);
  return {};
}

Result<void> write_all(int descriptor, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

/// Opens the file that will become `path`, alone: its name is always the same, so that what a crash
/// left is used again, and writers of one path come one after the other.
Result<Handle> open_temporary(const std::string& temporary, const std::string& path) {
  constexpr int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
  for (;;) {
    Handle file(open(temporary.c_str(), flags, 0600));
    if (!file) return failure("create", path, errno);
    while (flock(file.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return failure("lock", temporary, errno);
    }
    struct stat opened {
    }, present{};
    if (fstat(file.get(), &opened) != 0) return failure("look at", temporary, errno);
    // The writer before us has moved it into place, or removed it: then it is not ours to fill.
    if (!files::status_of(AT_FDCWD, temporary, present) || opened.st_ino != present.st_ino)
      continue;
    if (ftruncate(file.get(), 0) != 0) return failure("write", path, errno);
    return file;
  }
}

Result<void> fill(const Handle& file, const std::string& path, std::string_view text,
                  unsigned mode) {
  if (auto written = write_all(file.get(), text, path); !written) return written;
  if (fchmod(file.get(), mode) != 0) return failure("set the mode of", path, errno);
  if (fsync(file.get()) != 0) return failure("sync", path, errno);
  return {};
}

/// What stands in the way when `path` is neither absent nor of the type that may be replaced.
Result<void> refuse_other_type(const std::string& path, mode_t type, std::string_view expected) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return failure("look at", path, errno);
  }
  if ((status.st_mode & S_IFMT) == type) return {};
  return Error{ErrorKind::invalid, quoted(path) + " is in the way: it is not a " +
                                       std::string(expected) + "; move it away"};
}

Result<void> move_into_place(const std::string& temporary, const std::string& path) {
  if (rename(temporary.c_str(), path.c_str()) != 0) return failure("replace", path, errno);
  return sync_directory(directory_of(path));
}

/// Creates one directory whose parent exists.
Result<void> make_one(const std::string& path, unsigned mode) {
  if (mkdir(path.c_str(), 0700) != 0) {
    if (errno != EEXIST) return failure("create directory", path, errno);
    struct stat status {};
    if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return Error{ErrorKind::invalid,
                 quoted(path) + " is in the way: it is not a directory; move it away"};
  }
  const Handle made(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made) return failure("open directory", path, errno);
  // Not left to mkdir: the umask would count.
  if (fchmod(made.get(), mode) != 0) return failure("set the mode of", path, errno);
  if (fsync(made.get()) != 0) return failure("sync directory", path, errno);
  return sync_directory(directory_of(path));
}

}  // namespace

Result<void> write_durably(const std::string& path, std::string_view text, unsigned mode) {
  if (auto free = refuse_other_type(path, S_IFREG, "regular file"); !free) return free;
  const std::string temporary = beside(path, ".new");
  const auto file = open_temporary(temporary, path);
  if (!file) return file.error();
  auto done = fill(*file, path, text, mode);
  if (done) done = move_into_place(temporary, path);
  if (!done) unlink(temporary.c_str());
  return done;
}

Result<std::optional<std::string>> read_small(const std::string& path, std::size_t limit) {
  // O_NONBLOCK: opening a FIFO would wait for a writer.
  const Handle file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return failure("open", path, errno);
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return failure("look at", path, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorKind::invalid, "read " + quoted(path) + ": not a regular file"};
  }
  std::string text;
  char buffer[16384];
  while (text.size() <= limit) {
    const ssize_t size = read(file.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failure("read", path, errno);
    if (size == 0) return std::optional(std::move(text));
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return Error{ErrorKind::invalid,
               "read " + quoted(path) + ": longer than " + std::to_string(limit) + " bytes"};
}

Result<void> remove_durably(const std::string& path) {
  if (unlink(path.c_str()) == 0) return sync_directory(directory_of(path));
  if (errno == ENOENT || errno == ENOTDIR) return {};
  return failure("remove", path, errno);
}

Result<void> make_directory(const std::string& path, unsigned mode) {
  std::string plain = path;
  while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  struct stat status {};
  if (stat(plain.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  const std::string parent = files::parent_of(plain);
  if (!parent.empty() && parent != "/") {
    if (auto made = make_directory(parent, 0755); !made) return made;
  }
  return make_one(plain, mode);
}

Result<void> point_link(const std::string& link, const std::string& target) {
  if (auto free = refuse_other_type(link, S_IFLNK, "symbolic link"); !free) return free;
  if (files::link_target(AT_FDCWD, link) == target) return sync_directory(directory_of(link));
  static std::atomic<unsigned> counter{0};
  const std::string temporary =
      beside(link, ".new-" + std::to_string(getpid()) + "-" + std::to_string(counter++));
  unlink(temporary.c_str());  // A crashed process with our id may have left it.
  if (symlink(target.c_str(), temporary.c_str()) != 0) return failure("create link", link, errno);
  auto done = move_into_place(temporary, link);
  if (!done) unlink(temporary.c_str());
  return done;
}

Result<std::optional<std::string>> read_link(const std::string& path) {
  auto target = files::link_target(AT_FDCWD, path);
  if (target) return target;
  if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
  if (errno == EINVAL) {
    return Error{ErrorKind::invalid, "read link " + quoted(path) + ": not a symbolic link"};
  }
  return failure("read link", path, errno);
}

Result<void> sync_tree_filesystem(const std::string& path) {
  const Handle handle(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!handle) return failure("open", path, errno);
  if (syncfs(handle.get()) != 0) return failure("sync the file system of", path, errno);
  return {};
}

}  // namespace tidegate
