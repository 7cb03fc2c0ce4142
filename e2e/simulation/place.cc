#include "e2e/simulation/place.h"

#include <algorithm>

#include "reconcilers/diff.h"
#include "reconcilers/policies.h"

namespace tidegate {
namespace {

constexpr std::size_t keep_releases = 3;

std::string databases_of(const Release& release) {
  auto it = release.content.find(Part::databases);
  return it == release.content.end() ? std::string() : it->second.id;
}

}  // namespace

void Place::record(const Failure& failure, const Step& step) {
  Failure made = failure;
  auto it = std::ranges::find(failures, failure.digest, &Failure::digest);
  if (it != failures.end()) {
    made.attempts = it->attempts + 1;
    // Only a person lifts a quarantine; what infrastructure does to the step meanwhile does not.
    made.quarantined |= it->quarantined && !step.asked;
    failures.erase(it);
  }
  std::erase_if(failures, [&](const Failure& f) {
    if (step.asked && (f.digest == step.digest || f.digest == step.content_digest)) return true;
    return !f.quarantined && is_of_content(f) == is_of_content(made);
  });
  failures.push_back(made);
}

void Place::undo(const std::optional<Failure>& failure) {
  if (running->switched) updated_since |= running->prepared.updated;
  if (failure) record(*failure, running->step);
  std::erase_if(failures, [](const Failure& f) { return f.digest.starts_with("recover "); });
  running.reset();
}

void Place::lose_proof(Timestamp now) {
  current.healthy = false;
  proven.erase(current.commit);
  revoked[current.commit] = {now, "GET / answered 500"};
}

void Place::prove(const Site& site, const std::string& environment, Timestamp now) {
  current.healthy = true;
  revoked.erase(current.commit);
  std::map<Part, Stamp> stamps;
  for (const auto& [part, set] : current.content) stamps[part] = set.stamp;
  Proof& proof = proven.try_emplace(current.commit, Proof{now, {}}).first->second;
  proof.content_taken_at = taken_from_above(site, environment, stamps);
  for (const auto& [commit, other] : proven) proof.turn = std::max(proof.turn, other.turn + 1);
  last_proven = current.commit;
}

void Place::finish(bool healthy, Timestamp now) {
  Release made = running->prepared;
  made.healthy = healthy;
  const bool same = exists && databases_of(current) == databases_of(made);
  updated_since = same && (updated_since || made.updated);
  if (exists && current.id != made.id) {
    std::erase(kept, current.id);
    if (current.healthy) {
      kept.insert(kept.begin(), current.id);
      kept_releases[current.id] = current;
    }
  }
  std::erase(kept, made.id);
  kept_releases.erase(made.id);
  while (kept.size() > keep_releases) {
    kept_releases.erase(kept.back());
    kept.pop_back();
  }
  current = made;
  exists = true;
  drifted = false;
  const bool promotes = std::ranges::any_of(
      running->step.actions, [](const Action& a) { return std::holds_alternative<Promote>(a); });
  for (const auto& id : running->step.grants) grants_used[id] = promotes ? made.commit : CommitId{};
  for (const auto& [part, generation] : running->done) {
    highest[part] = std::max(highest[part], generation);
  }
  revoked.erase(made.commit);
  if (healthy) {
    prove(*running->site, running->step.environment, now);
    ran_on[made.commit].insert(databases_of(made));
    const Step& step = running->step;
    std::erase_if(failures, [&](const Failure& f) {
      if (is_of_content(f) && running->done.empty()) return false;
      return !f.quarantined || f.digest == step.digest || f.digest == step.content_digest;
    });
  }
  forget_content();
  running.reset();
}

void Place::forget_content() {
  std::set<std::string> ids{databases_of(current)};
  for (const auto& [id, release] : kept_releases) ids.insert(databases_of(release));
  for (auto& [commit, ran] : ran_on) {
    std::erase_if(ran, [&](const std::string& id) { return !ids.contains(id); });
  }
  std::erase_if(ran_on, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace tidegate
