// How the world takes manifest commits back: as the real writer does, on what the branch is by
// then, and once for each operation that failed.

#include "e2e/simulation/world.h"

namespace tidegate {

void World::revert(const Revert& revert, const DocumentPlace& document) {
  const std::string where = revert.site + "/" + revert.environment;
  if (reverted_.contains(revert.failure.operation)) return;
  if (!git_reachable) return;  // The next look asks again.
  const Place& there = place(revert.site, revert.environment);
  if (fresh_ && there.exists && there.current.commit != revert.runs)
    fault(where + ": a revert to what does not run there");
  if (random.chance(faults.commits)) commit_something(*this);  // Somebody is faster,
  if (faults.commits > 0 && random.chance(150)) {              // or changes that very document.
    people.sites[revert.site].environments[revert.environment].variable =
        std::to_string(random.below(9));
    commit(revert.site + ": variable of " + revert.environment + ", before the revert");
  }
  const auto text = [&](std::size_t revision) {
    const auto found = revisions_[revision].find(document.file);
    return found == revisions_[revision].end() ? std::string() : found->second;
  };
  std::size_t asked = std::stoul(document.revision.substr(1)) - 1;
  const std::string failed = text(asked);
  if (text(revisions_.size() - 1) != failed) {
    ++tally["revert overtaken"];
    return;
  }
  reverted_.insert(revert.failure.operation);
  while (asked > 0 && text(asked - 1) == failed) --asked;
  const bool was_there = asked > 0 && !text(asked - 1).empty();
  const WrittenEnvironment was =
      was_there ? people.past[revert.site][asked - 1].environments.at(revert.environment)
                : WrittenEnvironment{};
  const bool pinned = was.code.starts_with("commit: ");
  if (!was_there || (pinned && was.code != "commit: " + revert.runs.hex)) {
    ++tally["revert left alone"];
    return;
  }
  ++tally["revert"];
  people.sites[revert.site].environments[revert.environment] = was;
  commit("Tidegate takes back " + where + " to " + was.code + ", " + was.content);
}

}  // namespace tidegate
