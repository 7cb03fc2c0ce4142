// Who vouches for the commits that a site's environments may be brought to.

#include <algorithm>
#include <set>

#include "controller/host/layout.h"
#include "controller/host/observe.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

/// Lists of allowed signers by the environments whose code they are asked about.
std::map<SecretRef, std::set<std::string>> asked_lists(const Site& site) {
  std::map<SecretRef, std::set<std::string>> lists;
  if (!site.governance) return lists;
  for (const auto& policy : site.governance->policies) {
    for (const Rule& rule : policy->rules) {
      const auto* asked = std::get_if<SignedRule>(&rule.spec);
      if (!asked || !asked->code) continue;
      for (const auto& [name, environment] : site.environments)
        if (policy->select.selects(site, name)) lists[asked->allowed_signers].insert(name);
    }
  }
  return lists;
}

/// What was proven below since the commit that runs here was: older ones are not gone back to.
void add_proven(const ObservedEnvironment& below, const ObservedEnvironment& here,
                std::set<CommitId>& commits) {
  if (below.last_proven) commits.insert(*below.last_proven);
  const auto runs = here.commit ? below.proven.find(*here.commit) : below.proven.end();
  for (const auto& [commit, proof] : below.proven)
    if (runs == below.proven.end() || proof.turn > runs->second.turn) commits.insert(commit);
}

/// What an environment's code may be by its manifest, and what runs there: that is made again when
/// its variables change or somebody changed it.
std::set<CommitId> candidates(const Environment& environment, const ObservedSite& observed) {
  std::set<CommitId> commits;
  const ObservedEnvironment& here = observed.environments.at(environment.name);
  if (here.commit) commits.insert(*here.commit);
  const auto add_ref = [&](const std::string& name) {
    const auto found = observed.refs.find(name);
    if (found != observed.refs.end()) commits.insert(found->second);
  };
  if (const auto* commit = std::get_if<CommitId>(&environment.code)) commits.insert(*commit);
  if (const auto* tag = std::get_if<TagName>(&environment.code)) add_ref("refs/tags/" + tag->text);
  if (const auto* branch = std::get_if<BranchName>(&environment.code))
    add_ref("refs/heads/" + branch->text);
  if (const auto* from = std::get_if<ProvenIn>(&environment.code)) {
    const auto below = observed.environments.find(from->environment);
    if (below != observed.environments.end()) add_proven(below->second, here, commits);
  }
  return commits;
}

/// Tags that pin this commit somewhere in the site: a signature there counts for it too.
std::vector<std::string> tags_of(const ObservedSite& observed, const CommitId& commit) {
  std::vector<std::string> tags;
  for (const auto& [name, at] : observed.refs)
    if (at == commit && name.starts_with("refs/tags/")) tags.push_back(name);
  if (tags.empty()) tags.emplace_back();
  return tags;
}

}  // namespace

void observe_signatures(const HostServices& services, const Site& site, ObservedSite& out) {
  for (const auto& [list, environments] : asked_lists(site)) {
    std::set<CommitId> commits;
    for (const std::string& name : environments)
      commits.merge(candidates(site.environments.at(name), out));
    const auto allowed = services.secrets.read(list, site.name);
    for (const CommitId& commit : commits) {
      SignatureFact& fact = out.signatures[commit][list.name];
      if (!allowed) {
        fact.problem = allowed.error().message;
        continue;
      }
      for (const std::string& tag : tags_of(out, commit)) {
        fact = services.repositories.signature(site, mirrors_of(site), commit, tag, *allowed);
        if (fact.valid) break;
      }
    }
  }
}

}  // namespace tidegate
