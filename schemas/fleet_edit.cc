// From one Fleet to the next: only files that changed are parsed, only sites they concern are
// merged.
#include <algorithm>

#include "schemas/fleet_state.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

// Looking for the nearest of many names costs; nobody reads more suggestions than these at once.
constexpr int suggestions_max = 50;

std::string known_near(const std::string& name, const SharedEntries& entries) {
  std::vector<std::string_view> known;
  for (const auto& [key, entry] : entries)
    if (!entry->documents.empty()) known.push_back(key);
  return did_you_mean(name, known);
}

}  // namespace

bool has_site_document(const SiteEntry& entry) {
  return std::any_of(entry.documents.begin(), entry.documents.end(),
                     [](const auto& document) { return document->key.kind == DocumentKind::site; });
}

std::string summary(const std::vector<Problem>& problems) {
  const auto error = std::ranges::find(problems, false, &Problem::warning);
  if (error == problems.end()) return "";
  const auto more = std::ranges::count(problems, false, &Problem::warning) - 1;
  return to_string(*error) +
         (more == 0 ? "" : "; and " + std::to_string(more) + " more: run tidegate validate");
}

FleetEdit::FleetEdit(const FleetState& before, const std::string& revision,
                     const std::string& author)
    : state_(before),
      rulebook_(before.rulebook),
      author_(author),
      had_drivers_(!before.driver_specs.empty()),
      had_sites_(any_site()),
      suggestions_left_(suggestions_max) {
  state_.revision = revision;
}

void FleetEdit::replace(const FileChange& change) {
  const auto before = state_.files.find(change.path);
  if (before)
    for (const auto& document : before->documents) drop(*document);
  state_.refused.erase(change.path);
  for (SourceRole& source : state_.sources) source.files.erase(change.path);
  if (!change.text) {
    gone_[change.path] = change.commits;
    return state_.files.erase(change.path);
  }
  auto file = std::make_shared<ManifestFile>(
      read_manifest_file(change.path, *change.text, state_.knows_zone));
  file->commits = change.commits;
  keep_owners(*file, before.get());
  for (const auto& document : file->documents) add(document);
  state_.files.set(change.path, std::move(file));
}

// A document that can no longer be read still holds up what it spoke of: its place in the file is
// kept by a broken one, so that nothing looks removed.
void FleetEdit::keep_owners(ManifestFile& file, const ManifestFile* before) const {
  if (file.unreadable)
    for (const auto& document : file.documents) {
      document->good = false;
      document->problems.insert(document->problems.end(), file.problems.begin(),
                                file.problems.end());
    }
  if (file.problems.empty() || before == nullptr) return;
  std::set<DocumentKey> present;
  for (const auto& document : file.documents) present.insert(document->key);
  for (const auto& document : before->documents) {
    if (!present.insert(document->key).second) continue;
    auto broken = std::make_shared<Document>();
    broken->key = document->key;
    broken->file = file.path;
    broken->position = file.documents.size();
    broken->line = file.problems.front().line;
    broken->column = file.problems.front().column;
    broken->problems = file.problems;
    broken->good = false;
    file.documents.push_back(std::move(broken));
  }
}

SharedEntry& FleetEdit::shared(DocumentKind kind, const std::string& name) {
  auto& copy = touched_shared_[{kind, name}];
  if (copy) return *copy;
  const SharedEntries& entries = kind == DocumentKind::driver ? state_.drivers : state_.classes;
  const auto found = entries.find(name);
  copy = found == entries.end() ? std::make_shared<SharedEntry>()
                                : std::make_shared<SharedEntry>(*found->second);
  return *copy;
}

DocumentList& FleetEdit::documents_of(const DocumentKey& key) {
  if (key.kind == DocumentKind::driver || key.kind == DocumentKind::site_class) {
    changed_shared_.emplace(key.kind, key.name);
    return shared(key.kind, key.name).documents;
  }
  if (key.owner().empty()) return rulebook_.documents_of(key);
  auto& copy = touched_sites_[key.owner()];
  if (!copy) {
    const auto found = state_.entries.find(key.owner());
    copy = found ? std::make_shared<SiteEntry>(*found) : std::make_shared<SiteEntry>();
  }
  return copy->documents;
}

void FleetEdit::drop(const Document& document) {
  if (!refusal(document)) remove(documents_of(document.key), document);
}

void FleetEdit::add(const std::shared_ptr<const Document>& document) {
  if (auto problem = refusal(*document))
    state_.refused[document->file].push_back(std::move(*problem));
  else
    insert(documents_of(document->key), document);
}

// Classes and drivers are what sites are merged from, so they settle first.
void FleetEdit::settle_shared() {
  for (auto& [key, entry] : touched_shared_) {
    const auto& [kind, name] = key;
    (kind == DocumentKind::driver ? state_.drivers : state_.classes)[name] = entry;
    if (kind != DocumentKind::driver) continue;
    const Document* good = only_good(entry->documents);
    if (entry->documents.empty())
      state_.driver_specs.erase(name);
    else
      state_.driver_specs[name] = good ? good->driver : nullptr;
  }
}

std::set<std::string> FleetEdit::concerned_sites() const {
  std::set<std::string> names;
  // The first Driver turns warnings about unknown ones into errors, everywhere.
  if (had_drivers_ == state_.driver_specs.empty())
    state_.entries.each([&](const std::string& name, const SiteEntry&) { names.insert(name); });
  for (const auto& [name, entry] : touched_sites_) names.insert(name);
  for (const auto& key : changed_shared_) {
    const auto& users = touched_shared_.at(key)->users;
    names.insert(users.begin(), users.end());
  }
  return names;
}

FleetState FleetEdit::settle() {
  settle_shared();
  rulebook_.settle();
  // Environments without a Site come last: by then every name they may have meant is known.
  std::vector<std::string> without_site;
  const std::set<std::string> concerned = concerned_sites();
  for (const std::string& name : concerned) {
    const auto touched = touched_sites_.find(name);
    if (touched == touched_sites_.end() || has_site_document(*touched->second))
      settle_site(name);
    else
      without_site.push_back(name);
  }
  for (const std::string& name : without_site) settle_site(name);
  govern_others(concerned);
  check_grants(concerned);
  state_.rulebook = rulebook_.take();
  for (auto& [key, entry] : touched_shared_) {
    SharedEntries& entries = key.first == DocumentKind::driver ? state_.drivers : state_.classes;
    if (entry->documents.empty() && entry->users.empty())
      entries.erase(key.second);
    else
      entries[key.second] = entry;
  }
  return std::move(state_);
}

void FleetEdit::settle_site(const std::string& name) {
  const auto before = state_.entries.find(name);
  const auto touched = touched_sites_.find(name);
  auto entry =
      touched != touched_sites_.end() ? touched->second : std::make_shared<SiteEntry>(*before);
  if (entry->documents.empty()) {
    note_uses(name, before.get(), nullptr);
    if (before) state_.entries.erase(name);
    state_.sites.erase(name);
    return;
  }
  judge(*entry, name);
  note_uses(name, before.get(), entry.get());
  if (entry->good) state_.sites[name] = entry->good;
  state_.entries.set(name, std::move(entry));
}

void FleetEdit::judge(SiteEntry& entry, const std::string& name) {
  entry.site_class.clear();
  entry.drivers.clear();
  const DocumentList documents = own_documents(entry, name);
  entry.problems = duplicates(documents);
  const Document* site = nullptr;
  for (const auto& document : documents) {
    if (document->good) judge_names(entry, *document);
    entry.problems.insert(entry.problems.end(), document->problems.begin(),
                          document->problems.end());
    if (document->key.kind == DocumentKind::site && !site) site = document.get();
  }
  std::vector<Effective> merged;
  if (site == nullptr)
    tell_unknown_site(entry, name);
  else if (site->good)
    merge(entry, documents, *site, merged);
  tidy(entry.problems);
  note_files(entry, documents);
  entry.good = next_good(entry, merged);
}

std::vector<std::string_view> FleetEdit::given_sites() const {
  std::vector<std::string_view> given;
  state_.entries.each([&](const std::string& name, const SiteEntry& entry) {
    if (has_site_document(entry)) given.push_back(name);
  });
  return given;
}

bool FleetEdit::any_site() const { return !state_.sites.empty() || !given_sites().empty(); }

std::string FleetEdit::site_near(const std::string& name) {
  if (suggestions_left_ == 0) return "";
  --suggestions_left_;
  std::vector<std::string_view> known = given_sites();
  std::erase(known, name);
  std::sort(known.begin(), known.end());
  return did_you_mean(name, known);
}

void FleetEdit::tell_unknown_site(SiteEntry& entry, const std::string& name) {
  const std::string mend = site_near(name);
  for (const auto& document : entry.documents)
    if (document->good)
      entry.problems.push_back({document->file, document->site_line, document->site_column,
                                "metadata.site", "no Site is called " + quote(name) + mend});
}

void FleetEdit::merge(SiteEntry& entry, const DocumentList& documents, const Document& site,
                      std::vector<Effective>& result) {
  SiteInput input;
  input.site = &site;
  input.drivers = &state_.driver_specs;
  for (const auto& document : documents)
    if (document->key.kind == DocumentKind::environment) {
      const bool first = input.environment_names.insert(document->key.name).second;
      if (first && document->good) input.environments.push_back(document.get());
    }
  const auto note_driver = [&](const std::optional<Marked<std::string>>& driver) {
    if (driver) entry.drivers.insert(driver->value);
  };
  note_driver(site.site->fields.driver);
  for (const Document* environment : input.environments)
    note_driver(environment->environment->driver);
  if (const auto& name = site.site->site_class) {
    entry.site_class = name->value;
    const auto found = state_.classes.find(name->value);
    const bool given = found != state_.classes.end() && !found->second->documents.empty();
    input.site_class = given ? only_good(found->second->documents) : nullptr;
    if (input.site_class == nullptr) {
      entry.problems.push_back(
          {site.file, name->mark.line, name->mark.column, "spec.class",
           given ? "SiteClass " + quote(name->value) + " is broken: see its document"
                 : "no SiteClass is called " + quote(name->value) +
                       known_near(name->value, state_.classes)});
      return;
    }
    note_driver(input.site_class->site_class->site.driver);
    note_driver(input.site_class->site_class->environments.driver);
  }
  result.push_back(make_effective(input));
  entry.problems.insert(entry.problems.end(), result[0].problems.begin(), result[0].problems.end());
}

std::shared_ptr<const Site> FleetEdit::next_good(const SiteEntry& entry,
                                                 std::vector<Effective>& merged) {
  const auto& before = entry.good;
  const std::string invalid = summary(entry.problems);
  if (!invalid.empty() && !before) return nullptr;
  Site site = invalid.empty() ? std::move(merged.at(0).site) : *before;
  site.invalid = invalid;
  site.governance = govern(entry, site);
  site.manifest_commits = commits_of(entry, *site.governance);
  if (!before || !same_documents(*before, site)) {
    site.revision = state_.revision;
    site.author = author_;
  } else if (before->invalid == site.invalid && before->governance == site.governance &&
             before->manifest_commits == site.manifest_commits) {
    return before;
  } else {
    site.revision = before->revision;
    site.author = before->author;
  }
  return std::make_shared<const Site>(std::move(site));
}

void FleetEdit::note_uses(const std::string& site, const SiteEntry* before,
                          const SiteEntry* after) {
  const std::set<std::string> none;
  const auto note = [&](DocumentKind kind, const std::set<std::string>& old_names,
                        const std::set<std::string>& new_names) {
    for (const std::string& name : old_names)
      if (new_names.count(name) == 0) shared(kind, name).users.erase(site);
    for (const std::string& name : new_names)
      if (old_names.count(name) == 0) shared(kind, name).users.insert(site);
  };
  const auto classes = [&](const SiteEntry* entry) {
    return entry && !entry->site_class.empty() ? std::set{entry->site_class} : none;
  };
  note(DocumentKind::site_class, classes(before), classes(after));
  note(DocumentKind::driver, before ? before->drivers : none, after ? after->drivers : none);
}

}  // namespace tidegate
