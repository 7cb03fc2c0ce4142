#include "controller/host/files/hand_changes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "controller/host/files/diff_text.h"
#include "controller/host/files/handle.h"
#include "controller/host/files/tree_parts.h"

namespace tidegate {
namespace {

using files::Handle;

constexpr unsigned mode_plain = 0100644, mode_executable = 0100755, mode_link = 0120000;
constexpr std::size_t compared_max = 4 << 20;  // Larger ones are told of without lines.
constexpr std::size_t told_max = 10;

/// What lies at a path: git's mode, and its bytes or target.
struct Found {
  unsigned mode = 0;
  std::string sha256, bytes;
  bool whole = true;
};

std::string read_up_to(int file, std::size_t limit) {
  std::string bytes(limit, '\0');
  std::size_t filled = 0;
  while (filled < limit) {
    const ssize_t size =
        pread(file, bytes.data() + filled, limit - filled, static_cast<off_t>(filled));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    filled += static_cast<std::size_t>(size);
  }
  bytes.resize(filled);
  return bytes;
}

Result<Found> look_at(int root, const std::string& path, std::size_t limit) {
  Found found;
  const Handle parent = files::open_parent_below(root, path);
  const std::string name(files::name_of(path));
  struct stat status {};
  if (!parent || !files::status_of(parent.get(), name, status)) return found;
  if (S_ISLNK(status.st_mode)) {
    found.mode = mode_link;
    found.bytes = files::link_target(parent.get(), name).value_or("");
    found.sha256 = files::sha256_of(found.bytes);
  } else if (S_ISREG(status.st_mode)) {
    const Handle file(
        openat(parent.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return files::failure("read", path, errno);
    auto hash = files::sha256_of(file.get());
    if (!hash) return files::failure("read", path, errno);
    found.mode = status.st_mode & 0100 ? mode_executable : mode_plain;
    found.sha256 = std::move(*hash);
    const auto size = static_cast<std::size_t>(status.st_size);
    found.whole = size <= limit;
    if (found.whole) found.bytes = read_up_to(file.get(), size + 1);
  }
  return found;
}

const TreeEntry* sealed(const TreeManifest& manifest, const std::string& path) {
  const auto found = std::ranges::lower_bound(manifest.entries, path, {}, &TreeEntry::path);
  return found != manifest.entries.end() && found->path == path ? &*found : nullptr;
}

unsigned mode_before(const TreeEntry* entry) {
  if (!entry || entry->kind == EntryKind::directory) return 0;
  if (entry->kind == EntryKind::link) return mode_link;
  return entry->mode & 0100 ? mode_executable : mode_plain;
}

std::string parent_in(const TreeManifest& manifest, const std::string& path) {
  for (auto slash = path.rfind('/'); slash != std::string::npos && slash > 0;
       slash = path.rfind('/', slash - 1)) {
    const TreeEntry* entry = sealed(manifest, path.substr(0, slash));
    if (entry && entry->kind == EntryKind::directory) return entry->path;
  }
  return "";
}

std::string lines_between(const std::string& before, const Found& now) {
  if (!now.whole || before.size() > compared_max || !files::is_text(before) ||
      !files::is_text(now.bytes))
    return "binary";
  std::size_t added = 0, removed = 0;
  bool begins = true;
  for (const char c : files::hunks(before, now.bytes)) {
    added += begins && c == '+';
    removed += begins && c == '-';
    begins = c == '\n';
  }
  return "+" + std::to_string(added) + " -" + std::to_string(removed);
}

std::string told_name(const std::string& path) {
  const std::string escaped = files::quoted(path);
  return escaped.size() == path.size() + 2 ? path : escaped;
}

}  // namespace

Result<std::vector<HandChange>> hand_changes(const std::string& code, const TreeManifest& manifest,
                                             const std::vector<Change>& changes,
                                             const Original& original) {
  std::vector<HandChange> out;
  auto root = files::open_directory(code);
  if (!root) return std::move(root.error());
  for (const Change& change : changes) {
    const TreeEntry* entry = sealed(manifest, change.path);
    auto now = look_at(root->get(), change.path, compared_max);
    if (!now) return std::move(now.error());
    const unsigned before = mode_before(entry);
    if (before == 0 && now->mode == 0) continue;
    if (change.kind == ChangeKind::mode && before == now->mode) continue;
    HandChange made{change.path, before == 0 ? 'A' : now->mode == 0 ? 'D' : 'M',
                    now->mode,   now->sha256,
                    "",          parent_in(manifest, change.path)};
    std::string was = before == mode_link ? entry->target : "";
    if (before == mode_plain || before == mode_executable)
      was = original(change.path).value_or(std::string());
    made.lines = lines_between(was, *now);
    out.push_back(std::move(made));
  }
  return out;
}

std::string summary_of(const std::vector<HandChange>& changes) {
  if (changes.empty()) return "";
  std::string text = std::to_string(changes.size()) + (changes.size() == 1 ? " file" : " files") +
                     " changed by hand: ";
  for (std::size_t i = 0; i < changes.size() && i < told_max; ++i) {
    const HandChange& change = changes[i];
    text += std::string(i ? ", " : "") + change.letter + " " + told_name(change.path) + " (" +
            change.lines + ")";
  }
  if (changes.size() > told_max)
    text += " and " + std::to_string(changes.size() - told_max) + " more";
  return text;
}

std::string digest_of(const std::vector<HandChange>& changes) {
  std::string text;
  for (const HandChange& change : changes)
    text += std::to_string(change.path.size()) + ":" + change.path + std::to_string(change.mode) +
            " " + change.sha256 + "\n";
  return files::sha256_of(text);
}

Result<std::string> bytes_of(const std::string& code, const HandChange& change) {
  auto root = files::open_directory(code);
  if (!root) return std::move(root.error());
  auto now = look_at(root->get(), change.path, hand_bytes_max);
  if (!now) return std::move(now.error());
  if (!now->whole)
    return Error{ErrorKind::invalid, files::quoted(change.path) + " has more than " +
                                         std::to_string(hand_bytes_max >> 20) +
                                         " MiB; keep it in the site's files, not in its code"};
  if (now->mode != change.mode || files::sha256_of(now->bytes) != change.sha256)
    return Error{ErrorKind::transient,
                 files::quoted(change.path) + " is being changed right now; repeat"};
  return std::move(now->bytes);
}

}  // namespace tidegate
