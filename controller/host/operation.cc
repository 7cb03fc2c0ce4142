// The sequence of an operation, and the ways it ends.

#include "controller/host/operation.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "controller/host/files/durable.h"
#include "controller/host/files/remove.h"
#include "reconcilers/policies.h"

namespace tidegate {
namespace {

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Error{ErrorKind::transient, "remove \"" + path + "\": " + std::strerror(errno)};
}

}  // namespace

bool has_switched(const EnvironmentLayout& layout, const Journal& journal) {
  auto link = read_link(layout.current());
  return link && *link && **link == "releases/" + journal.prepared.id &&
         journal.before != journal.prepared.id;
}

HostOperation::HostOperation(Place place, Step step, EnvironmentRecord record, Journal journal,
                             std::vector<EnvironmentLock> locks, const std::atomic<bool>& stopping)
    : place_(std::move(place)),
      step_(std::move(step)),
      record_(std::move(record)),
      journal_(std::move(journal)),
      locks_(std::move(locks)),
      stopping_(stopping),
      deadline_(std::chrono::steady_clock::now() + place_.environment.deploy.timeout) {}

void HostOperation::say(const std::string& text) {
  place_.services.log.line(journal_.operation, mask_.apply(text));
}

Result<void> HostOperation::phase(const std::string& name) {
  if (stopped()) return Error{ErrorKind::transient, "stopped with the controller before " + name};
  journal_.phase = name;
  if (auto written = write_journal(place_.layout, journal_); !written) return written;
  place_.services.log.phase(journal_.operation, name, {});
  return {};
}

void HostOperation::run() {
  auto result = forward();
  if (result) return finish(true, "");
  give_up(result.error());
}

Result<void> HostOperation::forward() {
  if (auto r = ask_gate(); !r) return r;
  if (auto r = prepare_directories(); !r) return r;
  if (auto r = prepare_code(); !r) return r;
  if (auto r = prepare_content(); !r) return r;
  if (auto r = link_code(); !r) return r;
  if (auto r = run_hooks(); !r) return r;
  if (auto r = verify_prepared(); !r) return r;
  if (auto r = ask_gate(); !r) return r;
  if (auto r = switch_over(); !r) return r;
  return after_switch();
}

Result<void> HostOperation::ask_gate() {
  if (!place_.services.gate) return {};
  auto refusal = place_.services.gate(place_.site, step_, journal_.operation);
  if (!refusal) return {};
  held_ = refusal->hold;
  return Error{ErrorKind::transient, refusal->message};
}

Result<void> HostOperation::switch_over() {
  if (place_.environment.deploy.maintenance_always && !journal_.maintenance &&
      !journal_.before.empty()) {
    if (auto r = close_for_visitors(); !r) return r;
  }
  if (!journal_.reuses) {
    if (auto r = write_release(place_.layout, journal_.prepared); !r) return r;
  }
  if (auto r = sync_tree_filesystem(place_.layout.release(journal_.prepared.id)); !r) return r;
  if (auto r = phase("switch"); !r) return r;
  if (auto r = point_link(place_.layout.current(), "releases/" + journal_.prepared.id); !r)
    return r;
  switched_ = true;
  say("switched to release " + journal_.prepared.id);
  if (auto r = remove_file(place_.layout.maintenance()); !r) return r;
  return remove_file(place_.layout.next());
}

Result<void> HostOperation::after_switch() {
  if (place_.environment.deploy.clear_cache &&
      !place_.site.application.commands.clear_cache.empty()) {
    if (auto r = phase("clearCache"); !r) return r;
    if (auto r =
            commands("clearCache", place_.site.application.commands.clear_cache, journal_.prepared);
        !r)
      return r;
  }
  return verify_live();
}

// ---- ends ----

void HostOperation::give_up(const Error& error) {
  say(error.message);
  const bool stays = switched_ && error.kind == ErrorKind::site && !place_.environment.rollback;
  if (stays) {
    record_failure(error);
    return finish(false, error.message);
  }
  // Stopped after the switch: the release is in place, the next controller verifies it.
  if (switched_ && stopped())
    return end("", "stopped with the controller; its verification is taken up again");
  journal_.failure = error.message;
  journal_.failure_is_sites = error.kind == ErrorKind::site;
  end_failed(error);
}

void HostOperation::end_failed(const Error& error) {
  undoing_ = true;
  auto undone = switched_ ? go_back() : undo();
  if (!undone) {
    say("undoing failed: " + undone.error().message);
    // The journal stays: the next look finds an interrupted operation and undoes it again.
    const std::string digest = "recover " + journal_.operation;
    auto it = std::ranges::find(record_.failures, digest, &Failure::digest);
    if (it == record_.failures.end()) {
      it = record_.failures.insert(record_.failures.end(), Failure{digest, false, {}, {}, 0});
    }
    it->message = undone.error().message;
    it->ended_at = place_.services.clock.now();
    ++it->attempts;
    if (auto written = write_record(place_.layout, record_); !written) say(written.error().message);
    return end("", "undoing failed and is tried again: " + undone.error().message);
  }
  if (!held_ && !stopped()) record_failure(error);
  std::erase_if(record_.failures,
                [](const Failure& f) { return f.digest.starts_with("recover "); });
  record_.last_release = std::max<std::uint64_t>(
      record_.last_release, std::strtoull(journal_.prepared.id.c_str(), nullptr, 10));
  if (auto written = write_record(place_.layout, record_); !written) {
    say(written.error().message);
    return end("", written.error().message);
  }
  if (auto removed = remove_journal(place_.layout); !removed) say(removed.error().message);
  end(held_ || stopped() ? "undone" : "failed", error.message);
}

void HostOperation::record_failure(const Error& error) {
  const bool sites = error.kind == ErrorKind::site;
  auto it = std::ranges::find(record_.failures, journal_.digest, &Failure::digest);
  const int attempts = it == record_.failures.end() ? 1 : it->attempts + 1;
  if (it != record_.failures.end()) record_.failures.erase(it);
  std::erase_if(record_.failures, [](const Failure& f) { return !f.quarantined; });
  record_.failures.push_back(
      {journal_.digest, sites, error.message, place_.services.clock.now(), attempts});
  if (record_.failures.size() > failures_max) record_.failures.erase(record_.failures.begin());
}

void HostOperation::end(const std::string& result, const std::string& message) {
  locks_.clear();
  place_.services.log.ended(journal_.operation, result, mask_.apply(message));
  if (place_.services.changed) place_.services.changed(place_.site.name);
}

void HostOperation::keep_and_retire(const std::string& id) {
  const Timestamp now = place_.services.clock.now();
  auto retire = [&](const std::string& old) {
    record_.releases.erase(old);
    std::erase(record_.kept, old);
    record_.retired.push_back({old, now});
  };
  if (!record_.current.empty() && record_.current != id) {
    std::erase(record_.kept, record_.current);
    record_.kept.insert(record_.kept.begin(), record_.current);
    if (!record_.releases[record_.current].healthy) retire(record_.current);
  }
  std::erase(record_.kept, id);
  while (record_.kept.size() > static_cast<std::size_t>(place_.environment.driver->keep_releases)) {
    retire(record_.kept.back());
  }
}

void HostOperation::note_proof(const ReleaseRecord& release) {
  std::erase(record_.proven, release.commit);
  record_.proven.push_back(release.commit);
  std::map<Part, Stamp> stamps;
  for (const auto& [part, set] : release.content) stamps[part] = set.stamp;
  record_.proofs.try_emplace(release.commit, Proof{place_.services.clock.now(), {}})
      .first->second.content_taken_at =
      taken_from_above(place_.site, place_.environment.name, stamps);
  if (record_.proven.size() > proven_max) {
    record_.proofs.erase(record_.proven.front());
    record_.proven.erase(record_.proven.begin());
  }
  record_.last_proven = release.commit;
}

void HostOperation::finish(bool healthy, const std::string& message) {
  ReleaseRecord& prepared = journal_.prepared;
  prepared.healthy = healthy;
  if (!journal_.reuses || healthy) {
    if (auto r = write_release(place_.layout, prepared); !r) return end("", r.error().message);
  }
  const auto databases_of = [](const ReleaseRecord& r) {
    auto it = r.content.find(Part::databases);
    return it == r.content.end() ? std::string() : it->second.id;
  };
  const auto before = record_.releases.find(record_.current);
  const bool same_databases =
      before != record_.releases.end() && databases_of(before->second) == databases_of(prepared);
  record_.updated_since = same_databases && (record_.updated_since || prepared.updated);
  keep_and_retire(prepared.id);
  record_.releases[prepared.id] = prepared;
  record_.current = prepared.id;
  record_.last_release = std::max<std::uint64_t>(record_.last_release,
                                                 std::strtoull(prepared.id.c_str(), nullptr, 10));
  for (const auto& [part, generation] : journal_.done)
    record_.highest[part] = std::max(record_.highest[part], generation);
  const bool promoted = std::ranges::find(journal_.actions, "promote") != journal_.actions.end();
  for (const auto& id : journal_.grants)
    record_.grants_used[id] = promoted ? prepared.commit : CommitId{};
  if (healthy) {
    note_proof(prepared);
    record_.ran_on[prepared.commit].insert(databases_of(prepared));
    std::erase_if(record_.failures,
                  [&](const Failure& f) { return !f.quarantined || f.digest == journal_.digest; });
  }
  std::set<std::string> ids;
  for (const auto& [id, release] : record_.releases) ids.insert(databases_of(release));
  for (auto& [commit, ran] : record_.ran_on)
    std::erase_if(ran, [&](const std::string& id) { return !ids.contains(id); });
  std::erase_if(record_.ran_on, [](const auto& entry) { return entry.second.empty(); });
  record_.drift.reset();
  const bool is_authority = place_.environment.name == place_.site.authority();
  record_.launched |= is_authority && place_.site.launched && !step_.creates;
  if (auto noted = register_environment(place_.layout, record_.launched); !noted)
    return end("", noted.error().message);
  if (auto written = write_record(place_.layout, record_); !written)
    return end("", written.error().message);
  for (const auto& saved : journal_.saved) {
    auto engine = engine_of(saved.engine);
    if (engine)
      if (auto dropped = (*engine)->drop(saved.saved_as); !dropped) say(dropped.error().message);
  }
  if (auto removed = remove_journal(place_.layout); !removed)
    return end("", removed.error().message);
  say(healthy ? "done" : "stays although it failed: onFailure.rollback is false");
  end(healthy ? "succeeded" : "failed", message);
}

// ---- taking up what was interrupted ----

void HostOperation::recover() {
  say("taken up again: it was interrupted in phase " + journal_.phase);
  switched_ = has_switched(place_.layout, journal_);
  auto loaded = load_variables(journal_.prepared);
  if (!loaded) say(loaded.error().message);
  const Error lost{
      journal_.failure_is_sites ? ErrorKind::site : ErrorKind::transient,
      journal_.failure.empty() ? "interrupted in phase " + journal_.phase : journal_.failure};
  const auto recorded = record_.releases.find(journal_.prepared.id);
  if (switched_ && record_.current == journal_.prepared.id && recorded != record_.releases.end() &&
      recorded->second.healthy) {
    return finish(true, "finished after an interruption");  // All but its last lines was written.
  }
  if (switched_ && journal_.failure.empty()) {
    auto cleared = remove_file(place_.layout.maintenance());
    if (cleared) cleared = remove_file(place_.layout.next());
    if (cleared && !loaded) cleared = std::move(loaded);
    if (cleared) cleared = after_switch();
    if (cleared) return finish(true, "finished after an interruption");
    return give_up(cleared.error());
  }
  if (journal_.failure.empty())
    held_ = true;  // An interruption is nobody's failure: no quarantine, no backoff.
  end_failed(lost);
}

Result<void> HostOperation::undo() {
  journal_.phase = "undo";
  // On a full disk the undoing is what makes room; the journal that is there leads here as well.
  if (auto r = write_journal(place_.layout, journal_); !r) say(r.error().message);
  place_.services.log.phase(journal_.operation, "undo", {});
  if (auto r = put_databases_back(); !r) return r;
  if (!journal_.saved.empty() || journal_.maintenance_on) {
    // Visitors are let in next and write: nothing puts the databases back once more, not after a
    // kill.
    journal_.saved.clear();
    journal_.maintenance_on = false;
    if (!write_journal(place_.layout, journal_)) {
      if (auto r = drop_release(); !r) return r;
      if (auto r = write_journal(place_.layout, journal_); !r) return r;
    }
  }
  if (auto r = remove_file(place_.layout.maintenance()); !r) return r;
  if (auto r = remove_file(place_.layout.next()); !r) return r;
  if (auto r = drop_release(); !r) return r;
  return drop_content();
}

Result<void> HostOperation::put_databases_back() {
  for (const auto& saved : journal_.saved) {
    auto engine = engine_of(saved.engine);
    if (!engine) return std::move(engine.error());
    if (auto r = (*engine)->restore(saved.saved_as, saved.physical, {}); !r)
      return std::move(r.error()).within("put databases back");
    say("put back database " + saved.physical);
  }
  if (!journal_.maintenance_on || journal_.before.empty()) return {};
  const auto& release = record_.releases[journal_.before];
  if (auto r = load_variables(release); !r) return r;
  deadline_ = std::max(deadline_, std::chrono::steady_clock::now() + std::chrono::minutes(2));
  auto off = commands("maintenanceOff", place_.site.application.commands.maintenance_off, release);
  if (!off)
    say(off.error().message);  // The databases are as they were; visitors matter more than this.
  return {};
}

Result<void> HostOperation::drop_release() {
  if (journal_.reuses) return {};
  return remove_tree(place_.layout.release(journal_.prepared.id), place_.layout.releases());
}

Result<void> HostOperation::drop_content() {
  for (const auto& created : journal_.databases) {
    auto engine = engine_of(created.engine);
    if (!engine) return std::move(engine.error());
    if (auto r = (*engine)->drop(created.physical); !r) return r;
  }
  for (const auto& directory : journal_.directories) {
    if (auto r = remove_tree(directory, place_.layout.content()); !r) return r;
    ::rmdir(
        directory.substr(0, directory.rfind('/')).c_str());  // Its set's, unless that holds more.
  }
  return {};
}

/// After visitors were let in: the code goes back, kept content stays as they left it.
Result<void> HostOperation::go_back() {
  journal_.phase = "undo";
  // From here on nothing puts the databases back, not even after a kill: visitors wrote into them.
  const auto saved_copies = std::exchange(journal_.saved, {});
  journal_.maintenance_on = false;
  if (auto r = write_journal(place_.layout, journal_); !r) return r;
  place_.services.log.phase(journal_.operation, "undo", {});
  if (journal_.before.empty()) {
    if (auto r = remove_file(place_.layout.current()); !r) return r;
  } else if (auto r = point_link(place_.layout.current(), "releases/" + journal_.before); !r) {
    return r;
  }
  if (auto r = remove_file(place_.layout.maintenance()); !r) return r;
  say(journal_.before.empty() ? "took the new environment away again"
                              : "went back to release " + journal_.before);
  if (!journal_.before.empty() && place_.environment.deploy.clear_cache) {
    const auto& release = record_.releases[journal_.before];
    auto loaded = load_variables(release);
    deadline_ = std::max(deadline_, std::chrono::steady_clock::now() + std::chrono::minutes(2));
    auto cleared =
        loaded ? commands("clearCache", place_.site.application.commands.clear_cache, release)
               : std::move(loaded);
    if (!cleared) say(cleared.error().message);
  }
  record_.updated_since |= journal_.prepared.updated;
  for (const auto& saved : saved_copies) {
    auto engine = engine_of(saved.engine);
    if (!engine) return std::move(engine.error());
    if (auto r = (*engine)->drop(saved.saved_as); !r) return r;
  }
  const bool waiting = std::ranges::any_of(
      record_.retired, [&](const Retired& r) { return r.id == journal_.prepared.id; });
  if (!journal_.reuses && !waiting)
    record_.retired.push_back({journal_.prepared.id, place_.services.clock.now()});
  return {};
}

}  // namespace tidegate
