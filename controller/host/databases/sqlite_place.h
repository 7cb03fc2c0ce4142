#pragma once
// Where a SQLite database lies: a directory of its own, for its journals lie beside it, with our
// mark in it. Its files are touched as the user they belong to, never as root: a site could
// otherwise plant journals and links there that make the controller write elsewhere. Used by this
// folder alone.

#include <optional>
#include <string>
#include <utility>

#include "controller/host/databases/engine.h"

namespace tidegate {

/// What the mark says.
struct SqliteMark {
  std::string site, environment;
  std::optional<std::pair<unsigned, unsigned>> user;  ///< Whose files a restore makes.
  bool saved = false;  ///< A saved copy; only the controller can read it.
  bool spent = false;  ///< A saved copy that was put back.
};

/// The directory of one database, ROOT/…/NAME; `physical` is the file `database.sqlite` in it.
class SqlitePlace {
 public:
  explicit SqlitePlace(const std::string& physical);

  const std::string& directory() const { return directory_; }
  const std::string& file() const { return file_; }
  /// Where a copy grows before it takes its place.
  std::string growing() const { return file_ + ".copying"; }

  /// Whether the file is there, a regular one.
  bool has_file() const;
  /// Whether the directory is there, whatever is in it.
  bool exists() const;
  /// Whether hand_over() was done: before it, what is here is half.
  bool handed_over() const;
  /// Nothing: no mark, or not one that the controller wrote.
  std::optional<SqliteMark> mark() const;
  /// Whether the directory is there and holds nothing.
  bool is_empty() const;
  /// Takes a directory away that has no mark and holds nothing else either: a kill came before the
  /// mark was made, or after it was removed. What holds anything stays.
  void clear_half_made() const;
  /// Takes the directory of the content set away when the last of its databases is gone.
  void clear_emptied_set() const;
  /// Makes the directory with our mark, as yet the controller's alone. Idempotent.
  Result<void> prepare(const SqliteMark& mark) const;
  Result<void> write_mark(const SqliteMark& mark) const;
  /// Gives the file, then the directory, to whom the mark says; a saved copy stays the
  /// controller's. Nothing is to be made here as root afterwards.
  Result<void> hand_over(const SqliteMark& mark) const;
  /// Makes what was grown the database: synced, and in one step. Journals of the one before go.
  Result<void> take_place() const;
  /// Removes everything, the mark last.
  Result<void> remove() const;

 private:
  std::string directory_, file_;
};

/// While it lives, this thread's file accesses are those of the directory's owner, when that is
/// somebody else and this process is root.
class ActingAsOwner {
 public:
  explicit ActingAsOwner(const std::string& directory);
  ~ActingAsOwner();
  ActingAsOwner(const ActingAsOwner&) = delete;
  ActingAsOwner& operator=(const ActingAsOwner&) = delete;

 private:
  bool acting_ = false;
};

/// A transient error that tells what was done to which file, and errno.
Error file_error(const std::string& doing, const std::string& path);

}  // namespace tidegate
