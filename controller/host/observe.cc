#include "controller/host/observe.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "controller/host/files/durable.h"
#include "controller/host/files/locks.h"
#include "controller/host/roots.h"

namespace tidegate {
namespace {

bool exists(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

/// A server that does not answer says nothing.
bool is_there(Engines& engines, const HostDriverSpec& driver, const std::string& where) {
  if (where.starts_with('/')) return exists(where);
  if (!driver.mariadb) return true;
  auto engine = engines.of(driver, Engine::mariadb);
  if (!engine) return true;
  const auto there = (*engine)->exists(where);
  return !there || *there;
}

/// What a recorded item is listed as: a SQLite database lies in a directory of its own.
std::string item_path(Part part, const std::string& where) {
  const bool file = part == Part::databases && where.starts_with('/');
  return file ? std::filesystem::path(where).parent_path().string() : where;
}

/// Content that lies where an environment is not: an earlier one's, in order.
std::set<std::string> content_left(Engines& engines, const HostDriverSpec& driver,
                                   const EnvironmentLayout& layout) {
  std::set<std::string> left;
  std::error_code error;
  for (const auto& set : std::filesystem::directory_iterator(layout.content(), error)) {
    const std::string name = set.path().filename();
    if (!name.starts_with("databases-") && !name.starts_with("files-")) continue;
    for (const auto& item : std::filesystem::directory_iterator(set.path(), error))
      left.insert(item.path());
  }
  if (!driver.mariadb) return left;
  auto engine = engines.of(driver, Engine::mariadb);
  if (!engine) return left;
  auto listed = (*engine)->list(layout.site, layout.environment);
  if (listed) left.insert(listed->begin(), listed->end());
  return left;
}

/// Why an environment that runs nothing is not simply a new one.
std::string why_not_new(Engines& engines, const HostDriverSpec& driver,
                        const EnvironmentLayout& layout,
                        const std::optional<EnvironmentRecord>& record) {
  const std::string note = layout.of_root().registered(layout.site, layout.environment);
  const bool noted = exists(note);
  auto left = content_left(engines, driver, layout);
  if (record) {  // What a creation that failed leaves waits to be cleared away.
    for (const auto& retired : record->retired) {
      for (const auto& [part, set] : retired.content) {
        for (const auto& [name, where] : set.items) left.erase(item_path(part, where));
      }
    }
  }
  std::string names;
  for (const auto& where : left) names += (names.empty() ? "\"" : ", \"") + where + "\"";
  if (!names.empty()) {
    return "\"" + layout.directory() + "\" runs nothing, but holds content: " + names +
           "; bring back its releases, .tidegate and current, or move that content away" +
           (noted ? " and remove \"" + note + "\"" : "") + " to have it created anew";
  }
  if (!noted) return "";
  return "\"" + layout.directory() + "\" lost what it held; bring it back, or remove \"" + note +
         "\" to have it created anew";
}

std::string why_gone(Engines& engines, const HostDriverSpec& driver, const Site& site,
                     const EnvironmentLayout& layout,
                     const std::optional<EnvironmentRecord>& record,
                     const std::optional<std::string>& link) {
  if (!record || record->current.empty()) return why_not_new(engines, driver, layout, record);
  if (!link)
    return "\"" + layout.current() + "\" is not there; point it at releases/" + record->current +
           " again";
  const std::string id = std::filesystem::path(*link).filename();
  if (!record->releases.contains(id)) {
    return "\"" + layout.current() + "\" points at \"" + *link +
           "\", which Tidegate did not make; point it at releases/" + record->current + " again";
  }
  if (!exists(layout.release(id)))
    return "release \"" + layout.release(id) + "\" is not there; bring it back";
  return missing_content(engines, driver, site, record->releases.at(id));
}

void fill_content(ObservedEnvironment& out, const EnvironmentRecord& record,
                  const ReleaseRecord& current) {
  for (Part part : parts) {
    ObservedPart& seen = out.content[part];
    if (auto it = current.content.find(part); it != current.content.end()) {
      seen.id = it->second.id;
      seen.stamp = it->second.stamp;
      seen.declared = it->second.declared;
    }
    if (auto it = record.highest.find(part); it != record.highest.end())
      seen.highest_generation = it->second;
    std::set<std::string> told{seen.id};
    for (const auto& id : record.kept) {
      const auto& content = record.releases.at(id).content;
      auto it = content.find(part);
      if (it != content.end() && told.insert(it->second.id).second)
        seen.kept.push_back({it->second.id, it->second.stamp});
    }
  }
}

void fill_kept(ObservedEnvironment& out, const EnvironmentRecord& record) {
  for (const auto& id : record.kept) {
    const ReleaseRecord& r = record.releases.at(id);
    KeptRelease kept{r.id, r.commit, r.inputs, {}, r.healthy};
    for (const auto& [part, set] : r.content) kept.content[part] = set.id;
    out.kept.push_back(std::move(kept));
  }
}

Result<std::optional<Operation>> operation_in(const EnvironmentLayout& layout) {
  auto lock = look(layout.lock());
  if (!lock) return std::move(lock.error());
  // The lock is asked before the journal: an operation that ends in between takes its journal away
  // first, and is then seen as neither.
  auto journal = exists(layout.journal())
                     ? read_journal(layout)
                     : Result<std::optional<Journal>>(std::optional<Journal>{});
  if (!journal) return std::move(journal.error());
  Operation out;
  out.owner = lock->owner;
  if (*journal) {
    out.id = (*journal)->operation;
    out.actions = (*journal)->actions;
    out.phase = (*journal)->phase;
    out.started_at = (*journal)->started_at;
    if (out.owner.empty()) out.owner = (*journal)->owner;
    out.interrupted = !lock->exclusive;
    if (out.interrupted && lock->shared) out.phase += ", being read";
    return std::optional(out);
  }
  if (!lock->exclusive && !lock->shared) return std::optional<Operation>{};
  out.id = lock->owner;
  out.phase = lock->exclusive ? "held by " + lock->owner : "read by " + lock->owner;
  out.as_source = !lock->exclusive;
  return std::optional(out);
}

/// What stays true of an environment whatever became of the rest of it.
void fill_memory(ObservedEnvironment& out, const EnvironmentRecord& record) {
  out.failures = record.failures;
  out.launched = record.launched;
  out.took_over = record.took_over;
  out.grants_used = record.grants_used;
  for (const CommitId& commit : record.proven) {
    auto proof = record.proofs.find(commit);
    Proof& seen = out.proven[commit] = proof == record.proofs.end() ? Proof{} : proof->second;
    seen.turn = out.proven.size();
  }
  out.last_proven = record.last_proven;
  out.revoked = record.revoked;
}

/// Whether nothing is lost when a release of the commit that is wanted takes the place of one that
/// people changed.
bool is_kept_or_given_up(const HostServices& services, const Site& site,
                         const Environment& declared, const ByHand& by_hand) {
  if (by_hand.discarded) return true;
  if (by_hand.committed.hex.empty()) return false;
  std::optional<CommitId> wanted;
  if (const auto* commit = std::get_if<CommitId>(&declared.code)) wanted = *commit;
  std::string ref;
  if (const auto* branch = std::get_if<BranchName>(&declared.code))
    ref = "refs/heads/" + branch->text;
  if (const auto* tag = std::get_if<TagName>(&declared.code)) ref = "refs/tags/" + tag->text;
  const auto known = services.repositories.known(site, mirrors_of(site));
  if (const auto found = known.refs->find(ref); found != known.refs->end()) wanted = found->second;
  if (!wanted || *wanted == by_hand.committed) return wanted.has_value();
  auto repository = services.repositories.open(site, mirrors_of(site));
  return repository && repository->is_ancestor(by_hand.committed, *wanted);
}

/// `declared`: as the manifests have it; null when they do not speak of it.
Result<ObservedEnvironment> observe_environment(const HostServices& services, Engines& engines,
                                                const Site& site, const EnvironmentLayout& layout,
                                                const HostDriverSpec& driver,
                                                const Environment* declared) {
  ObservedEnvironment out;
  out.gone = root_problem(services.roots, layout.root);
  if (!out.gone.empty()) return out;
  // What a person must mend holds this environment alone; what may heal is looked at again soon.
  const auto gone = [&out](Error error) -> Result<ObservedEnvironment> {
    if (error.kind != ErrorKind::invalid) return error;
    out.gone = std::move(error.message);
    return out;
  };
  auto record = known_record(layout);
  if (!record) return gone(std::move(record.error()));
  if (*record) fill_memory(out, **record);
  auto link = read_link(layout.current());
  if (!link) return gone(std::move(link.error()));
  auto operation = operation_in(layout);
  if (!operation) return gone(std::move(operation.error()));
  out.operation = *operation;
  // While an operation is under way the link may be ahead of the record.
  if (!out.operation || out.operation->as_source)
    out.gone = why_gone(engines, driver, site, layout, *record, *link);
  if (declared) {
    auto inputs = inputs_digest(site, *declared, services.secrets);
    if (inputs)
      out.wanted_inputs = *inputs;
    else
      out.missing_secret = inputs.error().message;
  }
  if (!*record || (*record)->current.empty() || !out.gone.empty()) return out;
  const EnvironmentRecord& r = **record;
  std::string id = *link ? std::filesystem::path(**link).filename().string() : r.current;
  if (!r.releases.contains(id)) id = r.current;
  if (!r.releases.contains(id)) {  // Rebuilt from what is left, while an operation is under way.
    out.gone = "release \"" + layout.release(id) + "\" has no record; bring it back";
    return out;
  }
  const ReleaseRecord& current = r.releases.at(id);
  out.exists = true;
  out.release = id;
  out.commit = current.commit;
  out.inputs = current.inputs;
  out.healthy = current.healthy;
  out.manifest_revision = current.manifest_revision;
  out.drifted = r.drift.has_value();
  if (declared && r.drift && r.drift->by_hand &&
      !is_kept_or_given_up(services, site, *declared, *r.drift->by_hand))
    out.uncommitted = r.drift->by_hand->summary;
  out.updated_since = r.updated_since;
  out.ran_on = r.ran_on;
  fill_content(out, r, current);
  fill_kept(out, r);
  return out;
}

void observe_code(const HostServices& services, const Site& site, ObservedSite& out) {
  const std::string mirrors = mirrors_of(site);
  const KnownRefs known = services.repositories.known(site, mirrors);
  out.repository_problem = known.problem;
  out.repository_pending = known.pending;
  std::set<CommitId> wanted;
  auto add_ref = [&](const std::string& name) {
    auto it = known.refs->find(name);
    if (it == known.refs->end()) {
      if (services.repositories.looks_for(site, mirrors, name)) out.unread_refs.insert(name);
      return;
    }
    out.refs[name] = it->second;
    wanted.insert(it->second);
  };
  for (const auto& [name, environment] : site.environments) {
    if (const auto* tag = std::get_if<TagName>(&environment.code))
      add_ref("refs/tags/" + tag->text);
    if (const auto* branch = std::get_if<BranchName>(&environment.code))
      add_ref("refs/heads/" + branch->text);
    if (const auto* commit = std::get_if<CommitId>(&environment.code)) {
      wanted.insert(*commit);
      const auto has = services.repositories.has(site, mirrors, *commit);
      if (has && !*has) out.missing_commits.insert(*commit);
      if (!has && (known.pending || known.problem.empty())) out.unread_commits.insert(*commit);
    }
  }
  std::vector<std::string> paths;
  for (const auto& files : site.files) paths.push_back(files.path);
  if (paths.empty()) return;
  for (const CommitId& commit : wanted) {
    const std::string path = services.repositories.tracked(site, mirrors, commit, paths);
    if (!path.empty()) out.tracked_content[commit] = path;
  }
}

/// Whether what a Grant let in past the lowest stage has come to be in what that stage runs.
void observe_hotfixes(const HostServices& services, const Site& site, ObservedSite& out) {
  const auto lowest = out.environments.find(site.stages.front());
  if (lowest == out.environments.end() || !lowest->second.commit) return;
  for (const auto& [name, seen] : out.environments) {
    for (const auto& [grant, commit] : seen.grants_used) {
      if (commit != seen.commit || out.contained.contains(commit)) continue;
      const auto repository = services.repositories.open(site, mirrors_of(site));
      if (!repository) return;
      const auto missing = repository->between(*lowest->second.commit, commit, 1);
      if (missing && missing->empty()) out.contained.insert(commit);
    }
  }
}

/// Environments that are there though no manifest speaks of them any more: a launch recorded in one
/// still counts, and an operation that was interrupted in one is still to be taken up.
Result<void> observe_undeclared(const HostServices& services, Engines& engines, const Site& site,
                                ObservedSite& out) {
  std::map<std::string, const HostDriverSpec*> roots;
  for (const auto& [name, environment] : site.environments)
    roots.emplace(environment.driver->root, environment.driver.get());
  for (const auto& [root, driver] : roots) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(root + "/" + site.name, error)) {
      const std::string name = entry.path().filename();
      const EnvironmentLayout layout{root, site.name, name};
      if (site.environments.contains(name)) continue;
      if (!exists(layout.record()) && !exists(layout.journal()) && !exists(layout.current()))
        continue;
      auto seen = observe_environment(services, engines, site, layout, *driver, nullptr);
      if (!seen) return std::move(seen.error()).within(name);
      out.environments[name] = std::move(*seen);
    }
  }
  return {};
}

}  // namespace

Result<std::optional<EnvironmentRecord>> known_record(const EnvironmentLayout& layout) {
  auto record = read_record(layout);
  if (!record || *record) return record;
  return rebuild_record(layout);
}

Result<bool> follow_link(const EnvironmentLayout& layout, EnvironmentRecord& record) {
  auto link = read_link(layout.current());
  if (!link) return std::move(link.error());
  const auto moved = std::ranges::find_if(
      record.kept, [&](const std::string& id) { return *link && **link == "releases/" + id; });
  if (moved == record.kept.end()) return false;
  std::swap(*moved, record.current);
  return true;
}

std::string missing_content(Engines& engines, const HostDriverSpec& driver, const Site& site,
                            const ReleaseRecord& release) {
  for (const auto& [part, set] : release.content) {
    for (const auto& [name, where] : set.items) {
      if (!declares(site, part, name) || is_there(engines, driver, where)) continue;
      return std::string(part == Part::databases ? "database \"" : "files \"") + name + "\" at \"" +
             where + "\" is not there; bring it back";
    }
  }
  return "";
}

std::optional<Environment> let_go_environment(const Site& site, const std::string& name) {
  for (const auto& [other, environment] : site.environments) {
    if (!environment.driver) continue;
    const EnvironmentLayout layout{environment.driver->root, site.name, name};
    if (!exists(layout.journal())) continue;
    Environment out;
    out.name = name;
    out.driver = environment.driver;
    return out;
  }
  return std::nullopt;
}

Result<ObservedSite> observe_site(const HostServices& services, Engines& engines,
                                  const Site& site) {
  ObservedSite out;
  for (const auto& [name, environment] : site.environments) {
    if (!environment.driver)
      return Error{ErrorKind::invalid, "the driver of " + name + " is not defined by any document"};
    auto seen = observe_environment(services, engines, site, layout_of(site, environment),
                                    *environment.driver, &environment);
    if (!seen) return std::move(seen.error()).within(name);
    out.environments[name] = std::move(*seen);
  }
  if (auto rest = observe_undeclared(services, engines, site, out); !rest)
    return std::move(rest.error());
  if (!site.environments.empty()) observe_code(services, site, out);
  observe_hotfixes(services, site, out);
  observe_signatures(services, site, out);
  return out;
}

}  // namespace tidegate
