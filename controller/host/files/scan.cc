#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "controller/host/files/handle.h"
#include "controller/host/files/tree.h"
#include "controller/host/files/tree_parts.h"
#include "controller/host/files/walk.h"

namespace tidegate {
namespace {

using files::failure;
using files::Found;
using files::Handle;
using files::joined;

EntryKind kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return EntryKind::directory;
  return S_ISLNK(mode) ? EntryKind::link : EntryKind::file;
}

bool is_other(mode_t mode) { return !S_ISDIR(mode) && !S_ISLNK(mode) && !S_ISREG(mode); }

class Scan {
 public:
  Scan(const std::string& directory, TreeManifest& manifest,
       const std::vector<std::string>& excluded, bool thorough)
      : directory_(directory), manifest_(manifest), excluded_(excluded), thorough_(thorough) {
    known_.reserve(manifest.entries.size());
    for (std::size_t index = 0; index < manifest.entries.size(); ++index) {
      known_.emplace(manifest.entries[index].path, index);
    }
    seen_.resize(manifest.entries.size());
  }

  Result<std::vector<Change>> run() {
    auto root = files::open_directory(directory_);
    if (!root) return std::move(root.error());
    root_ = std::move(*root);
    auto done = files::walk(root_.get(), directory_, true,
                            [this](const Found& found) { return compare(found); });
    if (done) done = hash_suspects();
    if (!done) return std::move(done.error());
    for (std::size_t index = 0; index < seen_.size(); ++index) {
      const std::string& path = manifest_.entries[index].path;
      if (!seen_[index] && !files::is_excluded(path, excluded_)) {
        changes_.emplace(path, ChangeKind::removed);
      }
    }
    std::vector<Change> changes;
    for (const auto& [path, kind] : changes_) changes.push_back({path, kind});
    return changes;
  }

 private:
  /// Notes a difference; says whether to go on into it.
  Result<bool> compare(const Found& found) {
    if (std::find(excluded_.begin(), excluded_.end(), found.path) != excluded_.end()) return false;
    const auto known = known_.find(found.path);
    const mode_t mode = found.status.st_mode;
    if (known == known_.end()) {
      const bool leads_to_excluded =
          S_ISDIR(mode) && std::any_of(excluded_.begin(), excluded_.end(), [&](const auto& path) {
            return files::at_or_below(path, found.path);
          });
      if (!leads_to_excluded) changes_.emplace(found.path, ChangeKind::added);
      return true;
    }
    const TreeEntry& entry = manifest_.entries[known->second];
    seen_[known->second] = true;
    if (is_other(mode) || kind_of(mode) != entry.kind) {
      changes_.emplace(found.path, ChangeKind::type);
      return true;
    }
    if (entry.kind == EntryKind::link) return compare_link(found, entry);
    if ((mode & 07777) != entry.mode) changes_.emplace(found.path, ChangeKind::mode);
    if (entry.kind == EntryKind::file) compare_file(found, entry, known->second);
    return true;
  }

  Result<bool> compare_link(const Found& found, const TreeEntry& entry) {
    const auto target = files::link_target(found.directory, found.name);
    if (target != entry.target) changes_.emplace(found.path, ChangeKind::changed);
    return true;
  }

  void compare_file(const Found& found, const TreeEntry& entry, std::size_t index) {
    const struct stat& status = found.status;
    if (static_cast<std::uint64_t>(status.st_size) != entry.size) {
      changes_[found.path] = ChangeKind::changed;
      return;
    }
    const bool same = status.st_ino == entry.inode && entry.ctime_ns != 0 &&
                      files::nanoseconds(status.st_mtim) == entry.mtime_ns &&
                      files::nanoseconds(status.st_ctim) == entry.ctime_ns;
    if (!same || thorough_) suspects_.push_back(index);
  }

  Result<void> hash_suspects() {
    const auto groups = files::by_directory(manifest_.entries, suspects_);
    return files::in_parallel(files::tree_threads, groups.size(),
                              [&](std::size_t group) { return hash_siblings(groups[group]); });
  }

  Result<void> hash_siblings(const files::Siblings& siblings) {
    const Handle parent = files::open_below(root_.get(), siblings.directory);
    for (const std::size_t index : siblings.entries) {
      if (auto done = hash(parent, manifest_.entries[index]); !done) return done;
    }
    return {};
  }

  Result<void> hash(const Handle& parent, TreeEntry& entry) {
    const std::string name(files::name_of(entry.path));
    constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const Handle file(parent ? openat(parent.get(), name.c_str(), flags) : -1);
    // Gone, swapped or closed to its owner since it was listed: different in any case.
    if (!file) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO) {
        return failure("open", joined(directory_, entry.path), errno);
      }
      return note_changed(entry.path);
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
      return note_changed(entry.path);
    const std::int64_t now = files::real_time_ns();
    const auto hash = files::sha256_of(file.get());
    if (!hash) return failure("read", joined(directory_, entry.path), errno);
    if (*hash != entry.sha256) return note_changed(entry.path);
    const TreeEntry before = entry;
    files::record(entry, status, now);
    const std::lock_guard lock(mutex_);
    if (entry.ctime_ns != before.ctime_ns || entry.mtime_ns != before.mtime_ns ||
        entry.inode != before.inode) {
      manifest_.renewed = true;
    }
    return {};
  }

  Result<void> note_changed(const std::string& path) {
    const std::lock_guard lock(mutex_);
    changes_[path] = ChangeKind::changed;
    return {};
  }

  const std::string& directory_;
  TreeManifest& manifest_;
  const std::vector<std::string>& excluded_;
  const bool thorough_;
  Handle root_;
  std::unordered_map<std::string_view, std::size_t> known_;
  std::vector<bool> seen_;
  std::vector<std::size_t> suspects_;

  std::mutex mutex_;  // While suspects are hashed: guards what follows, and `renewed`.
  std::map<std::string, ChangeKind> changes_;
};

}  // namespace

const char* to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::added:
      return "added";
    case ChangeKind::removed:
      return "removed";
    case ChangeKind::changed:
      return "changed";
    case ChangeKind::mode:
      return "mode";
    case ChangeKind::type:
      return "type";
  }
  return "";
}

Result<std::vector<Change>> scan(const std::string& directory, TreeManifest& manifest,
                                 const std::vector<std::string>& excluded, bool thorough) {
  return Scan(directory, manifest, excluded, thorough).run();
}

Result<std::vector<Change>> verify_build(const std::string& build_directory, TreeManifest& manifest,
                                         bool thorough) {
  return scan(build_directory, manifest, {}, thorough);
}

}  // namespace tidegate
