#include "controller/host/files/content_links.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "controller/host/files/copy_files.h"
#include "controller/host/files/handle.h"
#include "controller/host/files/remove.h"

namespace tidegate {
namespace {

using files::at_or_below;
using files::failure;
using files::Handle;
using files::joined;
using files::quoted;

const TreeEntry* entry_at(const TreeManifest& manifest, const std::string& path) {
  const auto found = std::lower_bound(
      manifest.entries.begin(), manifest.entries.end(), path,
      [](const TreeEntry& entry, const std::string& wanted) { return entry.path < wanted; });
  return found != manifest.entries.end() && found->path == path ? &*found : nullptr;
}

/// What on the way to `path`, itself included, is no directory.
const TreeEntry* in_the_way(const TreeManifest& manifest, const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const TreeEntry* entry = entry_at(manifest, path.substr(0, end));
    if (entry && entry->kind != EntryKind::directory) return entry;
  }
  return nullptr;
}

/// The first at or below `path` that is no directory.
const TreeEntry* first_below(const TreeManifest& manifest, const std::string& path) {
  for (const TreeEntry& entry : manifest.entries) {
    if (entry.kind != EntryKind::directory && at_or_below(entry.path, path)) return &entry;
  }
  return nullptr;
}

Error blocked(const std::string& what, const std::string& path, const std::string& by) {
  return {ErrorKind::site, what + " path " + quoted(path) + " is taken: the code has " +
                               quoted(by) +
                               " there; remove that from the code, or choose another path"};
}

bool is_plain(const std::string& path) {
  if (path.empty() || path.starts_with('/') || path.ends_with('/')) return false;
  const std::string framed = '/' + path + '/';
  return framed.find("//") == std::string::npos && framed.find("/./") == std::string::npos &&
         framed.find("/../") == std::string::npos;
}

/// Places that exclude each other, or are no places.
Result<void> check_nesting(const ContentPlaces& places) {
  for (const std::string& path : excluded_paths(places)) {
    if (is_plain(path)) continue;
    return Error{ErrorKind::invalid,
                 "content path " + quoted(path) + " is not a path below the code"};
  }
  for (std::size_t one = 0; one < places.files.size(); ++one) {
    const std::string& outer = places.files[one].path;
    for (std::size_t other = 0; other < places.files.size(); ++other) {
      if (one == other || !at_or_below(places.files[other].path, outer)) continue;
      return Error{ErrorKind::invalid, "files path " + quoted(places.files[other].path) +
                                           " lies in files path " + quoted(outer) +
                                           "; declare the outer one alone"};
    }
    for (const std::string& path : places.writable) {
      if (!at_or_below(path, outer)) continue;
      return Error{ErrorKind::invalid, "writable path " + quoted(path) + " lies in files path " +
                                           quoted(outer) + ", which is writable anyway; drop it"};
    }
  }
  return {};
}

/// Opens a directory below the code, and makes what is missing of it.
Result<Handle> make_below(int root, const std::string& code, const std::string& path) {
  Handle directory = files::open_below(root, "");
  for (std::size_t begin = 0; directory && begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const bool made = mkdirat(directory.get(), name.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) {
      return failure("create directory", joined(code, path.substr(0, end)), errno);
    }
    Handle next = files::open_below(directory.get(), name);
    // The umask may have taken bits that pages need to pass.
    if (next && made) fchmod(next.get(), 0755);
    directory = std::move(next);
    begin = end + 1;
  }
  if (!directory) return failure("open directory", joined(code, path), errno);
  return directory;
}

class Places {
 public:
  Places(const std::string& build, const std::string& code, const ContentPlaces& places)
      : build_(build), code_(code), places_(places) {}

  Result<void> make() {
    auto root = files::open_directory(code_);
    if (!root) return std::move(root.error());
    root_ = std::move(*root);
    std::vector<std::string> writable = places_.writable;
    std::sort(writable.begin(), writable.end());
    for (auto path = writable.begin(); path != writable.end(); ++path) {
      // What lies in another one came along with it, if the build has it.
      const bool nested = std::any_of(writable.begin(), path, [&](const std::string& outer) {
        return at_or_below(*path, outer);
      });
      auto done = nested ? make_empty(*path) : make_writable(*path);
      if (!done) return done;
    }
    for (const auto& link : places_.files) {
      if (auto done = make_link(link); !done) return done;
    }
    return {};
  }

 private:
  Result<void> make_writable(const std::string& path) {
    if (auto parent = make_below(root_.get(), code_, files::parent_of(path)); !parent) {
      return std::move(parent.error());
    }
    struct stat status {};
    const std::string built = joined(build_, path);
    if (lstat(built.c_str(), &status) != 0) {
      if (errno == ENOENT) return make_empty(path);
      return failure("look at", built, errno);
    }
    CopyOptions options;
    options.owner = places_.owner;
    options.add_owner_access = true;
    options.outside_links = true;  // Sealing has seen to it that they stay in the code.
    options.durable = false;
    auto copied = copy_files(built, joined(code_, path), options);
    if (!copied) return std::move(copied.error());
    return {};
  }

  Result<void> make_empty(const std::string& path) {
    const auto directory = make_below(root_.get(), code_, path);
    if (!directory) return directory.error();
    const auto& owner = places_.owner;
    if (owner && fchown(directory->get(), owner->first, owner->second) != 0) {
      return failure("set the owner of", joined(code_, path), errno);
    }
    return {};
  }

  Result<void> make_link(const ContentPlaces::Link& link) {
    auto parent = make_below(root_.get(), code_, files::parent_of(link.path));
    if (!parent) return std::move(parent.error());
    const std::string name(files::name_of(link.path));
    // Empty directories that came along with a writable one give way.
    if (auto gone = remove_tree(joined(code_, link.path), code_); !gone) return gone;
    if (symlinkat(link.target.c_str(), parent->get(), name.c_str()) == 0) return {};
    return failure("create link", joined(code_, link.path), errno);
  }

  const std::string &build_, &code_;
  const ContentPlaces& places_;
  Handle root_;
};

}  // namespace

std::vector<std::string> excluded_paths(const ContentPlaces& places) {
  std::vector<std::string> paths = places.writable;
  for (const auto& link : places.files) paths.push_back(link.path);
  return paths;
}

Result<void> check_content_places(const TreeManifest& manifest, const ContentPlaces& places) {
  if (auto done = check_nesting(places); !done) return done;
  for (const std::string& path : places.writable) {
    if (const TreeEntry* entry = in_the_way(manifest, path)) {
      return blocked("writable", path, entry->path);
    }
  }
  for (const auto& link : places.files) {
    if (!link.target.starts_with('/')) {
      return Error{ErrorKind::invalid,
                   "content directory " + quoted(link.target) + " is not absolute"};
    }
    if (const TreeEntry* entry = in_the_way(manifest, link.path)) {
      return blocked("files", link.path, entry->path);
    }
    if (const TreeEntry* entry = first_below(manifest, link.path)) {
      return blocked("files", link.path, entry->path);
    }
  }
  return {};
}

Result<void> make_content_places(const std::string& build_directory, const TreeManifest& manifest,
                                 const std::string& code_directory, const ContentPlaces& places) {
  if (auto fits = check_content_places(manifest, places); !fits) return fits;
  return Places(build_directory, code_directory, places).make();
}

Result<std::vector<Change>> scan_places(const std::string& code_directory,
                                        const ContentPlaces& places) {
  std::vector<Change> changes;
  const auto root = files::open_directory(code_directory);
  if (!root) return root.error();
  struct stat status {};
  for (const std::string& path : places.writable) {
    const bool nested = std::any_of(
        places.writable.begin(), places.writable.end(),
        [&](const std::string& outer) { return outer != path && at_or_below(path, outer); });
    if (nested) continue;
    const Handle parent = files::open_parent_below(root->get(), path);
    if (!parent || !files::status_of(parent.get(), std::string(files::name_of(path)), status)) {
      changes.push_back({path, ChangeKind::removed});
    } else if (!S_ISDIR(status.st_mode)) {
      changes.push_back({path, ChangeKind::type});
    }
  }
  for (const auto& link : places.files) {
    const std::string name(files::name_of(link.path));
    const Handle parent = files::open_parent_below(root->get(), link.path);
    if (!parent || !files::status_of(parent.get(), name, status)) {
      changes.push_back({link.path, ChangeKind::removed});
    } else if (!S_ISLNK(status.st_mode)) {
      changes.push_back({link.path, ChangeKind::type});
    } else if (files::link_target(parent.get(), name) != link.target) {
      changes.push_back({link.path, ChangeKind::changed});
    }
  }
  return changes;
}

Result<bool> is_replaced(const std::string& code_directory, const std::string& path) {
  const auto root = files::open_directory(code_directory);
  if (!root) return false;
  const std::string name(files::name_of(path));
  struct stat status {};
  const Handle parent = files::open_parent_below(root->get(), path);
  if (!parent || !files::status_of(parent.get(), name, status) || S_ISLNK(status.st_mode))
    return false;
  if (!S_ISDIR(status.st_mode)) return true;
  const Handle directory = files::open_below(parent.get(), name);
  const auto listing = directory ? files::list(directory.get()) : files::Listing{{}, errno};
  if (listing.error != 0) return failure("list", joined(code_directory, path), listing.error);
  return !listing.names.empty();
}

bool has_below(const TreeManifest& manifest, const std::string& path) {
  return first_below(manifest, path) != nullptr;
}

Result<void> put_link_back(const std::string& code_directory, const ContentPlaces::Link& link,
                           const std::string& aside) {
  const auto root = files::open_directory(code_directory);
  if (!root) return root.error();
  const std::string name(files::name_of(link.path));
  const Handle parent = files::open_parent_below(root->get(), link.path);
  if (!parent) return failure("open the parent of", joined(code_directory, link.path), errno);
  if (renameat2(parent.get(), name.c_str(), AT_FDCWD, aside.c_str(), RENAME_NOREPLACE) != 0)
    return failure("move aside", joined(code_directory, link.path), errno);
  if (symlinkat(link.target.c_str(), parent.get(), name.c_str()) == 0) return {};
  return failure("create link", joined(code_directory, link.path), errno);
}

}  // namespace tidegate
