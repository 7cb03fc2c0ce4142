// Manifests from a git repository or a plain directory, as changes.

#include "controller/git/source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "controller/git/touched.h"
#include "controller/git/tree_rules.h"

namespace tidegate {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t manifest_bytes_max = 256 << 10;
constexpr unsigned mode_link = 0120000, mode_submodule = 0160000;
constexpr std::size_t names_shown_max = 5;

/// Stands for a text nobody would want in memory: too large in itself, so it is refused where texts
/// are read, with its file's name, and the site keeps its last good state.
std::string oversized_text() { return std::string(manifest_bytes_max + 1, ' '); }

Error unchanged(const std::string& cause) {
  return {ErrorKind::invalid, cause + "; nothing is changed"};
}

bool is_commit(const std::string& ref) {
  return ref.size() == 40 && ref.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::optional<CommitId> find_head(const GitRepository& repository, const std::string& ref) {
  for (const char* prefix : {"refs/heads/", "refs/tags/", ""}) {
    if (*prefix == '\0' && !ref.starts_with("refs/")) break;
    if (auto commit = repository.resolve(prefix + ref)) return commit;
  }
  if (is_commit(ref) && repository.has({ref})) return CommitId{ref};
  return std::nullopt;
}

/// "it has main, dev, v1.0 and 7 more".
std::string names_of(const std::vector<std::string>& references) {
  std::string text = "it has ";
  for (std::size_t i = 0; i < std::min(references.size(), names_shown_max); ++i) {
    const std::string& full = references[i];
    text += (i == 0 ? "" : ", ") + full.substr(full.find('/', 5) + 1);
  }
  if (references.size() > names_shown_max)
    text += " and " + std::to_string(references.size() - names_shown_max) + " more";
  return text;
}

std::string relative_to(const std::string& folder, const std::string& path) {
  return folder.empty() ? path : path.substr(folder.size() + 1);
}

/// Turns entries of a tree into changes; what is no plain file is skipped and told.
std::optional<Error> add_changes(const GitRepository& repository, const std::string& folder,
                                 const std::vector<TrackedFile>& entries, Snapshot& snapshot) {
  for (const TrackedFile& entry : entries) {
    const std::string path = relative_to(folder, entry.path);
    if (!is_manifest_path(path)) continue;
    if (entry.blob.empty()) {
      snapshot.changes.push_back({path, std::nullopt});
    } else if (entry.mode == mode_link || entry.mode == mode_submodule) {
      // Not "gone": a text nobody can read as a manifest keeps what the file said while it was one.
      const std::string kind = entry.mode == mode_link ? "a symbolic link" : "a submodule";
      snapshot.skipped.push_back("\"" + path + "\" is " + kind + ", not a file; it is not read");
      snapshot.changes.push_back({path, kind + ", not a file"});
    } else if (entry.size > manifest_bytes_max) {
      snapshot.changes.push_back({path, oversized_text()});
    } else {
      auto text = repository.read_blob(entry.blob, manifest_bytes_max);
      if (!text) return std::move(text.error()).within("\"" + entry.path + "\"");
      snapshot.changes.push_back({path, std::move(*text)});
    }
  }
  return std::nullopt;
}

/// Says of each change who brought it. Nobody, where there are too many commits to look at.
void add_commits(const GitRepository& repository, const std::string& folder,
                 const std::optional<CommitId>& since, Snapshot& snapshot) {
  const std::vector<CommitId> head{snapshot.commit};
  if (snapshot.complete) {
    for (FileChange& change : snapshot.changes) change.commits = head;
    return;
  }
  auto touched = touched_between(repository, *since, snapshot.commit, folder);
  if (!touched) return;
  for (FileChange& change : snapshot.changes) {
    const auto found = touched->find(folder.empty() ? change.path : folder + "/" + change.path);
    // What no commit touched came by moving the branch, which nobody signed but its tip.
    change.commits = found == touched->end() ? head : std::move(found->second);
  }
}

bool has_manifest(const std::string& folder, const std::vector<TrackedFile>& entries) {
  return std::any_of(entries.begin(), entries.end(), [&](const TrackedFile& entry) {
    return entry.mode != mode_link && entry.mode != mode_submodule && !entry.blob.empty() &&
           is_manifest_path(relative_to(folder, entry.path));
  });
}

Result<Snapshot> snapshot_of(const GitRepository& repository, const std::string& source,
                             const CommitId& head, const std::string& folder,
                             const std::optional<CommitId>& since) {
  const std::string commit = "commit \"" + head.brief() + "\" of " + source;
  if (!repository.has_path(head, folder))
    return unchanged(commit + (folder.empty() ? " holds no file" : " has no \"" + folder + "\""));
  auto facts = repository.facts(head);
  if (!facts) return std::move(facts.error());
  Snapshot snapshot{.commit = head,
                    .author = facts->author,
                    .subject = facts->subject,
                    .at = facts->at,
                    .changes = {},
                    .skipped = {}};
  snapshot.rewritten = since && !repository.is_ancestor(*since, head);
  snapshot.complete = !since || !repository.has(*since);
  auto entries =
      snapshot.complete ? repository.list(head, folder) : repository.changed(*since, head, folder);
  if (!entries) return std::move(entries.error());
  // Only where every change takes something away can the last manifest have gone.
  if (!has_manifest(folder, *entries)) {
    auto all = snapshot.complete ? std::move(entries) : repository.list(head, folder);
    if (!all) return std::move(all.error());
    if (!has_manifest(folder, *all))
      return unchanged(commit + " holds no manifest (*.yaml, *.yml)" +
                       (folder.empty() ? "" : " below \"" + folder + "\""));
  }
  if (auto error = add_changes(repository, folder, *entries, snapshot)) return std::move(*error);
  add_commits(repository, folder, since, snapshot);
  return snapshot;
}

}  // namespace

GitManifests::GitManifests(Mirror mirror, std::string ref, std::string path)
    : mirror_(std::move(mirror)), ref_(std::move(ref)), path_(std::move(path)) {}

Result<std::optional<Snapshot>> GitManifests::changed_since(const std::optional<CommitId>& since) {
  const std::string source = "git repository \"" + mirror_.url() + "\"";
  const auto folder = tree_path(path_);
  if (!folder) return Error{ErrorKind::invalid, "\"" + path_ + "\" is no path inside a repository"};
  if (auto refreshed = mirror_.refresh(); !refreshed) return std::move(refreshed.error());
  auto repository = mirror_.open();
  if (!repository) return std::move(repository.error());
  const auto head = find_head(*repository, ref_);
  if (!head) {
    const auto references = repository->references();
    if (references.empty()) return unchanged(source + " has no branch and no tag");
    return unchanged(source + " has no " + (is_commit(ref_) ? "commit" : "branch or tag") + " \"" +
                     ref_ + "\" (" + names_of(references) + ")");
  }
  if (head == since) return std::optional<Snapshot>();
  auto snapshot = snapshot_of(*repository, source, *head, *folder, since);
  if (!snapshot) return std::move(snapshot.error());
  return std::optional(std::move(*snapshot));
}

Result<Snapshot> manifests_at(const GitRepository& repository, const std::string& source,
                              const CommitId& commit, const std::string& folder) {
  return snapshot_of(repository, source, commit, folder, std::nullopt);
}

namespace {

/// Whether the file at `path` lies below `root` once links are followed.
bool lies_below(const fs::path& root, const fs::path& path) {
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end();
}

Result<std::string> read_text(const fs::path& path) {
  std::error_code failure;
  if (fs::file_size(path, failure) > manifest_bytes_max && !failure) return oversized_text();
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (failure || !file.is_open() || file.bad())
    return Error{ErrorKind::invalid,
                 "\"" + path.string() + "\" cannot be read: " + std::strerror(errno)};
  return text;
}

}  // namespace

Result<std::vector<FileChange>> read_directory(const std::string& directory) {
  std::error_code failure;
  const fs::path root = fs::canonical(directory, failure);
  auto walk = failure ? fs::recursive_directory_iterator()
                      : fs::recursive_directory_iterator(root, failure);
  if (failure == std::errc::not_a_directory)
    return Error{ErrorKind::invalid, "\"" + directory +
                                         "\" is a file; manifests are read from a directory: "
                                         "name the one it lies in"};
  if (failure)
    return Error{ErrorKind::invalid, "\"" + directory + "\" cannot be read: " + failure.message()};
  std::vector<FileChange> files;
  for (; walk != fs::recursive_directory_iterator(); walk.increment(failure)) {
    const fs::path path = walk->path();
    const std::string name = path.lexically_relative(root);
    if (path.filename().string().starts_with(".")) {
      walk.disable_recursion_pending();
      continue;
    }
    if (!is_manifest_path(name) || walk->is_directory(failure)) continue;
    const fs::path real = fs::canonical(path, failure);
    if (!failure && !lies_below(root, real))
      return Error{ErrorKind::invalid, "\"" + path.string() + "\" is a link that leaves \"" +
                                           root.string() + "\"; put a copy of the file there"};
    if (!failure && !fs::is_regular_file(real, failure)) continue;
    if (failure)
      return Error{ErrorKind::invalid,
                   "\"" + path.string() + "\" cannot be read: " + failure.message()};
    auto text = read_text(real);
    if (!text) return std::move(text.error());
    files.push_back({name, std::move(*text)});
  }
  if (failure)
    return Error{ErrorKind::invalid, "\"" + directory + "\" cannot be read: " + failure.message()};
  std::sort(files.begin(), files.end(),
            [](const FileChange& a, const FileChange& b) { return a.path < b.path; });
  return files;
}

}  // namespace tidegate
