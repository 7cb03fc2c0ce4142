#include "controller/loop/workqueue.h"

#include <algorithm>
#include <utility>

namespace tidegate {
namespace {

// Of this many hand-outs in a row one is kept for routine looks.
constexpr int slots = 8;

// Threads that read the clock one after the other may ask the other way round.
constexpr Duration out_of_turn = std::chrono::seconds(1);

}  // namespace

Workqueue::Workqueue(std::function<double()> jitter, Backoff backoff)
    : jitter_(std::move(jitter)), backoff_(backoff) {}

void Workqueue::add(const Key& key, Lane lane) {
  std::lock_guard lock(mutex_);
  put(key, std::nullopt, lane);
}

void Workqueue::add_at(const Key& key, Timestamp when, Lane lane) {
  std::lock_guard lock(mutex_);
  put(key, when, lane);
}

void Workqueue::add_rate_limited(const Key& key, Timestamp now) {
  std::lock_guard lock(mutex_);
  if (shut_down_) return;
  const auto handed_out = handed_out_.find(key);
  const Lane lane = handed_out == handed_out_.end() ? Lane::routine : handed_out->second;
  put(key, now + delay(failures_[key]++), lane);
}

void Workqueue::forget(const Key& key) {
  std::lock_guard lock(mutex_);
  failures_.erase(key);
}

int Workqueue::failures(const Key& key) const {
  std::lock_guard lock(mutex_);
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

std::optional<Workqueue::Key> Workqueue::pop(Timestamp now) {
  std::lock_guard lock(mutex_);
  follow(now);
  wake(now);
  const Lane lane = next_lane();
  auto& ready = ready_[at(lane)];
  if (ready.empty()) return std::nullopt;
  auto first = ready.extract(ready.begin());
  const Key& key = first.mapped();
  entries_.erase(key);
  --due_[at(lane)];
  handed_out_.emplace(key, lane);
  changed_in_a_row_ = lane == Lane::changed ? std::min(changed_in_a_row_ + 1, slots) : 0;
  return key;
}

void Workqueue::done(const Key& key) {
  std::lock_guard lock(mutex_);
  if (handed_out_.erase(key) == 0) return;
  const auto entry = entries_.find(key);
  if (entry == entries_.end() || entry->second.when) return;
  ready_[at(entry->second.lane)].emplace(entry->second.ticket, key);
}

std::optional<Timestamp> Workqueue::next_due() const {
  std::lock_guard lock(mutex_);
  for (const auto& ready : ready_) {
    if (!ready.empty()) return Timestamp::min();
  }
  if (waiting_.empty()) return std::nullopt;
  return std::get<Timestamp>(waiting_.begin()->first);
}

std::size_t Workqueue::depth() const {
  std::lock_guard lock(mutex_);
  return due_[0] + due_[1];
}

std::size_t Workqueue::depth(Lane lane) const {
  std::lock_guard lock(mutex_);
  return due_[at(lane)];
}

std::size_t Workqueue::handed_out() const {
  std::lock_guard lock(mutex_);
  return handed_out_.size();
}

void Workqueue::shut_down() {
  std::lock_guard lock(mutex_);
  shut_down_ = true;
  entries_.clear();
  for (auto& ready : ready_) ready.clear();
  waiting_.clear();
  due_ = {};
  failures_.clear();
}

bool Workqueue::is_shut_down() const {
  std::lock_guard lock(mutex_);
  return shut_down_;
}

void Workqueue::put(const Key& key, std::optional<Timestamp> when, Lane lane) {
  if (shut_down_) return;
  const auto [found, inserted] = entries_.try_emplace(key);
  Entry& entry = found->second;
  if (inserted) {
    entry = {lane, ++last_ticket_, when};
  } else {
    unlink(key, entry);
    const bool starts_to_be_due = entry.when && !when;
    const bool more_urgent = lane < entry.lane;
    if (starts_to_be_due || more_urgent) entry.ticket = ++last_ticket_;
    entry.lane = std::min(entry.lane, lane);
    if (entry.when) entry.when = when ? std::min(*entry.when, *when) : when;
  }
  link(key, entry);
}

void Workqueue::link(const Key& key, const Entry& entry) {
  if (entry.when) {
    waiting_.emplace(std::tuple(*entry.when, entry.lane, entry.ticket), key);
    return;
  }
  ++due_[at(entry.lane)];
  if (!handed_out_.contains(key)) ready_[at(entry.lane)].emplace(entry.ticket, key);
}

void Workqueue::unlink(const Key& key, const Entry& entry) {
  if (entry.when) {
    waiting_.erase(std::tuple(*entry.when, entry.lane, entry.ticket));
    return;
  }
  --due_[at(entry.lane)];
  if (!handed_out_.contains(key)) ready_[at(entry.lane)].erase(entry.ticket);
}

/// A clock that was set back takes all that waits along with it.
void Workqueue::follow(Timestamp now) {
  if (seen_ == Timestamp::min() || now >= seen_ - out_of_turn) {
    seen_ = std::max(seen_, now);
    return;
  }
  decltype(waiting_) moved;
  for (auto& [place, key] : waiting_) {
    Entry& entry = entries_.at(key);
    *entry.when -= seen_ - now;
    moved.emplace(std::tuple(*entry.when, entry.lane, entry.ticket), std::move(key));
  }
  waiting_ = std::move(moved);
  seen_ = now;
}

void Workqueue::wake(Timestamp now) {
  while (!waiting_.empty() && std::get<Timestamp>(waiting_.begin()->first) <= now) {
    const Key key = std::move(waiting_.extract(waiting_.begin()).mapped());
    Entry& entry = entries_.at(key);
    // By a new ticket: who becomes ready now comes behind who has been ready before.
    entry.when.reset();
    entry.ticket = ++last_ticket_;
    link(key, entry);
  }
}

Lane Workqueue::next_lane() const {
  const bool changed = !ready_[at(Lane::changed)].empty();
  const bool routine = !ready_[at(Lane::routine)].empty();
  if (changed && routine) return changed_in_a_row_ < slots - 1 ? Lane::changed : Lane::routine;
  return changed ? Lane::changed : Lane::routine;
}

Duration Workqueue::delay(int failures) {
  Duration longest = std::min(backoff_.base, backoff_.longest);
  for (int i = 0; i < failures && longest < backoff_.longest; ++i) {
    // Halved rather than doubled, so that nothing can overflow.
    longest = longest > backoff_.longest / 2 ? backoff_.longest : longest * 2;
  }
  return Duration(static_cast<Duration::rep>(static_cast<double>(longest.count()) * jitter_()));
}

}  // namespace tidegate
