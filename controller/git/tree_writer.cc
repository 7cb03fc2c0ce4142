// Commits many changed files at once.

#include "controller/git/tree_writer.h"

#include <git2.h>

#include <map>
#include <memory>
#include <optional>

#include "controller/git/handles.h"
#include "controller/git/repository.h"

namespace tidegate {

namespace {

constexpr std::size_t told_max = 20;

Error invalid(const std::string& message) { return {ErrorKind::invalid, message}; }
Error git_failed(const std::string& doing) {
  return {ErrorKind::transient, doing + ": " + libgit2_reason()};
}

/// What a tree has at a path: a file, a link or a whole directory.
struct Entry {
  git_filemode_t mode = GIT_FILEMODE_UNREADABLE;
  git_oid id{};
};
bool same(const std::optional<Entry>& one, const std::optional<Entry>& other) {
  return one.has_value() == other.has_value() &&
         (!one || (one->mode == other->mode && git_oid_equal(&one->id, &other->id)));
}

std::optional<Entry> entry_at(const git_tree* tree, const std::string& path) {
  GitHandle<git_tree_entry> found;
  if (git_tree_entry_bypath(found.out(), tree, path.c_str()) != 0) return std::nullopt;
  return Entry{git_tree_entry_filemode(found.get()), *git_tree_entry_id(found.get())};
}

/// Changes by path; nothing for what is gone.
using Wanted = std::map<std::string, std::optional<Entry>>;

struct Opened {
  GitHandle<git_repository> repository;
  GitHandle<git_commit> tip;
  GitHandle<git_tree> before, now;
};

Result<Opened> open(const std::string& repository_path, const CommitId& base, const CommitId& tip) {
  use_libgit2();
  Opened out;
  if (git_repository_open_bare(out.repository.out(), repository_path.c_str()) < 0)
    return invalid("\"" + repository_path + "\" is not a git repository");
  const auto tree_of = [&](const CommitId& id, GitHandle<git_commit>& commit,
                           GitHandle<git_tree>& tree) {
    git_oid oid;
    return from_hex(id.hex, oid) &&
           git_commit_lookup(commit.out(), out.repository.get(), &oid) == 0 &&
           git_commit_tree(tree.out(), commit.get()) == 0;
  };
  GitHandle<git_commit> old;
  if (!tree_of(base, old, out.before))
    return invalid("commit \"" + base.hex + "\" is not in the repository");
  if (!tree_of(tip, out.tip, out.now))
    return invalid("commit \"" + tip.hex + "\" is not in the repository");
  return out;
}

Result<Wanted> write_files(const Opened& opened, const TreeEdit& edit) {
  Wanted wanted;
  for (const TreeChange& change : edit.changes) {
    auto& entry = wanted[change.path];
    if (change.mode == 0) continue;
    entry = Entry{static_cast<git_filemode_t>(change.mode), {}};
    if (git_blob_create_from_buffer(&entry->id, opened.repository.get(), change.bytes.data(),
                                    change.bytes.size()) < 0)
      return git_failed("write \"" + clean_line(change.path, 300) + "\"");
  }
  return wanted;
}

/// Whether the tip has, where a directory of this path should be, something else that stays.
bool is_blocked(const Opened& opened, const Wanted& wanted, const std::string& path) {
  for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    const auto there = entry_at(opened.now.get(), above);
    const auto ours = wanted.find(above);
    const bool goes = ours != wanted.end() && !ours->second;
    if (there && there->mode != GIT_FILEMODE_TREE && !goes) return true;
  }
  return false;
}

/// Takes out what the tip has already. Whole files: what both sides changed differently is a
/// conflict.
std::optional<Error> merge(const Opened& opened, Wanted& wanted) {
  std::vector<std::string> conflicts;
  for (const auto& [path, ours] : wanted) {
    const auto theirs = entry_at(opened.now.get(), path);
    if (same(theirs, ours)) continue;
    if (!same(theirs, entry_at(opened.before.get(), path)) ||
        (ours && is_blocked(opened, wanted, path)))
      conflicts.push_back(path);
  }
  std::erase_if(wanted, [&](const auto& change) {
    return same(entry_at(opened.now.get(), change.first), change.second);
  });
  if (conflicts.empty()) return std::nullopt;
  std::string names;
  for (std::size_t i = 0; i < conflicts.size() && i < told_max; ++i)
    names += (i ? ", \"" : "\"") + clean_line(conflicts[i], 300) + "\"";
  if (conflicts.size() > told_max)
    names += " and " + std::to_string(conflicts.size() - told_max) + " more";
  return invalid("the branch has changed the same files meanwhile: " + names +
                 "; bring both together in a clone and push that");
}

Error no_name(const std::string& path) {
  return invalid("\"" + clean_line(path, 300) + "\" is no name for a file in git");
}

/// The tree with the changes below `prefix` made; nothing when no file is left in it.
Result<std::optional<git_oid>> changed_tree(git_repository* repository, const git_tree* base,
                                            const Wanted& wanted, const std::string& prefix) {
  std::unique_ptr<git_treebuilder, decltype(&git_treebuilder_free)> builder(nullptr,
                                                                            git_treebuilder_free);
  git_treebuilder* made = nullptr;
  if (git_treebuilder_new(&made, repository, base) < 0) return git_failed("write a tree");
  builder.reset(made);
  std::set<std::string> names;
  for (auto at = wanted.lower_bound(prefix); at != wanted.end() && at->first.starts_with(prefix);
       ++at)
    names.insert(
        at->first.substr(prefix.size(), at->first.find('/', prefix.size()) - prefix.size()));
  for (const std::string& name : names) {
    const std::string path = prefix + name, below = path + "/";
    // What is gone goes first, a directory that took its place comes next, a file last.
    const auto own = wanted.find(path);
    if (own != wanted.end() && !own->second && git_treebuilder_get(made, name.c_str()))
      git_treebuilder_remove(made, name.c_str());
    const auto first = wanted.lower_bound(below);
    if (first != wanted.end() && first->first.starts_with(below)) {
      GitHandle<git_tree> child;
      const git_tree_entry* there = git_treebuilder_get(made, name.c_str());
      if (there && git_tree_entry_type(there) == GIT_OBJECT_TREE &&
          git_tree_lookup(child.out(), repository, git_tree_entry_id(there)) < 0)
        return git_failed("read a tree");
      auto inner = changed_tree(repository, child.get(), wanted, below);
      if (!inner) return inner;
      if (!*inner && there) git_treebuilder_remove(made, name.c_str());
      if (*inner &&
          git_treebuilder_insert(nullptr, made, name.c_str(), &**inner, GIT_FILEMODE_TREE) < 0)
        return no_name(path);
    }
    if (own != wanted.end() && own->second &&
        git_treebuilder_insert(nullptr, made, name.c_str(), &own->second->id, own->second->mode) <
            0)
      return no_name(path);
  }
  if (git_treebuilder_entrycount(made) == 0) return std::optional<git_oid>{};
  git_oid id;
  if (git_treebuilder_write(&id, made) < 0) return git_failed("write a tree");
  return std::optional(id);
}

Result<CommitId> write_commit(const Opened& opened, const git_oid& tree_id, const TreeEdit& edit) {
  GitHandle<git_tree> tree;
  GitHandle<git_signature> author;
  const auto at = std::chrono::floor<std::chrono::seconds>(edit.at).time_since_epoch().count();
  if (git_tree_lookup(tree.out(), opened.repository.get(), &tree_id) < 0)
    return git_failed("read the new tree");
  if (git_signature_new(author.out(), edit.author_name.c_str(), edit.author_mail.c_str(), at, 0) <
      0)
    return invalid("\"" + clean_line(edit.author_name + " <" + edit.author_mail + ">", 200) +
                   "\" is no author");
  const std::string message = edit.message.ends_with('\n') ? edit.message : edit.message + "\n";
  const git_commit* parents[] = {opened.tip.get()};
  git_oid commit;
  if (git_commit_create(&commit, opened.repository.get(), nullptr, author.get(), author.get(),
                        nullptr, message.c_str(), tree.get(), 1, parents) < 0)
    return git_failed("write the commit");
  return CommitId{to_hex(commit)};
}

}  // namespace

Result<CommitId> commit_tree(const std::string& repository_path, const CommitId& base,
                             const CommitId& tip, const TreeEdit& edit) {
  auto opened = open(repository_path, base, tip);
  if (!opened) return std::move(opened.error());
  auto wanted = write_files(*opened, edit);
  if (!wanted) return std::move(wanted.error());
  if (auto conflict = merge(*opened, *wanted)) return std::move(*conflict);
  if (wanted->empty()) return tip;
  auto tree = changed_tree(opened->repository.get(), opened->now.get(), *wanted, "");
  if (!tree) return std::move(tree.error());
  if (!*tree) return invalid("no file would be left in the repository");
  auto commit = write_commit(*opened, **tree, edit);
  if (!commit) return commit;
  const auto repository = GitRepository::open(repository_path);
  if (!repository) return repository.error();
  if (auto fit = repository->can_check_out(*commit); !fit) return std::move(fit.error());
  return commit;
}

Result<std::set<std::string>> ignored_in(const std::string& repository_path, const CommitId& commit,
                                         const std::vector<std::string>& paths) {
  auto opened = open(repository_path, commit, commit);
  if (!opened) return std::move(opened.error());
  std::set<std::string> out;
  const auto entry = entry_at(opened->now.get(), ".gitignore");
  GitHandle<git_blob> rules;
  if (!entry || git_blob_lookup(rules.out(), opened->repository.get(), &entry->id) < 0) return out;
  const std::string text(static_cast<const char*>(git_blob_rawcontent(rules.get())),
                         git_blob_rawsize(rules.get()));
  if (git_ignore_add_rule(opened->repository.get(), text.c_str()) < 0)
    return git_failed("read .gitignore");
  for (const std::string& path : paths) {
    int ignored = 0;
    if (git_ignore_path_is_ignored(&ignored, opened->repository.get(), path.c_str()) < 0)
      return git_failed("read .gitignore");
    if (ignored) out.insert(path);
  }
  return out;
}

}  // namespace tidegate
