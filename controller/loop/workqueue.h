#pragma once
// Which site to look at next. A key is a site's name and carries nothing else. Fair and patient:
// one entry a key, never handed out twice at once, changed sites before routine looks, failures
// later.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>

#include "schemas/time.h"

namespace tidegate {

/// How urgent an entry is. Of 8 hand-outs in a row at least one is routine when one is ready, and
/// at least seven are changed when there are as many.
enum class Lane : std::uint8_t { changed, routine };

/// The n-th failure in a row waits between nothing and min(base · 2ⁿ, longest), evenly spread.
struct Backoff {
  Duration base = std::chrono::seconds(1);
  Duration longest = std::chrono::minutes(15);
};

/// Any call from any thread. Nothing blocks: who finds nothing to pop sleeps until next_due() or
/// the next add, as long as it likes; times are whatever the caller's clock says.
class Workqueue {
 public:
  using Key = std::string;

  /// `jitter` gives numbers in [0, 1); it is called under the queue's own lock, never twice at
  /// once.
  explicit Workqueue(std::function<double()> jitter, Backoff backoff = {});

  /// To be handed out as soon as possible. An entry that waits stops waiting; one in the routine
  /// lane that is asked for as changed goes to the end of the changed ones. A key that is handed
  /// out right now gets an entry that is ready once it is done(): no wish is lost.
  void add(const Key& key, Lane lane);
  /// Not before `when`. The sooner of two wishes wins, and the more urgent of two lanes.
  void add_at(const Key& key, Timestamp when, Lane lane);
  /// After a failure: counts it and waits longer each time, in the lane the key was handed out in
  /// (routine for one that was not).
  void add_rate_limited(const Key& key, Timestamp now);
  /// Forgets the failures of a key. What is queued stays queued.
  void forget(const Key& key);
  /// Failures in a row that were counted for a key.
  int failures(const Key& key) const;

  /// The next key that is due, if any. Each must be given back by done(), once. A clock that was
  /// set back since the last one keeps nothing waiting for longer than it was to wait.
  std::optional<Key> pop(Timestamp now);
  /// The key may be handed out again. Nothing for one that is not handed out.
  void done(const Key& key);

  /// When pop() can next give something: Timestamp::min() for at once, nothing when only an add or
  /// a done() can change that.
  std::optional<Timestamp> next_due() const;
  /// Entries that are due, those whose key is still handed out included; as of the last pop().
  std::size_t depth() const;
  std::size_t depth(Lane lane) const;
  /// Keys between pop() and done().
  std::size_t handed_out() const;

  /// For good: what is queued is dropped, adds are ignored, pop() gives nothing; done() still
  /// counts.
  void shut_down();
  bool is_shut_down() const;

 private:
  using Ticket = std::uint64_t;  // Rises; decides who came first.
  struct Entry {
    Lane lane = Lane::routine;
    Ticket ticket = 0;
    std::optional<Timestamp> when;  // Absent: due.
  };

  void put(const Key& key, std::optional<Timestamp> when, Lane lane);
  void link(const Key& key, const Entry& entry);
  void unlink(const Key& key, const Entry& entry);
  void follow(Timestamp now);
  void wake(Timestamp now);
  Lane next_lane() const;
  Duration delay(int failures);
  static std::size_t at(Lane lane) { return static_cast<std::size_t>(lane); }

  const std::function<double()> jitter_;
  const Backoff backoff_;

  mutable std::mutex mutex_;  // For everything below.
  std::unordered_map<Key, Entry> entries_;
  // Each entry is in exactly one of these; a due one whose key is handed out is in none.
  std::array<std::map<Ticket, Key>, 2> ready_;
  std::map<std::tuple<Timestamp, Lane, Ticket>, Key> waiting_;
  std::array<std::size_t, 2> due_{};          // Entries that are due, by lane.
  std::unordered_map<Key, Lane> handed_out_;  // With the lane they were handed out in.
  std::unordered_map<Key, int> failures_;
  Ticket last_ticket_ = 0;
  Timestamp seen_ = Timestamp::min();  // By pop().
  int changed_in_a_row_ = 0;
  bool shut_down_ = false;
};

}  // namespace tidegate
