#include "controller/store/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "controller/store/schema.h"

namespace tidegate {
namespace {

Error cannot(const std::string& doing, const std::string& path, int code) {
  const bool heals = code == ENOSPC || code == EDQUOT || code == EIO || code == EMFILE ||
                     code == ENFILE || code == ENOMEM;
  return {heals ? ErrorKind::transient : ErrorKind::invalid,
          doing + " \"" + path + "\" failed: " + std::strerror(code)};
}

Error nothing_there(const std::string& path) {
  return {ErrorKind::invalid, "no state file \"" + path +
                                  "\": nothing has run with it yet; start the controller, "
                                  "or name the file it uses"};
}

Result<void> make_directory(const std::filesystem::path& directory) {
  if (directory.empty() || ::mkdir(directory.c_str(), 0750) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT || directory == directory.parent_path()) {
    return cannot("making directory", directory, errno);
  }
  if (auto made = make_directory(directory.parent_path()); !made) return made;
  if (::mkdir(directory.c_str(), 0750) == 0 || errno == EEXIST) return {};
  return cannot("making directory", directory, errno);
}

/// Holds other openers off, in this process and in others, while it lives. On file systems that
/// cannot lock a directory it does nothing: then only two that create at one moment are in danger.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::filesystem::path& directory)
      : descriptor_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    constexpr int attempts = 500;
    for (int i = 0; i < attempts; ++i) {
      if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    busy_ = true;
  }
  ~DirectoryLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  bool busy() const { return busy_; }

 private:
  const int descriptor_;
  bool busy_ = false;
};

// Kept small on disk after a burst; SQLite itself folds the log in at about 4 MiB.
constexpr const char* writing_habits = R"sql(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA journal_size_limit = 8388608;
)sql";

}  // namespace

void StoreFile::close() {
  connection_.reset();
  opened_.reset();
}

Result<void> StoreFile::make_ready() {
  const auto current = identify();
  if (!current) return current.error();
  // A frozen view sees no later writes, so it is taken anew each time.
  if (connection_ && !frozen_ && *current == opened_) return {};
  close();
  auto opened = mode_ == StoreMode::read_write ? open_to_write() : open_to_read();
  if (!opened) close();
  return opened;
}

Result<void> StoreFile::open_to_write() {
  const std::filesystem::path directory = std::filesystem::path(path_).parent_path();
  if (auto made = make_directory(directory); !made) return made;
  const DirectoryLock lock(directory);
  if (lock.busy()) {
    return Error{ErrorKind::transient, "directory \"" + directory.string() +
                                           "\" has been locked for 5 s: another process is "
                                           "opening the state file in it"};
  }
  auto current = identify();
  if (!current) return current.error();
  if (!*current) {
    if (auto created = create(); !created) return created;
    current = identify();
    if (!current) return current.error();
  }
  auto connection = Connection::open(path_, Access::write);
  if (!connection) return std::move(connection.error());
  connection_ = std::move(*connection);
  opened_ = *current;
  // Before anything is written: the file may be somebody else's.
  if (auto ours = check_schema(*connection_, path_); !ours) return std::move(ours.error());
  if (auto set = connection_->script(writing_habits); !set) return set;
  return prepare_schema(*connection_, path_);
}

Result<void> StoreFile::open_to_read() {
  auto current = identify();
  if (!current) return current.error();
  if (!*current) {
    return nothing_there(path_);
  }
  std::optional<Error> refusal;
  for (const Access access : {Access::read, Access::read_frozen}) {
    auto connection = Connection::open(path_, access);
    if (!connection) return std::move(connection.error());
    connection_ = std::move(*connection);
    opened_ = *current;
    frozen_ = access == Access::read_frozen;
    const auto complete = check_schema(*connection_, path_);
    if (complete && *complete) return {};
    std::error_code error;
    if (complete && std::filesystem::file_size(path_, error) == 0) return nothing_there(path_);
    if (complete) {
      return Error{ErrorKind::invalid, "state file \"" + path_ +
                                           "\" is of an older Tidegate: start this one's "
                                           "controller once"};
    }
    if (!refusal) refusal = complete.error();
    // Without the right to make the files that readers and writers share, a file can only be read
    // as it lies there, which is safe while it has no log, that is, no writer.
    struct stat log;
    if (!connection_->access_refused() || ::stat((path_ + "-wal").c_str(), &log) == 0) break;
  }
  return *refusal;
}

Result<void> StoreFile::create() {
  // Left by a file that was deleted or moved: to a new file they are poison.
  ::unlink((path_ + "-wal").c_str());
  ::unlink((path_ + "-shm").c_str());
  // Not by open(): closing a descriptor would drop the locks SQLite may have by then.
  if (::mknod(path_.c_str(), S_IFREG | 0640, 0) != 0) {
    return cannot("making state file", path_, errno);
  }
  return {};
}

Result<std::optional<StoreFile::Identity>> StoreFile::identify() const {
  struct stat found;
  if (::stat(path_.c_str(), &found) == 0) {
    if (S_ISREG(found.st_mode)) return std::optional(Identity{found.st_dev, found.st_ino});
    return Error{ErrorKind::invalid, "state file \"" + path_ + "\" is not a file: name a file"};
  }
  if (errno == ENOENT) return std::optional<Identity>{};
  return cannot("looking at state file", path_, errno);
}

}  // namespace tidegate
