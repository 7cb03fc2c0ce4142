#include "controller/host/tend.h"

#include <algorithm>
#include <filesystem>

#include "controller/host/builds.h"
#include "controller/host/files/content_links.h"
#include "controller/host/files/locks.h"
#include "controller/host/files/remove.h"
#include "controller/host/observe.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration grace =
    5min;  // Requests and commands may still be in what was switched away from.
constexpr std::size_t told_max = 20;

std::vector<std::string> excluded_of(const Site& site, const ReleaseRecord& release) {
  std::vector<std::string> out = site.application.writable;
  auto set = release.content.find(Part::files);
  if (set != release.content.end())
    for (const auto& [name, path] : set->second.declared) out.push_back(path);
  return out;
}

Result<std::optional<Drift>> look_for_drift(const Place& place, const EnvironmentRecord& record,
                                            bool renew) {
  const ReleaseRecord& release = record.releases.at(record.current);
  const std::string path = build_manifest(place.layout, release.build);
  auto manifest = load_manifest(path);
  if (!manifest) return std::move(manifest.error());
  if (!*manifest) return std::optional<Drift>{};
  auto changes =
      scan(place.layout.code(release.id), **manifest, excluded_of(place.site, release), false);
  if (!changes) return std::move(changes.error());
  if (renew && (*manifest)->renewed && changes->empty()) {
    if (auto saved = save(**manifest, path); !saved) return std::move(saved.error());
  }
  if (changes->empty()) return std::optional<Drift>{};
  Drift drift{place.services.clock.now(), changes->size(), {}};
  for (const Change& change : *changes) {
    if (drift.first.size() < told_max)
      drift.first.push_back(std::string(to_string(change.kind)) + " " + change.path);
  }
  return std::optional(drift);
}

std::set<std::string> content_named(const EnvironmentRecord& record, Part part) {
  std::set<std::string> out;
  for (const auto& [id, release] : record.releases) {
    auto it = release.content.find(part);
    if (it == release.content.end()) continue;
    for (const auto& [name, where] : it->second.items) out.insert(where);
  }
  return out;
}

Result<void> clear_databases(const Place& place, const EnvironmentRecord& record) {
  const auto named = content_named(record, Part::databases);
  std::set<Engine> engines;
  for (const auto& database : place.site.databases) engines.insert(database.engine);
  for (Engine kind : engines) {
    auto engine = place.engines.of(*place.environment.driver, kind);
    if (!engine) return std::move(engine.error());
    auto there = (*engine)->list(place.site.name, place.environment.name);
    if (!there) return std::move(there.error());
    for (const auto& physical : *there) {
      if (named.contains(physical)) continue;
      if (auto dropped = (*engine)->drop(physical); !dropped) return dropped;
    }
  }
  return {};
}

Result<void> clear_directories(const Place& place, const EnvironmentRecord& record) {
  std::set<std::string> sets;
  for (const auto& [id, release] : record.releases) {
    for (const auto& [part, set] : release.content)
      sets.insert(std::string(to_string(part)) + "-" + set.id);
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(place.layout.content(), error)) {
    const std::string name = entry.path().filename();
    const bool ours = name.starts_with("files-") || name.starts_with("databases-");
    if (!ours || sets.contains(name)) continue;
    if (auto removed = remove_tree(entry.path(), place.layout.content()); !removed) return removed;
  }
  for (const auto& entry : std::filesystem::directory_iterator(place.layout.releases(), error)) {
    if (record.releases.contains(entry.path().filename())) continue;
    if (auto removed = remove_tree(entry.path(), place.layout.releases()); !removed) return removed;
  }
  return {};
}

bool anything_due(const EnvironmentRecord& record, Timestamp now) {
  return !record.retired.empty() &&
         std::ranges::any_of(record.retired, [&](const Retired& r) { return r.at + grace <= now; });
}

/// The record with what was retired too recently to be cleared away; nothing when it is not known
/// what that is made of.
Result<std::optional<EnvironmentRecord>> still_used(const Place& place,
                                                    const EnvironmentRecord& record) {
  EnvironmentRecord out = record;
  std::erase_if(out.retired,
                [&](const Retired& r) { return r.at + grace <= place.services.clock.now(); });
  for (const auto& retired : out.retired) {
    auto release = read_release(place.layout, retired.id);
    if (!release) return std::move(release.error());
    if (!*release) return std::optional<EnvironmentRecord>{};
    out.releases[retired.id] = std::move(**release);
  }
  return std::optional(std::move(out));
}

}  // namespace

Result<bool> tend_environment(const Place& place, bool renew_stat_cache) {
  auto record = read_record(place.layout);
  if (!record) return std::move(record.error());
  if (!*record || (*record)->current.empty()) return false;
  auto state = look(place.layout.lock());
  if (!state) return std::move(state.error());
  if (state->exclusive || state->shared || std::filesystem::exists(place.layout.journal()))
    return false;
  const std::string looked_at = (*record)->current;
  auto drift = look_for_drift(place, **record, renew_stat_cache);
  if (!drift) return std::move(drift.error());
  const bool same_drift = drift->has_value() == (*record)->drift.has_value() &&
                          (!*drift || (**drift).first == (*record)->drift->first);
  const bool clears = anything_due(**record, place.services.clock.now());
  if (same_drift && !clears) return false;
  auto lock = EnvironmentLock::try_exclusive(place.layout.lock(),
                                             place.services.owner + ", looking it over");
  if (!lock) return std::move(lock.error());
  if (!*lock || std::filesystem::exists(place.layout.journal())) return false;
  record = read_record(place.layout);  // It may have moved on before the lock was taken.
  if (!record) return std::move(record.error());
  if (!*record || (*record)->current != looked_at) return false;
  if (!same_drift) (*record)->drift = *drift;
  bool cleared = false;
  if (clears && anything_due(**record, place.services.clock.now())) {
    auto used = still_used(place, **record);
    if (!used) return std::move(used.error());
    if (*used) {
      if (auto r = clear_databases(place, **used); !r) return std::move(r.error());
      if (auto r = clear_directories(place, **used); !r) return std::move(r.error());
      (*record)->retired = (*used)->retired;
      cleared = true;
    }
  }
  if (same_drift && !cleared) return false;
  if (auto r = write_record(place.layout, **record); !r) return std::move(r.error());
  return !same_drift;
}

Result<void> tend_builds(const HostServices& services, const Site& site) {
  (void)services;
  std::map<std::string, std::set<std::string>> named;  // By root.
  for (const auto& [name, environment] : site.environments) {
    if (!environment.driver) continue;
    const auto layout = layout_of(site, environment);
    named[layout.root];
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(layout.root + "/" + site.name, error)) {
      const EnvironmentLayout other{layout.root, site.name, entry.path().filename()};
      auto record = known_record(other);
      auto journal = read_journal(other);
      if (!record || !journal)
        return {};              // What a broken record names is not known: nothing is cleared.
      if (*journal) return {};  // An operation may be about to name one.
      if (!*record) continue;
      for (const auto& [id, release] : (*record)->releases)
        named[layout.root].insert(release.build);
      if (!(*record)->retired.empty()) return {};
    }
  }
  for (const auto& [root, builds] : named) {
    if (auto cleared = clear_builds({root, site.name, ""}, builds); !cleared) return cleared;
  }
  return {};
}

}  // namespace tidegate
