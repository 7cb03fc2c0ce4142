#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "controller/host/files/diff_text.h"
#include "controller/host/files/handle.h"
#include "controller/host/files/tree.h"
#include "controller/host/files/tree_parts.h"

namespace tidegate {
namespace {

using files::Handle;
using files::joined;
using files::quoted;

constexpr std::size_t file_limit = 4 << 20;  // Longer files are named, not shown.

/// What is at a path now, as far as it can be shown.
struct Present {
  enum class Kind { absent, file, link, directory, other } kind = Kind::absent;
  unsigned mode = 0;
  std::string bytes;  ///< Of a file, or a link's target.
  bool whole = true;  ///< False: too long, or closed to us.
  std::string sha256;
};

void read_file(int parent, const std::string& name, Present& present) {
  const Handle file(openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    present.whole = false;
    return;
  }
  present.sha256 = files::sha256_of(file.get()).value_or("");
  // A byte more than may be shown tells that there is more.
  present.bytes.resize(
      std::min<std::size_t>(static_cast<std::size_t>(status.st_size), file_limit + 1));
  std::size_t filled = 0;
  while (filled < present.bytes.size()) {
    const ssize_t size = pread(file.get(), present.bytes.data() + filled,
                               present.bytes.size() - filled, static_cast<off_t>(filled));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    filled += static_cast<std::size_t>(size);
  }
  present.bytes.resize(filled);
  present.whole = filled <= file_limit;
}

Present look_at(int root, const std::string& path) {
  Present present;
  const Handle parent = files::open_parent_below(root, path);
  const std::string name(files::name_of(path));
  struct stat status {};
  if (!parent || !files::status_of(parent.get(), name, status)) return present;
  present.mode = status.st_mode & 07777;
  if (S_ISREG(status.st_mode)) {
    present.kind = Present::Kind::file;
    read_file(parent.get(), name, present);
  } else if (S_ISLNK(status.st_mode)) {
    present.kind = Present::Kind::link;
    present.bytes = files::link_target(parent.get(), name).value_or("");
  } else {
    present.kind = S_ISDIR(status.st_mode) ? Present::Kind::directory : Present::Kind::other;
  }
  return present;
}

std::string octal(unsigned mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", mode);
  return text;
}

std::string name_in_patch(std::string_view side, const std::string& path) {
  const std::string full = joined(side, path);
  const std::string escaped = quoted(full);
  // Plain names as they are; those with odd bytes in quotes, so that each stays one line.
  return escaped.size() == full.size() + 2 ? full : escaped;
}

class Patch {
 public:
  Patch(int root, const TreeManifest& manifest, const Original& original, std::size_t limit)
      : root_(root), manifest_(manifest), original_(original), limit_(limit) {}

  void add(const Change& change) {
    if (full_) {
      ++left_out_;
      return;
    }
    std::string text = describe(change);
    if (text_.size() + text.size() > limit_) {
      text =
          change.path.size() + 100 > limit_
              ? ""
              : "# " + quoted(change.path) + " " + to_string(change.kind) + ": too long to show\n";
      full_ = text_.size() + text.size() > limit_;
      if (full_) {
        ++left_out_;
        return;
      }
    }
    text_ += text;
  }

  std::string finish() && {
    if (left_out_ > 0) text_ += "# " + std::to_string(left_out_) + " more changes are not shown\n";
    return std::move(text_);
  }

 private:
  const TreeEntry* sealed(const std::string& path) const {
    const auto& entries = manifest_.entries;
    const auto found = std::lower_bound(
        entries.begin(), entries.end(), path,
        [](const TreeEntry& entry, const std::string& wanted) { return entry.path < wanted; });
    return found != entries.end() && found->path == path ? &*found : nullptr;
  }

  std::string describe(const Change& change) const {
    const TreeEntry* entry = sealed(change.path);
    const Present present = look_at(root_, change.path);
    std::string text = "# " + quoted(change.path) + " " + to_string(change.kind) + "\n";
    if (entry && entry->mode != present.mode && entry->kind != EntryKind::link &&
        present.kind != Present::Kind::absent && present.kind != Present::Kind::link) {
      text += "old mode " + octal(entry->mode) + "\nnew mode " + octal(present.mode) + "\n";
    }
    if (change.kind == ChangeKind::mode) return text;
    return text + bodies(change.path, entry, present);
  }

  /// The difference in content: of files as hunks, of the rest in words.
  std::string bodies(const std::string& path, const TreeEntry* entry,
                     const Present& present) const {
    const bool was_file = entry && entry->kind == EntryKind::file;
    const bool is_file = present.kind == Present::Kind::file;
    std::string words = before_in_words(entry) + after_in_words(present);
    if (!was_file && !is_file) return words;
    std::string before;
    if (was_file) {
      auto bytes = original_ ? original_(path) : std::nullopt;
      if (!bytes) {
        words += "# the sealed bytes are not at hand (sha256 " + entry->sha256 + ")\n";
      } else {
        before = std::move(*bytes);
      }
    }
    if (is_file && !present.whole) return words + "# now too long or not readable, not shown\n";
    if (!files::is_text(before) || !files::is_text(present.bytes)) {
      return words + "Binary file " + quoted(path) +
             (is_file ? " changed (sha256 " + present.sha256 + ")\n" : " removed\n");
    }
    const std::string changed = files::hunks(before, present.bytes);
    if (changed.empty()) return words;
    return words + "--- " + (was_file ? name_in_patch("a", path) : "/dev/null") + "\n+++ " +
           (is_file ? name_in_patch("b", path) : "/dev/null") + "\n" + changed;
  }

  static std::string before_in_words(const TreeEntry* entry) {
    if (!entry || entry->kind == EntryKind::file) return "";
    if (entry->kind == EntryKind::directory) return "- directory\n";
    return "- symbolic link to " + quoted(entry->target) + "\n";
  }

  static std::string after_in_words(const Present& present) {
    switch (present.kind) {
      case Present::Kind::directory:
        return "+ directory\n";
      case Present::Kind::link:
        return "+ symbolic link to " + quoted(present.bytes) + "\n";
      case Present::Kind::other:
        return "+ socket, FIFO or device\n";
      default:
        return "";
    }
  }

  const int root_;
  const TreeManifest& manifest_;
  const Original& original_;
  const std::size_t limit_;
  std::string text_;
  bool full_ = false;
  std::size_t left_out_ = 0;
};

}  // namespace

Original originals_in(const std::string& directory, const TreeManifest& manifest) {
  return [&directory, &manifest](const std::string& path) -> std::optional<std::string> {
    const auto root = files::open_directory(directory);
    if (!root) return std::nullopt;
    Present present = look_at(root->get(), path);
    const auto sealed = std::find_if(manifest.entries.begin(), manifest.entries.end(),
                                     [&](const TreeEntry& entry) { return entry.path == path; });
    // What was changed in place through a hard link is no original any more.
    if (sealed == manifest.entries.end() || present.kind != Present::Kind::file || !present.whole ||
        files::sha256_of(present.bytes) != sealed->sha256) {
      return std::nullopt;
    }
    return std::move(present.bytes);
  };
}

std::string patch_of(const std::string& directory, const TreeManifest& manifest,
                     const std::vector<Change>& changes, const Original& original,
                     std::size_t limit) {
  const auto root = files::open_directory(directory);
  if (!root) return "# " + root.error().message + "\n";
  Patch patch(root->get(), manifest, original, limit);
  for (const Change& change : changes) patch.add(change);
  return std::move(patch).finish();
}

}  // namespace tidegate
