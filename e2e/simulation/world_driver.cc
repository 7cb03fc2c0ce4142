// The world as a driver: what it shows, what it takes on, and how that ends.

#include <algorithm>

#include "e2e/simulation/oracle.h"
#include "e2e/simulation/world.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
const Error timed_out{ErrorKind::transient, "connect: timeout"};

std::vector<std::string> verbs(const Step& step) {
  std::vector<std::string> out;
  for (const Action& action : step.actions) {
    if (std::ranges::find(out, verb(action)) == out.end()) out.push_back(verb(action));
  }
  return out;
}

template <class Wanted>
const Wanted* first(const Step& step) {
  for (const Action& action : step.actions) {
    if (auto* wanted = std::get_if<Wanted>(&action)) return wanted;
  }
  return nullptr;
}

bool reads(const Running& running, const std::string& e) {
  return !running.interrupted && !running.recovering &&
         std::ranges::any_of(running.step.actions, [&](const Action& a) {
           const auto* sync = std::get_if<Sync>(&a);
           return sync && sync->from == e;
         });
}

const Running* reader_of(const Estate& estate, const std::string& e) {
  for (const auto& [name, place] : estate.places) {
    if (place.running && reads(*place.running, e)) return &*place.running;
  }
  return nullptr;
}

const Action* action_on(const Step& step, Part part) {
  for (const Action& action : step.actions) {
    if (auto* a = std::get_if<Sync>(&action); a && a->part == part) return &action;
    if (auto* a = std::get_if<Wipe>(&action); a && a->part == part) return &action;
    if (auto* a = std::get_if<Activate>(&action); a && a->part == part) return &action;
  }
  return nullptr;
}

}  // namespace

// ---- what it shows ----

bool World::lost_request() {
  if (fail_call) return calls++ == *fail_call && !fail_reply;
  ++calls;
  return random.chance(faults.lost_request);
}

bool World::lost_reply() {
  if (fail_call) return calls - 1 == *fail_call && fail_reply;
  return random.chance(faults.lost_reply);
}

std::string World::inputs_of(const std::string& site, const Site& manifest, const Environment& e) const {
  std::string text;
  for (const auto& [name, value] : e.variables) text += name + "=" + value + ";";
  if (!e.secrets.empty()) text += "secret " + std::to_string(estates.at(site).secret) + ";";
  for (const auto& d : manifest.databases) text += d.name + ";";
  return text;
}

ObservedEnvironment World::observe_place(const Estate& estate, const Site& site,
                                         const std::string& e) const {
  ObservedEnvironment out;
  auto it = estate.places.find(e);
  static const Place none;
  const Place& place = it == estate.places.end() ? none : it->second;
  out.gone = place.gone;
  if (!out.gone.empty()) return out;
  if (const auto& r = place.running) {
    const char* phase = r->recovering ? "undo" : r->switched ? "verifyLive" : "content";
    out.operation = Operation{r->id, verbs(r->step), phase, r->started, {}, "controller", false, r->interrupted};
  } else if (const Running* reader = reader_of(estate, e)) {
    out.operation = Operation{reader->id, {}, "read", reader->started, {}, "controller", true, false};
  }
  out.failures = place.failures;
  out.launched = place.launched;
  if (const Environment* declared = site.find(e)) {
    if (estate.secret == 0 && !declared->secrets.empty()) {
      out.missing_secret = "secret \"token\" of " + site.name + " is not there";
    } else {
      out.wanted_inputs = inputs_of(site.name, site, *declared);
    }
  }
  if (!place.exists) return out;
  const Release& current = place.current;
  out.exists = true;
  out.release = current.id;
  out.commit = current.commit;
  out.inputs = current.inputs;
  out.healthy = current.healthy;
  out.drifted = place.drifted;
  out.updated_since = place.updated_since;
  out.proven = place.proven;
  out.last_proven = place.last_proven;
  out.ran_on = place.ran_on;
  for (const auto& [part, set] : current.content) {
    ObservedPart& seen = out.content[part];
    seen.id = set.id;
    seen.stamp = set.stamp;
    seen.declared = set.declared;
    if (auto h = place.highest.find(part); h != place.highest.end()) seen.highest_generation = h->second;
    std::set<std::string> told{set.id};
    for (const auto& id : place.kept) {
      const Content& kept = place.kept_releases.at(id).content.at(part);
      if (told.insert(kept.id).second) seen.kept.push_back({kept.id, kept.stamp});
    }
  }
  for (const auto& id : place.kept) {
    const Release& r = place.kept_releases.at(id);
    KeptRelease kept{r.id, r.commit, r.inputs, {}, r.healthy};
    for (const auto& [part, set] : r.content) kept.content[part] = set.id;
    out.kept.push_back(std::move(kept));
  }
  return out;
}

ObservedSite World::truth(const Site& site) const {
  ObservedSite out;
  const Estate& estate = estates.at(site.name);
  for (const auto& [name, e] : site.environments) out.environments[name] = observe_place(estate, site, name);
  for (const auto& [name, place] : estate.places) {
    if (!out.environments.contains(name) && (place.exists || place.running)) {
      out.environments[name] = observe_place(estate, site, name);
    }
  }
  if (!estate.repository_reachable) out.repository_problem = "fetch " + site.repository.url + ": timeout";
  for (const auto& [name, e] : site.environments) {
    std::string ref;
    if (const auto* tag = std::get_if<TagName>(&e.code)) ref = "refs/tags/" + tag->text;
    if (const auto* branch = std::get_if<BranchName>(&e.code)) ref = "refs/heads/" + branch->text;
    if (auto it = estate.known_refs.find(ref); it != estate.known_refs.end()) out.refs[ref] = it->second;
    const auto* commit = std::get_if<CommitId>(&e.code);
    if (commit && !estate.mirrored.contains(*commit)) out.missing_commits.insert(*commit);
  }
  return out;
}

Result<ObservedSite> World::observe(const Site& site) {
  fresh_ = false;
  if (lost_request() || lost_reply()) return timed_out;
  Estate& there = estate(site.name);
  if (there.repository_reachable) {
    there.known_refs = there.refs;
    there.mirrored.insert(there.commits.begin(), there.commits.end());
  }
  ObservedSite now_is = truth(site);
  auto& yesterday = yesterday_[site.name];
  if (!yesterday.environments.empty() && random.chance(faults.stale_read)) return yesterday;
  if (yesterday.environments.empty() || random.chance(200)) yesterday = now_is;
  fresh_ = true;
  return now_is;
}

// ---- what it takes on ----

Result<void> World::refuse(const std::string& site, const Step& step, const std::string& why) {
  ++refused;
  note(site + "/" + step.environment + " refused: " + why);
  if (fresh_) fault(site + "/" + step.environment + ": " + describe(step.actions) + ": refused: " + why);
  return Error{ErrorKind::transient, why};
}

Result<void> World::start(const Site& site, const Step& step) {
  if (lost_request()) return timed_out;
  Estate& there = estate(site.name);
  const std::string& e = step.environment;
  Place& place = there.places[e];
  if (!place.gone.empty()) return refuse(site.name, step, place.gone);
  const auto* recover = first<Recover>(step);
  if (recover) {
    if (!place.running || !place.running->interrupted) return refuse(site.name, step, "nothing to recover");
    if (reader_of(there, e)) return refuse(site.name, step, e + " is being read");
    begin_recovery(site, step);
  } else if (place.running) {
    if (!place.running->interrupted && place.running->step == step) return {};
    return refuse(site.name, step, e + " is busy");
  } else if (reader_of(there, e)) {
    return refuse(site.name, step, e + " is being read");
  } else {
    for (const Action& action : step.actions) {
      const auto* sync = std::get_if<Sync>(&action);
      if (!sync) continue;
      const Place& source = there.places[sync->from];
      if (source.running || !source.gone.empty()) return refuse(site.name, step, sync->from + " is busy");
    }
    judge_start(site, step);
    if (first<Launch>(step)) {
      if (auto refusal = gate(site, step, "")) return refuse(site.name, step, refusal->first);
      record_launch(site, step);
    } else {
      begin(site, step);
    }
  }
  if (lost_reply()) return timed_out;
  return {};
}

void World::judge_start(const Site& site, const Step& step) {
  if (!fresh_) return;
  const std::string what = site.name + "/" + step.environment + ": " + describe(step.actions);
  Estate& there = estates.at(site.name);
  if (auto why = forbidden(site, there, step, now())) return fault(what + ": " + *why);
  if (auto why = mixes_engines(site, there, step)) return fault(what + ": " + *why);
  const Environment& e = *site.find(step.environment);
  const std::string made = made_of(site, inputs_of(site.name, site, e), step);
  if (asked[site.name].contains(step.environment)) there.failed_for_good.erase(made);
  if (there.failed_for_good.contains(made)) {
    return fault(what + ": failed for good and is tried again");
  }
  const bool only_refreshes = std::ranges::all_of(step.actions, [](const Action& a) {
    const auto* sync = std::get_if<Sync>(&a);
    return sync && sync->due;
  });
  if (only_refreshes) ++refreshes;
}

void World::record_launch(const Site& site, const Step& step) {
  Estate& there = estate(site.name);
  Place& place = there.places[step.environment];
  if (!place.exists) return;
  place.launched = true;
  note(site.name + "/" + step.environment + " is launched");
  if (!there.was_authority.empty() && there.was_authority != step.environment) {
    return fault(site.name + ": " + there.was_authority + " and " + step.environment + " both are launched");
  }
  if (!there.was_authority.empty()) return;
  there.was_authority = step.environment;
  for (const auto& [part, set] : place.current.content) there.its_content[part] = set.id;
}

Release World::prepare(const Site& site, const Step& step, const Place& place, Running& running) const {
  Release out;
  if (auto kept = place.kept_releases.find(step.reuse); kept != place.kept_releases.end()) {
    out = kept->second;
  } else {
    out.id = std::to_string(place.last_release + 1);
    for (Part part : parts) {
      Content set;
      if (place.exists) set = place.current.content.at(part);
      const Action* action = action_on(step, part);
      if (const auto* back = action ? std::get_if<Activate>(action) : nullptr) {
        bool found = false;
        for (const auto& [id, release] : place.kept_releases) {
          if (release.content.at(part).id != back->content) continue;
          set = release.content.at(part);
          found = true;
        }
        if (!found) running.fate = Fate::host_fails;
      } else if (action) {
        set = {out.id, {}, {}};
        if (const auto* sync = std::get_if<Sync>(action)) {
          const Place& source = estates.at(site.name).places.at(sync->from);
          set.stamp = {ContentSource::from(sync->from), sync->generation, source.current.id, time};
          if (source.exists) set.declared = source.current.content.at(part).declared;
          if (!source.exists) running.fate = Fate::host_fails;
        } else {
          const auto generation = std::get<Wipe>(*action).generation;
          set.stamp = {generation == 0 ? ContentSource::keep() : ContentSource::empty(), generation, {}, time};
        }
        running.done[part] = set.stamp.generation;
      }
      if (part == Part::databases) {
        for (const auto& d : site.databases) set.declared.emplace(d.name, d.engine == Engine::sqlite ? "sqlite" : "mariadb");
      } else {
        for (const auto& f : site.files) set.declared.emplace(f.name, f.path);
      }
      if (set.id.empty()) set.id = out.id;
      out.content[part] = set;
    }
  }
  out.commit = step.commit;
  out.inputs = inputs_of(site.name, site, *site.find(step.environment));
  const bool kept = place.exists && out.content.at(Part::databases).id == place.current.content.at(Part::databases).id;
  out.updated = step.update && kept && out.commit != place.current.commit;
  return out;
}

void World::begin(const Site& site, const Step& step) {
  Estate& there = estate(site.name);
  Place& place = there.places[step.environment];
  ++started;
  last_start[site.name + "/" + step.environment] = time;
  Running running;
  running.id = "op" + std::to_string(++operations_);
  running.site = std::make_shared<const Site>(site);
  running.step = step;
  running.started = time;
  running.switches = time + random.between(1s, 4min);
  running.ends = running.switches + random.between(0s, 1min);
  if (random.chance(faults.host_fails)) running.fate = random.chance(500) ? Fate::host_fails : Fate::host_fails_late;
  const bool bad = there.bad.contains(step.commit);
  if (bad || random.chance(faults.site_fails)) {
    running.fate = (bad ? step.commit.hex[0] % 2 == 0 : random.chance(500)) ? Fate::site_fails : Fate::unhealthy;
  }
  running.undo_fails = random.chance(faults.undo_fails);
  running.prepared = prepare(site, step, place, running);
  note(site.name + "/" + step.environment + " " + running.id + ": " + describe(step.actions) + ": " +
       step.because + (step.reuse.empty() ? "" : " (release " + step.reuse + ")"));
  place.running = running;
  place.last_release = std::max<std::uint64_t>(place.last_release, std::stoull(running.prepared.id));
  if (auto refusal = gate(site, step, place.running->id)) {
    if (fresh_) fault(site.name + "/" + step.environment + ": planned and at once held: " + refusal->first);
    fail(site.name, step.environment, place, refusal->second ? std::optional<bool>{} : std::optional<bool>(false),
         refusal->first);
  }
}

void World::begin_recovery(const Site& site, const Step& step) {
  Running& running = *place(site.name, step.environment).running;
  running.interrupted = false;
  running.recovering = true;
  running.ends = time + random.between(1s, 1min);
  running.undo_fails = random.chance(faults.undo_fails);
  note(site.name + "/" + step.environment + " " + running.id + " is taken up again");
}

// ---- how it ends ----

/// What the host driver asks before it starts and before it switches: the message, and whether it is
/// a hold.
std::optional<std::pair<std::string, bool>> World::gate(const Site& site, const Step& step,
                                                         const std::string& running) const {
  const auto newest = known(site.name);
  if (!newest) return std::pair(site.name + " is not declared any more", true);
  const ObservedSite observed = truth(*newest);
  if (auto held = held_now(*newest, observed, step, time)) return std::pair(held->message, true);
  if (auto broken = broken_rule(*newest, observed, step, *this, time, running)) {
    return std::pair(*broken, false);
  }
  return std::nullopt;
}

void World::advance() {
  for (auto& [site, estate] : estates) {
    for (auto& [e, place] : estate.places) {
      while (place.running && !place.running->interrupted && advance_one(site, e, place)) {
      }
    }
  }
}

/// True when something happened and more may be due.
bool World::advance_one(const std::string& site, const std::string& e, Place& place) {
  Running& running = *place.running;
  if (!running.switched && !running.recovering) {
    if (running.switches > time) return false;
    try_switch(site, e, place);
    return true;
  }
  if (running.ends > time) return false;
  if (running.recovering && (!running.switched || running.failure)) {
    end_undo(site, e, place);
  } else {
    end_verification(site, e, place);
  }
  return true;
}

void World::try_switch(const std::string& site, const std::string& e, Place& place) {
  Running& running = *place.running;
  if (running.fate == Fate::site_fails) return fail(site, e, place, true, "update: exit code 1");
  if (running.fate == Fate::host_fails) return fail(site, e, place, false, "disk is full");
  if (auto refusal = gate(*running.site, running.step, running.id)) {
    return fail(site, e, place, refusal->second ? std::optional<bool>{} : std::optional<bool>(false),
                refusal->first);
  }
  const auto manifest = known(site);
  if (auto why = forbidden(*manifest, estates.at(site), running.step, now())) {
    fault(site + "/" + e + " switches: " + describe(running.step.actions) + ": " + *why);
  }
  running.switched = true;
}

void World::end_verification(const std::string& site, const std::string& e, Place& place) {
  Running& running = *place.running;
  if (running.fate == Fate::host_fails_late) return fail(site, e, place, false, "connection lost");
  if (running.fate == Fate::unhealthy) {
    const Environment* declared = running.site->find(e);
    if (declared->rollback) return fail(site, e, place, true, "verification: status 500");
    place.record({running.step.digest, true, "verification: status 500", time, 1}, running.step.asked);
    remember_failure(site, running);
    note(site + "/" + e + " " + running.id + " stays unhealthy");
    place.finish(false);
    return tell_end(site);
  }
  note(site + "/" + e + " " + running.id + " succeeded");
  estate(site).failed_for_good.erase(made_of(*running.site, running.prepared.inputs, running.step));
  place.finish(true);
  tell_end(site);
}

/// `by_site`: whose doing it is; absent: nobody's, it was held or interrupted.
void World::fail(const std::string& site, const std::string& e, Place& place,
                 std::optional<bool> by_site, const std::string& why) {
  Running& running = *place.running;
  if (by_site) running.failure = Failure{running.step.digest, *by_site, why, time, 1};
  note(site + "/" + e + " " + running.id + " fails: " + why);
  end_undo(site, e, place);
}

void World::end_undo(const std::string& site, const std::string& e, Place& place) {
  Running& running = *place.running;
  if (running.undo_fails) {
    running.interrupted = true;
    running.recovering = false;
    const std::string digest = "recover " + running.id;
    auto it = std::ranges::find(place.failures, digest, &Failure::digest);
    if (it == place.failures.end()) it = place.failures.insert(it, Failure{digest, false, {}, {}, 0});
    *it = {digest, false, "the database is away", time, it->attempts + 1};
    note(site + "/" + e + " " + running.id + " cannot be undone");
    return tell_end(site);
  }
  if (running.failure && running.failure->quarantined) remember_failure(site, running);
  note(site + "/" + e + " " + running.id + " is undone");
  const auto failure = running.failure;
  place.undo(failure);
  tell_end(site);
}

void World::remember_failure(const std::string& site, const Running& running) {
  estate(site).failed_for_good.insert(made_of(*running.site, running.prepared.inputs, running.step));
}

void World::tell_end(const std::string& site) {
  if (!random.chance(faults.lost_news)) controller->look_soon(site);
}

}  // namespace tidegate
