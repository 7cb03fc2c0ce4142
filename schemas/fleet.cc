#include "schemas/fleet.h"

#include <algorithm>

#include "schemas/fleet_state.h"

namespace tidegate {

struct Fleet::State : FleetState {
  explicit State(FleetState state) : FleetState(std::move(state)) {}
};

std::string to_string(const Problem& problem) {
  const std::string place = problem.file + ":" + std::to_string(problem.line) + ":" +
                            std::to_string(problem.column) + ": " +
                            (problem.warning ? "warning: " : "");
  return place + (problem.path.empty() ? "" : problem.path + ": ") + problem.text;
}

Fleet::Fleet(KnowsZone knows_zone) : state_(std::make_shared<State>(FleetState{knows_zone})) {}

Fleet Fleet::with(const std::vector<FileChange>& changes, const std::string& revision,
                  const std::string& author, const std::string& source) const {
  FleetEdit edit(*state_, revision, author);
  edit.arrive(source);
  for (const FileChange& change : changes) edit.replace(change);
  Fleet next;
  next.state_ = std::make_shared<State>(edit.settle());
  return next;
}

Fleet Fleet::with_sources(std::vector<SourceRole> sources) const {
  FleetEdit edit(*state_, state_->revision, "");
  edit.redistribute(std::move(sources));
  Fleet next;
  next.state_ = std::make_shared<State>(edit.settle());
  return next;
}

const std::map<std::string, std::shared_ptr<const Site>>& Fleet::sites() const {
  return state_->sites;
}

std::shared_ptr<const Site> Fleet::find(const std::string& site) const {
  const auto found = state_->sites.find(site);
  return found == state_->sites.end() ? nullptr : found->second;
}

Fleet Fleet::with_signatures(const SignatureQuestion& ask) const {
  auto state = std::make_shared<State>(*state_);
  for (auto& [name, site] : state->sites) {
    auto vouched = tidegate::with_signatures(site, ask);
    if (vouched == site) continue;
    auto entry = std::make_shared<SiteEntry>(*state->entries.find(name));
    site = entry->good = std::move(vouched);
    state->entries.set(name, std::move(entry));
  }
  Fleet next;
  next.state_ = std::move(state);
  return next;
}

std::vector<Problem> Fleet::problems() const {
  std::set<Problem> all;
  const auto take = [&](const std::vector<Problem>& problems) {
    all.insert(problems.begin(), problems.end());
  };
  state_->files.each([&](const std::string&, const ManifestFile& file) { take(file.problems); });
  state_->entries.each([&](const std::string&, const SiteEntry& entry) {
    take(entry.problems);
    take(entry.strangers);
  });
  for (const auto& [key, entry] : state_->rulebook.entries) take(entry->problems);
  for (const auto& [file, problems] : state_->refused) take(problems);
  for (const SharedEntries* entries : {&state_->classes, &state_->drivers})
    for (const auto& [name, entry] : *entries) {
      take(duplicates(entry->documents));
      for (const auto& document : entry->documents) take(document->problems);
    }
  return {all.begin(), all.end()};
}

std::vector<Problem> Fleet::problems_of(const std::string& site) const {
  const auto entry = state_->entries.find(site);
  std::vector<Problem> problems;
  if (entry)
    std::copy_if(entry->problems.begin(), entry->problems.end(), std::back_inserter(problems),
                 [](const Problem& problem) { return !problem.warning; });
  return problems;
}

std::string Fleet::invalid(const std::string& site) const { return summary(problems_of(site)); }

std::vector<Problem> Fleet::problems_concerning(const std::string& site) const {
  std::set<Problem> all;
  const auto take = [&](const std::vector<Problem>& problems) {
    all.insert(problems.begin(), problems.end());
  };
  const auto take_shared = [&](const SharedEntries& entries, const std::string& name) {
    const auto found = entries.find(name);
    if (found == entries.end()) return;
    take(duplicates(found->second->documents));
    for (const auto& document : found->second->documents) take(document->problems);
  };
  const auto entry = state_->entries.find(site);
  if (!entry) return {};
  take(entry->problems);
  take(entry->strangers);
  take_shared(state_->classes, entry->site_class);
  for (const std::string& driver : entry->drivers) take_shared(state_->drivers, driver);
  for (const auto& document : entry->documents)
    if (const auto file = state_->files.find(document->file)) take(file->problems);
  return {all.begin(), all.end()};
}

std::vector<Problem> Fleet::problems_of_none() const {
  std::set<Problem> of_sites;
  state_->entries.each([&](const std::string&, const SiteEntry& entry) {
    of_sites.insert(entry.problems.begin(), entry.problems.end());
  });
  std::vector<Problem> out;
  for (const Problem& problem : problems())
    if (!problem.warning && !of_sites.contains(problem)) out.push_back(problem);
  return out;
}

std::set<std::string> Fleet::named_sites() const {
  std::set<std::string> names;
  state_->entries.each([&](const std::string& name, const SiteEntry&) { names.insert(name); });
  return names;
}

std::vector<std::string> Fleet::files_of(const std::string& site) const {
  const auto entry = state_->entries.find(site);
  return entry ? entry->files : std::vector<std::string>();
}

std::set<std::string> Fleet::files_of_blast_radius() const {
  std::set<std::string> files;
  for (const auto& [key, entry] : state_->rulebook.entries) {
    const bool bounds =
        entry->policy && std::ranges::any_of(entry->policy->rules, [](const Rule& r) {
          return std::holds_alternative<BlastRadiusRule>(r.spec);
        });
    if (!bounds) continue;
    for (const auto& document : entry->documents) files.insert(document->file);
  }
  return files;
}

std::shared_ptr<const Governance> Fleet::governance_of(const Site& site) const {
  const auto declared = find(site.name);
  return declared ? declared->governance : governance(state_->rulebook.concerning(site), {});
}

std::set<std::string> Fleet::acknowledged_commits() const {
  std::set<std::string> commits;
  for (const auto& [key, entry] : state_->rulebook.entries) {
    if (!entry->policy) continue;
    for (const Rule& rule : entry->policy->rules) {
      const auto* radius = std::get_if<BlastRadiusRule>(&rule.spec);
      if (!radius) continue;
      for (const CommitId& commit : radius->acknowledge) commits.insert(commit.hex);
    }
  }
  return commits;
}

std::set<std::string> Fleet::roots() const {
  std::set<std::string> roots;
  for (const auto& [name, driver] : state_->driver_specs)
    if (driver) roots.insert(driver->root);
  return roots;
}

const std::string& Fleet::revision() const { return state_->revision; }

std::string Fleet::file_of(const std::string& site, const std::string& environment) const {
  const auto entry = state_->entries.find(site);
  if (!entry) return "";
  for (const auto& document : entry->documents)
    if (document->key.kind == DocumentKind::environment && document->key.name == environment)
      return document->file;
  return "";
}

std::set<std::string> Fleet::files() const {
  std::set<std::string> paths;
  state_->files.each([&](const std::string& path, const ManifestFile&) { paths.insert(path); });
  return paths;
}

std::set<std::string> Fleet::changed(const Fleet& before, const Fleet& after) {
  std::set<std::string> names;
  const auto differs = [](const SiteEntry* left, const SiteEntry* right) {
    if (!left || !right || left->problems != right->problems) return true;
    if (left->good == right->good) return false;
    return !left->good || !right->good || left->good->invalid != right->good->invalid ||
           !same_value(*left->good, *right->good);
  };
  Shards<SiteEntry>::each_difference(before.state_->entries, after.state_->entries,
                                     [&](const std::string& name) {
                                       if (differs(before.state_->entries.find(name).get(),
                                                   after.state_->entries.find(name).get()))
                                         names.insert(name);
                                     });
  return names;
}

bool is_policy_case_path(const std::string& path) {
  return path.ends_with(".case.yaml") || path.ends_with(".case.yml");
}

bool is_manifest_path(const std::string& path) {
  const auto ends_with = [&](const std::string& end) {
    return path.size() > end.size() &&
           path.compare(path.size() - end.size(), end.size(), end) == 0 &&
           path[path.size() - end.size() - 1] != '/';
  };
  if ((!ends_with(".yaml") && !ends_with(".yml")) || is_policy_case_path(path)) return false;
  // ".", ".." and "./" lead to a folder, they do not hide one.
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    if (part.size() > 1 && part[0] == '.' && part != "..") return false;
    start = end + 1;
  }
  return true;
}

}  // namespace tidegate
