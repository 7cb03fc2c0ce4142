// promote, sync, wipe, rollback: the manifest change, written as a commit.

#include "schemas/edit.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <tuple>

#include "controller/calendar/calendar.h"
#include "controller/commands/edit_place.h"
#include "controller/commands/identity.h"
#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/service/installation.h"
#include "reconcilers/diff.h"
#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

struct Change {
  const EditPlace* place;
  FileEdit edit;  ///< Its path is relative to the place's folder.
};

/// What the installation and the manifests know, for choosing a commit or a generation.
struct Known {
  std::vector<EditPlace> places;
  Fleet fleet;
  std::shared_ptr<const Site> site;
  ObservedSite observed;
};

Result<Known> know(const Options& options, const std::string& site) {
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return std::move(secrets.error());
  if (!state) return std::move(state.error());
  auto places = edit_places(options);
  if (!places) return std::move(places.error());
  Known out;
  out.places = std::move(*places);
  out.fleet = Fleet(known_zone);
  for (const EditPlace& place : out.places)
    out.fleet = out.fleet.with(place.files, place.revision, "");
  out.site = out.fleet.find(site);
  if (!out.site) return no_such_site(out.fleet, site);
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
  for (const EditPlace& place : known.places) {
    for (const auto& file : place.files) {
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
      Change change{&place, {}};
      change.edit.path = file.path.substr(place.prefix.size());
      change.edit.before = *file.text;
      change.edit.text = std::move(*text);
      change.edit.message = message;
      return change;
    }
  }
  return Error{ErrorKind::invalid,
               "no file holds the Environment document of " + known.site->name + "/" + environment};
}

/// Why code does not go this way; "" when it does.
std::string misdirected(const Site& site, const std::string& from, const std::string& to) {
  const auto stage = [&](const std::string& name) { return site.stage_of(name); };
  const std::string promotes = "tidegate promote " + site.name + " " + from + " ";
  const bool at_top = from == site.authority();
  const std::string above = at_top ? "" : site.stages[stage(from) + 1];
  if (to == above) return "";
  if (stage(to) > stage(from))
    return "a promotion goes one stage up, and " + above + " is between " + from + " and " + to +
           "; first: " + promotes + above;
  const std::string mend = at_top ? from + " is the last stage" : "up it is: " + promotes + above;
  if (to == from) return to + " is where it comes from; " + mend;
  return "code goes up, and " + to + " is below " + from +
         "; to go back there: tidegate rollback " + site.name + "/" + to;
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

/// Commits that ran well in an environment, as far as it remembers.
std::set<CommitId> commits_of(const ObservedEnvironment& seen) {
  std::set<CommitId> out;
  for (const auto& [commit, proof] : seen.proven) out.insert(commit);
  for (const auto& kept : seen.kept) out.insert(kept.commit);
  if (seen.commit) out.insert(*seen.commit);
  return out;
}

/// The commit that --to names, in full or by its first digits.
Result<CommitId> commit_to_go_back_to(const std::string& where, const std::string& named,
                                      const ObservedEnvironment& seen) {
  const auto ran = commits_of(seen);
  std::vector<CommitId> fitting;
  for (const CommitId& commit : ran)
    if (commit.hex.starts_with(named)) fitting.push_back(commit);
  if (fitting.size() == 1) return fitting.front();
  if (fitting.size() > 1)
    return Error{ErrorKind::invalid,
                 "several commits begin with \"" + named + "\"; write more of it"};
  if (!seen.exists && named.size() == 40) {
    std::cerr << "tidegate: warning: nothing is known of " << where << " here; whether "
              << named.substr(0, 7) << " ever ran there cannot be told\n";
    return CommitId{named};
  }
  std::vector<std::string> known;
  for (const CommitId& commit : ran) known.push_back(commit.brief());
  return Error{ErrorKind::invalid, "\"" + named + "\" never ran well in " + where +
                                       (known.empty() ? "" : " (" + enumerate(known) + " did)") +
                                       "; name one that did, or promote it from the stage below"};
}

Result<Change> rollback(const Options& options, const Known& known) {
  const std::string& name = options.target.environment;
  auto e = environment_of(known, name);
  if (!e) return std::move(e.error());
  const auto& seen = observed_of(known.observed, name);
  const std::string where = known.site->name + "/" + name;
  CommitId commit;
  if (!options.commit.empty()) {
    auto named = commit_to_go_back_to(where, options.commit, seen);
    if (!named) return std::move(named.error());
    commit = *named;
  }
  if (commit.hex.empty()) {
    for (const auto& kept : seen.kept) {
      if (commit.hex.empty() && kept.healthy && kept.commit != seen.commit) commit = kept.commit;
    }
    if (commit.hex.empty())
      return Error{ErrorKind::invalid,
                   "no release before this one is kept; name a commit with --to"};
  }
  return edited(
      known, name, "Roll " + where + " back to " + commit.brief(),
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

/// The diff, named as the repository names the file.
Result<std::string> diff_of(const Change& change) {
  FileEdit whole = change.edit;
  whole.path = change.place->folder + whole.path;
  return patch_of(whole);
}

}  // namespace

int run_edit(const Options& options) {
  const bool promotes = options.command == "promote";
  auto known = know(options, promotes ? options.site : options.target.site);
  if (!known) return fail(known.error().message);
  if (promotes && known->site->find(options.from) && known->site->find(options.to)) {
    const std::string wrong = misdirected(*known->site, options.from, options.to);
    if (!wrong.empty()) return misused(wrong);
  }
  auto change = promotes ? promote(options, *known)
                : options.command == "rollback"
                    ? rollback(options, *known)
                    : content(options, *known, options.command == "wipe");
  if (!change) return fail(change.error().message);
  auto diff = diff_of(*change);
  if (!diff) return fail(diff.error().message);
  FileEdit& edit = change->edit;
  if (!options.message.empty()) edit.message = options.message;
  edit.at = SystemClock().now();
  const std::string& clone = change->place->clone;
  std::tie(edit.author_name, edit.author_mail) =
      author(clone.empty() ? "/" : std::filesystem::absolute(clone).string());
  if (options.dry_run) {
    std::cout << (options.json ? edit_json("", *diff, change->place->branch) : *diff);
    return exit_done;
  }
  auto commit = change->place->commit(edit);
  if (!commit) return fail(commit.error().message);
  std::cout << (options.json ? edit_json(commit->hex, *diff, change->place->branch) : *diff);
  std::cerr << commit->brief() << "  " << edit.message << "\n";
  return exit_done;
}

}  // namespace tidegate
