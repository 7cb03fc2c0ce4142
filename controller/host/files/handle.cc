#include "controller/host/files/handle.h"

#include <dirent.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

namespace tidegate::files {
namespace {

std::string reason(int code) {
  char buffer[256];
  return strerror_r(code, buffer, sizeof buffer);  // The GNU one: returns the text.
}

/// What would be there for us on the file system of a path that may not exist yet.
std::string free_space(std::string path) {
  struct statvfs status {};
  while (statvfs(path.empty() ? "." : path.c_str(), &status) != 0) {
    if (errno != ENOENT || path.empty() || path == "/") return "unknown space free";
    path = parent_of(path);
  }
  const std::uint64_t bytes = std::uint64_t{status.f_bavail} * status.f_frsize;
  const std::uint64_t inodes = status.f_favail;
  std::string text = bytes < (1 << 20) ? std::to_string(bytes >> 10) + " KiB free"
                                       : std::to_string(bytes >> 20) + " MiB free";
  // Some file systems make inodes as they go and report none at all.
  if (status.f_files > 0 && inodes == 0) text += ", no inodes left";
  return text;
}

ErrorKind kind_of(int code) {
  switch (code) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EEXIST:
    case EINVAL:
      return ErrorKind::invalid;
    default:
      return ErrorKind::transient;
  }
}

}  // namespace

Handle::~Handle() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string quoted(std::string_view path) {
  std::string text = "\"";
  for (const char byte : path) {
    if (byte == '"' || byte == '\\') text += '\\';
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(byte));
      text += escaped;
    } else {
      text += byte;
    }
  }
  return text + '"';
}

Error failure(std::string_view doing, const std::string& path, int code) {
  const std::string what = std::string(doing) + ' ' + quoted(path) + ": ";
  if (code == ENOSPC || code == EDQUOT) {
    return {ErrorKind::transient, "disk full: " + what + (code == EDQUOT ? "quota used up, " : "") +
                                      free_space(path) + " on its file system"};
  }
  return {kind_of(code), what + reason(code)};
}

std::string joined(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name);
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return "";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string_view name_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool at_or_below(std::string_view path, std::string_view top) {
  if (!path.starts_with(top)) return false;
  return path.size() == top.size() || top.empty() || top.back() == '/' || path[top.size()] == '/';
}

Result<Handle> open_directory(const std::string& path) {
  Handle handle(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!handle) return failure("open directory", path, errno);
  return handle;
}

Handle open_below(int root, std::string_view relative) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Handle directory(openat(root, ".", flags));
  while (directory && !relative.empty()) {
    const std::string_view name = relative.substr(0, relative.find('/'));
    relative.remove_prefix(std::min(relative.size(), name.size() + 1));
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      errno = EINVAL;
      return Handle();
    }
    directory = Handle(openat(directory.get(), std::string(name).c_str(), flags));
  }
  return directory;
}

Handle open_parent_below(int root, std::string_view relative) {
  return open_below(root, parent_of(relative));
}

Listing list(int directory) {
  Listing listing;
  // A descriptor of its own: reading moves the offset, and closedir closes.
  const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
  if (!stream) {
    listing.error = errno;
    if (copy >= 0) close(copy);
    return listing;
  }
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") listing.names.emplace_back(name);
    errno = 0;
  }
  listing.error = errno;
  closedir(stream);
  std::sort(listing.names.begin(), listing.names.end());
  // A name removed and created again meanwhile can be read twice.
  listing.names.erase(std::unique(listing.names.begin(), listing.names.end()), listing.names.end());
  return listing;
}

bool status_of(int directory, const std::string& name, struct stat& status) {
  return fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

std::optional<std::string> link_target(int directory, const std::string& name) {
  char buffer[PATH_MAX];
  const ssize_t size = readlinkat(directory, name.c_str(), buffer, sizeof buffer);
  if (size < 0) return std::nullopt;
  return std::string(buffer, static_cast<std::size_t>(size));
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Result<void> in_parallel(unsigned threads, std::size_t count,
                         const std::function<Result<void>(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<std::pair<std::size_t, Error>> first;
  const auto run = [&] {
    for (std::size_t index; (index = next.fetch_add(1)) < count;) {
      Result<void> done = work(index);
      if (done) continue;
      const std::lock_guard lock(mutex);
      next = count;
      if (!first || index < first->first) first.emplace(index, std::move(done.error()));
      return;
    }
  };
  std::vector<std::jthread> others;
  const std::size_t useful = std::min<std::size_t>(std::max(threads, 1U), count);
  try {
    for (std::size_t extra = 1; extra < useful; ++extra) others.emplace_back(run);
  } catch (const std::system_error&) {
    // No more threads to be had: those there are do all of it.
  }
  run();
  others.clear();
  if (first) return std::move(first->second);
  return {};
}

}  // namespace tidegate::files
