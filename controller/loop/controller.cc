#include "controller/loop/controller.h"

#include <algorithm>

namespace tidegate {
namespace {

constexpr Duration refused_pause = std::chrono::seconds(2);
constexpr const char* source_unreadable = "SourceUnreadable";

/// Only what the next look compares with.
SiteStatus slim(SiteStatus status) {
  for (auto& e : status.environments) {
    auto operation = std::move(e.observed.operation);
    e.observed = {};
    e.observed.operation = std::move(operation);
    e.holds.clear();
    e.warnings.clear();
  }
  return status;
}

}  // namespace

Controller::Controller(std::vector<ManifestSource*> sources, Driver& driver, const Clock& clock,
                       const Calendar& calendar, Chronicle& chronicle,
                       std::function<double()> jitter, LoopSettings settings)
    : driver_(driver),
      clock_(clock),
      chronicle_(chronicle),
      writer_(settings.writer),
      reconciler_(driver, clock, calendar, settings.cadence),
      queue_([this] { return draw(); }),
      ledger_(calendar, [this](const std::string& site) { queue_.add(site, Lane::changed); }),
      jitter_(std::move(jitter)) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    sources_.push_back(
        {sources[i], settings.intervals[i], {}, {}, {}, {}, {}, {}, clock.now(), false});
  }
  ledger_.note_wipes(settings.wipes);
  roles_ = std::move(settings.roles);
  roles_.resize(sources_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    roles_[i].name = sources_[i].source->name();
    roles_[i].prefix = prefix_of(sources_[i]);
  }
  fleet_ = std::make_shared<const Fleet>(settings.fleet.with_sources(roles_));
}

double Controller::draw() {
  std::lock_guard lock(mutex_);
  return jitter_();
}

bool Controller::run_one() {
  if (stopping_) return false;
  const Timestamp now = clock_.now();
  if (Source* source = due_source(now)) {
    poll(*source);
    return true;
  }
  auto name = queue_.pop(now);
  if (!name) return false;
  look_at(*name);
  queue_.done(*name);
  return true;
}

Timestamp Controller::next_due() const {
  Timestamp next = queue_.next_due().value_or(Timestamp::max());
  std::lock_guard lock(mutex_);
  for (const Source& source : sources_) {
    if (source.busy || (source.waits && must_wait(source))) continue;
    next = std::min(next, source.due);
  }
  return next;
}

void Controller::take_over(const Controller& old) {
  ledger_.take_over(old.ledger_);
  std::scoped_lock both(mutex_, old.mutex_);
  std::vector<FileChange> left;  // Of sources that are not named any more.
  std::vector<SourceRole> roles = roles_;
  for (const Source& source : old.sources_) {
    auto same = std::ranges::find(sources_, source.source->name(),
                                  [](const Source& s) { return s.source->name(); });
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
  statuses_ = old.statuses_;
  for (const auto& [name, site] : fleet_->sites()) queue_.add(name, Lane::routine);
  for (const auto& [name, status] : statuses_) queue_.add(name, Lane::routine);  // Or let go.
}

void Controller::look_soon(const std::string& site) { queue_.add(site, Lane::changed); }

void Controller::poll_soon() {
  std::lock_guard lock(mutex_);
  for (Source& source : sources_) source.due = std::min(source.due, clock_.now());
}

std::shared_ptr<const Fleet> Controller::fleet() const {
  std::lock_guard lock(mutex_);
  return fleet_;
}

std::shared_ptr<const Site> Controller::find(const std::string& site) const {
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

void Controller::shut_down() {
  stopping_ = true;
  queue_.shut_down();
}

// ---- manifests ----

std::string Controller::prefix_of(const Source& source) const {
  return sources_.size() > 1 ? source.source->name() + "/" : "";
}

Controller::Source* Controller::due_source(Timestamp now) {
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

void Controller::poll(Source& source) {
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
  const double jitter = draw();
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
bool Controller::begin(Source& source, const std::string& revision) {
  if (revision.empty()) return false;
  auto changes = source.source->as_of(revision);
  if (changes) apply(source, std::move(*changes));
  return static_cast<bool>(changes);
}

/// Once it was read: by the store, or by the roots of drivers when the store is lost. Where no root
/// is known yet another source may have drivers, and is asked first.
void Controller::begin_anew(Source& source, const ManifestChanges& newest) {
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

std::set<std::string> Controller::roots_with(const Source& source,
                                             const ManifestChanges& newest) const {
  std::vector<FileChange> drivers;
  for (const FileChange& change : newest.changes)
    if (role_of(source).platform && change.text && change.text->find("Driver") != std::string::npos)
      drivers.push_back(change);
  auto roots = Fleet().with(drivers, newest.revision, "").roots();
  roots.merge(fleet()->roots());
  return roots;
}

void Controller::note_begun(Source& source) {
  std::lock_guard lock(mutex_);
  source.begun = true;
}

bool Controller::waits_for_others(const Source& source) const {
  std::lock_guard lock(mutex_);
  return must_wait(source);
}

/// News are judged by the rules before them, so those are known first: of each of the platform's
/// sources. Nothing starts until then. What nothing was before is no news.
bool Controller::must_wait(const Source& source) const {
  if (source.begun && source.revision.empty()) return false;
  return std::ranges::any_of(sources_, [&](const Source& other) {
    const bool known = source.begun ? !other.revision.empty() : other.asked;
    return &other != &source && role_of(other).platform && !known;
  });
}

const SourceRole& Controller::role_of(const Source& source) const {
  return roles_[static_cast<std::size_t>(&source - sources_.data())];
}

void Controller::note_problem(Source& source, const std::string& problem) {
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
  for (const std::string& site : source.sites) queue_.add(site, Lane::routine);
}

std::vector<Condition> Controller::unreadable_sources_of(const std::string& site) const {
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

void Controller::apply(Source& source, ManifestChanges changes) {
  std::lock_guard one_after_the_other(applying_);
  const std::string prefix = prefix_of(source);
  std::set<std::string> named;
  for (FileChange& change : changes.changes) {
    change.path = prefix + change.path;
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
  if (changes.rewritten) {
    chronicle_.happened(
        {clock_.now(), "", "", "SourceRewritten",
         source.source->name() + ": the branch was rewritten; now at " + changes.revision});
  }
  chronicle_.log("info", "manifests changed",
                 {{"source", source.source->name()},
                  {"revision", changes.revision},
                  {"sites", std::to_string(changed.size())}});
  for (const Problem& problem : after->problems()) {
    if (!problem.warning && named.contains(problem.file)) {
      chronicle_.log("warn", "manifest is broken",
                     {{"source", source.source->name()}, {"problem", to_string(problem)}});
    }
  }
  for (const auto& site : changed) queue_.add(site, first ? Lane::routine : Lane::changed);
  if (all_were_read || !all_read_) return;
  for (const auto& site : after->named_sites()) queue_.add(site, Lane::routine);
}

/// Sites of which something else is in force by this than their manifests say, or is no more.
std::set<std::string> Controller::bound(const Fleet& before, const Fleet& after,
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
void Controller::note_in_force() {
  if (!withheld_.empty()) return;
  for (const Source& source : sources_)
    if (!source.revision.empty()) chronicle_.now_in_force(source.source->name(), source.revision);
}

// ---- looks ----

void Controller::look_at(const std::string& name) {
  const auto site = find(name);
  if (!site) return tell_without_site(name);
  const auto before = last_told(name);
  const auto retries = chronicle_.retries(name);
  Look look = reconciler_.reconcile(*site, retries, before ? &*before : nullptr, ledger_);
  note_started(name, look);
  tell(look.status, look.plan, before);
  take_back(*site, look, retries);
  const bool needs_a_person = std::ranges::any_of(
      look.refused, [](const auto& refused) { return refused.second.kind == ErrorKind::invalid; });
  if (look.problem && look.problem->kind == ErrorKind::invalid) {
    return queue_.add_at(name, look.again, Lane::routine);  // Its manifest's change wakes it.
  }
  if (look.problem || needs_a_person) return queue_.add_rate_limited(name, clock_.now());
  if (!look.refused.empty()) {  // Busy: by another process, or all workers. That ends soon.
    return queue_.add_at(
        name, clock_.now() + refused_pause + refused_pause * static_cast<int>(draw() * 256) / 256,
        Lane::changed);
  }
  queue_.forget(name);
  queue_.add_at(name, look.again, Lane::routine);
}

void Controller::take_back(const Site& site, const Look& look,
                           const std::set<std::string>& retries) {
  if (!writer_ || look.problem) return;
  for (const Revert& revert : reverts_of(site, look.observed, clock_.now(), retries))
    if (const auto place = place_of(site, revert.environment)) writer_->revert(revert, *place);
}

/// Nothing when other manifests came meanwhile: they are looked at anew.
std::optional<DocumentPlace> Controller::place_of(const Site& site,
                                                  const std::string& environment) const {
  std::lock_guard lock(mutex_);
  const auto now_is = fleet_->find(site.name);
  const Environment *then = site.find(environment), *now = nullptr;
  if (now_is && now_is->digest == site.digest) now = now_is->find(environment);
  if (!now || now->digest != then->digest) return std::nullopt;
  const std::string file = fleet_->file_of(site.name, environment);
  for (const Source& source : sources_)
    if (source.files.contains(file))
      return DocumentPlace{source.source->name(), file.substr(prefix_of(source).size()),
                           source.revision};
  return std::nullopt;
}

void Controller::tell_how_it_ended(Timestamp deadline) {
  std::vector<SiteStatus> busy;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, status] : statuses_) {
      const bool ran = std::ranges::any_of(status.environments, [](const EnvironmentStatus& e) {
        return e.observed.operation || e.ready().reason == "Progressing";
      });
      if (ran) busy.push_back(status);
    }
  }
  for (const SiteStatus& before : busy) {
    const auto site = find(before.name);
    if (!site || clock_.now() > deadline) continue;
    const Look last = reconciler_.look(*site, chronicle_.retries(before.name), &before);
    tell(last.status, last.plan, before);
  }
}

/// Its documents were broken from the start, or are not there any more.
void Controller::tell_without_site(const std::string& name) {
  const std::string invalid = fleet()->invalid(name);
  if (invalid.empty()) {
    ledger_.forget(name);
    std::lock_guard lock(mutex_);
    if (statuses_.erase(name) > 0) chronicle_.let_go(name);
    return;
  }
  if (!all_read_) return;  // What it lacks may be in another source.
  const auto before = last_told(name);
  tell(broken_status(name, invalid, before ? &*before : nullptr, clock_.now()), {}, before);
}

std::optional<SiteStatus> Controller::last_told(const std::string& name) {
  {
    std::lock_guard lock(mutex_);
    if (auto it = statuses_.find(name); it != statuses_.end()) return it->second;
  }
  auto last = chronicle_.last(name);
  // Told of the source itself, and no news of the site.
  if (last)
    std::erase_if(last->conditions, [](const Condition& c) { return c.type == source_unreadable; });
  return last;
}

void Controller::note_started(const std::string& site, const Look& look) {
  for (const Step& step : look.started) {
    chronicle_.log("info", "step started",
                   {{"site", site},
                    {"environment", step.environment},
                    {"actions", describe(step.actions)},
                    {"because", step.because}});
    if (step.asked) chronicle_.retried(site, step.environment);
  }
  for (const auto& [step, error] : look.refused) {
    chronicle_.log("warn", "step refused",
                   {{"site", site}, {"environment", step.environment}, {"error", error.message}});
  }
  if (!look.bug.empty())
    chronicle_.log("error", "bug: planned to break a rule", {{"site", site}, {"rule", look.bug}});
}

void Controller::tell(SiteStatus status, const Plan& plan,
                      const std::optional<SiteStatus>& before) {
  for (const Event& event : events_between(before ? &*before : nullptr, status, clock_.now()))
    chronicle_.happened(event);
  {
    std::lock_guard lock(mutex_);
    statuses_.insert_or_assign(status.name, slim(status));
  }
  for (Condition& condition : unreadable_sources_of(status.name))
    status.conditions.push_back(std::move(condition));
  chronicle_.told(status, plan);
}

}  // namespace tidegate
