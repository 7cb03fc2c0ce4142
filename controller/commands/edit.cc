// promote, sync, wipe, rollback: the manifest change, written as a commit.

#include "schemas/edit.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <tuple>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/git/writer.h"
#include "controller/host/layout.h"
#include "controller/process/process.h"
#include "controller/service/installation.h"
#include "reconcilers/diff.h"

namespace tidegate {
namespace {

struct Change {
  std::string environment, path, before, after, message;
};

/// What the installation and the manifests know, for choosing a commit or a generation.
struct Known {
  Fleet fleet;
  std::vector<FileChange> files;
  std::shared_ptr<const Site> site;
  ObservedSite observed;
};

Result<Known> know(const Options& options, const std::string& site) {
  if (options.manifests.empty())
    return Error{ErrorKind::invalid, "say which manifests: --manifests DIR or URL@REF"};
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return std::move(secrets.error());
  if (!state) return std::move(state.error());
  const MirrorsDirectory mirrors(*state);
  auto changes = read_manifests(options.manifests, Secrets(*secrets), mirrors.path());
  if (!changes) return std::move(changes.error());
  Known out;
  out.fleet = Fleet().with(changes->changes, changes->revision, changes->author);
  out.files = std::move(changes->changes);
  out.site = out.fleet.find(site);
  if (!out.site) return Error{ErrorKind::invalid, "no manifest declares site \"" + site + "\""};
  Observer observer(*state, Secrets(*secrets));
  auto observed = observer.driver().observe(*out.site);
  if (!observed) return std::move(observed.error());
  out.observed = std::move(*observed);
  return out;
}

Result<const Environment*> environment_of(const Known& known, const std::string& name) {
  const Environment* e = known.site->find(name);
  if (!e)
    return Error{ErrorKind::invalid,
                 "site \"" + known.site->name + "\" declares no environment \"" + name + "\""};
  return e;
}

Result<Change> edited(const Known& known, const std::string& environment,
                      const std::string& message,
                      const std::function<Result<std::string>(const std::string&)>& edit) {
  for (const auto& file : known.files) {
    if (!file.text || !holds_environment(*file.text, known.site->name, environment)) continue;
    auto text = edit(*file.text);
    if (!text) return std::move(text.error()).within(file.path);
    if (*text == *file.text)
      return Error{ErrorKind::invalid, "nothing to change: the manifest says so already"};
    // What was written must say exactly that, and nothing else may have changed.
    const Fleet after = known.fleet.with({{file.path, *text}}, known.fleet.revision(), "");
    for (const Problem& problem : after.problems()) {
      if (!problem.warning && problem.file == file.path)
        return Error{ErrorKind::invalid,
                     "the change would break the manifest: " + to_string(problem)};
    }
    return Change{environment, file.path, *file.text, *text, message};
  }
  return Error{ErrorKind::invalid,
               "no file holds the Environment document of " + known.site->name + "/" + environment};
}

Result<Change> promote(const Options& options, const Known& known) {
  if (auto from = environment_of(known, options.from); !from) return std::move(from.error());
  if (auto to = environment_of(known, options.to); !to) return std::move(to.error());
  const auto& below = observed_of(known.observed, options.from);
  if (!below.commit) return Error{ErrorKind::invalid, options.from + " runs nothing yet"};
  if (!below.proven.contains(*below.commit))
    return Error{ErrorKind::invalid,
                 options.from + " runs " + below.commit->brief() + ", which it has not proven"};
  const CommitId commit = *below.commit;
  return edited(known, options.to,
                "Promote " + commit.brief() + " of " + known.site->name + " to " + options.to,
                [&](const std::string& text) {
                  return with_commit(text, known.site->name, options.to, commit);
                });
}

Result<Change> rollback(const Options& options, const Known& known) {
  const std::string& name = options.target.environment;
  auto e = environment_of(known, name);
  if (!e) return std::move(e.error());
  const auto& seen = observed_of(known.observed, name);
  CommitId commit{options.commit};
  if (commit.hex.empty()) {
    for (const auto& kept : seen.kept) {
      if (commit.hex.empty() && kept.healthy && kept.commit != seen.commit) commit = kept.commit;
    }
    if (commit.hex.empty())
      return Error{ErrorKind::invalid,
                   "no release before this one is kept; name a commit with --to"};
  }
  return edited(
      known, name, "Roll " + known.site->name + "/" + name + " back to " + commit.brief(),
      [&](const std::string& text) { return with_commit(text, known.site->name, name, commit); });
}

std::uint64_t next_generation(const Known& known, const Environment& e) {
  std::uint64_t highest = e.content.generation;
  for (Part part : parts) {
    const auto& seen = part_of(observed_of(known.observed, e.name), part);
    highest = std::max({highest, seen.highest_generation, seen.stamp.generation});
  }
  return highest + 1;
}

Result<Change> content(const Options& options, const Known& known, bool wipes) {
  const std::string& name = options.target.environment;
  auto found = environment_of(known, name);
  if (!found) return std::move(found.error());
  const Environment& e = **found;
  if (known.site->launched && name == known.site->authority()) {
    return Error{ErrorKind::invalid,
                 name + " is the authority of a launched site; its content is never replaced"};
  }
  ContentSource source = wipes ? ContentSource::empty() : e.content.source;
  if (!options.from.empty()) source = ContentSource::from(options.from);
  if (!wipes && source.kind != ContentSource::Kind::environment) {
    return Error{ErrorKind::invalid,
                 "the manifest names no environment to copy from; say which: --from ENV"};
  }
  const std::uint64_t generation = next_generation(known, e);
  const std::string where = known.site->name + "/" + name;
  const std::string message =
      wipes ? "Wipe " + where + " (generation " + std::to_string(generation) + ")"
            : "Sync " + where + " from " + source.environment + " (generation " +
                  std::to_string(generation) + ")";
  return edited(known, name, message, [&](const std::string& text) {
    return with_content(text, known.site->name, name, source, generation);
  });
}

void print_diff(const Change& change) {
  auto lines = [](const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find('\n', at), text.size());
      out.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return out;
  };
  const auto before = lines(change.before), after = lines(change.after);
  std::size_t head = 0, tail = 0;
  while (head < before.size() && head < after.size() && before[head] == after[head]) ++head;
  while (tail < before.size() - head && tail < after.size() - head &&
         before[before.size() - 1 - tail] == after[after.size() - 1 - tail])
    ++tail;
  const std::size_t from = head > 3 ? head - 3 : 0;
  const std::size_t more = std::min<std::size_t>(3, tail);
  std::cout << "--- a/" << change.path << "\n+++ b/" << change.path << "\n@@ -" << from + 1 << ","
            << before.size() - tail + more - from << " +" << from + 1 << ","
            << after.size() - tail + more - from << " @@\n";
  for (std::size_t i = from; i < head; ++i) std::cout << " " << before[i] << "\n";
  for (std::size_t i = head; i < before.size() - tail; ++i) std::cout << "-" << before[i] << "\n";
  for (std::size_t i = head; i < after.size() - tail; ++i) std::cout << "+" << after[i] << "\n";
  for (std::size_t i = 0; i < more; ++i)
    std::cout << " " << before[before.size() - tail + i] << "\n";
}

/// What git itself would say of who commits here; "" when it says nothing.
std::string git_says(const std::string& directory, const char* what) {
  ProcessRequest request;
  request.argv = {"git", "config", what};
  for (const char* name : {"HOME", "PATH", "XDG_CONFIG_HOME"}) {
    if (const char* value = std::getenv(name)) request.environment[name] = value;
  }
  request.environment.emplace("PATH", "/usr/bin:/bin");
  request.directory = directory;
  request.deadline = std::chrono::seconds(5);
  auto result = run_process(request);
  if (!result || !result->succeeded()) return "";
  return result->output.substr(0, result->output.find('\n'));
}

std::pair<std::string, std::string> author(const std::string& directory) {
  auto from = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  const passwd* user = ::getpwuid(::getuid());
  std::string name = from("GIT_AUTHOR_NAME"), mail = from("GIT_AUTHOR_EMAIL");
  if (name.empty()) name = git_says(directory, "user.name");
  if (mail.empty()) mail = git_says(directory, "user.email");
  if (name.empty()) name = user ? user->pw_name : "tidegate";
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  if (mail.empty()) mail = (user ? std::string(user->pw_name) : name) + "@" + host;
  return {name, mail};
}

Result<CommitId> push_to(const Options& options, const FileEdit& edit) {
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return std::move(secrets.error());
  if (!state) return std::move(state.error());
  const MirrorsDirectory mirrors(*state);
  const auto at = options.manifests.rfind('@');
  SourceSettings settings;
  settings.url = options.manifests.substr(0, at);
  const std::string branch = options.manifests.substr(at + 1);
  auto mirror = GitSource(settings, Secrets(*secrets), mirrors.path()).mirror();
  if (!mirror) return std::move(mirror.error());
  if (auto refreshed = mirror->refresh(); !refreshed) return std::move(refreshed.error());
  auto repository = mirror->open();
  if (!repository) return std::move(repository.error());
  const auto head = repository->resolve("refs/heads/" + branch);
  if (!head)
    return Error{ErrorKind::invalid, "branch \"" + branch + "\" is not in " + settings.url};
  auto commit = commit_file(mirror->path(), *head, edit);
  if (!commit) return std::move(commit.error());
  const std::string target = "refs/heads/" + (options.branch.empty() ? branch : options.branch);
  auto pushed = mirror->push(*commit, target, repository->resolve(target));
  if (!pushed) return std::move(pushed.error());
  return *commit;
}

}  // namespace

int run_edit(const Options& options) {
  const std::string site = options.command == "promote" ? options.site : options.target.site;
  auto known = know(options, site);
  if (!known) return fail(known.error().message);
  auto change = options.command == "promote" ? promote(options, *known)
                : options.command == "rollback"
                    ? rollback(options, *known)
                    : content(options, *known, options.command == "wipe");
  if (!change) return fail(change.error().message);
  print_diff(*change);
  if (options.dry_run) return exit_done;
  FileEdit edit;
  edit.path = change->path;
  edit.before = change->before;
  edit.text = change->after;
  edit.message = options.message.empty() ? change->message : options.message;
  edit.at = SystemClock().now();
  const bool is_directory = ::access((options.manifests + "/.").c_str(), F_OK) == 0;
  std::tie(edit.author_name, edit.author_mail) =
      author(is_directory ? std::filesystem::absolute(options.manifests).string() : "/");
  auto commit = !is_directory ? push_to(options, edit)
                : options.branch.empty()
                    ? commit_in_work_tree(options.manifests, edit)
                    : commit_on_branch(options.manifests, options.branch, edit);
  if (!commit) return fail(commit.error().message);
  std::cerr << commit->brief() << "  " << edit.message << "\n";
  return exit_done;
}

}  // namespace tidegate
