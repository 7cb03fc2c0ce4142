// Compares two trees with a stack of its own: a tree nested a hundred thousand deep must not end
// the process.

#include "controller/git/tree_difference.h"

#include <git2.h>

#include <algorithm>
#include <optional>

#include "controller/git/handles.h"

namespace tidegate {

namespace {

constexpr std::size_t files_max = 1'000'000;
constexpr std::size_t folders_max = 1'000'000;
constexpr std::size_t path_bytes_max = 4'095;  // No longer path can be opened.

bool is_tree(const git_tree_entry* entry) {
  return entry && git_tree_entry_type(entry) == GIT_OBJECT_TREE;
}

bool is_same(const git_tree_entry* a, const git_tree_entry* b) {
  return git_tree_entry_filemode(a) == git_tree_entry_filemode(b) &&
         git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b));
}

class Difference {
 public:
  Difference(git_repository* repository, git_odb* odb) : repository_(repository), odb_(odb) {}

  std::optional<Error> run(const git_tree* before, const git_tree* after,
                           const std::string& prefix) {
    if (auto error = compare(before, after, prefix)) return error;
    for (std::size_t folders = 0; !pending_.empty(); ++folders) {
      if (folders == folders_max)
        return Error{ErrorKind::invalid, "the tree has more than 1000000 folders"};
      const Pending next = std::move(pending_.back());
      pending_.pop_back();
      GitHandle<git_tree> old_tree, new_tree;
      if ((next.before && git_tree_lookup(old_tree.out(), repository_, &*next.before) < 0) ||
          (next.after && git_tree_lookup(new_tree.out(), repository_, &*next.after) < 0))
        return Error{ErrorKind::transient,
                     "read folder \"" + next.prefix + "\": " + libgit2_reason()};
      if (auto error = compare(old_tree.get(), new_tree.get(), next.prefix)) return error;
    }
    return std::nullopt;
  }

  std::vector<TrackedFile> files;

 private:
  struct Pending {
    std::optional<git_oid> before, after;
    std::string prefix;
  };

  std::optional<Error> compare(const git_tree* before, const git_tree* after,
                               const std::string& prefix) {
    const std::size_t new_count = after ? git_tree_entrycount(after) : 0;
    for (std::size_t i = 0; i < new_count; ++i) {
      const git_tree_entry* now = git_tree_entry_byindex(after, i);
      const git_tree_entry* old =
          before ? git_tree_entry_byname(before, git_tree_entry_name(now)) : nullptr;
      if (old && is_same(old, now)) continue;
      if (auto error = note(old, now, prefix + git_tree_entry_name(now))) return error;
    }
    const std::size_t old_count = before ? git_tree_entrycount(before) : 0;
    for (std::size_t i = 0; i < old_count; ++i) {
      const git_tree_entry* old = git_tree_entry_byindex(before, i);
      if (after && git_tree_entry_byname(after, git_tree_entry_name(old))) continue;
      if (auto error = note(old, nullptr, prefix + git_tree_entry_name(old))) return error;
    }
    return std::nullopt;
  }

  std::optional<Error> note(const git_tree_entry* old, const git_tree_entry* now,
                            const std::string& path) {
    if (path.size() > path_bytes_max)
      return Error{ErrorKind::invalid, "the tree has a path of more than 4095 bytes: \"" +
                                           clean_line(path, 60) + "…\""};
    if (is_tree(old) || is_tree(now)) {
      Pending folder{.before = {}, .after = {}, .prefix = path + "/"};
      if (is_tree(old)) folder.before = *git_tree_entry_id(old);
      if (is_tree(now)) folder.after = *git_tree_entry_id(now);
      pending_.push_back(std::move(folder));
    }
    // A file that became a folder is gone as a file; one that was a folder is new.
    const bool file_now = now && !is_tree(now);
    const bool file_gone = old && !is_tree(old) && !file_now;
    if (!file_now && !file_gone) return std::nullopt;
    if (files.size() == files_max)
      return Error{ErrorKind::invalid, "the tree has more than 1000000 files"};
    if (!file_now) {
      files.push_back({path, "", 0, 0});
      return std::nullopt;
    }
    TrackedFile file{path, to_hex(*git_tree_entry_id(now)),
                     static_cast<unsigned>(git_tree_entry_filemode(now)), 0};
    std::size_t size = 0;
    git_object_t type;
    if (git_tree_entry_type(now) == GIT_OBJECT_BLOB &&
        git_odb_read_header(&size, &type, odb_, git_tree_entry_id(now)) < 0)
      return Error{ErrorKind::transient, "read \"" + path + "\": " + libgit2_reason()};
    file.size = size;
    files.push_back(std::move(file));
    return std::nullopt;
  }

  git_repository* repository_;
  git_odb* odb_;
  std::vector<Pending> pending_;
};

}  // namespace

Result<std::vector<TrackedFile>> tree_difference(git_repository* repository, const git_tree* before,
                                                 const git_tree* after, const std::string& prefix) {
  GitHandle<git_odb> odb;
  if (git_repository_odb(odb.out(), repository) < 0)
    return Error{ErrorKind::transient, "read the repository: " + libgit2_reason()};
  Difference difference(repository, odb.get());
  if (auto error = difference.run(before, after, prefix)) return std::move(*error);
  std::sort(difference.files.begin(), difference.files.end(),
            [](const TrackedFile& a, const TrackedFile& b) { return a.path < b.path; });
  return std::move(difference.files);
}

}  // namespace tidegate
