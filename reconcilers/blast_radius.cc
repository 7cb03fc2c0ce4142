#include "reconcilers/blast_radius.h"

#include <algorithm>

namespace tidegate {
namespace {

/// Whether an environment asks for a wipe that it did not ask for before.
bool asks_for_wipe(const Environment& before, const Environment& after) {
  return after.content.source == ContentSource::empty() &&
         (before.content.source != ContentSource::empty() ||
          after.content.generation != before.content.generation);
}

bool moves(const Environment& before, const Environment& after) {
  return before.driver && after.driver && before.driver->root != after.driver->root;
}

/// The commits that brought the changes of files which say something of a site, before or after.
class Bringers {
 public:
  Bringers(const Fleet& before, const Fleet& after, const std::vector<FileChange>& changes,
           const std::string& revision)
      : before_(before), after_(after), revision_(revision) {
    for (const FileChange& change : changes) by_file_[change.path] = &change;
  }
  std::set<std::string> of(const std::string& site) const {
    std::set<std::string> out;
    for (const Fleet* fleet : {&before_, &after_})
      for (const auto& file : fleet->files_of(site)) add(file, out);
    return out;
  }
  /// Whether one of these commits says what a commit may strike, too.
  bool changed_bounds(const std::set<std::string>& commits) const {
    std::set<std::string> changing;
    for (const Fleet* fleet : {&before_, &after_})
      for (const auto& file : fleet->files_of_blast_radius()) add(file, changing);
    return std::ranges::any_of(changing, [&](const auto& c) { return commits.contains(c); });
  }

 private:
  void add(const std::string& file, std::set<std::string>& commits) const {
    const auto found = by_file_.find(file);
    if (found == by_file_.end()) return;
    for (const CommitId& commit : found->second->commits) commits.insert(commit.hex);
    if (found->second->commits.empty()) commits.insert(revision_);
  }

  const Fleet &before_, &after_;
  const std::string& revision_;
  std::map<std::string, const FileChange*> by_file_;
};

/// Sites that each commit strikes, as one rule counts them.
using Count = std::map<std::string, std::set<std::string>>;

Bounds bounds_of(const Governance& governance) {
  Bounds out;
  for (const auto& policy : governance.policies) {
    for (const Rule& rule : policy->rules)
      if (std::holds_alternative<BlastRadiusRule>(rule.spec)) out.emplace_back(policy->name, rule);
  }
  return out;
}

/// Why a site is withheld; "" when nothing withholds it.
std::string objection(const Withheld& struck, const std::map<std::string, Count>& counts,
                      const std::set<std::string>& acknowledged) {
  std::string out;
  for (const auto& [policy, rule] : struck.judged_by) {
    for (const auto& commit : struck.commits) {
      const auto sites = counts.at(policy + "/" + rule.name).at(commit).size();
      const Verdict said = judge_strike(policy, rule, commit, sites, acknowledged.contains(commit));
      if (out.empty() && said.hold) out = said.hold->message;
    }
  }
  return out;
}

/// What it was, under what the platform team says by now.
std::shared_ptr<const Site> kept(const Site& site, const Fleet& now_is, const std::string& why) {
  auto out = std::make_shared<Site>(site);
  out->withheld = why;
  out->governance = now_is.governance_of(site);
  return out;
}

/// A commit that strikes does not change the rules it is judged by; any other does.
Bounds judges_of(const Withheld& struck, const Withheld* known, const Fleet& before,
                 const Fleet& after, const Bringers& bringers) {
  const Bounds then = bounds_of(*before.governance_of(*struck.site));
  const Bounds now_is = bounds_of(*after.governance_of(*struck.site));
  if (then != now_is && !bringers.changed_bounds(struck.commits)) return now_is;
  return known ? known->judged_by : then;
}

}  // namespace

Verdict judge_strike(const std::string& policy, const Rule& rule, const std::string& commit,
                     std::size_t sites, bool acknowledged) {
  const int most = std::get<BlastRadiusRule>(rule.spec).max_sites;
  std::string text = "manifest commit " + commit.substr(0, 12) + " removes, wipes or moves " +
                     std::to_string(sites) + (sites == 1 ? " site" : " sites");
  Verdict out{policy, rule.name, {}, {}};
  if (sites <= static_cast<std::size_t>(most)) {
    out.said = text;
  } else if (acknowledged) {
    out.said = text + ", which is acknowledged";
  } else {
    out.said = text + ", more than " + std::to_string(most) +
               ": take it back, or let the platform team add it to the rule's acknowledge";
    out.hold = Hold{"", "BlastRadius", out.name() + ": " + out.said, {}};
  }
  return out;
}

bool strikes(const Site* before, const Site* after) {
  if (!before) return false;
  if (!after || before->repository.url != after->repository.url ||
      before->authority() != after->authority())
    return true;
  return std::ranges::any_of(before->environments, [&](const auto& entry) {
    const Environment* now_is = after->find(entry.first);
    return !now_is || asks_for_wipe(entry.second, *now_is) || moves(entry.second, *now_is);
  });
}

std::shared_ptr<const Site> in_force(const Fleet& fleet, const WithheldSites& withheld,
                                     const std::string& site) {
  const auto found = withheld.find(site);
  return found == withheld.end() ? fleet.find(site) : found->second.site;
}

WithheldSites withhold(const Fleet& before, const WithheldSites& withheld, const Fleet& after,
                       const std::vector<FileChange>& changes, const std::string& revision) {
  const Bringers bringers(before, after, changes, revision);
  std::set<std::string> names = Fleet::changed(before, after);
  for (const auto& [name, known] : withheld) names.insert(name);
  WithheldSites struck;
  std::map<std::string, Count> counts;
  for (const auto& name : names) {
    const auto was = in_force(before, withheld, name);
    if (!strikes(was.get(), after.find(name).get())) continue;
    const auto found = withheld.find(name);
    const Withheld* known = found == withheld.end() ? nullptr : &found->second;
    Withheld& of_site = struck[name] = {was, bringers.of(name), {}};
    if (known) of_site.commits.insert(known->commits.begin(), known->commits.end());
    of_site.judged_by = judges_of(of_site, known, before, after, bringers);
    for (const auto& [policy, rule] : of_site.judged_by)
      for (const auto& commit : of_site.commits)
        counts[policy + "/" + rule.name][commit].insert(name);
  }
  const auto acknowledged = after.acknowledged_commits();
  WithheldSites out;
  for (auto& [name, of_site] : struck) {
    const std::string why = objection(of_site, counts, acknowledged);
    if (why.empty()) continue;
    of_site.site = kept(*of_site.site, after, why);
    out[name] = std::move(of_site);
  }
  return out;
}

}  // namespace tidegate
