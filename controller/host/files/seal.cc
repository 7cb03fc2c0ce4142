#include <unistd.h>

#include <algorithm>
#include <cerrno>

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
using files::quoted;

// What the tree is linked into has users of its own, whoever they are: inside it all can read. Only
// the way into the build is closed.
mode_t root_mode(mode_t) { return 0700; }
mode_t directory_mode(mode_t mode) { return (mode & 0755) | 0555; }
mode_t file_mode(mode_t mode) { return mode & 0100 ? 0555 : 0444; }

class Seal {
 public:
  Seal(const std::string& directory, const SealOptions& options)
      : directory_(directory), options_(options) {}

  Result<TreeManifest> run() {
    auto root = files::open_directory(directory_);
    if (!root) return std::move(root.error());
    root_ = std::move(*root);
    auto done = files::walk(root_.get(), directory_, false,
                            [this](const Found& found) { return collect(found); });
    if (done) done = check_links();
    // Before the contents: afterwards nobody else can put anything into a directory.
    if (done) done = seal_directories();
    if (done) done = seal_contents();
    if (!done) return std::move(done.error());
    manifest_.digest = files::digest_of(manifest_.entries);
    manifest_.renewed = true;
    return std::move(manifest_);
  }

 private:
  Result<bool> collect(const Found& found) {
    TreeEntry entry;
    entry.path = found.path;
    if (S_ISDIR(found.status.st_mode)) {
      entry.kind = EntryKind::directory;
    } else if (S_ISLNK(found.status.st_mode)) {
      auto target = files::link_target(found.directory, found.name);
      if (!target) return failure("read link", joined(directory_, found.path), errno);
      entry.kind = EntryKind::link;
      entry.target = std::move(*target);
      links_.emplace(found.path, entry.target);
    } else if (!S_ISREG(found.status.st_mode)) {
      return Error{ErrorKind::site, quoted(found.path) +
                                        " in the build is neither file, directory nor symbolic "
                                        "link; let the build remove it"};
    }
    manifest_.entries.push_back(std::move(entry));
    return true;
  }

  Result<void> check_links() {
    auto& entries = manifest_.entries;
    std::sort(entries.begin(), entries.end(),
              [](const auto& one, const auto& other) { return one.path < other.path; });
    for (const TreeEntry& entry : entries) {
      if (entry.kind != EntryKind::link || !files::leads_out(links_, entry.path)) continue;
      if (files::leads_below(links_, entry.path, options_.allowed)) continue;
      return Error{ErrorKind::site, "symbolic link " + quoted(entry.path) +
                                        " leads out of the code tree, to " + quoted(entry.target) +
                                        "; let it point inside, relatively"};
    }
    return {};
  }

  /// Sets modes and hands over, where that is not done yet: each costs a new ctime.
  Result<void> dress(int descriptor, const std::string& path, mode_t (*sealed)(mode_t),
                     struct stat& status) {
    if (fstat(descriptor, &status) != 0) return failure("look at", joined(directory_, path), errno);
    const auto& owner = options_.owner;
    const bool foreign = owner && (status.st_uid != owner->first || status.st_gid != owner->second);
    if (foreign && fchown(descriptor, owner->first, owner->second) != 0) {
      return failure("set the owner of", joined(directory_, path), errno);
    }
    const mode_t mode = sealed(status.st_mode);
    if (mode != (status.st_mode & 07777) && fchmod(descriptor, mode) != 0) {
      return failure("set the mode of", joined(directory_, path), errno);
    }
    if (fstat(descriptor, &status) != 0) return failure("look at", joined(directory_, path), errno);
    return {};
  }

  Result<void> seal_directories() {
    struct stat status {};
    if (auto done = dress(root_.get(), "", root_mode, status); !done) return done;
    for (TreeEntry& entry : manifest_.entries) {
      if (entry.kind != EntryKind::directory) continue;
      const Handle handle = files::open_below(root_.get(), entry.path);
      if (!handle) return failure("open directory", joined(directory_, entry.path), errno);
      if (auto done = dress(handle.get(), entry.path, directory_mode, status); !done) return done;
      entry.mode = status.st_mode & 07777;
    }
    return {};
  }

  Result<void> seal_contents() {
    std::vector<std::size_t> indexes;
    for (std::size_t index = 0; index < manifest_.entries.size(); ++index) {
      if (manifest_.entries[index].kind != EntryKind::directory) indexes.push_back(index);
    }
    const auto groups = files::by_directory(manifest_.entries, indexes);
    return files::in_parallel(files::tree_threads, groups.size(),
                              [&](std::size_t group) { return seal_siblings(groups[group]); });
  }

  Result<void> seal_siblings(const files::Siblings& siblings) {
    const Handle parent = files::open_below(root_.get(), siblings.directory);
    if (!parent) return failure("open directory", joined(directory_, siblings.directory), errno);
    for (const std::size_t index : siblings.entries) {
      TreeEntry& entry = manifest_.entries[index];
      const std::string name(files::name_of(entry.path));
      auto done = entry.kind == EntryKind::file ? seal_file(parent.get(), name, entry)
                                                : hand_over_link(parent.get(), name, entry.path);
      if (!done) return done;
    }
    return {};
  }

  Result<void> hand_over_link(int parent, const std::string& name, const std::string& path) {
    const auto& owner = options_.owner;
    if (!owner ||
        fchownat(parent, name.c_str(), owner->first, owner->second, AT_SYMLINK_NOFOLLOW) == 0) {
      return {};
    }
    return failure("set the owner of", joined(directory_, path), errno);
  }

  Result<void> seal_file(int parent, const std::string& name, TreeEntry& entry) {
    const std::string path = joined(directory_, entry.path);
    const Handle file(openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return failure("open", path, errno);
    struct stat status {};
    if (auto done = dress(file.get(), entry.path, file_mode, status); !done) return done;
    if (!S_ISREG(status.st_mode)) {
      return Error{ErrorKind::transient, quoted(path) + " was replaced while it was sealed"};
    }
    const std::int64_t now = files::real_time_ns();
    auto hash = files::sha256_of(file.get());
    if (!hash) return failure("read", path, errno);
    entry.sha256 = std::move(*hash);
    entry.mode = status.st_mode & 07777;
    entry.size = static_cast<std::uint64_t>(status.st_size);
    files::record(entry, status, now);
    return {};
  }

  const std::string& directory_;
  const SealOptions& options_;
  Handle root_;
  TreeManifest manifest_;
  files::Links links_;
};

}  // namespace

Result<TreeManifest> seal_tree(const std::string& directory, const SealOptions& options) {
  return Seal(directory, options).run();
}

}  // namespace tidegate
