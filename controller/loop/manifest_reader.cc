#include "controller/loop/manifest_reader.h"

#include <algorithm>

namespace tidegate {

ManifestReader::ManifestReader(const std::vector<ManifestSource*>& sources, const Clock& clock,
                               Chronicle& chronicle, std::function<double()> jitter,
                               std::function<void(const std::string& site, Lane)> wake,
                               ManifestSettings settings)
    : clock_(clock), chronicle_(chronicle), jitter_(std::move(jitter)), wake_(std::move(wake)) {
  settings.roles.resize(sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    SourceRole& role = settings.roles[i];
    role.name = sources[i]->name();
    role.prefix = sources.size() > 1 ? role.name + "/" : "";
    sources_.push_back({sources[i], settings.intervals[i], role, clock.now()});
  }
  fleet_ = std::make_shared<const Fleet>(settings.fleet.with_sources(std::move(settings.roles)));
}

bool ManifestReader::read_one(Timestamp now) {
  Source* source = due_source(now);
  if (source) poll(*source);
  return source != nullptr;
}

Timestamp ManifestReader::next_due() const {
  Timestamp next = Timestamp::max();
  std::lock_guard lock(mutex_);
  for (const Source& source : sources_) {
    if (source.busy || (source.waits && must_wait(source))) continue;
    next = std::min(next, source.due);
  }
  return next;
}

void ManifestReader::read_soon() {
  std::lock_guard lock(mutex_);
  for (Source& source : sources_) source.due = std::min(source.due, clock_.now());
}

void ManifestReader::take_over(const ManifestReader& old) {
  std::scoped_lock both(mutex_, old.mutex_);
  std::vector<FileChange> left;  // Of sources that are not named any more.
  std::vector<SourceRole> roles;
  for (const Source& source : sources_) roles.push_back(source.role);
  for (const Source& source : old.sources_) {
    auto same =
        std::ranges::find(sources_, source.role.name, [](const Source& s) { return s.role.name; });
    if (same == sources_.end()) {
      for (const auto& file : source.files) left.push_back({file, std::nullopt});
      continue;
    }
    same->files = source.files;  // By their old paths; its first reading moves them.
    same->sites = source.sites;
    same->signature = source.signature;
    roles[static_cast<std::size_t>(same - sources_.begin())].files = source.files;
  }
  fleet_ = std::make_shared<const Fleet>(
      old.fleet_->with(left, old.fleet_->revision(), "").with_sources(std::move(roles)));
  withheld_ = old.withheld_;
}

std::shared_ptr<const Fleet> ManifestReader::fleet() const {
  std::lock_guard lock(mutex_);
  return fleet_;
}

std::shared_ptr<const Site> ManifestReader::find(const std::string& site) const {
  std::vector<SignatureQuestion> questions;
  std::shared_ptr<const Site> found;
  {
    std::lock_guard lock(mutex_);
    found = in_force(*fleet_, withheld_, site);
    if (!found || !found->governance || !asks_for_signed_manifests(*found->governance))
      return found;
    for (const Source& source : sources_)
      if (source.signature) questions.push_back(source.signature);
  }
  return with_signatures(found, first_answer(std::move(questions)));
}

ManifestReader::Source* ManifestReader::due_source(Timestamp now) {
  std::lock_guard lock(mutex_);
  for (Source& source : sources_) {
    // Later than any interval ends: the clock was set back.
    const bool later = source.due > now && source.due - now <= 2 * source.interval;
    if (source.busy || later || (source.waits && must_wait(source))) continue;
    source.busy = true;
    return &source;
  }
  return nullptr;
}

void ManifestReader::poll(Source& source) {
  const std::string name = source.source->name();
  if (!source.begun && begin(source, chronicle_.in_force(name))) note_begun(source);
  auto changes = source.source->changed_since(source.revision);
  if (changes && *changes && !source.begun) {
    begin_anew(source, **changes);
    if (!source.revision.empty()) changes = source.source->changed_since(source.revision);
  }
  const bool news = changes && *changes;
  note_problem(source, changes ? "" : changes.error().message);
  const bool waits = news && (!source.begun || waits_for_others(source));
  if (news && !waits) apply(source, std::move(**changes));
  const double jitter = jitter_();
  std::lock_guard lock(mutex_);
  source.asked = true;
  source.busy = false;
  source.waits = waits;
  if (waits) return;
  source.due =
      clock_.now() + Duration(static_cast<Duration::rep>(
                         static_cast<double>(source.interval.count()) * (0.9 + 0.2 * jitter)));
}

/// What a commit strikes is known only beside what was in force before it, by an earlier process
/// too.
bool ManifestReader::begin(Source& source, const std::string& revision) {
  if (revision.empty()) return false;
  auto changes = source.source->as_of(revision);
  if (changes) apply(source, std::move(*changes));
  return static_cast<bool>(changes);
}

/// Once it was read: by the store, or by the roots of drivers when the store is lost. Where no root
/// is known yet another source may have drivers, and is asked first.
void ManifestReader::begin_anew(Source& source, const ManifestChanges& newest) {
  const std::string name = source.source->name();
  std::string revision = chronicle_.in_force(name);
  if (revision.empty()) {
    const auto roots = roots_with(source, newest);
    if (roots.empty() && waits_for_others(source)) return;
    revision = chronicle_.in_force_below(roots, name);
  }
  if (!begin(source, revision) && !revision.empty())
    chronicle_.log("warn", "what was in force last is not there any more; the source is read anew",
                   {{"source", name}, {"revision", revision}});
  note_begun(source);
}

std::set<std::string> ManifestReader::roots_with(const Source& source,
                                                 const ManifestChanges& newest) const {
  std::vector<FileChange> drivers;
  for (const FileChange& change : newest.changes)
    if (source.role.platform && change.text && change.text->find("Driver") != std::string::npos)
      drivers.push_back(change);
  auto roots = Fleet().with(drivers, newest.revision, "").roots();
  roots.merge(fleet()->roots());
  return roots;
}

void ManifestReader::note_begun(Source& source) {
  std::lock_guard lock(mutex_);
  source.begun = true;
}

bool ManifestReader::waits_for_others(const Source& source) const {
  std::lock_guard lock(mutex_);
  return must_wait(source);
}

/// News are judged by the rules before them, so those are known first: of each of the platform's
/// sources. Nothing starts until then. What nothing was before is no news.
bool ManifestReader::must_wait(const Source& source) const {
  if (source.begun && source.revision.empty()) return false;
  return std::ranges::any_of(sources_, [&](const Source& other) {
    const bool known = source.begun ? !other.revision.empty() : other.asked;
    return &other != &source && other.role.platform && !known;
  });
}

void ManifestReader::note_problem(Source& source, const std::string& problem) {
  if (problem == source.problem) return;
  const bool good = problem.empty();
  chronicle_.log(
      good ? "info" : "error",
      good ? "manifests are readable again" : "manifests cannot be read; the last good state stays",
      {{"source", source.source->name()}, {"problem", good ? source.problem : problem}});
  chronicle_.happened({clock_.now(), "", "", good ? "SourceReadable" : source_unreadable,
                       source.source->name() + (good ? "" : ": " + problem)});
  {
    std::lock_guard lock(mutex_);
    if (source.problem.empty()) source.since = clock_.now();
    source.problem = problem;
  }
  for (const std::string& site : source.sites) wake_(site, Lane::routine);
}

std::vector<Condition> ManifestReader::unreadable_sources_of(const std::string& site) const {
  std::lock_guard lock(mutex_);
  std::vector<Condition> out;
  for (const Source& source : sources_) {
    if (source.problem.empty() || !source.sites.contains(site)) continue;
    out.push_back(
        {source_unreadable, "True", source_unreadable,
         "source " + source.source->name() + ": " + source.problem + "; the last good state stays",
         source.since});
  }
  return out;
}

void ManifestReader::apply(Source& source, ManifestChanges changes) {
  std::lock_guard one_after_the_other(applying_);
  auto files = renamed(source, changes);
  const auto before = fleet();
  const auto after = std::make_shared<const Fleet>(
      before->with(changes.changes, changes.revision, changes.author, source.source->name()));
  auto changed = Fleet::changed(*before, *after);
  changed.merge(bound(*before, *after, changes));
  const bool first = source.revision.empty();
  {
    std::lock_guard lock(mutex_);
    fleet_ = after;
    source.revision = changes.revision;
    source.files = std::move(files);
    source.sites.insert(changed.begin(), changed.end());
    source.signature = std::move(changes.signature);
  }
  const bool all_were_read = all_read_;
  all_read_ = std::ranges::none_of(sources_, [](const Source& s) { return s.revision.empty(); });
  note_in_force();
  tell_changes(source, changes, *after, changed.size());
  for (const auto& site : changed) wake_(site, first ? Lane::routine : Lane::changed);
  if (all_were_read || !all_read_) return;
  for (const auto& site : after->named_sites()) wake_(site, Lane::routine);
}

/// Gives the changes their paths in the fleet, with what a complete reading does not name as gone.
/// The source's files after them.
std::set<std::string> ManifestReader::renamed(const Source& source,
                                              ManifestChanges& changes) const {
  std::set<std::string> named;
  for (FileChange& change : changes.changes) {
    change.path = source.role.prefix + change.path;
    named.insert(change.path);
  }
  const auto of_another = [&](const std::string& file) {
    return std::ranges::any_of(
        sources_, [&](const Source& s) { return &s != &source && s.files.contains(file); });
  };
  std::set<std::string> files = source.files;
  if (changes.complete) {
    for (const auto& file : files) {
      if (!named.contains(file) && !of_another(file))
        changes.changes.push_back({file, std::nullopt});
    }
    files.clear();
  }
  for (const FileChange& change : changes.changes) {
    if (change.text)
      files.insert(change.path);
    else
      files.erase(change.path);
  }
  return files;
}

void ManifestReader::tell_changes(const Source& source, const ManifestChanges& changes,
                                  const Fleet& after, std::size_t sites) {
  const std::string name = source.source->name();
  if (changes.rewritten) {
    chronicle_.happened({clock_.now(), "", "", "SourceRewritten",
                         name + ": the branch was rewritten; now at " + changes.revision});
  }
  chronicle_.log(
      "info", "manifests changed",
      {{"source", name}, {"revision", changes.revision}, {"sites", std::to_string(sites)}});
  std::set<std::string> named;
  for (const FileChange& change : changes.changes)
    if (change.text) named.insert(change.path);
  for (const Problem& problem : after.problems()) {
    if (problem.warning || !named.contains(problem.file)) continue;
    chronicle_.log("warn", "manifest is broken",
                   {{"source", name}, {"problem", to_string(problem)}});
  }
}

/// Sites of which something else is in force by this than their manifests say, or is no more.
std::set<std::string> ManifestReader::bound(const Fleet& before, const Fleet& after,
                                            const ManifestChanges& changes) {
  auto withheld = withhold(before, withheld_, after, changes.changes, changes.revision);
  std::set<std::string> names;
  for (const WithheldSites* sites : {&withheld_, &withheld})
    for (const auto& [name, kept] : *sites) names.insert(name);
  for (const auto& [name, kept] : withheld) {
    if (withheld_.contains(name)) continue;
    chronicle_.log("warn", "a manifest commit strikes too many sites",
                   {{"site", name}, {"problem", kept.site->withheld}});
  }
  std::lock_guard lock(mutex_);
  withheld_ = std::move(withheld);
  return names;
}

/// Nothing is, as a whole, while a site is withheld: an earlier revision is what the next process
/// has to judge by.
void ManifestReader::note_in_force() {
  if (!withheld_.empty()) return;
  for (const Source& source : sources_)
    if (!source.revision.empty()) chronicle_.now_in_force(source.source->name(), source.revision);
}

/// Nothing when other manifests came meanwhile: they are looked at anew.
std::optional<DocumentPlace> ManifestReader::place_of(const Site& site,
                                                      const std::string& environment) const {
  std::lock_guard lock(mutex_);
  const auto now_is = fleet_->find(site.name);
  const Environment *then = site.find(environment), *now = nullptr;
  if (now_is && now_is->digest == site.digest) now = now_is->find(environment);
  if (!now || now->digest != then->digest) return std::nullopt;
  const std::string file = fleet_->file_of(site.name, environment);
  for (const Source& source : sources_)
    if (source.files.contains(file))
      return DocumentPlace{source.source->name(), file.substr(source.role.prefix.size()),
                           source.revision};
  return std::nullopt;
}

}  // namespace tidegate
