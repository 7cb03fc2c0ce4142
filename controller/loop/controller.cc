#include "controller/loop/controller.h"

#include <algorithm>

namespace tidegate {
namespace {

constexpr Duration refused_pause = std::chrono::seconds(2);

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
      jitter_(std::move(jitter)),
      manifests_(
          sources, clock, chronicle, [this] { return draw(); },
          [this](const std::string& site, Lane lane) { queue_.add(site, lane); },
          std::move(settings.sources)) {
  ledger_.note_wipes(settings.wipes);
}

double Controller::draw() {
  std::lock_guard lock(mutex_);
  return jitter_();
}

bool Controller::run_one() {
  if (stopping_) return false;
  const Timestamp now = clock_.now();
  if (manifests_.read_one(now)) return true;
  auto name = queue_.pop(now);
  if (!name) return false;
  look_at(*name);
  queue_.done(*name);
  return true;
}

Timestamp Controller::next_due() const {
  return std::min(queue_.next_due().value_or(Timestamp::max()), manifests_.next_due());
}

void Controller::take_over(const Controller& old) {
  ledger_.take_over(old.ledger_);
  manifests_.take_over(old.manifests_);
  std::scoped_lock both(mutex_, old.mutex_);
  statuses_ = old.statuses_;
  for (const auto& [name, site] : fleet()->sites()) queue_.add(name, Lane::routine);
  for (const auto& [name, status] : statuses_) queue_.add(name, Lane::routine);  // Or let go.
}

void Controller::look_soon(const std::string& site) { queue_.add(site, Lane::changed); }

void Controller::shut_down() {
  stopping_ = true;
  queue_.shut_down();
}

void Controller::look_at(const std::string& name) {
  const auto site = manifests_.find(name);
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
    if (const auto place = manifests_.place_of(site, revert.environment))
      writer_->revert(revert, *place);
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
    const auto site = manifests_.find(before.name);
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
  if (!manifests_.all_read()) return;  // What it lacks may be in another source.
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
  for (Condition& condition : manifests_.unreadable_sources_of(status.name))
    status.conditions.push_back(std::move(condition));
  chronicle_.told(status, plan);
}

}  // namespace tidegate
