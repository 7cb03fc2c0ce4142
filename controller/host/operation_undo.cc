// Taking up what was interrupted, and the ways back.

#include <unistd.h>

#include <algorithm>

#include "controller/host/files/durable.h"
#include "controller/host/files/remove.h"
#include "controller/host/operation.h"

namespace tidegate {

/// Whether all but its last lines was written; "current" may have been moved by hand since.
bool HostOperation::was_finished() const {
  const auto recorded = record_.releases.find(journal_.prepared.id);
  if (recorded == record_.releases.end() || !recorded->second.healthy) return false;
  return !journal_.reuses || record_.current == journal_.prepared.id;
}

void HostOperation::recover() {
  say("taken up again: it was interrupted in phase " + journal_.phase);
  if (let_go()) say("no manifest declares the environment any more: no command of it is run");
  if (was_finished()) return finish(true, "finished after an interruption");
  switched_ = journal_.let_in || has_switched(place_.layout, journal_);
  auto loaded = load_variables(journal_.prepared);
  if (!loaded) say(loaded.error().message);
  const Error lost{
      journal_.failure_is_sites ? ErrorKind::site : ErrorKind::transient,
      journal_.failure.empty() ? "interrupted in phase " + journal_.phase : journal_.failure};
  if (switched_ && journal_.failure.empty()) {
    auto cleared = let_visitors_in();
    if (cleared && !loaded) cleared = std::move(loaded);
    if (cleared) cleared = after_switch();
    if (cleared) return finish(!let_go(), "finished after an interruption");
    return give_up(cleared.error());
  }
  if (journal_.failure.empty())
    blameless_ = true;  // An interruption is nobody's failure: no quarantine, no backoff.
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
  if (auto r = let_visitors_in(); !r) return r;
  // What is recorded stays, whatever "current" was pointed at since.
  if (!journal_.reuses && record_.releases.contains(journal_.prepared.id)) return {};
  if (auto r = drop_release(); !r) return r;
  return drop_content();
}

Result<void> HostOperation::put_databases_back() {
  for (const auto& saved : journal_.saved) {
    auto engine = engine_of(saved.engine);
    if (!engine) return std::move(engine.error());
    if (auto r = (*engine)->restore(saved.saved_as, saved.physical, {}); !r)
      return std::move(r.error()).within("put databases back");
    say("put back database " + saved.physical + ", which update changed");
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

bool HostOperation::restores_content() const {
  if (journal_.let_in || journal_.saved.empty() || journal_.before.empty()) return false;
  return place_.environment.restore_content || journal_.closed_at;  // What began is carried on.
}

/// What putting databases back after the switch cost.
std::string HostOperation::loss() const {
  const Timestamp until = journal_.closed_at.value_or(Timestamp{});
  const auto let_in = until - journal_.switched_at.value_or(until);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(let_in).count();
  return "its databases were put back: what was written in " + std::to_string(seconds) +
         (seconds == 1 ? " second" : " seconds") + " since the switch is lost";
}

/// onFailure.restoreContent: visitors are shut out again before what they wrote is given up. While
/// this lasts "current" shows the release that failed, so that whoever takes it up begins here.
Result<void> HostOperation::restore_content() {
  journal_.maintenance = true;
  if (auto r = write_journal(place_.layout, journal_); !r) return r;
  if (auto r = shut_visitors_out(); !r) return r;
  if (!journal_.closed_at) journal_.closed_at = place_.services.clock.now();
  if (auto r = write_journal(place_.layout, journal_); !r) return r;
  if (auto r = put_databases_back(); !r) return r;
  journal_.restored = journal_.let_in = true;
  say(loss());
  return write_journal(place_.layout, journal_);
}

/// After visitors were let in: the code goes back; kept content stays as they left it, unless the
/// manifest says otherwise.
Result<void> HostOperation::go_back() {
  journal_.phase = "undo";
  const bool restores = restores_content();
  // From here on nothing puts the databases back, not even after a kill: visitors wrote into them.
  journal_.let_in = !restores;
  if (auto r = write_journal(place_.layout, journal_); !r) return r;
  place_.services.log.phase(journal_.operation, "undo", {});
  if (restores)
    if (auto r = restore_content(); !r) return r;
  if (journal_.before.empty()) {
    if (auto r = remove_durably(place_.layout.current()); !r) return r;
  } else if (auto r = point_link(place_.layout.current(), "releases/" + journal_.before); !r) {
    return r;
  }
  if (auto r = let_visitors_in(); !r) return r;
  say(journal_.before.empty() ? "took the new environment away again"
                              : "went back to release " + journal_.before);
  if (!journal_.before.empty() && place_.environment.deploy.clear_cache) {
    if (auto cleared = clear_cache_of(record_.releases[journal_.before]); !cleared)
      say(cleared.error().message);
  }
  if (!journal_.restored) {
    record_.updated_since |= journal_.prepared.updated;
    if (!journal_.saved.empty()) say("databases stay as update left them: visitors were let in");
  }
  for (const auto& saved : journal_.saved) {
    auto engine = engine_of(saved.engine);
    if (!engine) return std::move(engine.error());
    if (auto r = (*engine)->drop(saved.saved_as); !r) return r;
  }
  leave_prepared();
  return {};
}

Result<void> HostOperation::clear_cache_of(const ReleaseRecord& release) {
  if (auto loaded = load_variables(release); !loaded) return loaded;
  deadline_ = std::max(deadline_, std::chrono::steady_clock::now() + std::chrono::minutes(2));
  return commands("clearCache", place_.site.application.commands.clear_cache, release);
}

/// What visitors saw and see no more waits to be cleared away.
void HostOperation::leave_prepared() {
  const bool recorded = record_.current == journal_.prepared.id;  // It was to stay, unverified.
  if (recorded) {
    std::erase(record_.kept, journal_.before);
    record_.releases.erase(journal_.prepared.id);
    record_.current = journal_.before;
  }
  // What it began to declare of content that is kept, visitors may have filled.
  share_items(record_, journal_.prepared.content);
  const bool waiting = std::ranges::any_of(
      record_.retired, [&](const Retired& r) { return r.id == journal_.prepared.id; });
  if ((recorded || !journal_.reuses) && !waiting)
    record_.retired.push_back(
        {journal_.prepared.id, place_.services.clock.now(), journal_.prepared.content});
}

}  // namespace tidegate
