#pragma once
// What runs in the whole fleet, as the looks at its sites saw it, and who waits for it to end.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "reconcilers/limits.h"

namespace tidegate {

/// Any thread. Holds an entry for each site that runs something, waits for a limit, or was wiped of
/// late.
class FleetLedger : public Admission {
 public:
  /// `wake`: look at this site again, something ended that it waited for. Called outside the
  /// ledger's own lock.
  FleetLedger(const Calendar& calendar, std::function<void(const std::string&)> wake)
      : calendar_(calendar), wake_(std::move(wake)) {}

  /// A clock that was set back opens nothing again and lifts no hold: what is asked for must have
  /// been allowed at the latest time it showed, too. One that went back by more than a day had been
  /// wrong: what it shows by then counts, or a fleet could be held for years.
  std::vector<std::vector<Verdict>> admit(const Site& site, const ObservedSite& observed,
                                          const std::vector<Step>& steps, Timestamp now) override;
  /// It is no site of the fleet any more: nothing of it counts.
  void forget(const std::string& site);
  /// Wipes that were started before this ledger was.
  void note_wipes(const std::map<std::string, std::vector<Timestamp>>& wipes);
  /// Goes on with what another one knows. Before the first admit().
  void take_over(const FleetLedger& old);

 private:
  using Running = std::map<std::string, Places>;  // By environment.
  using Ticket = std::uint64_t;                   // Rises: who came first.
  struct Waiting {
    Places full;  // Where it found no room.
    Ticket ticket = 0;
  };

  std::vector<Places> replace(const std::string& site, Running running);
  void queue_up(const std::string& site, const Places& full);
  void wake_one(const Places& free, std::vector<std::string>& woken);

  const Calendar& calendar_;
  const std::function<void(const std::string&)> wake_;
  mutable std::mutex mutex_;  // For everything below.
  FleetFacts facts_;
  std::map<std::string, Running> running_;                 // By site.
  std::map<std::string, Waiting> waiting_;                 // By site.
  std::map<Places, std::map<Ticket, std::string>> lines_;  // The same, by where they found none.
  Ticket last_ticket_ = 0;
  std::map<std::string, Places> woken_;  // What had become free for them.
  Timestamp latest_ = Timestamp::min();
};

}  // namespace tidegate
