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

std::string World::inputs_of(const std::string& site, const Site& manifest,
                             const Environment& e) const {
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
    out.operation = Operation{r->id, verbs(r->step), phase, r->started,
                              {},    "controller",   false, r->interrupted};
  } else if (const Running* reader = reader_of(estate, e)) {
    out.operation =
        Operation{reader->id, {}, "read", reader->started, {}, "controller", true, false};
  }
  out.failures = place.failures;
  out.launched = place.launched;
  out.took_over = place.took_over;
  out.grants_used = place.grants_used;
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
  out.revoked = place.revoked;
  out.last_proven = place.last_proven;
  out.ran_on = place.ran_on;
  for (const auto& [part, set] : current.content) {
    ObservedPart& seen = out.content[part];
    seen.id = set.id;
    seen.stamp = set.stamp;
    seen.declared = set.declared;
    if (auto h = place.highest.find(part); h != place.highest.end())
      seen.highest_generation = h->second;
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
  for (const auto& [name, e] : site.environments)
    out.environments[name] = observe_place(estate, site, name);
  for (const auto& [name, place] : estate.places) {
    if (!out.environments.contains(name) && (place.exists || place.running)) {
      out.environments[name] = observe_place(estate, site, name);
    }
  }
  if (!estate.repository_reachable)
    out.repository_problem = "fetch " + site.repository.url + ": timeout";
  for (const auto& [name, e] : site.environments) {
    std::string ref;
    if (const auto* tag = std::get_if<TagName>(&e.code)) ref = "refs/tags/" + tag->text;
    if (const auto* branch = std::get_if<BranchName>(&e.code)) ref = "refs/heads/" + branch->text;
    if (auto it = estate.known_refs.find(ref); it != estate.known_refs.end())
      out.refs[ref] = it->second;
    const auto* commit = std::get_if<CommitId>(&e.code);
    if (commit && !estate.mirrored.contains(*commit)) out.missing_commits.insert(*commit);
  }
  return out;
}

void World::photograph(const std::string& site) { yesterday_[site] = truth(*known(site)); }

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
  const bool stale = stale_reads > 0 ? stale_reads-- > 0 : random.chance(faults.stale_read);
  if (!yesterday.environments.empty() && stale) return yesterday;
  if (yesterday.environments.empty() || random.chance(200)) yesterday = now_is;
  fresh_ = true;
  return now_is;
}

// ---- what it takes on ----

Result<void> World::refuse(const std::string& site, const Step& step, const std::string& why) {
  ++refused;
  note(site + "/" + step.environment + " refused: " + why);
  if (fresh_)
    fault(site + "/" + step.environment + ": " + describe(step.actions) + ": refused: " + why);
  return Error{ErrorKind::transient, why};
}

void World::count(const Step& step) {
  for (const Action& action : step.actions) {
    const auto* sync = std::get_if<Sync>(&action);
    ++tally[sync && sync->due                         ? "refresh"
            : std::holds_alternative<Declare>(action) ? "declare"
                                                      : verb(action)];
  }
  if (step.actions.size() > 2) ++tally["combined"];
  if (!step.reuse.empty()) ++tally["reuse"];
  if (step.asked) ++tally["asked"];
  if (!step.update) ++tally["without update"];
  if (!step.grants.empty()) ++tally["by a grant"];
}

Result<void> World::start(const Site& site, const Step& step) {
  if (lost_request()) return timed_out;
  count(step);
  Estate& there = estate(site.name);
  const std::string& e = step.environment;
  Place& place = there.places[e];
  if (!place.gone.empty()) return refuse(site.name, step, place.gone);
  const auto* recover = first<Recover>(step);
  if (recover) {
    if (!place.running || !place.running->interrupted)
      return refuse(site.name, step, "nothing to recover");
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
      if (source.running || !source.gone.empty())
        return refuse(site.name, step, sync->from + " is busy");
    }
    judge_start(site, step);
    if (first<Launch>(step) || first<Unlaunch>(step)) {
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
  const Estate& there = estates.at(site.name);
  if (step.asked && !asked[site.name].contains(step.environment))
    return fault(what + ": nobody asked");
  if (auto why = forbidden(site, there, step, now())) return fault(what + ": " + *why);
  if (auto why = kept_back(site, there, step, now(), true)) return fault(what + ": " + *why);
  if (auto why = mixes_engines(site, there, step)) return fault(what + ": " + *why);
  if (first<Launch>(step) || first<Unlaunch>(step)) return;
  const Environment& e = *site.find(step.environment);
  const std::string inputs = inputs_of(site.name, site, e);
  const std::string made = made_of(site, inputs, step);
  for (const Failure& failure : there.places.at(step.environment).failures) {
    const bool same = failure.digest == step.digest || failure.digest == step.content_digest;
    if (same && !failure.quarantined && !step.asked && failure.ended_at + 20s > time)
      return fault(what + ": does not back off");
  }
  const auto& failed = there.failed_for_good;
  if (!step.asked &&
      (failed.contains(made) || failed.contains(content_made_of(site, inputs, step)))) {
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
  const bool takes_over = may_take_over(site, there, step.environment, now());
  for (const auto& id : step.grants) place.grants_used[id] = {};
  const auto* launch = first<Launch>(step);
  place.launched = launch != nullptr;
  place.took_over = launch ? launch->took_over : "";
  note(site.name + "/" + step.environment +
       (place.launched ? " is launched" : " is launched no more"));
  if (!place.launched) {
    if (there.was_authority != step.environment) return;
    there.was_authority.clear();
    return there.its_content.clear();
  }
  if (!there.was_authority.empty() && there.was_authority != step.environment && !takes_over) {
    return fault(site.name + ": " + there.was_authority + " and " + step.environment +
                 " both are launched");
  }
  if (!there.was_authority.empty() && !takes_over) return;
  there.its_content.clear();
  there.was_authority = step.environment;
  for (const auto& [part, set] : place.current.content) there.its_content[part] = set.id;
}

}  // namespace tidegate
