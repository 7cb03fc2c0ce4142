// The sequence of an operation, and the ways it ends.

#include "controller/host/operation.h"

#include <unistd.h>

#include <algorithm>

#include "controller/host/drift.h"
#include "controller/host/files/durable.h"
#include "controller/host/files/remove.h"
#include "controller/host/reverify.h"
#include "reconcilers/diff.h"

namespace tidegate {
namespace {

/// Which content its databases are of; "" for none.
const std::string& databases_of(const ReleaseRecord& release) {
  static const std::string none;
  const auto it = release.content.find(Part::databases);
  return it == release.content.end() ? none : it->second.id;
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
  if (auto r = remember_pages(); !r) return r;
  if (auto r = run_hooks(); !r) return r;
  if (auto r = verify_prepared(); !r) return r;
  if (auto r = ask_gate(); !r) return r;
  if (auto r = switch_over(); !r) return r;
  return after_switch();
}

/// Recorded, so that the gate sees what people changed up to now.
Result<void> HostOperation::look_at_hand_made() {
  const auto before = record_.releases.find(journal_.before);
  if (before == record_.releases.end() || !before->second.writable) return {};
  auto drift = look_for_drift(place_, before->second, record_.drift, false);
  if (!drift) return std::move(drift.error());
  if (same_drift(*drift, record_.drift)) return {};
  record_.drift = std::move(*drift);
  return write_record(place_.layout, record_);
}

Result<void> HostOperation::ask_gate() {
  if (auto r = look_at_hand_made(); !r) return r;
  if (!place_.services.gate) return {};
  auto refusal = place_.services.gate(place_.site, step_, journal_.operation);
  if (!refusal) return {};
  blameless_ = refusal->forbidden;
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
  journal_.switched_at = place_.services.clock.now();
  if (auto r = phase("switch"); !r) return r;
  if (auto r = point_link(place_.layout.current(), "releases/" + journal_.prepared.id); !r)
    return r;
  switched_ = true;
  say("switched to release " + journal_.prepared.id);
  return let_visitors_in();
}

Result<void> HostOperation::let_visitors_in() {
  if (auto r = remove_durably(place_.layout.maintenance()); !r) return r;
  return remove_durably(place_.layout.next());
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
  if (auto r = verify_live(); !r) return r;
  return soak();
}

// ---- ends ----

void HostOperation::give_up(const Error& error) {
  say(error.message);
  if (fails_content()) journal_.digest = step_.content_digest;
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
  const Error told{error.kind, error.message + (journal_.restored ? "; " + loss() : "")};
  if (!blameless_ && !stopped()) record_failure(told);
  std::erase_if(record_.failures,
                [](const Failure& f) { return f.digest.starts_with("recover "); });
  record_.last_release = std::max<std::uint64_t>(
      record_.last_release, std::strtoull(journal_.prepared.id.c_str(), nullptr, 10));
  if (auto written = write_record(place_.layout, record_); !written) {
    say(written.error().message);
    return end("", written.error().message);
  }
  if (auto removed = remove_journal(place_.layout); !removed) say(removed.error().message);
  end(blameless_ || stopped() ? "undone" : "failed", told.message);
}

/// Before it came to the code's own commands: the code may go on without this content.
bool HostOperation::fails_content() const {
  static const std::set<std::string> phases{"content", "afterCopy", "install"};
  return !step_.content_digest.empty() && phases.contains(journal_.phase);
}

void HostOperation::record_failure(const Error& error) {
  Failure made{journal_.digest, error.kind == ErrorKind::site, error.message,
               place_.services.clock.now(), 1};
  made.after_switch = switched_;
  made.evidence = journal_.evidence;
  made.operation = journal_.operation;
  made.actions = journal_.actions;
  auto it = std::ranges::find(record_.failures, made.digest, &Failure::digest);
  if (it != record_.failures.end()) made.attempts += it->attempts;
  std::erase_if(record_.failures, [&](const Failure& f) {
    if (f.digest == made.digest) return true;
    // A person lifted both; of what infrastructure failed, the last of code and of content count.
    if (journal_.asked && (f.digest == step_.digest || f.digest == step_.content_digest))
      return true;
    return !f.quarantined && is_of_content(f) == is_of_content(made);
  });
  record_.failures.push_back(std::move(made));
  if (record_.failures.size() > failures_max) record_.failures.erase(record_.failures.begin());
  for (std::size_t i = 0; i + evidenced_failures_max < record_.failures.size(); ++i)
    record_.failures[i].evidence.clear();  // Each look reads them all.
}

void HostOperation::end(const std::string& result, const std::string& message) {
  locks_.clear();
  place_.services.log.ended(journal_.operation, result, mask_.apply(message));
  if (place_.services.changed) place_.services.changed(place_.site.name);
}

void HostOperation::keep_and_retire(const std::string& id) {
  const Timestamp now = place_.services.clock.now();
  auto retire = [&](const std::string& old) {
    record_.retired.push_back({old, now, record_.releases[old].content});
    record_.releases.erase(old);
    std::erase(record_.kept, old);
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

void HostOperation::leave(const ReleaseRecord& release) {
  auto aside = keep_aside(place_.layout, release);
  if (!aside) return say(aside.error().message);  // Tried again before the release is removed.
  for (const auto& path : *aside)
    say("what was put in the place of content by hand is kept at \"" + path + "\"");
}

/// The prepared release is what runs.
void HostOperation::record_switch(bool healthy) {
  const ReleaseRecord& prepared = journal_.prepared;
  const auto before = record_.releases.find(record_.current);
  const bool same_databases =
      before != record_.releases.end() && databases_of(before->second) == databases_of(prepared);
  record_.updated_since = same_databases && (record_.updated_since || prepared.updated);
  if (before != record_.releases.end() && before->first != prepared.id) leave(before->second);
  keep_and_retire(prepared.id);
  record_.releases[prepared.id] = prepared;
  record_.current = prepared.id;
  record_.last_release = std::max<std::uint64_t>(record_.last_release,
                                                 std::strtoull(prepared.id.c_str(), nullptr, 10));
  const bool promoted = std::ranges::find(journal_.actions, "promote") != journal_.actions.end();
  for (const auto& id : journal_.grants)
    record_.grants_used[id] = promoted ? prepared.commit : CommitId{};
  record_.verified = {};
  record_.revoked.erase(prepared.commit);
  if (healthy) record_proof();
  std::set<std::string> ids;
  for (const auto& [id, release] : record_.releases) ids.insert(databases_of(release));
  for (auto& [commit, ran] : record_.ran_on)
    std::erase_if(ran, [&](const std::string& id) { return !ids.contains(id); });
  std::erase_if(record_.ran_on, [](const auto& entry) { return entry.second.empty(); });
  record_.drift.reset();
  const bool is_authority = place_.environment.name == place_.site.authority();
  record_.launched |= is_authority && place_.site.launched && !step_.creates;
}

/// It runs well: what failed before is over.
void HostOperation::record_proof() {
  note_proof(record_, place_, place_.services.clock.now());
  record_.ran_on[journal_.prepared.commit].insert(databases_of(journal_.prepared));
  const bool brought = !journal_.done.empty();
  std::erase_if(record_.failures, [&](const Failure& f) {
    if (is_of_content(f) && !brought) return false;
    return !f.quarantined || f.digest == journal_.digest || f.digest == step_.content_digest;
  });
}

void HostOperation::finish(bool healthy, const std::string& message) {
  for (const auto& [part, generation] : journal_.done)
    record_.highest[part] = std::max(record_.highest[part], generation);
  journal_.prepared.healthy = healthy;
  journal_.prepared.highest = record_.highest;
  if (auto r = write_release(place_.layout, journal_.prepared); !r)
    return end("", r.error().message);
  record_switch(healthy);
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
  say(healthy    ? "done"
      : let_go() ? "stays unproven: no manifest says how to verify it"
                 : "stays although it failed: onFailure.rollback is false");
  end(healthy || let_go() ? "succeeded" : "failed", message);
}

}  // namespace tidegate
