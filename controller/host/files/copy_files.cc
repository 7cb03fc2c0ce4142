#include "controller/host/files/copy_files.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "controller/host/files/copy_bytes.h"
#include "controller/host/files/durable.h"
#include "controller/host/files/handle.h"
#include "controller/host/files/walk.h"

namespace tidegate {
namespace {

using files::failure;
using files::Handle;
using files::joined;
using files::quoted;

constexpr std::size_t names_shown = 20;
constexpr std::size_t batch = 256;          // Names of one directory that one thread takes at once.
constexpr std::size_t path_limit = 4000;    // What programs can name, PATH_MAX, with some to spare.
constexpr std::uint64_t file_cost = 32768;  // Bytes whose copy takes as long as making a file.

/// Both sides of one directory, open.
struct Folder {
  Handle from, to;
  std::string path;
};

/// A directory to list (no folder yet), or some of its names to copy.
struct Task {
  std::string path;
  std::shared_ptr<Folder> folder;
  std::vector<std::string> names;
};

/// Keeps the count, and the first names in order, whatever order threads come in.
struct Collector {
  std::uint64_t count = 0;
  std::set<std::string> first;
  void add(const std::string& path) {
    ++count;
    first.insert(path);
    if (first.size() > names_shown) first.erase(std::prev(first.end()));
  }
  NamedCount named() const { return {count, {first.begin(), first.end()}}; }
};

struct DirectoryState {
  std::string path;
  struct stat status;
};

class Copy {
 public:
  Copy(const std::string& from, const std::string& to, const CopyOptions& options)
      : from_(from), to_(to), options_(options) {}

  Result<CopyReport> run() {
    if (auto opened = open_roots(); !opened) return opened.error();
    if (options_.progress) weigh();
    tasks_.push_back({});
    auto done = files::in_parallel(options_.threads, std::max(options_.threads, 1U),
                                   [this](std::size_t) { return work(); });
    if (done) done = make_links();
    if (done) done = finish_directories();
    if (done && options_.durable) done = sync_tree_filesystem(to_);
    if (!done) return std::move(done.error());
    tell(100);
    report_.outside_links = outside_.named();
    report_.special = special_.named();
    report_.vanished = vanished_.named();
    report_.changing = changing_.named();
    return std::move(report_);
  }

 private:
  Result<void> open_roots();
  void weigh();
  void tell(int percent);
  Result<void> work();
  Result<void> run_task(const Task& task);
  Result<void> list_directory(const std::string& path);
  Result<void> copy_entry(const Folder& folder, const std::string& name);
  Result<bool> copy_file(const Folder& folder, const std::string& name, const std::string& path);
  Result<void> fill(int from, int to, const std::string& path, struct stat& status);
  Result<void> dress(int descriptor, const std::string& path, const struct stat& status);
  Result<void> make_links();
  Result<void> finish_directories();
  void enqueue(Task task);
  void note(Collector& collector, const std::string& path) {
    const std::lock_guard lock(mutex_);
    collector.add(path);
  }
  Error stopped() const {
    return {ErrorKind::transient, "copy " + quoted(from_) + " to " + quoted(to_) + ": stopped"};
  }
  bool stop() const { return options_.stop && options_.stop(); }

  const std::string &from_, &to_;
  const CopyOptions& options_;
  Handle from_root_, to_root_;

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::vector<Task> tasks_;
  unsigned working_ = 0;
  bool failed_ = false;
  CopyReport report_;
  Collector outside_, special_, vanished_, changing_;
  files::Links links_;
  std::vector<DirectoryState> directories_;
  std::uint64_t whole_ = 0, done_ = 0;
  int told_ = -1;
};

Result<void> Copy::open_roots() {
  auto from = files::open_directory(from_);
  if (!from) return std::move(from.error());
  from_root_ = std::move(*from);
  if (mkdir(to_.c_str(), 0700) != 0 && errno != EEXIST) {
    return failure("create directory", to_, errno);
  }
  auto to = files::open_directory(to_);
  if (!to) return std::move(to.error());
  to_root_ = std::move(*to);
  const files::Listing listing = files::list(to_root_.get());
  if (listing.error != 0) return failure("list", to_, listing.error);
  if (listing.names.empty()) return {};
  return Error{ErrorKind::invalid, "copy " + quoted(from_) + " to " + quoted(to_) +
                                       ": it is not empty; remove it first"};
}

/// Adds up what there is to copy, for the percentage alone: a failure only makes it less exact.
void Copy::weigh() {
  (void)files::walk(from_root_.get(), from_, true, [this](const files::Found& found) {
    if (S_ISREG(found.status.st_mode)) {
      whole_ += file_cost + static_cast<std::uint64_t>(found.status.st_size);
    }
    return stop() ? Result<bool>(stopped()) : Result<bool>(true);
  });
}

/// With the mutex held, or alone.
void Copy::tell(int percent) {
  if (!options_.progress || percent <= told_) return;
  told_ = percent;
  options_.progress(percent);
}

void Copy::enqueue(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  changed_.notify_one();
}

/// Takes tasks until there are none and nobody works on one that could make more. The newest comes
/// first, so that few directories are open at a time.
Result<void> Copy::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return failed_ || !tasks_.empty() || working_ == 0; });
    if (failed_ || tasks_.empty()) return {};
    Task task = std::move(tasks_.back());
    tasks_.pop_back();
    ++working_;
    lock.unlock();
    auto done = run_task(task);
    task = {};
    lock.lock();
    --working_;
    if (!done) failed_ = true;
    if (failed_ || (working_ == 0 && tasks_.empty())) changed_.notify_all();
    if (!done) return done;
  }
}

Result<void> Copy::run_task(const Task& task) {
  if (!task.folder) return list_directory(task.path);
  for (const std::string& name : task.names) {
    if (stop()) return stopped();
    if (auto done = copy_entry(*task.folder, name); !done) return done;
  }
  return {};
}

Result<void> Copy::list_directory(const std::string& path) {
  auto folder = std::make_shared<Folder>();
  folder->path = path;
  folder->from = files::open_below(from_root_.get(), path);
  if (!folder->from && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
    note(vanished_, path);
    return {};
  }
  if (!folder->from) return failure("open directory", joined(from_, path), errno);
  folder->to = files::open_below(to_root_.get(), path);
  if (!folder->to) return failure("open directory", joined(to_, path), errno);
  struct stat status {};
  if (fstat(folder->from.get(), &status) != 0) {
    return failure("look at", joined(from_, path), errno);
  }
  files::Listing listing = files::list(folder->from.get());
  if (listing.error != 0) return failure("list", joined(from_, path), listing.error);
  {
    const std::lock_guard lock(mutex_);
    directories_.push_back({path, status});
    if (!path.empty()) ++report_.directories;
  }
  for (std::size_t begin = 0; begin < listing.names.size(); begin += batch) {
    const auto first = listing.names.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last =
        first + static_cast<std::ptrdiff_t>(std::min(batch, listing.names.size() - begin));
    enqueue({path, folder, {std::make_move_iterator(first), std::make_move_iterator(last)}});
  }
  return {};
}

Result<void> Copy::copy_entry(const Folder& folder, const std::string& name) {
  const std::string path = joined(folder.path, name);
  if (path.size() > path_limit) {
    return Error{ErrorKind::invalid, "copy " + quoted(joined(from_, path)) + ": longer than " +
                                         std::to_string(path_limit) + " bytes"};
  }
  // Twice: what is swapped for something of another kind before it is opened is looked at again.
  for (int attempt = 0; attempt < 2; ++attempt) {
    struct stat status {};
    if (!files::status_of(folder.from.get(), name, status)) {
      if (errno == ENOENT) continue;
      return failure("look at", joined(from_, path), errno);
    }
    if (S_ISDIR(status.st_mode)) {
      if (mkdirat(folder.to.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
        return failure("create directory", joined(to_, path), errno);
      }
      enqueue({path, nullptr, {}});
      return {};
    }
    if (S_ISLNK(status.st_mode)) {
      auto target = files::link_target(folder.from.get(), name);
      if (!target) continue;
      const std::lock_guard lock(mutex_);
      links_.emplace(path, std::move(*target));
      return {};
    }
    if (!S_ISREG(status.st_mode)) {
      note(special_, path);
      return {};
    }
    auto copied = copy_file(folder, name, path);
    if (!copied) return std::move(copied.error());
    if (*copied) return {};
  }
  note(vanished_, path);
  return {};
}

/// False when there is no regular file of that name (any more).
Result<bool> Copy::copy_file(const Folder& folder, const std::string& name,
                             const std::string& path) {
  // O_NONBLOCK: should it be a FIFO by now, nobody waits for its writer.
  const Handle from(
      openat(folder.from.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!from && (errno == ENOENT || errno == ELOOP || errno == ENXIO)) return false;
  if (!from) return failure("open", joined(from_, path), errno);
  struct stat status {};
  if (fstat(from.get(), &status) != 0) return failure("look at", joined(from_, path), errno);
  if (!S_ISREG(status.st_mode)) return false;
  const Handle to(openat(folder.to.get(), name.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to) return failure("create", joined(to_, path), errno);
  if (auto filled = fill(from.get(), to.get(), path, status); !filled) {
    return std::move(filled.error());
  }
  if (auto dressed = dress(to.get(), path, status); !dressed) return std::move(dressed.error());
  return true;
}

/// Copies the bytes; once more when somebody wrote to them meanwhile. `status` becomes that of the
/// moment before the bytes taken.
Result<void> Copy::fill(int from, int to, const std::string& path, struct stat& status) {
  for (int attempt = 0;; ++attempt) {
    const bool sparse = status.st_blocks * 512 < status.st_size;
    const auto copied = files::copy_bytes(from, to, static_cast<std::uint64_t>(status.st_size),
                                          sparse, options_.stop);
    if (copied.error == ECANCELED) return stopped();
    if (copied.error != 0) return failure("copy to", joined(to_, path), copied.error);
    struct stat after {};
    if (fstat(from, &after) != 0) return failure("look at", joined(from_, path), errno);
    const bool same = after.st_size == status.st_size &&
                      files::nanoseconds(after.st_mtim) == files::nanoseconds(status.st_mtim);
    if (same || copied.reflinked || attempt == 1) {
      const std::lock_guard lock(mutex_);
      if (!same && !copied.reflinked) changing_.add(path);
      ++report_.files;
      report_.bytes += copied.bytes;
      if (copied.reflinked) ++report_.reflinked;
      done_ += file_cost + copied.bytes;
      if (whole_ > 0) tell(static_cast<int>(std::min<std::uint64_t>(99, done_ * 100 / whole_)));
      return {};
    }
    status = after;
    if (ftruncate(to, 0) != 0) return failure("copy to", joined(to_, path), errno);
  }
}

/// Owner, mode and mtime, in this order: a change of owner clears mode bits.
Result<void> Copy::dress(int descriptor, const std::string& path, const struct stat& status) {
  const bool directory = S_ISDIR(status.st_mode);
  mode_t mode = status.st_mode & (directory ? 03777 : 0777);
  if (options_.add_owner_access) mode |= directory ? 0700 : 0600;
  if (options_.owner && fchown(descriptor, options_.owner->first, options_.owner->second) != 0) {
    return failure("set the owner of", joined(to_, path), errno);
  }
  if (fchmod(descriptor, mode) != 0) return failure("set the mode of", joined(to_, path), errno);
  const timespec times[2] = {status.st_atim, status.st_mtim};
  if (futimens(descriptor, times) != 0) return failure("set times of", joined(to_, path), errno);
  return {};
}

/// Links come last: only when all are known can be said where each of them leads.
Result<void> Copy::make_links() {
  for (const auto& [path, target] : links_) {
    if (stop()) return stopped();
    if (!options_.outside_links && files::leads_out(links_, path)) {
      outside_.add(path);
      continue;
    }
    const Handle parent = files::open_parent_below(to_root_.get(), path);
    const std::string name(files::name_of(path));
    if (!parent || symlinkat(target.c_str(), parent.get(), name.c_str()) != 0) {
      return failure("create link", joined(to_, path), errno);
    }
    const auto& owner = options_.owner;
    if (owner && fchownat(parent.get(), name.c_str(), owner->first, owner->second,
                          AT_SYMLINK_NOFOLLOW) != 0) {
      return failure("set the owner of", joined(to_, path), errno);
    }
    ++report_.links;
  }
  return {};
}

/// Directories get their owner, mode and mtime when nothing is created in them any more, the
/// deepest first: a directory handed over may be changed by its new owner at once.
Result<void> Copy::finish_directories() {
  std::sort(directories_.begin(), directories_.end(),
            [](const auto& one, const auto& other) { return one.path > other.path; });
  for (const DirectoryState& state : directories_) {
    const Handle directory = files::open_below(to_root_.get(), state.path);
    if (!directory) return failure("open directory", joined(to_, state.path), errno);
    if (auto done = dress(directory.get(), state.path, state.status); !done) return done;
  }
  return {};
}

}  // namespace

Result<CopyReport> copy_files(const std::string& from, const std::string& to,
                              const CopyOptions& options) {
  return Copy(from, to, options).run();
}

}  // namespace tidegate
