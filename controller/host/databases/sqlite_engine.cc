// The SQLite engine: where databases lie below the root, and in which order marks, pages and owners
// come, such that a kill between any two steps leaves what the next call recognises.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "controller/host/databases/engine.h"
#include "controller/host/databases/mariadb_names.h"
#include "controller/host/databases/sqlite_backup.h"
#include "controller/host/databases/sqlite_place.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "database.sqlite";
constexpr const char* set_prefix = "databases-";
constexpr const char* saved_tail = ".saved";  // no declared name holds a dot

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

bool belongs(const SqliteMark& mark, const std::string& site, const std::string& environment) {
  return mark.site == site && mark.environment == environment;
}

class SqliteEngine final : public DatabaseEngine {
 public:
  // SQLite refuses paths with links in them, so the root is spelt without.
  explicit SqliteEngine(const std::string& root) : root_(fs::absolute(root).lexically_normal()) {
    std::error_code error;
    if (auto real = fs::canonical(root_, error); !error) root_ = real;
  }

  std::string physical(const DatabaseId& id) const override {
    return content(id.site, id.environment) / (set_prefix + id.content) / id.name / file_name;
  }

  std::string saved_name(const std::string& physical) const override {
    return SqlitePlace(physical).directory() + saved_tail + "/" + file_name;
  }

  Result<void> create(const std::string& physical, const Owner& owner) override {
    auto checked = place(physical);
    if (!checked) return checked.error();
    const SqliteMark mark{owner.site, owner.environment, owner.user};
    checked->clear_half_made();
    if (checked->exists()) {
      const auto found = checked->mark();
      if (!found) return unmarked(*checked);
      if (!belongs(*found, owner.site, owner.environment)) return another_owner(*checked, *found);
    }
    if (checked->has_file()) {
      auto empty = is_empty_sqlite(checked->file());
      if (!empty) return empty.error();
      if (!*empty) return invalid("database '" + physical + "' is not empty");
      return checked->handed_over() ? Result<void>() : checked->hand_over(mark);
    }
    if (auto done = checked->prepare(mark); !done) return done;
    // A SQLite database in which nothing was made yet is an empty file.
    const int file = ::open(checked->growing().c_str(),
                            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return file_error("make", checked->growing());
    ::close(file);
    return settle(*checked, mark);
  }

  Result<void> copy(const std::string& from, const std::string& to, const Owner& owner,
                    const Stop& stop, const Progress& progress) override {
    auto source = whole(from);
    if (!source) return source.error();
    return copy_into({from, "", SqlitePlace(from).directory(), "", true}, to,
                     {owner.site, owner.environment, owner.user}, stop, progress);
  }

  Result<void> save(const std::string& physical, const std::string& saved_as,
                    const Stop& stop) override {
    auto source = whole(physical);
    if (!source) return source.error();
    source->saved = true;
    return copy_into({physical, "", SqlitePlace(physical).directory(), "", true}, saved_as, *source,
                     stop, {});
  }

  Result<void> restore(const std::string& saved_as, const std::string& physical,
                       const Stop& stop) override {
    auto saved = place(saved_as);
    if (!saved) return saved.error();
    auto target = place(physical);
    if (!target) return target.error();
    auto mark = saved->mark();
    if (!mark || !mark->saved || !saved->has_file())
      return invalid("'" + saved_as + "' is not a saved copy, or only half of one");
    if (mark->spent) return {};
    if (target->exists()) {
      const auto found = target->mark();
      if (!found) return unmarked(*target);
      if (!belongs(*found, mark->site, mark->environment)) return another_owner(*target, *found);
    }
    auto done = put_back(*saved, *target, *mark, stop);
    if (!done) return done;
    mark->spent = true;
    return saved->write_mark(*mark);
  }

  Result<void> drop(const std::string& physical) override {
    auto checked = place(physical);
    if (!checked) return checked.error();
    checked->clear_half_made();
    if (checked->exists()) {
      if (!checked->mark()) return unmarked(*checked);
      if (auto removed = checked->remove(); !removed) return removed;
    }
    checked->clear_emptied_set();  // Also when a kill came between the two, or before the first.
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& site,
                                        const std::string& environment) override {
    std::vector<std::string> found;
    std::error_code error;
    const fs::path content_directory = content(site, environment);
    if (!fs::exists(content_directory, error)) return found;
    for (const auto& set : fs::directory_iterator(content_directory, error)) {
      if (set.path().filename().string().rfind(set_prefix, 0) != 0 || !set.is_directory(error))
        continue;
      for (const auto& each : fs::directory_iterator(set.path(), error)) {
        const SqlitePlace candidate(each.path() / file_name);
        const auto mark = candidate.mark();
        if (mark ? belongs(*mark, site, environment) : candidate.is_empty())
          found.push_back(candidate.file());
      }
    }
    if (error)
      return Error{ErrorKind::transient,
                   "read '" + content_directory.string() + "': " + error.message()};
    std::sort(found.begin(), found.end());
    return found;
  }

  Result<bool> is_taken(const std::string& physical) override {
    auto checked = place(physical);
    if (!checked) return checked.error();
    return checked->exists();
  }

  Result<bool> exists(const std::string& physical) override {
    return SqlitePlace(physical).has_file();
  }

  Result<DatabaseAccess> access(const std::string& physical, const Owner&) const override {
    auto checked = place(physical);
    if (!checked) return checked.error();
    return DatabaseAccess{"sqlite:///" + percent_encode(physical, "/"), {checked->directory()}, {}};
  }

  Result<std::optional<std::string>> check() override {
    std::error_code error;
    if (!fs::is_directory(root_, error))
      return std::optional<std::string>("root '" + root_.string() +
                                        "' is not a directory: make it, or mount it");
    if (::access(root_.c_str(), R_OK | W_OK | X_OK) != 0)
      return std::optional<std::string>("root '" + root_.string() +
                                        "' is not writable: " + std::strerror(errno) +
                                        "; give it to the controller's user");
    return std::optional<std::string>();
  }

 private:
  fs::path content(const std::string& site, const std::string& environment) const {
    return root_ / site / environment / "content";
  }

  // Every call begins here: ROOT/SITE/ENVIRONMENT/content/databases-N/NAME/database.sqlite or
  // nothing.
  Result<SqlitePlace> place(const std::string& physical) const {
    const fs::path path(physical);
    const fs::path below = path.lexically_relative(root_);
    std::vector<std::string> parts(below.begin(), below.end());
    const bool sound = path.is_absolute() && path == path.lexically_normal() && parts.size() == 6 &&
                       parts[2] == "content" && parts[0] != ".." &&
                       parts[3].rfind(set_prefix, 0) == 0 && parts[5] == file_name;
    if (!sound)
      return invalid("database '" + physical + "' is not one below '" + root_.string() + "'");
    return SqlitePlace(physical);
  }

  static Error missing(const std::string& physical) {
    return invalid("database '" + physical + "' is not there: put it back from a backup");
  }
  static Error unmarked(const SqlitePlace& place) {
    return invalid("'" + place.directory() + "' was not made by Tidegate: it is left alone");
  }
  static Error another_owner(const SqlitePlace& place, const SqliteMark& mark) {
    return invalid("database '" + place.file() + "' belongs to '" + mark.site + "/" +
                   mark.environment + "'");
  }

  Result<SqliteMark> whole(const std::string& physical) const {
    auto checked = place(physical);
    if (!checked) return checked.error();
    if (!checked->exists()) return missing(physical);
    auto mark = checked->mark();
    if (!mark) return unmarked(*checked);
    if (!checked->has_file()) return missing(physical);
    if (mark->saved || !checked->handed_over())
      return invalid("database '" + physical + "' is not whole, or a saved copy");
    return *mark;
  }

  // What grew takes its place while the directory is the controller's alone, then is handed over.
  static Result<void> settle(const SqlitePlace& place, const SqliteMark& mark) {
    if (auto done = place.take_place(); !done) return done;
    return place.hand_over(mark);
  }

  Result<void> copy_into(SqliteBackup backup, const std::string& to, const SqliteMark& mark,
                         const Stop& stop, const Progress& progress) const {
    auto target = place(to);
    if (!target) return target.error();
    target->clear_half_made();
    if (target->exists()) {
      const auto found = target->mark();
      if (!found) return unmarked(*target);
      if (!belongs(*found, mark.site, mark.environment)) return another_owner(*target, *found);
      if (target->has_file() && (found->saved || target->handed_over()))
        return invalid("database '" + to + "' is there already");
      if (auto done = target->remove(); !done) return done;
    }
    if (auto done = target->prepare(mark); !done) return done;
    backup.to = target->growing();
    auto outcome = back_up(backup, stop, progress);
    if (!outcome) return outcome.error();
    return settle(*target, mark);
  }

  static Result<void> put_back(const SqlitePlace& saved, const SqlitePlace& target, SqliteMark mark,
                               const Stop& stop) {
    mark.saved = false;
    const bool there = target.exists() && target.handed_over();
    if (!there)
      if (auto done = target.prepare(mark); !done) return done;
    const std::string owner = there ? target.directory() : "";
    if (target.has_file()) {
      auto outcome = back_up({saved.file(), target.file(), "", owner, false}, stop, {});
      if (!outcome) return outcome.error();
      if (*outcome == BackupOutcome::done) return {};
    }
    // No database to write into any more: one is made beside it, and takes its name.
    {
      const ActingAsOwner acting(owner);
      for (const char* tail : {"", "-journal"}) ::unlink((target.growing() + tail).c_str());
    }
    auto outcome = back_up({saved.file(), target.growing(), "", owner, true}, stop, {});
    if (!outcome) return outcome.error();
    if (!there) return settle(target, mark);
    const ActingAsOwner acting(owner);
    if (::chmod(target.growing().c_str(), 0660) != 0)
      return file_error("protect", target.growing());
    return target.take_place();
  }

  fs::path root_;
};

}  // namespace

std::unique_ptr<DatabaseEngine> make_sqlite_engine(std::string root) {
  return std::make_unique<SqliteEngine>(root);
}

}  // namespace tidegate
