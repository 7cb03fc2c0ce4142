#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "controller/host/files/copy_bytes.h"
#include "controller/host/files/handle.h"
#include "controller/host/files/tree.h"
#include "controller/host/files/tree_parts.h"
#include "controller/host/files/walk.h"

namespace tidegate {
namespace {

using files::failure;
using files::Handle;
using files::joined;

class Linking {
 public:
  Linking(const std::string& build, const TreeManifest& manifest, const std::string& release,
          const std::vector<std::string>& excluded, bool own)
      : build_(build), release_(release), entries_(manifest.entries), own_(own) {
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      if (files::is_excluded(entries_[index].path, excluded)) continue;
      (entries_[index].kind == EntryKind::directory ? directories_ : others_).push_back(index);
    }
  }

  Result<LinkReport> run() {
    auto build = files::open_directory(build_);
    if (!build) return std::move(build.error());
    build_root_ = std::move(*build);
    if (mkdir(release_.c_str(), 0700) != 0) return failure("create directory", release_, errno);
    auto release = files::open_directory(release_);
    if (!release) return std::move(release.error());
    release_root_ = std::move(*release);
    auto done = make_directories();
    if (done) done = link_files();
    if (done) done = finish_directories();
    if (!done) return std::move(done.error());
    return LinkReport{linked_, copied_};
  }

 private:
  /// Paths may be used whole on this side: nobody else has a way into what was just created.
  Result<void> make_directories() {
    for (const std::size_t index : directories_) {
      const std::string& path = entries_[index].path;
      if (mkdirat(release_root_.get(), path.c_str(), 0700) != 0) {
        return failure("create directory", joined(release_, path), errno);
      }
    }
    return {};
  }

  Result<void> link_files() {
    const auto groups = files::by_directory(entries_, others_);
    return files::in_parallel(files::tree_threads, groups.size(),
                              [&](std::size_t group) { return link_siblings(groups[group]); });
  }

  Result<void> link_siblings(const files::Siblings& siblings) {
    const Handle from = files::open_below(build_root_.get(), siblings.directory);
    if (!from) return failure("open directory", joined(build_, siblings.directory), errno);
    const Handle to = files::open_below(release_root_.get(), siblings.directory);
    if (!to) return failure("open directory", joined(release_, siblings.directory), errno);
    for (const std::size_t index : siblings.entries) {
      const TreeEntry& entry = entries_[index];
      if (auto done = place(from.get(), to.get(), entry); !done) return done;
    }
    return {};
  }

  Result<void> place(int from, int to, const TreeEntry& entry) {
    const std::string name(files::name_of(entry.path));
    if (entry.kind == EntryKind::link) {
      if (symlinkat(entry.target.c_str(), to, name.c_str()) == 0) return {};
      return failure("create link", joined(release_, entry.path), errno);
    }
    if (own_) return copy(from, to, name, entry);
    if (linkat(from, name.c_str(), to, name.c_str(), 0) == 0) {
      ++linked_;
      return {};
    }
    // EPERM: links to files of others are not allowed here, or on this file system none at all.
    if (errno == EMLINK || errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP) {
      return copy(from, to, name, entry);
    }
    return failure("link", joined(release_, entry.path), errno);
  }

  Result<void> copy(int from, int to, const std::string& name, const TreeEntry& entry) {
    const Handle in(openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!in) return failure("open", joined(build_, entry.path), errno);
    struct stat status {};
    if (fstat(in.get(), &status) != 0) return failure("look at", joined(build_, entry.path), errno);
    const std::string path = joined(release_, entry.path);
    const Handle out(openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!out) return failure("create", path, errno);
    const auto bytes = files::copy_bytes(in.get(), out.get(),
                                         static_cast<std::uint64_t>(status.st_size), false, {});
    if (bytes.error != 0) return failure("copy to", path, bytes.error);
    // A link would have the build's owner. Where that cannot be given, the caller owns the copy.
    if (fchown(out.get(), status.st_uid, status.st_gid) != 0 && errno != EPERM) {
      return failure("set the owner of", path, errno);
    }
    const timespec times[2] = {status.st_atim, status.st_mtim};
    if (fchmod(out.get(), mode_of(entry)) != 0) return failure("set the mode of", path, errno);
    if (futimens(out.get(), times) != 0) return failure("set times of", path, errno);
    ++copied_;
    return {};
  }

  /// Modes come last: a directory may be read-only for its owner.
  Result<void> finish_directories() {
    for (auto index = directories_.rbegin(); index != directories_.rend(); ++index) {
      const TreeEntry& entry = entries_[*index];
      if (fchmodat(release_root_.get(), entry.path.c_str(), mode_of(entry), 0) != 0) {
        return failure("set the mode of", joined(release_, entry.path), errno);
      }
    }
    // The build's own root is closed; who reaches a release may enter it.
    if (fchmod(release_root_.get(), 0755) != 0) return failure("set the mode of", release_, errno);
    return {};
  }

  mode_t mode_of(const TreeEntry& entry) const { return own_ ? entry.mode | 0200 : entry.mode; }

  const std::string &build_, &release_;
  const std::vector<TreeEntry>& entries_;
  const bool own_;
  std::vector<std::size_t> directories_, others_;
  Handle build_root_, release_root_;
  std::atomic<std::uint64_t> linked_{0}, copied_{0};
};

}  // namespace

Result<LinkReport> link_tree(const std::string& build_directory, const TreeManifest& manifest,
                             const std::string& release_directory,
                             const std::vector<std::string>& excluded) {
  return Linking(build_directory, manifest, release_directory, excluded, false).run();
}

Result<LinkReport> copy_tree(const std::string& build_directory, const TreeManifest& manifest,
                             const std::string& release_directory,
                             const std::vector<std::string>& excluded) {
  return Linking(build_directory, manifest, release_directory, excluded, true).run();
}

TreeManifest as_writable(TreeManifest manifest) {
  for (TreeEntry& entry : manifest.entries)
    if (entry.kind != EntryKind::link) entry.mode |= 0200;
  manifest.digest = files::digest_of(manifest.entries);
  return manifest;
}

Result<void> give_tree(const std::string& directory, std::pair<unsigned, unsigned> user) {
  auto root = files::open_directory(directory);
  if (!root) return std::move(root.error());
  // Who is given a directory could swap what lies in it for a link while the rest is handed over.
  if (fchmod(root->get(), 0700) != 0) return failure("set the mode of", directory, errno);
  auto given = files::walk(root->get(), directory, false, [&](const files::Found& found) {
    if (fchownat(found.directory, found.name.c_str(), user.first, user.second,
                 AT_SYMLINK_NOFOLLOW) == 0)
      return Result<bool>(true);
    return Result<bool>(failure("set the owner of", joined(directory, found.path), errno));
  });
  if (!given) return given;
  if (fchown(root->get(), user.first, user.second) != 0)
    return failure("set the owner of", directory, errno);
  if (fchmod(root->get(), 0755) != 0) return failure("set the mode of", directory, errno);
  return {};
}

}  // namespace tidegate
