// How the world carries operations out, and how they end.

#include <algorithm>

#include "e2e/simulation/oracle.h"
#include "e2e/simulation/world.h"
#include "reconcilers/diff.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

const Action* action_on(const Step& step, Part part) {
  for (const Action& action : step.actions) {
    if (auto* a = std::get_if<Sync>(&action); a && a->part == part) return &action;
    if (auto* a = std::get_if<Wipe>(&action); a && a->part == part) return &action;
    if (auto* a = std::get_if<Activate>(&action); a && a->part == part) return &action;
  }
  return nullptr;
}

}  // namespace

/// One part of a release: what was there, or what the step makes of it.
Content World::prepare_part(const Site& site, const Step& step, Part part,
                            const std::string& release, const Place& place,
                            Running& running) const {
  Content set;
  if (place.exists) set = place.current.content.at(part);
  const Action* action = action_on(step, part);
  if (const auto* back = action ? std::get_if<Activate>(action) : nullptr) {
    bool found = false;
    for (const auto& [id, kept] : place.kept_releases) {
      if (kept.content.at(part).id != back->content) continue;
      set = kept.content.at(part);
      found = true;
    }
    if (!found) running.fate = Fate::host_fails;
  } else if (action) {
    set = {release, {}, {}};
    if (const auto* sync = std::get_if<Sync>(action)) {
      const Place& source = estates.at(site.name).places.at(sync->from);
      set.stamp = {ContentSource::from(sync->from), sync->generation, source.current.id, time};
      if (source.exists) set.declared = source.current.content.at(part).declared;
      if (!source.exists) running.fate = Fate::host_fails;
    } else {
      const auto generation = std::get<Wipe>(*action).generation;
      set.stamp = {
          generation == 0 ? ContentSource::keep() : ContentSource::empty(), generation, {}, time};
    }
    running.done[part] = set.stamp.generation;
  }
  if (part == Part::databases) {
    for (const auto& d : site.databases) {
      set.declared.emplace(d.name, d.engine == Engine::sqlite ? "sqlite" : "mariadb");
    }
  } else {
    for (const auto& f : site.files) set.declared.emplace(f.name, f.path);
  }
  if (set.id.empty()) set.id = release;
  return set;
}

Release World::prepare(const Site& site, const Step& step, const Place& place,
                       Running& running) const {
  Release out;
  if (auto kept = place.kept_releases.find(step.reuse); kept != place.kept_releases.end()) {
    out = kept->second;
  } else {
    out.id = std::to_string(place.last_release + 1);
    for (Part part : parts)
      out.content[part] = prepare_part(site, step, part, out.id, place, running);
  }
  out.commit = step.commit;
  out.inputs = inputs_of(site.name, site, *site.find(step.environment));
  const bool kept = place.exists && out.content.at(Part::databases).id ==
                                        place.current.content.at(Part::databases).id;
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
  if (random.chance(faults.host_fails))
    running.fate = random.chance(500) ? Fate::host_fails : Fate::host_fails_late;
  const bool bad = there.bad.contains(step.commit);
  if (bad || random.chance(faults.site_fails)) {
    running.fate = (bad ? step.commit.hex[0] % 2 == 0 : random.chance(500)) ? Fate::site_fails
                                                                            : Fate::unhealthy;
  }
  running.undo_fails = random.chance(faults.undo_fails);
  running.prepared = prepare(site, step, place, running);
  // What was planned on an old observation is filed under what nobody wants any more.
  const std::string made = made_of(site, running.prepared.inputs, step);
  const std::string content_made = content_made_of(site, running.prepared.inputs, step);
  if (fresh_) running.made = made, running.content_made = content_made;
  if (step.asked) there.failed_for_good.erase(made), there.failed_for_good.erase(content_made);
  running.content_fails = !bad && !step.content_digest.empty() && random.chance(500);
  note(site.name + "/" + step.environment + " " + running.id + ": " + describe(step.actions) +
       ": " + step.because + (step.reuse.empty() ? "" : " (release " + step.reuse + ")"));
  place.running = running;
  place.last_release =
      std::max<std::uint64_t>(place.last_release, std::stoull(running.prepared.id));
  if (auto refusal = gate(site, step, place.running->id)) {
    if (fresh_)
      fault(site.name + "/" + step.environment + ": planned and at once held: " + refusal->first);
    fail(site.name, step.environment, place,
         refusal->second ? std::optional<bool>{} : std::optional<bool>(false), refusal->first);
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

/// What the host driver asks before it starts and before it switches: the message, and whether it
/// is a hold.
std::optional<std::pair<std::string, bool>> World::gate(const Site& site, const Step& step,
                                                        const std::string& running) const {
  const auto newest = known(site.name);
  if (!newest) return std::pair(site.name + " is not declared any more", true);
  const ObservedSite observed = truth(*newest);
  if (auto held = held_now(*newest, observed, step, *this, time))
    return std::pair(held->message, true);
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
  const bool content = running.content_fails;
  if (running.fate == Fate::site_fails) {
    return fail(site, e, place, true, content ? "afterCopy: exit code 1" : "update: exit code 1",
                content);
  }
  if (running.fate == Fate::host_fails) {
    return fail(site, e, place, false, content ? "its source cannot be read" : "disk is full",
                content);
  }
  if (auto refusal = gate(*running.site, running.step, running.id)) {
    return fail(site, e, place,
                refusal->second ? std::optional<bool>{} : std::optional<bool>(false),
                refusal->first);
  }
  const auto manifest = known(site);
  if (auto why = forbidden(*manifest, estates.at(site), running.step, now())) {
    fault(site + "/" + e + " switches: " + describe(running.step.actions) + ": " + *why);
  }
  if (auto why = kept_back(*manifest, estates.at(site), running.step, now(), false))
    fault(site + "/" + e + " switches: " + describe(running.step.actions) + ": " + *why);
  running.switched = true;
  Estate& there = estate(site);
  if (there.was_authority != e) return;
  running.content_before = there.its_content;
  // By a Grant, or what follows finds it forbidden.
  for (auto& [part, id] : there.its_content) {
    if (action_on(running.step, part)) id = running.prepared.content.at(part).id;
  }
}

void World::end_verification(const std::string& site, const std::string& e, Place& place) {
  Running& running = *place.running;
  if (running.fate == Fate::host_fails_late) return fail(site, e, place, false, "connection lost");
  if (running.fate == Fate::unhealthy) {
    const Environment* declared = running.site->find(e);
    if (declared->rollback) return fail(site, e, place, true, "verification: status 500");
    running.failure = Failure{running.step.digest, true, "verification: status 500", time, 1};
    place.record(*running.failure, running.step);
    remember_failure(site, running);
    note(site + "/" + e + " " + running.id + " stays unhealthy");
    place.finish(false, time);
    return tell_end(site);
  }
  note(site + "/" + e + " " + running.id + " succeeded");
  estate(site).failed_for_good.erase(running.made);
  estate(site).failed_for_good.erase(running.content_made);
  place.finish(true, time);
  tell_end(site);
}

/// `by_site`: whose doing it is; absent: nobody's, it was held or interrupted.
void World::fail(const std::string& site, const std::string& e, Place& place,
                 std::optional<bool> by_site, const std::string& why, bool of_content) {
  Running& running = *place.running;
  const std::string& digest = of_content ? running.step.content_digest : running.step.digest;
  if (by_site) {
    running.failure = Failure{digest, *by_site, why, time, 1};
    running.failure->after_switch = running.switched;
    running.failure->operation = running.id;
  }
  note(site + "/" + e + " " + running.id + " fails: " + why);
  ++tally[!by_site ? "held at the switch" : *by_site ? "failed by the site" : "failed by the host"];
  end_undo(site, e, place);
}

void World::end_undo(const std::string& site, const std::string& e, Place& place) {
  Running& running = *place.running;
  if (running.undo_fails) {
    running.interrupted = true;
    running.recovering = false;
    const std::string digest = "recover " + running.id;
    auto it = std::ranges::find(place.failures, digest, &Failure::digest);
    if (it == place.failures.end())
      it = place.failures.insert(it, Failure{digest, false, {}, {}, 0});
    *it = {digest, false, "the database is away", time, it->attempts + 1};
    note(site + "/" + e + " " + running.id + " cannot be undone");
    ++tally["not undone"];
    return tell_end(site);
  }
  if (running.failure && running.failure->quarantined) remember_failure(site, running);
  note(site + "/" + e + " " + running.id + " is undone");
  if (!running.content_before.empty()) estate(site).its_content = running.content_before;
  const auto failure = running.failure;
  place.undo(failure);
  tell_end(site);
}

void World::remember_failure(const std::string& site, const Running& running) {
  const std::string& made = is_of_content(*running.failure) ? running.content_made : running.made;
  if (!made.empty()) estate(site).failed_for_good.insert(made);
}

void World::tell_end(const std::string& site) {
  if (!random.chance(faults.lost_news)) controller->look_soon(site);
}

}  // namespace tidegate
