#include "controller/commands/edit_place.h"

#include <sys/stat.h>

#include <memory>

#include "controller/commands/input.h"
#include "controller/git/clone.h"
#include "controller/service/sources.h"

namespace tidegate {
namespace {

/// What is in the work tree, committed there.
Result<EditPlace> work_tree(const std::string& directory) {
  auto read = read_manifests(directory, Secrets(), "");
  if (!read) return std::move(read.error());
  EditPlace out;
  out.files = std::move(read->changes);
  out.revision = read->revision;
  if (const auto clone = clone_around(directory)) {
    out.folder = clone->below;
    out.branch = clone->branch;
  }
  out.clone = directory;
  out.commit = [directory](const FileEdit& edit) { return commit_in_work_tree(directory, edit); };
  return out;
}

/// A branch of a clone that is not checked out, or a new one.
Result<EditPlace> branch_of_clone(const std::string& directory, const ClonePlace& clone,
                                  const std::string& branch, const std::string& start) {
  auto repository = GitRepository::open(clone.repository);
  if (!repository) return std::move(repository.error());
  auto head = repository->resolve("refs/heads/" + branch);
  if (!head) head = start.empty() ? clone.head : repository->resolve("refs/heads/" + start);
  if (!head)
    return Error{ErrorKind::invalid, "\"" + directory + "\" has no " +
                                         (start.empty() ? "commit yet; commit the manifests first"
                                                        : "branch \"" + start + "\"")};
  const std::string folder =
      clone.below.empty() ? "" : clone.below.substr(0, clone.below.size() - 1);
  auto manifests = manifests_at(*repository, "branch \"" + branch + "\"", *head, folder);
  if (!manifests) return std::move(manifests.error());
  EditPlace out;
  out.files = std::move(manifests->changes);
  out.revision = head->hex;
  out.branch = branch;
  out.folder = clone.below;
  out.clone = directory;
  out.commit = [directory, branch, head](const FileEdit& edit) {
    return commit_on_branch(directory, branch, edit, head);
  };
  return out;
}

/// `branch` "": the one that is checked out. `start`: where a new one begins; "" for HEAD.
Result<EditPlace> place_in_directory(const std::string& directory, const std::string& branch,
                                     const std::string& start) {
  const auto clone = clone_around(directory);
  if (branch.empty() || (clone && clone->branch == branch)) return work_tree(directory);
  if (!clone)
    return Error{ErrorKind::invalid, "\"" + directory +
                                         "\" is in no git work tree; leave --branch "
                                         "out, or give the repository"};
  return branch_of_clone(directory, *clone, branch, start);
}

/// A branch of a repository elsewhere.
Result<EditPlace> place_elsewhere(const SourceSettings& source, const std::string& wanted,
                                  const Secrets& secrets,
                                  std::shared_ptr<MirrorsDirectory> mirrors) {
  SourceSettings settings = source;
  const auto opened = GitSource(settings, secrets, mirrors->path()).mirror();
  if (!opened) return opened.error();
  Mirror mirror = *opened;
  if (auto refreshed = mirror.refresh(); !refreshed) return std::move(refreshed.error());
  auto repository = mirror.open();
  if (!repository) return std::move(repository.error());
  const std::string branch = wanted.empty() ? source.ref : wanted;
  const std::string reference = "refs/heads/" + branch;
  const auto head = repository->resolve(reference);
  if (!head && wanted.empty())
    return Error{ErrorKind::invalid, "\"" + source.ref + "\" is no branch of \"" + source.url +
                                         "\"; say which gets the commit: --branch B"};
  if (head) settings.ref = reference;
  auto read = GitSource(settings, secrets, mirrors->path()).changed_since("");
  if (!read) return std::move(read.error());
  EditPlace out;
  out.files = std::move((*read)->changes);
  out.revision = (*read)->revision;
  out.branch = branch;
  out.folder = source.path == "." ? "" : source.path + "/";
  // What was read is what the commit stands on, and what the branch must still be.
  const CommitId base{out.revision};
  const bool exists = head.has_value();
  out.commit = [=, folder = out.folder](FileEdit edit) mutable -> Result<CommitId> {
    edit.path = folder + edit.path;
    auto commit = commit_file(mirror.path(), base, edit);
    if (!commit) return std::move(commit.error());
    auto pushed = mirror.push(*commit, reference, exists ? std::optional(base) : std::nullopt);
    if (!pushed) {
      Error error = std::move(pushed.error());
      if (error.message.find(" moved") != std::string::npos)
        error.message += "; nothing was changed, so repeat";
      return error;
    }
    static_cast<void>(mirrors);  // Held until here: it may be a temporary one.
    return *commit;
  };
  return out;
}

/// A repository on this machine that has a work tree takes no push, so its clone is committed in.
bool has_work_tree(const std::string& url) {
  struct stat facts {};
  return url.starts_with('/') && ::stat((url + "/.git").c_str(), &facts) == 0;
}

}  // namespace

Result<std::vector<EditPlace>> edit_places(const Options& options) {
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return std::move(secrets.error());
  if (!state) return std::move(state.error());
  const auto mirrors = std::make_shared<MirrorsDirectory>(*state);
  std::vector<EditPlace> out;
  const auto add = [&](Result<EditPlace> place, const std::string& prefix) -> std::optional<Error> {
    if (!place) return std::move(place.error());
    place->prefix = prefix;
    for (FileChange& file : place->files) file.path = prefix + file.path;
    out.push_back(std::move(*place));
    return std::nullopt;
  };
  if (!options.manifests.empty()) {
    auto remote = remote_manifests(options.manifests);
    if (!remote) return std::move(remote.error());
    if (auto error =
            add(*remote ? place_elsewhere(**remote, options.branch, Secrets(*secrets), mirrors)
                        : place_in_directory(options.manifests, options.branch, ""),
                ""))
      return std::move(*error);
    return out;
  }
  auto configuration = given_configuration(options);
  if (!configuration) return std::move(configuration.error());
  for (const auto& source : (*configuration)->sources) {
    const std::string branch = options.branch.empty() ? source.ref : options.branch;
    auto place = has_work_tree(source.url)
                     ? place_in_directory(source.url + "/" + source.path, branch, source.ref)
                     : place_elsewhere(source, options.branch, Secrets(*secrets), mirrors);
    const bool several = (*configuration)->sources.size() > 1;
    if (auto error = add(std::move(place), several ? source.name + "/" : ""))
      return std::move(*error).within("source " + source.name);
  }
  return out;
}

}  // namespace tidegate
