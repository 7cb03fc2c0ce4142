// Directories, marks and owners of SQLite databases.

#include "controller/host/databases/sqlite_place.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "controller/process/descriptor.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;

constexpr const char* mark_name = ".tidegate";
// Files that the environment's group makes here stay the group's, so that pages and commands can
// both write.
constexpr mode_t shared_directory = 02770, shared_file = 0660;
constexpr mode_t private_directory = 0700, private_file = 0600;

Result<void> sync_path(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0 || ::fsync(file.get()) != 0) return file_error("sync", path);
  return {};
}

std::string spelt(const SqliteMark& mark) {
  std::ostringstream text;
  text << mark.site << ' ' << mark.environment << ' ';
  if (mark.user)
    text << mark.user->first << ':' << mark.user->second;
  else
    text << '-';
  text << ' ' << (mark.spent ? "spent" : mark.saved ? "saved" : "content") << '\n';
  return text.str();
}

std::optional<SqliteMark> parsed(const std::string& text) {
  std::istringstream words(text);
  SqliteMark mark;
  std::string user, kind;
  if (!(words >> mark.site >> mark.environment >> user >> kind)) return std::nullopt;
  unsigned uid = 0, gid = 0;
  if (std::sscanf(user.c_str(), "%u:%u", &uid, &gid) == 2) mark.user = {uid, gid};
  mark.spent = kind == "spent";
  mark.saved = mark.spent || kind == "saved";
  return mark;
}

}  // namespace

Error file_error(const std::string& doing, const std::string& path) {
  return {ErrorKind::transient, doing + " '" + path + "': " + std::strerror(errno)};
}

SqlitePlace::SqlitePlace(const std::string& physical)
    : directory_(fs::path(physical).parent_path()), file_(physical) {}

bool SqlitePlace::has_file() const {
  struct stat found;
  return ::lstat(file_.c_str(), &found) == 0 && S_ISREG(found.st_mode);
}

bool SqlitePlace::exists() const {
  struct stat found;
  return ::lstat(directory_.c_str(), &found) == 0;
}

bool SqlitePlace::handed_over() const {
  struct stat found;
  return ::lstat(directory_.c_str(), &found) == 0 && (found.st_mode & S_IRWXG) != 0;
}

std::optional<SqliteMark> SqlitePlace::mark() const {
  const std::string path = directory_ + "/" + mark_name;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat found;
  if (file.get() < 0 || ::fstat(file.get(), &found) != 0) return std::nullopt;
  if (!S_ISREG(found.st_mode) || found.st_uid != ::geteuid()) return std::nullopt;
  std::array<char, 1024> text;
  const ssize_t length = ::read(file.get(), text.data(), text.size());
  if (length <= 0) return std::nullopt;
  return parsed(std::string(text.data(), static_cast<std::size_t>(length)));
}

bool SqlitePlace::is_empty() const {
  std::error_code error;
  return fs::is_empty(directory_, error) && !error;
}

void SqlitePlace::clear_half_made() const {
  struct stat found;
  if (mark() || ::lstat(directory_.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return;
  if (found.st_uid == ::geteuid() && !handed_over() && !has_file())
    ::unlink((directory_ + "/" + mark_name + ".new").c_str());
  ::rmdir(directory_.c_str());  // Stays while it holds anything.
}

void SqlitePlace::clear_emptied_set() const {
  ::rmdir(fs::path(directory_).parent_path().c_str());  // Stays while it holds other databases.
}

Result<void> SqlitePlace::prepare(const SqliteMark& mark) const {
  std::error_code error;
  fs::create_directories(fs::path(directory_).parent_path(), error);
  if (error) return Error{ErrorKind::transient, "make '" + directory_ + "': " + error.message()};
  if (::mkdir(directory_.c_str(), private_directory) != 0 && errno != EEXIST)
    return file_error("make", directory_);
  // The mark comes first: what has none is never touched, not even by a later try of this.
  if (auto done = write_mark(mark); !done) return done;
  if (::chmod(directory_.c_str(), private_directory) != 0) return file_error("protect", directory_);
  return {};
}

Result<void> SqlitePlace::write_mark(const SqliteMark& mark) const {
  const std::string path = directory_ + "/" + mark_name, prepared = path + ".new";
  ::unlink(prepared.c_str());
  const std::string text = spelt(mark);
  {
    const Descriptor file(
        ::open(prepared.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (file.get() < 0 ||
        ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.get()) != 0)
      return file_error("write", prepared);
  }
  if (::rename(prepared.c_str(), path.c_str()) != 0) return file_error("write", path);
  return sync_path(directory_);
}

Result<void> SqlitePlace::hand_over(const SqliteMark& mark) const {
  const auto give = [&](const std::string& path, mode_t mode) -> Result<void> {
    const Descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (opened.get() < 0) return file_error("open", path);
    if (mark.user && !mark.saved && ::geteuid() == 0 &&
        ::fchown(opened.get(), mark.user->first, mark.user->second) != 0)
      return file_error("hand over", path);
    if (::fchmod(opened.get(), mode) != 0) return file_error("protect", path);
    return {};
  };
  if (auto done = give(file_, mark.saved ? private_file : shared_file); !done) return done;
  return give(directory_, mark.saved ? private_directory : shared_directory);
}

Result<void> SqlitePlace::take_place() const {
  if (auto synced = sync_path(growing()); !synced) return synced;
  // A journal that outlived its database would be played into the new one.
  for (const char* tail : {"-journal", "-wal", "-shm"})
    if (::unlink((file_ + tail).c_str()) != 0 && errno != ENOENT)
      return file_error("remove", file_ + tail);
  if (::rename(growing().c_str(), file_.c_str()) != 0) return file_error("rename", growing());
  return sync_path(directory_);
}

Result<void> SqlitePlace::remove() const {
  std::error_code error;
  for (fs::directory_iterator each(directory_, error), end; !error && each != end;
       each.increment(error))
    if (each->path().filename() != mark_name) fs::remove_all(each->path(), error);
  if (!error) fs::remove(fs::path(directory_) / mark_name, error);
  if (!error) fs::remove(directory_, error);
  if (error) return Error{ErrorKind::transient, "remove '" + directory_ + "': " + error.message()};
  return {};
}

ActingAsOwner::ActingAsOwner(const std::string& directory) {
  struct stat found;
  if (::geteuid() != 0 || ::lstat(directory.c_str(), &found) != 0 || found.st_uid == 0) return;
  // The group first, while we may still choose it.
  ::setfsgid(found.st_gid);
  ::setfsuid(found.st_uid);
  acting_ = true;
}

ActingAsOwner::~ActingAsOwner() {
  if (!acting_) return;
  ::setfsuid(0);
  ::setfsgid(::getegid());
}

}  // namespace tidegate
