#include "controller/loop/fleet_ledger.h"

#include <algorithm>

#include "reconcilers/policies.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration set_back_max = 24h;

/// Operations of its own that run now: not those that only read it, and none that lost its process.
std::map<std::string, Places> running_of(const Site& site, const ObservedSite& observed) {
  std::map<std::string, Places> out;
  for (const auto& [name, seen] : observed.environments) {
    if (!seen.operation || seen.operation->as_source || seen.operation->interrupted) continue;
    out[name] = places_of(site, name);
  }
  return out;
}

bool any_holds(const std::vector<Verdict>& verdicts) {
  return std::ranges::any_of(verdicts, [](const Verdict& v) { return v.hold.has_value(); });
}

Places without(Places places, const Places& taken) {
  for (const auto& place : taken) places.erase(place);
  return places;
}

}  // namespace

std::vector<std::vector<Verdict>> FleetLedger::admit(const Site& site, const ObservedSite& observed,
                                                     const std::vector<Step>& steps,
                                                     Timestamp now) {
  std::vector<std::vector<Verdict>> out;
  std::vector<std::string> woken;
  {
    std::lock_guard lock(mutex_);
    for (const Places& free : replace(site.name, running_of(site, observed))) wake_one(free, woken);
    Places full, taken;
    if (latest_ < now || latest_ > now + set_back_max) latest_ = now;
    for (const Step& step : steps) {
      LimitsSaid said = judge_limits(site, step, facts_, now);
      if (now < latest_)
        if (auto held = held_at(site, observed, step, calendar_, latest_))
          said.verdicts.push_back(std::move(*held));
      if (!any_holds(said.verdicts) && counts(step)) {
        note_start(facts_, site, step, now);
        const Places places = places_of(site, step.environment);
        running_[site.name][step.environment] = places;
        taken.insert(places.begin(), places.end());
      }
      full.insert(said.full.begin(), said.full.end());
      out.push_back(std::move(said.verdicts));
    }
    // Room it was woken for and has no use of is the next one's.
    if (const auto node = woken_.extract(site.name))
      wake_one(without(without(node.mapped(), taken), full), woken);
    queue_up(site.name, full);
  }
  for (const auto& name : woken) wake_(name);
  return out;
}

void FleetLedger::forget(const std::string& site) {
  std::vector<std::string> woken;
  {
    std::lock_guard lock(mutex_);
    queue_up(site, {});
    woken_.erase(site);
    facts_.wipes.erase(site);
    for (const Places& free : replace(site, {})) wake_one(free, woken);
  }
  for (const auto& name : woken) wake_(name);
}

void FleetLedger::note_wipes(const std::map<std::string, std::vector<Timestamp>>& wipes) {
  std::lock_guard lock(mutex_);
  for (const auto& [site, times] : wipes) {
    auto& known = facts_.wipes[site];
    known.insert(known.end(), times.begin(), times.end());
  }
}

void FleetLedger::take_over(const FleetLedger& old) {
  std::scoped_lock both(mutex_, old.mutex_);
  facts_ = old.facts_;
  running_ = old.running_;
  latest_ = old.latest_;
}

/// Gives, for each operation that ended, where it left room.
std::vector<Places> FleetLedger::replace(const std::string& site, Running running) {
  std::vector<Places> freed;
  Running& before = running_[site];
  for (const auto& [environment, places] : before) {
    for (const auto& place : places) --facts_.running[place];
    if (!running.contains(environment)) freed.push_back(places);
  }
  for (const auto& [environment, places] : running)
    for (const auto& place : places) ++facts_.running[place];
  std::erase_if(facts_.running, [](const auto& entry) { return entry.second == 0; });
  before = std::move(running);
  if (before.empty()) running_.erase(site);
  return freed;
}

/// Keeps its turn while it waits. `full` empty: it waits no more.
void FleetLedger::queue_up(const std::string& site, const Places& full) {
  Waiting waiting{full, last_ticket_ + 1};
  if (const auto node = waiting_.extract(site)) {
    waiting.ticket = node.mapped().ticket;
    const auto line = lines_.find(node.mapped().full);
    line->second.erase(waiting.ticket);
    if (line->second.empty()) lines_.erase(line);
  }
  if (full.empty()) return;
  last_ticket_ = std::max(last_ticket_, waiting.ticket);
  lines_[full][waiting.ticket] = site;
  waiting_[site] = std::move(waiting);
}

/// The one that waits longest of those for whom that is room enough. An operation counts in three
/// places, so there are at most seven lines to look at, however many wait.
void FleetLedger::wake_one(const Places& free, std::vector<std::string>& woken) {
  const std::vector<std::string> places(free.begin(), free.end());
  std::pair<Ticket, std::string> first;
  for (std::size_t mask = 1; mask < std::size_t{1} << places.size(); ++mask) {
    Places full;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (mask >> i & 1U) full.insert(places[i]);
    const auto line = lines_.find(full);
    if (line == lines_.end()) continue;
    const auto& [ticket, site] = *line->second.begin();
    if (first.second.empty() || ticket < first.first) first = {ticket, site};
  }
  if (first.second.empty()) return;
  queue_up(first.second, {});
  woken_[first.second] = free;
  woken.push_back(first.second);
}

}  // namespace tidegate
