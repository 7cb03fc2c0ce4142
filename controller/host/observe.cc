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

std::string missing_content(const ReleaseRecord& release) {
  for (const auto& [part, set] : release.content) {
    for (const auto& [name, where] : set.items) {
      if (!where.starts_with('/') || exists(where)) continue;  // A database's name is no path.
      return std::string(part == Part::databases ? "database \"" : "files \"") + name + "\" at \"" +
             where + "\" is not there; bring it back";
    }
  }
  return "";
}

std::string why_gone(const EnvironmentLayout& layout,
                     const std::optional<EnvironmentRecord>& record,
                     const std::optional<std::string>& link) {
  if (!record || record->current.empty()) {
    if (!exists(layout.of_root().registered(layout.site, layout.environment))) return "";
    return "\"" + layout.directory() + "\" lost what it held; bring it back, or remove \"" +
           layout.of_root().registered(layout.site, layout.environment) +
           "\" to have it created anew";
  }
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
  return missing_content(record->releases.at(id));
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

Result<ObservedEnvironment> observe_environment(const HostServices& services, const Site& site,
                                                const EnvironmentLayout& layout,
                                                const Environment* declared) {
  ObservedEnvironment out;
  out.gone = root_problem(services.roots, layout.root);
  if (!out.gone.empty()) return out;
  auto record = known_record(layout);
  if (!record) return std::move(record.error());
  auto link = read_link(layout.current());
  if (!link) {
    out.gone = link.error().message;
    return out;
  }
  auto operation = operation_in(layout);
  if (!operation) return std::move(operation.error());
  out.operation = *operation;
  if (*record) {
    out.failures = (*record)->failures;
    out.launched = (*record)->launched;
    out.took_over = (*record)->took_over;
    out.grants_used = (*record)->grants_used;
  }
  // While an operation is under way the link may be ahead of the record.
  if (!out.operation || out.operation->as_source) out.gone = why_gone(layout, *record, *link);
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
  out.drifted = r.drift.has_value();
  out.updated_since = r.updated_since;
  for (const CommitId& commit : r.proven) {
    auto proof = r.proofs.find(commit);
    Proof& seen = out.proven[commit] = proof == r.proofs.end() ? Proof{} : proof->second;
    seen.turn = out.proven.size();
  }
  out.last_proven = r.last_proven;
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
    if (it == known.refs->end()) return;
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
/// still counts.
Result<void> observe_undeclared(const HostServices& services, const Site& site, ObservedSite& out) {
  std::set<std::string> roots;
  for (const auto& [name, environment] : site.environments) roots.insert(environment.driver->root);
  for (const auto& root : roots) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(root + "/" + site.name, error)) {
      const std::string name = entry.path().filename();
      const EnvironmentLayout layout{root, site.name, name};
      if (site.environments.contains(name) || !exists(layout.record())) continue;
      auto seen = observe_environment(services, site, layout, nullptr);
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

Result<ObservedSite> observe_site(const HostServices& services, const Site& site) {
  ObservedSite out;
  for (const auto& [name, environment] : site.environments) {
    if (!environment.driver)
      return Error{ErrorKind::invalid, "the driver of " + name + " is not defined by any document"};
    auto seen = observe_environment(services, site, layout_of(site, environment), &environment);
    if (!seen) return std::move(seen.error()).within(name);
    out.environments[name] = std::move(*seen);
  }
  if (auto rest = observe_undeclared(services, site, out); !rest) return std::move(rest.error());
  if (!site.environments.empty()) observe_code(services, site, out);
  observe_hotfixes(services, site, out);
  observe_signatures(services, site, out);
  return out;
}

}  // namespace tidegate
