#include "controller/host/tend.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "controller/host/builds.h"
#include "controller/host/drift.h"
#include "controller/host/files/durable.h"
#include "controller/host/files/locks.h"
#include "controller/host/files/remove.h"
#include "controller/host/observe.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration grace =
    5min;  // Requests and commands may still be in what was switched away from.

using Contents = std::map<Part, ContentSet>;

/// What may be cleared away: the recorded items of what is due, but for those that anything else
/// names.
struct Leftovers {
  std::set<std::string> releases, files;
  std::map<Engine, std::set<std::string>> databases;
};

Leftovers leftovers(const std::vector<Retired>& due, const EnvironmentRecord& used) {
  std::set<std::string> named;
  const auto name = [&named](const Contents& content) {
    for (const auto& [part, set] : content)
      for (const auto& [item, where] : set.items) named.insert(where);
  };
  for (const auto& [id, release] : used.releases) name(release.content);
  for (const auto& retired : used.retired) name(retired.content);
  Leftovers out;
  for (const auto& retired : due) {
    if (!used.releases.contains(retired.id)) out.releases.insert(retired.id);
    for (const auto& [part, set] : retired.content) {
      for (const auto& [item, where] : set.items) {
        if (named.contains(where)) continue;
        (part == Part::files ? out.files : out.databases[engine_named(set.declared.at(item))])
            .insert(where);
      }
    }
  }
  return out;
}

/// Before what they are made of, so that none is left whose content is gone.
Result<void> clear_releases(const Place& place, const Leftovers& left) {
  const auto& layout = place.layout;
  for (const auto& id : left.releases) {
    auto release = read_release(layout, id);
    if (!release) return std::move(release.error());
    if (*release)
      if (auto kept = keep_aside(layout, **release); !kept) return std::move(kept.error());
    if (auto removed = remove_tree(layout.release(id), layout.releases()); !removed) return removed;
  }
  return {};
}

/// Those alone that have this environment's mark, or were dropped already.
Result<void> clear_databases(const Place& place, const Leftovers& left) {
  for (const auto& [kind, databases] : left.databases) {
    auto engine = place.engines.of(*place.environment.driver, kind);
    if (!engine) return std::move(engine.error());
    auto ours = (*engine)->list(place.site.name, place.environment.name);
    if (!ours) return std::move(ours.error());
    for (const auto& physical : databases) {
      auto taken = (*engine)->is_taken(physical);
      if (!taken) return std::move(taken.error());
      if (*taken && !std::ranges::binary_search(*ours, physical)) continue;
      if (auto dropped = (*engine)->drop(physical); !dropped) return dropped;
    }
  }
  return {};
}

Result<void> clear_files(const Place& place, const Leftovers& left) {
  const std::string content = place.layout.content();
  for (const auto& directory : left.files) {
    if (!directory.starts_with(content + "/")) continue;  // Another environment's: a copied record.
    if (auto removed = remove_tree(directory, content); !removed) return removed;
    ::rmdir(directory.substr(0, directory.rfind('/')).c_str());  // Unless it holds more.
  }
  return {};
}

/// What somebody pointed "current" at is no leftover, though the record does not name it.
bool runs_what_is_recorded(const EnvironmentLayout& layout, const EnvironmentRecord& record) {
  const auto link = read_link(layout.current());
  return link && *link && std::ranges::any_of(record.releases, [&](const auto& release) {
           return **link == "releases/" + release.first;
         });
}

bool anything_due(const EnvironmentRecord& record, Timestamp now) {
  return !record.retired.empty() &&
         std::ranges::any_of(record.retired, [&](const Retired& r) { return r.at + grace <= now; });
}

Result<void> clear(const Place& place, EnvironmentRecord& record) {
  const Timestamp now = place.services.clock.now();
  const auto due = std::ranges::stable_partition(
      record.retired, [&](const Retired& r) { return r.at + grace > now; });
  const std::vector<Retired> old(due.begin(), due.end());
  record.retired.erase(due.begin(), due.end());
  const Leftovers left = leftovers(old, record);
  if (auto r = clear_releases(place, left); !r) return r;
  if (auto r = clear_databases(place, left); !r) return r;
  return clear_files(place, left);
}

}  // namespace

Result<Tended> tend_environment(const Place& place, bool renew_stat_cache) {
  Tended out;
  auto record = read_record(place.layout);
  if (!record) return std::move(record.error());
  if (!*record || (*record)->current.empty()) return out;
  for (const auto& [id, release] : (*record)->releases) {
    out.builds.insert(release.build);
    out.unhealthy |= id == (*record)->current && !release.healthy;
  }
  auto state = look(place.layout.lock());
  if (!state) return std::move(state.error());
  if (state->exclusive || state->shared || std::filesystem::exists(place.layout.journal()) ||
      !runs_what_is_recorded(place.layout, **record))
    return out;
  const std::string looked_at = (*record)->current;
  const auto seen_before = (*record)->drift;
  auto drift =
      look_for_drift(place, (*record)->releases.at(looked_at), seen_before, renew_stat_cache);
  if (!drift) return std::move(drift.error());
  const bool same = same_drift(*drift, seen_before);
  const bool clears = anything_due(**record, place.services.clock.now());
  if (same && !clears) return out;
  auto lock = EnvironmentLock::try_exclusive(place.layout.lock(),
                                             place.services.owner + ", looking it over");
  if (!lock) return std::move(lock.error());
  if (!*lock || std::filesystem::exists(place.layout.journal())) return out;
  record = read_record(place.layout);  // It may have moved on before the lock was taken.
  if (!record) return std::move(record.error());
  if (!*record || (*record)->current != looked_at || !runs_what_is_recorded(place.layout, **record))
    return out;
  if (!same_drift((*record)->drift, seen_before)) return out;  // Somebody gave it up meanwhile.
  if (!same) (*record)->drift = *drift;
  bool cleared = false;
  if (clears && anything_due(**record, place.services.clock.now())) {
    if (auto r = clear(place, **record); !r) return std::move(r.error());
    cleared = true;
  }
  if (same && !cleared) return out;
  if (auto r = write_record(place.layout, **record); !r) return std::move(r.error());
  out.news = !same;
  return out;
}

Result<void> tend_builds(const Site& site, const std::set<std::string>& known) {
  const bool all_known = std::ranges::all_of(site.environments, [&](const auto& e) {
    return !e.second.driver ||
           std::ranges::includes(known, builds_there(layout_of(site, e.second)));
  });
  if (all_known) return {};
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
