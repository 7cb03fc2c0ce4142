// What each source of manifests may say, and what the platform team says about each site.
#include <algorithm>

#include "schemas/fleet_state.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

bool any_matches(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return glob_matches(glob, name); });
}

// The source that a file came from; past the end when it is of none.
std::size_t source_of(const std::vector<SourceRole>& sources, const std::string& file) {
  auto found = std::find_if(sources.begin(), sources.end(),
                            [&](const SourceRole& source) { return source.files.contains(file); });
  if (found == sources.end())
    found = std::find_if(sources.begin(), sources.end(),
                         [&](const SourceRole& source) { return file.starts_with(source.prefix); });
  return static_cast<std::size_t>(found - sources.begin());
}

bool is_local(const std::string& url) { return url.starts_with('/') || url.starts_with("file:"); }

std::string listed(const std::vector<std::string>& names) {
  if (names.empty()) return "none";
  std::vector<std::string_view> views(names.begin(), names.end());
  return alternatives(views);
}

Problem problem_at(const Document& document, const Mark& mark, const std::string& path,
                   std::string text) {
  return {document.file, mark.line, mark.column, path, std::move(text)};
}

// Where a document says which site it is of.
Problem problem_of_site(const Document& document, std::string text) {
  if (document.key.kind == DocumentKind::environment)
    return {document.file, document.site_line, document.site_column, "metadata.site",
            std::move(text)};
  return {document.file, document.line, document.column, "metadata.name", std::move(text)};
}

// What one document names, against what its source may name.
class NameCheck {
 public:
  NameCheck(const SourceRole& source, const Document& document, std::vector<Problem>& problems)
      : source_(source), document_(document), problems_(problems) {}

  void site_class(const std::optional<Marked<std::string>>& name) {
    check(name, source_.classes, "SiteClass", "spec.class");
  }
  void driver(const std::optional<Marked<std::string>>& name) {
    check(name, source_.drivers, "Driver", "spec.driver");
  }
  void repository(const std::optional<Marked<Repository>>& repository) {
    if (!repository || source_.local_repositories || !is_local(repository->value.url)) return;
    problems_.push_back(problem_at(
        document_, repository->mark, "spec.repository.url",
        "source " + quote(source_.name) + " may not name files of this machine, and " +
            quote(repository->value.url) + " does: write an https:// or ssh:// address"));
  }

 private:
  void check(const std::optional<Marked<std::string>>& name,
             const std::vector<std::string>& allowed, const std::string& kind,
             const std::string& path) {
    if (!name || std::find(allowed.begin(), allowed.end(), name->value) != allowed.end()) return;
    problems_.push_back(problem_at(document_, name->mark, path,
                                   "source " + quote(source_.name) + " may not name " + kind + " " +
                                       quote(name->value) + ": it is allowed " + listed(allowed)));
  }

  const SourceRole& source_;
  const Document& document_;
  std::vector<Problem>& problems_;
};

}  // namespace

void FleetEdit::arrive(const std::string& source) {
  if (!source.empty() && state_.read.insert(source).second) first_read_ = source;
}

void FleetEdit::redistribute(std::vector<SourceRole> sources) {
  std::vector<std::shared_ptr<const Document>> documents;
  state_.files.each([&](const std::string&, const ManifestFile& file) {
    documents.insert(documents.end(), file.documents.begin(), file.documents.end());
  });
  for (const auto& document : documents) drop(*document);
  std::stable_partition(sources.begin(), sources.end(),
                        [](const SourceRole& source) { return source.platform; });
  state_.sources = std::move(sources);
  std::erase_if(state_.read, [&](const std::string& name) {
    return std::none_of(state_.sources.begin(), state_.sources.end(),
                        [&](const SourceRole& source) { return source.name == name; });
  });
  state_.refused.clear();
  for (const auto& document : documents) add(document);
}

std::optional<Problem> FleetEdit::refusal(const Document& document) const {
  if (state_.sources.empty()) return std::nullopt;
  SourceRole nobody;
  nobody.platform = false;
  const std::size_t at = source_of(state_.sources, document.file);
  const SourceRole& source = at < state_.sources.size() ? state_.sources[at] : nobody;
  if (source.platform) return std::nullopt;
  const DocumentKey& key = document.key;
  if (key.owner().empty())
    return Problem{document.file, document.line, document.column, "metadata.name",
                   "source " + quote(source.name) + " may not give " + to_string(key.kind) + " " +
                       quote(key.name) + ": its role is sites, which gives Site and Environment"};
  if (any_matches(source.sites, key.owner())) return std::nullopt;
  return problem_of_site(document, "source " + quote(source.name) + " may not speak of site " +
                                       quote(key.owner()) + ": it is allowed " +
                                       listed(source.sites));
}

std::optional<std::size_t> FleetEdit::owner_of(const SiteEntry& entry) const {
  std::optional<std::size_t> first, before;
  for (const auto& document : entry.documents) {
    if (document->key.kind != DocumentKind::site) continue;
    const std::size_t at = source_of(state_.sources, document->file);
    if (!first || at < *first) first = at;
    if (state_.sources[at].name == entry.owner) before = at;
  }
  // What came to be known late is no newcomer: the order of reading decides nothing.
  const bool late = before && *first < *before && state_.sources[*first].name == first_read_;
  return before && !late ? before : first;
}

DocumentList FleetEdit::own_documents(SiteEntry& entry, const std::string& name) {
  entry.strangers.clear();
  const auto owner = state_.sources.empty() ? std::nullopt : owner_of(entry);
  entry.owner = owner ? state_.sources[*owner].name : "";
  if (!owner) return entry.documents;
  const Document* site = nullptr;
  DocumentList own, others;
  for (const auto& document : entry.documents) {
    const std::size_t at = source_of(state_.sources, document->file);
    const bool is_site = document->key.kind == DocumentKind::site;
    // Platform sources are one team's: environments may lie in another than the Site.
    const bool shared = !is_site && state_.sources[at].platform && state_.sources[*owner].platform;
    if (at == *owner && is_site && !site) site = document.get();
    (at == *owner || shared ? own : others).push_back(document);
  }
  for (const auto& document : others)
    entry.strangers.push_back(problem_of_site(
        *document, "site " + quote(name) + " is given by source " + quote(entry.owner) + ", in " +
                       site->file + ":" + std::to_string(site->line) + ": take this " +
                       to_string(document->key.kind) + " out of source " +
                       quote(state_.sources[source_of(state_.sources, document->file)].name)));
  return own;
}

void FleetEdit::judge_names(SiteEntry& entry, const Document& document) const {
  const std::size_t at = source_of(state_.sources, document.file);
  if (at == state_.sources.size() || state_.sources[at].platform) return;
  NameCheck check(state_.sources[at], document, entry.problems);
  if (document.site) {
    check.site_class(document.site->site_class);
    check.driver(document.site->fields.driver);
    check.repository(document.site->fields.repository);
  }
  if (document.environment) check.driver(document.environment->driver);
}

std::vector<std::string> FleetEdit::waits_for(const std::string& site,
                                              const std::string& owner) const {
  std::vector<std::string> waits;
  bool before_owner = true;
  for (const SourceRole& source : state_.sources) {
    before_owner = before_owner && source.name != owner;
    if (state_.read.count(source.name) > 0) continue;
    if (source.platform || (before_owner && any_matches(source.sites, site)))
      waits.push_back("source " + quote(source.name) +
                      " was not read yet: what it says of this site is not known");
  }
  return waits;
}

std::shared_ptr<const Governance> FleetEdit::govern(const SiteEntry& entry, const Site& site) {
  return rulebook_.govern(site, entry.good ? entry.good->governance : nullptr,
                          waits_for(site.name, entry.owner));
}

// Sites whose documents did not change, while what is said about them did.
void FleetEdit::govern_others(const std::set<std::string>& settled) {
  if (!rulebook_.changed() && first_read_.empty()) return;
  for (auto& [name, site] : state_.sites) {
    if (settled.count(name) > 0) continue;
    if (first_read_.empty() && !rulebook_.changed_for(*site)) continue;
    const auto before = state_.entries.find(name);
    auto governance = govern(*before, *site);
    auto commits = commits_of(*before, *governance);
    if (governance == site->governance && commits == site->manifest_commits) continue;
    auto governed = std::make_shared<Site>(*site);
    governed->manifest_commits = std::move(commits);
    governed->governance = std::move(governance);
    auto entry = std::make_shared<SiteEntry>(*before);
    site = entry->good = std::move(governed);
    state_.entries.set(name, std::move(entry));
  }
}

void FleetEdit::check_grants(const std::set<std::string>& settled) {
  const Rulebook& book = rulebook_.book();
  std::set<std::string> names = rulebook_.touched_grants();
  const auto add = [&](const auto& of_site) {
    names.insert(of_site->second.begin(), of_site->second.end());
  };
  // The first Site turns warnings about unknown ones into errors.
  if (!book.grants_of.empty() && had_sites_ != any_site()) {
    for (auto at = book.grants_of.begin(); at != book.grants_of.end(); ++at) add(at);
  } else if (!book.grants_of.empty()) {
    for (const std::string& site : settled)
      if (const auto at = book.grants_of.find(site); at != book.grants_of.end()) add(at);
  }
  for (const std::string& name : names) {
    const auto found = book.entries.find({DocumentKind::grant, "", name});
    if (found == book.entries.end() || !found->second->grant) continue;
    const Document& document = *found->second->documents.front();
    rulebook_.tell(name, unknown_names(*document.grant, document.file));
  }
}

std::vector<Problem> FleetEdit::unknown_names(const GrantManifest& manifest,
                                              const std::string& file) {
  const auto& [grant, site_mark, environment_mark] = manifest;
  const auto entry = state_.entries.find(grant.site);
  if (!entry || !has_site_document(*entry)) {
    Problem problem{file, site_mark.line, site_mark.column, "spec.site",
                    "no Site is called " + quote(grant.site) + site_near(grant.site)};
    problem.warning = !any_site();
    return {problem};
  }
  if (!entry->good || entry->good->stage_of(grant.environment) < entry->good->stages.size())
    return {};
  const std::vector<std::string_view> known(entry->good->stages.begin(), entry->good->stages.end());
  return {{file, environment_mark.line, environment_mark.column, "spec.environment",
           quote(grant.environment) + " is no environment of site " + quote(grant.site) +
               did_you_mean(grant.environment, known)}};
}

}  // namespace tidegate
