// Commits one changed file.

#include "controller/git/writer.h"

#include <fcntl.h>
#include <git2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "controller/git/handles.h"
#include "controller/git/tree_rules.h"

namespace tidegate {

namespace {

namespace fs = std::filesystem;

Error invalid(const std::string& message) { return {ErrorKind::invalid, message}; }
Error git_failed(const std::string& doing) {
  return {ErrorKind::transient, doing + ": " + libgit2_reason()};
}

struct Written {
  git_oid commit{}, blob{};
  git_filemode_t mode = GIT_FILEMODE_BLOB;
};

std::optional<Error> edit_problem(const FileEdit& edit) {
  const auto path = tree_path(edit.path);
  if (!path || path->empty() || *path != edit.path || !path_problem(edit.path).empty())
    return invalid("\"" + edit.path + "\" is no path of a file inside a repository");
  if (edit.before == edit.text) return invalid("\"" + edit.path + "\" would not change");
  for (const std::string& part : {edit.author_name, edit.author_mail})
    if (part.empty() || part.find_first_of(std::string("<>\n\0", 4)) != part.npos)
      return invalid("\"" + clean_line(part, 100) + "\" is no author's name or mail address");
  return std::nullopt;
}

/// Compares the file in `tree` with what the edit was made from.
std::optional<Error> compare_before(git_repository* repository, git_tree* tree,
                                    const FileEdit& edit, git_filemode_t& mode) {
  GitHandle<git_tree_entry> entry;
  git_tree_entry_bypath(entry.out(), tree, edit.path.c_str());
  if (!entry) {
    if (!edit.before) return std::nullopt;
    return invalid("\"" + edit.path + "\" is not in the commit to be changed");
  }
  GitHandle<git_blob> blob;
  mode = git_tree_entry_filemode(entry.get());
  const bool file = (mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE) &&
                    git_blob_lookup(blob.out(), repository, git_tree_entry_id(entry.get())) == 0;
  if (!file) return invalid("\"" + edit.path + "\" is no plain file in the commit to be changed");
  const std::string present(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                            git_blob_rawsize(blob.get()));
  if (present == edit.before) return std::nullopt;
  return invalid("\"" + edit.path +
                 "\" is different in the commit to be changed; read it again and repeat");
}

/// Writes blob, trees and commit. No reference moves.
Result<Written> write_commit(git_repository* repository, const git_oid& parent_id,
                             const FileEdit& edit) {
  GitHandle<git_commit> parent;
  GitHandle<git_tree> tree;
  if (git_commit_lookup(parent.out(), repository, &parent_id) < 0)
    return invalid("commit \"" + to_hex(parent_id) + "\" is not in the repository");
  if (git_commit_tree(tree.out(), parent.get()) < 0) return git_failed("read the parent commit");
  Written written;
  if (auto error = compare_before(repository, tree.get(), edit, written.mode))
    return std::move(*error);
  git_tree_update update{};
  update.action = GIT_TREE_UPDATE_UPSERT;
  update.filemode = written.mode;
  update.path = edit.path.c_str();
  git_oid tree_id;
  if (git_blob_create_from_buffer(&written.blob, repository, edit.text.data(), edit.text.size()) <
      0)
    return git_failed("write the file's object");
  update.id = written.blob;
  if (git_tree_create_updated(&tree_id, repository, tree.get(), 1, &update) < 0)
    return git_failed("write the tree");
  GitHandle<git_tree> new_tree;
  GitHandle<git_signature> author;
  const auto at = std::chrono::floor<std::chrono::seconds>(edit.at).time_since_epoch().count();
  if (git_tree_lookup(new_tree.out(), repository, &tree_id) < 0 ||
      git_signature_new(author.out(), edit.author_name.c_str(), edit.author_mail.c_str(), at, 0) <
          0)
    return git_failed("write the commit");
  const std::string message = edit.message.ends_with('\n') ? edit.message : edit.message + "\n";
  const git_commit* parents[] = {parent.get()};
  if (git_commit_create(&written.commit, repository, nullptr, author.get(), author.get(), nullptr,
                        message.c_str(), new_tree.get(), 1, parents) < 0)
    return git_failed("write the commit");
  return written;
}

/// A person's clone, opened from any directory of its work tree.
struct Clone {
  GitHandle<git_repository> repository;
  std::string work_tree;  ///< With a final slash.
  std::string below;      ///< The directory given, relative to the work tree; "" or "folder/".
};

std::optional<Error> owner_problem(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) < 0)
    return invalid("\"" + path + "\" cannot be read: " + std::strerror(errno));
  if (facts.st_uid == ::geteuid()) return std::nullopt;
  return invalid("\"" + path + "\" belongs to another user (" + std::to_string(facts.st_uid) +
                 "); run this as its owner, so that the clone stays theirs");
}

Result<Clone> open_clone(const std::string& directory) {
  use_libgit2();
  std::error_code failure;
  const fs::path real = fs::canonical(directory, failure);
  if (failure) return invalid("\"" + directory + "\" cannot be read: " + failure.message());
  fs::path top = real;
  while (!fs::exists(top / ".git", failure) && top != top.root_path()) top = top.parent_path();
  if (!fs::exists(top / ".git", failure))
    return invalid("\"" + directory +
                   "\" is in no git work tree; change the file by hand, or give the repository");
  for (const std::string& path : {top.string(), (top / ".git").string()})
    if (auto problem = owner_problem(path)) return std::move(*problem);
  Clone clone;
  if (git_repository_open_ext(clone.repository.out(), top.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH,
                              nullptr) < 0)
    return invalid("\"" + top.string() +
                   "\" cannot be used as a git repository: " + libgit2_reason());
  clone.work_tree = top.string() + (top == top.root_path() ? "" : "/");
  if (real != top) clone.below = real.lexically_relative(top).string() + "/";
  return clone;
}

Result<Clone> open_clone_for(const std::string& directory, FileEdit& edit) {
  auto clone = open_clone(directory);
  if (!clone) return clone;
  edit.path = clone->below + edit.path;
  if (auto problem = edit_problem(edit)) return std::move(*problem);
  // Reflogs name who did it; there is no configuration of the user to take a name from.
  git_repository_set_ident(clone->repository.get(), edit.author_name.c_str(),
                           edit.author_mail.c_str());
  return clone;
}

/// Why the checked-out branch cannot take a commit of this file now.
std::optional<Error> unclean(const Clone& clone, const FileEdit& edit) {
  git_repository* repository = clone.repository.get();
  if (git_repository_state(repository) != GIT_REPOSITORY_STATE_NONE)
    return invalid("a merge, rebase or the like is under way in \"" + clone.work_tree +
                   "\"; finish it first");
  if (git_repository_head_unborn(repository) == 1)
    return invalid("\"" + clone.work_tree + "\" has no commit yet; commit the manifests first");
  if (git_repository_head_detached(repository) == 1)
    return invalid("no branch is checked out in \"" + clone.work_tree +
                   "\"; check one out first: git switch BRANCH");
  unsigned flags = 0;
  const int code = git_status_file(&flags, repository, edit.path.c_str());
  if (code == GIT_ENOTFOUND && !edit.before) return std::nullopt;
  if (code == GIT_ENOTFOUND || (code == 0 && (flags & (GIT_STATUS_WT_NEW | GIT_STATUS_IGNORED))))
    return invalid("\"" + edit.path + "\" is not in git; commit it first: git add \"" + edit.path +
                   "\" && git commit");
  if (code < 0) return git_failed("look at \"" + edit.path + "\"");
  if (flags == GIT_STATUS_CURRENT && edit.before) return std::nullopt;
  return invalid("\"" + edit.path +
                 "\" has changes that are not committed; commit them, or undo "
                 "them: git restore --staged --worktree \"" +
                 edit.path + "\"");
}

/// Writes beside the file, so that the rename that follows cannot fail for want of space.
Result<std::string> write_beside(const std::string& path, const std::string& text,
                                 git_filemode_t mode) {
  struct stat facts {};
  const mode_t permissions = ::stat(path.c_str(), &facts) == 0
                                 ? facts.st_mode & 07777
                                 : (mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644);
  std::error_code ignored;
  fs::create_directories(fs::path(path).parent_path(), ignored);
  std::string fresh = path + ".XXXXXX";
  const int file = ::mkostemp(fresh.data(), O_CLOEXEC);
  if (file < 0)
    return Error{ErrorKind::transient, "write \"" + path + "\": " + std::strerror(errno)};
  bool done = ::fchmod(file, permissions) == 0;
  for (std::size_t at = 0; done && at < text.size();) {
    const ssize_t written = ::write(file, text.data() + at, text.size() - at);
    done = written > 0 || errno == EINTR;
    if (written > 0) at += static_cast<std::size_t>(written);
  }
  done = done && ::fsync(file) == 0;
  const int cause = errno;
  ::close(file);
  if (done) return fresh;
  ::unlink(fresh.c_str());
  return Error{ErrorKind::transient, "write \"" + path + "\": " + std::strerror(cause)};
}

/// Moves a branch from `from` (null: it does not exist) to the commit, if it still points there.
std::optional<Error> move_branch(git_repository* repository, const std::string& reference,
                                 const git_oid& commit, const git_oid* from,
                                 const std::string& message) {
  GitHandle<git_reference> moved;
  const std::string log = "commit: " + clean_line(message, 100);
  const int code = from ? git_reference_create_matching(moved.out(), repository, reference.c_str(),
                                                        &commit, 1, from, log.c_str())
                        : git_reference_create(moved.out(), repository, reference.c_str(), &commit,
                                               0, log.c_str());
  if (code == 0) return std::nullopt;
  if (code == GIT_EMODIFIED || code == GIT_EEXISTS || code == GIT_ELOCKED)
    return Error{ErrorKind::transient, "\"" + reference + "\" moved meanwhile; repeat"};
  return git_failed("move \"" + reference + "\"");
}

/// git compares times by the second: it asks the content of what was staged in the second in which
/// the index was written. A newer index would make it believe in those, so the edited ones get no
/// size. (libgit2 does that by the nanosecond.) See git's Documentation/technical/racy-git.
bool distrust_edits_as_new_as(git_repository* repository, git_index* index) {
  struct ::stat before {};
  if (::stat(git_index_path(index), &before) < 0) return errno == ENOENT;
  for (std::size_t i = 0; i < git_index_entrycount(index); ++i) {
    const git_index_entry* entry = git_index_get_byindex(index, i);
    const bool older = entry->mtime.seconds < static_cast<std::int32_t>(before.st_mtim.tv_sec);
    if (older || git_index_entry_stage(entry) != 0) continue;
    const std::string path = entry->path;  // The entry goes when it is replaced.
    git_oid now;
    if (git_repository_hashfile(&now, repository, path.c_str(), GIT_OBJECT_BLOB, nullptr) == 0 &&
        git_oid_equal(&now, &entry->id))
      continue;
    git_index_entry distrusted = *entry;
    distrusted.path = path.c_str();
    distrusted.file_size = 0;
    if (git_index_add(index, &distrusted) < 0) return false;
  }
  return true;
}

/// Makes the index hold the committed file, with what stat says of it now.
bool update_index(git_repository* repository, const std::string& path) {
  GitHandle<git_index> index;
  return git_repository_index(index.out(), repository) == 0 &&
         distrust_edits_as_new_as(repository, index.get()) &&
         git_index_add_bypath(index.get(), path.c_str()) == 0 && git_index_write(index.get()) == 0;
}

Result<CommitId> commit_on_head(const Clone& clone, const FileEdit& edit) {
  git_repository* repository = clone.repository.get();
  if (auto problem = unclean(clone, edit)) return std::move(*problem);
  GitHandle<git_reference> head;
  if (git_repository_head(head.out(), repository) < 0) return git_failed("read HEAD");
  const git_oid before = *git_reference_target(head.get());
  const auto written = write_commit(repository, before, edit);
  if (!written) return written.error();
  const std::string file = clone.work_tree + edit.path;
  const auto fresh = write_beside(file, edit.text, written->mode);
  if (!fresh) return fresh.error();
  // The branch first: it alone decides whether the commit happened.
  if (auto error = move_branch(repository, git_reference_name(head.get()), written->commit, &before,
                               edit.message)) {
    ::unlink(fresh->c_str());
    return std::move(*error);
  }
  if (std::rename(fresh->c_str(), file.c_str()) < 0 || !update_index(repository, edit.path)) {
    ::unlink(fresh->c_str());
    return Error{ErrorKind::transient, "committed \"" + to_hex(written->commit) +
                                           "\", but the work tree did not follow: "
                                           "git restore --staged --worktree \"" +
                                           edit.path + "\""};
  }
  return CommitId{to_hex(written->commit)};
}

}  // namespace

Result<CommitId> commit_file(const std::string& repository_path, const CommitId& parent,
                             const FileEdit& edit) {
  use_libgit2();
  if (auto problem = edit_problem(edit)) return std::move(*problem);
  GitHandle<git_repository> repository;
  git_oid parent_id;
  if (git_repository_open_bare(repository.out(), repository_path.c_str()) < 0)
    return invalid("\"" + repository_path + "\" is not a git repository");
  if (!from_hex(parent.hex, parent_id)) return invalid("\"" + parent.hex + "\" is no commit");
  const auto written = write_commit(repository.get(), parent_id, edit);
  if (!written) return written.error();
  return CommitId{to_hex(written->commit)};
}

Result<CommitId> commit_in_work_tree(const std::string& directory, const FileEdit& edit) {
  FileEdit whole = edit;
  const auto clone = open_clone_for(directory, whole);
  if (!clone) return clone.error();
  return commit_on_head(*clone, whole);
}

Result<CommitId> commit_on_branch(const std::string& directory, const std::string& branch,
                                  const FileEdit& edit, const std::optional<CommitId>& start) {
  FileEdit whole = edit;
  const auto clone = open_clone_for(directory, whole);
  if (!clone) return clone.error();
  git_repository* repository = clone->repository.get();
  int valid = 0;
  if (git_branch_name_is_valid(&valid, branch.c_str()) < 0 || !valid)
    return invalid("\"" + clean_line(branch, 200) + "\" is no name for a branch");
  const std::string reference = "refs/heads/" + branch;
  GitHandle<git_reference> existing, head;
  if (git_repository_head(head.out(), repository) < 0)
    return invalid("\"" + clone->work_tree + "\" has no commit yet; commit the manifests first");
  if (git_reference_lookup(existing.out(), repository, reference.c_str()) < 0) existing.reset();
  if (git_repository_head_detached(repository) != 1 && git_reference_name(head.get()) == reference)
    return commit_on_head(*clone, whole);
  if (existing && git_branch_is_checked_out(existing.get()) == 1)
    return invalid("branch \"" + branch + "\" is checked out in another work tree; commit there");
  git_oid base = *git_reference_target(existing ? existing.get() : head.get());
  if (!existing && start) from_hex(start->hex, base);
  const auto written = write_commit(repository, base, whole);
  if (!written) return written.error();
  if (auto error = move_branch(repository, reference, written->commit, existing ? &base : nullptr,
                               whole.message))
    return std::move(*error);
  return CommitId{to_hex(written->commit)};
}

Result<std::string> patch_of(const FileEdit& edit) {
  use_libgit2();
  git_patch* made = nullptr;
  const std::string before = edit.before.value_or("");
  const int code =
      git_patch_from_buffers(&made, before.data(), before.size(), edit.path.c_str(),
                             edit.text.data(), edit.text.size(), edit.path.c_str(), nullptr);
  const std::unique_ptr<git_patch, decltype(&git_patch_free)> patch(made, git_patch_free);
  git_buf text = GIT_BUF_INIT;
  if (code < 0 || git_patch_to_buf(&text, patch.get()) < 0) return git_failed("compare the texts");
  const std::string out(text.ptr, text.size);
  git_buf_dispose(&text);
  return out;
}

}  // namespace tidegate
