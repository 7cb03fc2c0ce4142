// Reads commits, trees and blobs through libgit2.

#include "controller/git/repository.h"

#include <git2.h>

#include <algorithm>

#include "controller/git/handles.h"
#include "controller/git/tree_difference.h"
#include "controller/git/tree_rules.h"

namespace tidegate {

namespace {

constexpr std::size_t subject_bytes_max = 500;
constexpr std::size_t object_bytes_max = 1 << 20;

Error unknown_commit(const CommitId& commit) {
  return {ErrorKind::invalid, "commit \"" + commit.hex + "\" is not in the repository"};
}

Error not_inside(const std::string& path) {
  return {ErrorKind::invalid, "\"" + path + "\" is no path inside a repository"};
}

GitHandle<git_commit> find_commit(git_repository* repository, const CommitId& id) {
  GitHandle<git_commit> commit;
  git_oid oid;
  if (from_hex(id.hex, oid)) git_commit_lookup(commit.out(), repository, &oid);
  return commit;
}

/// What lies at `path` of a commit: its tree, the id and mode of one file in it, or nothing.
struct Found {
  GitHandle<git_tree> tree;
  std::optional<TrackedFile> file;
};

Found find_path(git_repository* repository, git_commit* commit, const std::string& path) {
  Found found;
  GitHandle<git_tree> root;
  if (git_commit_tree(root.out(), commit) < 0) return found;
  if (path.empty()) {
    found.tree = std::move(root);
    return found;
  }
  GitHandle<git_tree_entry> entry;
  if (git_tree_entry_bypath(entry.out(), root.get(), path.c_str()) < 0) return found;
  if (git_tree_entry_type(entry.get()) == GIT_OBJECT_TREE) {
    git_tree_lookup(found.tree.out(), repository, git_tree_entry_id(entry.get()));
    return found;
  }
  found.file = TrackedFile{path, to_hex(*git_tree_entry_id(entry.get())),
                           static_cast<unsigned>(git_tree_entry_filemode(entry.get())), 0};
  GitHandle<git_odb> odb;
  std::size_t size = 0;
  git_object_t type;
  if (git_repository_odb(odb.out(), repository) == 0 &&
      git_odb_read_header(&size, &type, odb.get(), git_tree_entry_id(entry.get())) == 0)
    found.file->size = type == GIT_OBJECT_BLOB ? size : 0;
  return found;
}

/// The bytes of an object that is one of these; nothing when it is not there, is of another type,
/// or is too large to be written by people.
std::optional<std::string> read_object(git_repository* repository, const git_oid& id,
                                       git_object_t wanted) {
  GitHandle<git_odb> odb;
  GitHandle<git_odb_object> object;
  std::size_t size = 0;
  git_object_t type;
  if (git_repository_odb(odb.out(), repository) < 0 ||
      git_odb_read_header(&size, &type, odb.get(), &id) < 0 || type != wanted ||
      size > object_bytes_max || git_odb_read(object.out(), odb.get(), &id) < 0)
    return std::nullopt;
  return std::string(static_cast<const char*>(git_odb_object_data(object.get())),
                     git_odb_object_size(object.get()));
}

std::string with_slash(const std::string& path) { return path.empty() ? "" : path + "/"; }

}  // namespace

void GitRepository::Release::operator()(git_repository* repository) const {
  git_repository_free(repository);
}
GitRepository::GitRepository(git_repository* opened) : repository_(opened) {}
GitRepository::GitRepository(GitRepository&&) noexcept = default;
GitRepository& GitRepository::operator=(GitRepository&&) noexcept = default;
GitRepository::~GitRepository() = default;

Result<GitRepository> GitRepository::open(const std::string& path) {
  use_libgit2();
  git_repository* opened = nullptr;
  for (const std::string& candidate : {path, path + "/.git"})
    if (git_repository_open_bare(&opened, candidate.c_str()) == 0) return GitRepository(opened);
  return Error{ErrorKind::invalid, "\"" + path + "\" is not a git repository"};
}

std::optional<CommitId> GitRepository::resolve(const std::string& full_ref) const {
  GitHandle<git_reference> reference;
  if (git_reference_lookup(reference.out(), repository_.get(), full_ref.c_str()) < 0)
    return std::nullopt;
  GitHandle<git_object> commit;
  if (git_reference_peel(commit.out(), reference.get(), GIT_OBJECT_COMMIT) < 0) return std::nullopt;
  return CommitId{to_hex(*git_object_id(commit.get()))};
}

std::vector<std::string> GitRepository::references() const {
  std::vector<std::string> names;
  GitHandle<git_reference_iterator> iterator;
  if (git_reference_iterator_new(iterator.out(), repository_.get()) < 0) return names;
  const char* name = nullptr;
  while (git_reference_next_name(&name, iterator.get()) == 0) {
    const std::string full = name;
    if (full.starts_with("refs/heads/") || full.starts_with("refs/tags/")) names.push_back(full);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool GitRepository::has(const CommitId& commit) const {
  return bool(find_commit(repository_.get(), commit));
}

Result<CommitFacts> GitRepository::facts(const CommitId& id) const {
  const auto commit = find_commit(repository_.get(), id);
  if (!commit) return unknown_commit(id);
  const git_signature* author = git_commit_author(commit.get());
  const char* subject = git_commit_summary(commit.get());
  CommitFacts facts{.id = id, .author = "", .subject = "", .at = {}};
  if (author)
    facts.author =
        clean_line(std::string(author->name) + " <" + author->email + ">", subject_bytes_max);
  if (subject) facts.subject = clean_line(subject, subject_bytes_max);
  facts.at = Timestamp(std::chrono::seconds(git_commit_time(commit.get())));
  return facts;
}

Result<std::string> GitRepository::read_commit(const CommitId& id) const {
  git_oid oid;
  if (!from_hex(id.hex, oid) || !has(id)) return unknown_commit(id);
  auto object = read_object(repository_.get(), oid, GIT_OBJECT_COMMIT);
  if (!object)
    return Error{ErrorKind::invalid, "commit \"" + id.hex + "\" cannot be read, or is above 1 MiB"};
  return std::move(*object);
}

std::optional<TagObject> GitRepository::read_tag(const std::string& full_ref) const {
  git_oid oid;
  if (git_reference_name_to_id(&oid, repository_.get(), full_ref.c_str()) < 0) return std::nullopt;
  GitHandle<git_object> tag;
  auto object = read_object(repository_.get(), oid, GIT_OBJECT_TAG);
  if (!object || git_object_lookup(tag.out(), repository_.get(), &oid, GIT_OBJECT_TAG) < 0)
    return std::nullopt;
  const auto* annotated = reinterpret_cast<const git_tag*>(tag.get());
  if (git_tag_target_type(annotated) != GIT_OBJECT_COMMIT) return std::nullopt;
  return TagObject{std::move(*object), {to_hex(*git_tag_target_id(annotated))}};
}

Result<std::vector<CommitAndParents>> GitRepository::between(const CommitId& before,
                                                             const CommitId& after,
                                                             std::size_t limit) const {
  git_oid older, newer;
  if (!has(before) || !from_hex(before.hex, older)) return unknown_commit(before);
  if (!has(after) || !from_hex(after.hex, newer)) return unknown_commit(after);
  GitHandle<git_revwalk> walk;
  if (git_revwalk_new(walk.out(), repository_.get()) < 0 ||
      git_revwalk_push(walk.get(), &newer) < 0 || git_revwalk_hide(walk.get(), &older) < 0)
    return Error{ErrorKind::transient, "read history: " + libgit2_reason()};
  std::vector<CommitAndParents> commits;
  git_oid next;
  int code = 0;
  while ((code = git_revwalk_next(&next, walk.get())) == 0) {
    if (commits.size() == limit)
      return Error{ErrorKind::invalid, "there are more than " + std::to_string(limit) +
                                           " commits between \"" + before.brief() + "\" and \"" +
                                           after.brief() + "\""};
    GitHandle<git_commit> commit;
    if (git_commit_lookup(commit.out(), repository_.get(), &next) < 0) break;
    CommitAndParents& found = commits.emplace_back(CommitAndParents{{to_hex(next)}, {}});
    for (unsigned i = 0; i < git_commit_parentcount(commit.get()); ++i)
      found.parents.push_back({to_hex(*git_commit_parent_id(commit.get(), i))});
  }
  if (code != GIT_ITEROVER) return Error{ErrorKind::transient, "read history: " + libgit2_reason()};
  return commits;
}

Result<std::vector<TrackedFile>> GitRepository::list(const CommitId& id,
                                                     const std::string& under) const {
  const auto path = tree_path(under);
  if (!path) return not_inside(under);
  const auto commit = find_commit(repository_.get(), id);
  if (!commit) return unknown_commit(id);
  const Found found = find_path(repository_.get(), commit.get(), *path);
  if (found.file) return std::vector<TrackedFile>{*found.file};
  if (!found.tree)
    return Error{ErrorKind::invalid,
                 "there is no \"" + *path + "\" in commit \"" + id.brief() + "\""};
  auto files = tree_difference(repository_.get(), nullptr, found.tree.get(), with_slash(*path));
  if (!files) return std::move(files.error()).within("commit \"" + id.brief() + "\"");
  return files;
}

Result<std::vector<TrackedFile>> GitRepository::changed(const CommitId& before,
                                                        const CommitId& after,
                                                        const std::string& under) const {
  const auto path = tree_path(under);
  if (!path) return not_inside(under);
  const auto old_commit = find_commit(repository_.get(), before);
  if (!old_commit) return unknown_commit(before);
  const auto new_commit = find_commit(repository_.get(), after);
  if (!new_commit) return unknown_commit(after);
  const Found old_found = find_path(repository_.get(), old_commit.get(), *path);
  const Found new_found = find_path(repository_.get(), new_commit.get(), *path);
  auto files = tree_difference(repository_.get(), old_found.tree.get(), new_found.tree.get(),
                               with_slash(*path));
  if (!files) return std::move(files.error()).within("commit \"" + after.brief() + "\"");
  if (old_found.file != new_found.file)
    files->insert(files->begin(), new_found.file.value_or(TrackedFile{*path, "", 0, 0}));
  return files;
}

Result<std::string> GitRepository::read_blob(const std::string& hex, std::uint64_t limit) const {
  git_oid oid;
  if (!from_hex(hex, oid)) return Error{ErrorKind::invalid, "\"" + hex + "\" is no object id"};
  GitHandle<git_odb> odb;
  if (git_repository_odb(odb.out(), repository_.get()) < 0)
    return Error{ErrorKind::transient, "read the repository: " + libgit2_reason()};
  std::size_t size = 0;
  git_object_t type;
  const int code = git_odb_read_header(&size, &type, odb.get(), &oid);
  if (code == GIT_ENOTFOUND || (code == 0 && type != GIT_OBJECT_BLOB))
    return Error{ErrorKind::invalid, "blob \"" + hex + "\" is not in the repository"};
  if (code == 0 && size > limit)
    return Error{ErrorKind::invalid, "blob \"" + hex + "\" has " + std::to_string(size) +
                                         " bytes, more than " + std::to_string(limit)};
  GitHandle<git_odb_object> object;
  if (code < 0 || git_odb_read(object.out(), odb.get(), &oid) < 0)
    return Error{ErrorKind::transient, "read blob \"" + hex + "\": " + libgit2_reason()};
  return std::string(static_cast<const char*>(git_odb_object_data(object.get())),
                     git_odb_object_size(object.get()));
}

bool GitRepository::has_path(const CommitId& id, const std::string& written) const {
  const auto path = tree_path(written);
  const auto commit = find_commit(repository_.get(), id);
  if (!path || !commit) return false;
  const Found found = find_path(repository_.get(), commit.get(), *path);
  return found.file || (found.tree && git_tree_entrycount(found.tree.get()) > 0);
}

bool GitRepository::is_ancestor(const CommitId& ancestor, const CommitId& descendant) const {
  git_oid older, newer;
  if (!has(ancestor) || !from_hex(ancestor.hex, older) || !from_hex(descendant.hex, newer))
    return false;
  return ancestor == descendant || git_graph_descendant_of(repository_.get(), &newer, &older) == 1;
}

}  // namespace tidegate
