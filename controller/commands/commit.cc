// commit: what people changed by hand in a writable environment, as a commit on the branch that it
// follows.

#include <cstdlib>
#include <iostream>

#include "controller/commands/identity.h"
#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/personal_act.h"
#include "controller/git/tree_writer.h"
#include "controller/host/layout.h"

namespace tidegate {
namespace {

constexpr int turns_max = 3;  // The branch may move while a commit is made.

using Author = std::pair<std::string, std::string>;

Result<Author> author_of(const Options& options) {
  if (!options.author.empty()) {
    auto named = name_and_mail(options.author);
    if (named) return std::move(*named);
    return Error{ErrorKind::invalid, "--author: \"" + options.author +
                                         "\" is no author; write \"Ada Lovelace "
                                         "<ada@example.org>\""};
  }
  const auto from = [](const char* variable, const char* key) {
    const char* value = std::getenv(variable);
    return value && *value ? std::string(value) : git_says("/", key);
  };
  auto named = name_and_mail(from("GIT_AUTHOR_NAME", "user.name") + " <" +
                             from("GIT_AUTHOR_EMAIL", "user.email") + ">");
  if (named) return std::move(*named);
  return Error{ErrorKind::invalid,
               "git does not know who commits; tell it: git config --global user.name \"Ada "
               "Lovelace\" && git config --global user.email ada@example.org; or say --author"};
}

/// What is committed, and what is left where it is, for the build makes it or git is told to
/// ignore it.
struct Picked {
  std::vector<HandChange> in, out;
};

/// A file that the commit has, or a new one in no directory that the build alone makes.
bool is_source(const GitRepository& repository, const CommitId& commit, const HandChange& change) {
  if (repository.has_path(commit, change.path)) return true;
  return change.letter == 'A' &&
         (change.parent.empty() || repository.has_path(commit, change.parent));
}

Result<Picked> pick(const Mirror& mirror, const HandMade& made, bool generated) {
  auto repository = mirror.open();
  if (!repository) return std::move(repository.error());
  Picked out;
  std::vector<std::string> added;
  for (const HandChange& change : made.changes)
    if (!repository->has_path(made.commit, change.path)) added.push_back(change.path);
  auto ignored = ignored_in(mirror.path(), made.commit, added);
  if (!ignored) return std::move(ignored.error());
  for (const HandChange& change : made.changes) {
    const bool takes = generated || (is_source(*repository, made.commit, change) &&
                                     !ignored->contains(change.path));
    (takes ? out.in : out.out).push_back(change);
  }
  return out;
}

struct Committed {
  CommitId commit;
  Picked picked;
};

class Committing {
 public:
  Committing(const Options& options, const PersonalAct& act, std::string branch, Mirror mirror,
             Author author)
      : options_(options),
        act_(act),
        branch_(std::move(branch)),
        mirror_(std::move(mirror)),
        author_(std::move(author)) {}

  Result<Committed> run() {
    for (int turn = 1;; ++turn) {
      auto made = commit_once();
      if (made || turn == turns_max || made.error().message.find(" moved") == std::string::npos)
        return made;
    }
  }

  /// Looks again, so that what was committed holds nothing any more.
  Result<HandMade> look() const {
    Installation& here = act_.installation();
    here.repositories->look_now(act_.site(), mirrors_of(act_.site()));
    return here.driver->hand_made(act_.site(), act_.environment().name);
  }

 private:
  Result<Committed> commit_once() {
    auto made = look();
    if (!made) return std::move(made.error());
    const auto known =
        act_.installation().repositories->known(act_.site(), mirrors_of(act_.site()));
    const std::string reference = "refs/heads/" + branch_;
    const auto tip = known.refs->find(reference);
    if (!known.problem.empty()) return Error{ErrorKind::transient, known.problem};
    if (tip == known.refs->end())
      return Error{ErrorKind::invalid, "branch \"" + branch_ + "\" is not in " + mirror_.url()};
    auto picked = pick(mirror_, *made, options_.generated);
    if (!picked) return std::move(picked.error());
    if (picked->in.empty() || made->uncommitted.empty())
      return Committed{CommitId{}, std::move(*picked)};
    TreeEdit edit{
        {}, author_.first, author_.second, options_.message, act_.installation().clock.now()};
    for (const HandChange& change : picked->in) {
      TreeChange file{change.path, change.mode, ""};
      if (change.mode != 0) {
        auto bytes = bytes_of(made->code, change);
        if (!bytes) return std::move(bytes.error());
        file.bytes = std::move(*bytes);
      }
      edit.changes.push_back(std::move(file));
    }
    auto commit = commit_tree(mirror_.path(), base_of(*made, tip->second), tip->second, edit);
    if (!commit) return std::move(commit.error());
    if (!options_.dry_run && *commit != tip->second)
      if (auto pushed = mirror_.push(*commit, reference, tip->second); !pushed)
        return std::move(pushed.error());
    return Committed{*commit, std::move(*picked)};
  }

  /// What was committed from here before is nothing that the branch changed.
  CommitId base_of(const HandMade& made, const CommitId& tip) const {
    const auto repository = mirror_.open();
    const bool within = repository && repository->is_ancestor(made.base, tip);
    return within ? made.base : made.commit;
  }

  const Options& options_;
  const PersonalAct& act_;
  const std::string branch_;
  Mirror mirror_;
  const Author author_;
};

std::string told(const HandChange& change) {
  return std::string(1, change.letter) + " " + change.path + " (" + change.lines + ")";
}

void print(const Options& options, const Committed& made, const std::string& branch) {
  if (options.json) {
    const auto told_all = [](const std::vector<HandChange>& changes) {
      std::vector<ChangedFile> out;
      for (const HandChange& c : changes) out.push_back({c.path, c.letter, c.lines});
      return out;
    };
    std::cout << commit_json(options.dry_run ? "" : made.commit.hex, branch,
                             told_all(made.picked.in), told_all(made.picked.out));
    return;
  }
  for (const HandChange& change : made.picked.in) std::cout << told(change) << "\n";
  for (const HandChange& change : made.picked.out)
    std::cerr << "left out, for the build makes it or .gitignore names it: " << told(change)
              << "\n";
}

}  // namespace

int run_commit(const Options& options) {
  auto author = author_of(options);
  if (!author) return fail(author.error().message);
  int exit_code = exit_done;
  const auto act = PersonalAct::open(options, exit_code);
  if (!act) return exit_code;
  const auto* branch = std::get_if<BranchName>(&act->environment().code);
  if (!branch)
    return fail(act->name() +
                " follows no branch to commit to; write code: {branch: …, writable: true}");
  auto mirror = act->installation().repositories->mirror(act->site(), mirrors_of(act->site()));
  if (!mirror) return fail(mirror.error().message);
  Committing committing(options, *act, branch->text, *mirror, *author);
  if (!options.dry_run)
    if (auto begun = act->begin(options.message); !begun) return fail(begun.error().message);
  auto made = committing.run();
  if (!made) {
    if (!options.dry_run) act->end("failed", made.error().message);
    return fail(made.error().message);
  }
  const bool nothing = made->commit.hex.empty();
  if (nothing) made->picked.in.clear();
  print(options, *made, branch->text);
  if (nothing) std::cerr << "nothing to commit on " << act->name() << "\n";
  if (options.dry_run) return exit_done;
  for (const HandChange& change : made->picked.in) act->line(told(change));
  act->end("succeeded", nothing ? "nothing to commit"
                                : made->commit.brief() + " on " + branch->text + ": " +
                                      options.message.substr(0, options.message.find('\n')));
  if (nothing) return exit_done;
  std::cerr << made->commit.brief() << "  " << options.message << "\n";
  auto left = committing.look();
  // While it is busy, what was committed is on its way.
  if (!left && left.error().kind != ErrorKind::transient)
    std::cerr << "tidegate: " << left.error().message << "\n";
  if (left && !left->uncommitted.empty()) std::cerr << "still here: " << left->uncommitted << "\n";
  return exit_done;
}

}  // namespace tidegate
