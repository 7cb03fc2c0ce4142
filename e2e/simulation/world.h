#pragma once
// A seeded world in which the real loop runs: sites and their code, people who commit manifests, a
// driver that keeps the host driver's contract, a clock that is pushed by hand. The same seed gives
// the same history, byte for byte.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controller/loop/controller.h"
#include "e2e/simulation/people.h"
#include "e2e/simulation/place.h"

namespace tidegate {

/// Numbers drawn by hand: std:: distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : bits_(seed) {}
  std::uint64_t below(std::uint64_t n) { return bits_() % n; }
  bool chance(int per_mille) { return static_cast<int>(below(1000)) < per_mille; }
  Duration between(Duration a, Duration b) {
    return a + Duration(static_cast<Duration::rep>(
                   below(static_cast<std::uint64_t>((b - a).count()) + 1)));
  }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::mt19937_64 bits_;
};

/// How often things go wrong, per mille: of calls, of operations, and of steps of the simulation.
struct Faults {
  int lost_request = 0, lost_reply = 0, stale_read = 0, lost_news = 0;
  int site_fails = 0, host_fails = 0, undo_fails = 0;
  int commits = 0, drift = 0, crash = 0, git = 0, code_git = 0, gone = 0, secret = 0, retry = 0;
  int fails_again = 0;  ///< What runs does not pass its verification any more.
};

/// How often a World's manifests are asked for.
inline constexpr Duration poll_interval = std::chrono::seconds(30);

class World final : public Driver,
                    public ManifestSource,
                    public ManifestWriter,
                    public Clock,
                    public Calendar,
                    public Chronicle {
 public:
  /// Some sites of any stages, most of them launched.
  World(std::uint64_t seed, int sites);
  /// One site, "acme".
  World(std::uint64_t seed, const std::vector<std::string>& stages, bool launched);

  // ---- the ports of the loop ----
  Result<ObservedSite> observe(const Site& site) override;
  Result<void> start(const Site& site, const Step& step) override;
  std::string name() const override { return "fleet"; }
  Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) override;
  void revert(const Revert& revert, const DocumentPlace& document) override;
  Result<ManifestChanges> as_of(const std::string& revision) override;
  Timestamp now() const override { return time; }
  /// Knows "M H * * *" and "M * * * *", in UTC.
  std::optional<Timestamp> next(const std::string& cron, const std::string& zone,
                                Timestamp after) const override;
  void told(const SiteStatus& status, const Plan& plan) override;
  void happened(const Event& event) override;
  void let_go(const std::string& site) override;
  std::optional<SiteStatus> last(const std::string&) override { return std::nullopt; }
  std::set<std::string> retries(const std::string& site) override { return asked[site]; }
  void retried(const std::string& site, const std::string& environment) override;
  std::string in_force(const std::string&) override { return in_force_; }
  std::string in_force_below(const std::set<std::string>&, const std::string&) override {
    return "";
  }
  void now_in_force(const std::string&, const std::string& revision) override {
    in_force_ = revision;
  }
  void log(const char* level, const std::string& message,
           const std::vector<std::pair<std::string, std::string>>& facts) override;

  // ---- running it ----
  /// One turn: what is due ends, faults strike, the loop runs until nothing is due, time moves on
  /// to the next thing that happens.
  void turn();
  void run_for(Duration length);
  /// A new controller with an empty memory; operations of the old one have lost their process.
  void crash();

  // ---- what people and fate do ----
  void commit(const std::string& what);  ///< Publishes what `people` wrote.
  CommitId new_commit(const std::string& site, bool on_main = true);
  void mishap();  ///< At most one fault of each kind, by chance.
  /// Ends every fault of the outside; what failed stays recorded and what people wrote stays.
  void heal();
  /// What a stale read shows from now on is the truth of now.
  void photograph(const std::string& site);
  /// What runs is verified again: it fails, or passes again.
  void verify_again(const std::string& site, const std::string& environment);
  void set_gone(const std::string& site, const std::string& environment, bool gone);

  Estate& estate(const std::string& site) { return estates.at(site); }
  Place& place(const std::string& site, const std::string& e) { return estates.at(site).places[e]; }
  /// The manifest as the controller knows it.
  std::shared_ptr<const Site> known(const std::string& site) const;
  bool knows_everything() const;  ///< The controller has read the newest commit.
  std::string inputs_of(const std::string& site, const Site& manifest, const Environment& e) const;
  /// The truth about a site, as a driver that reads everything would tell it.
  ObservedSite truth(const Site& site) const;

  std::string history(std::size_t lines) const;  ///< The last ones.
  void note(const std::string& text);
  /// The first thing that must not be and was.
  std::string wrong;
  void fault(const std::string& text);

  Random random;
  Faults faults;
  Timestamp time{Duration(1'790'000'000'000)};
  People people;
  std::map<std::string, Estate> estates;
  std::map<std::string, std::set<std::string>> asked;
  std::unique_ptr<Controller> controller;
  bool git_reachable = true;
  int stale_reads = 0;  ///< So many observations from now are old ones.
  bool calm = false;    ///< No fault is about: nothing may be refused.
  bool mended = false;  ///< What runs passes its verification.
  int calls = 0;
  std::optional<int> fail_call;  ///< This call alone is lost; with `reply`, its answer.
  bool fail_reply = false;
  int started = 0, refused = 0, refreshes = 0;
  std::map<std::string, std::string> statuses;  ///< What was told last, without times of looks.
  std::map<std::string, int> status_changes;
  std::map<std::string, int> tally;             ///< How often what was planned, done and told.
  std::map<std::string, Timestamp> last_start;  ///< By "site/environment".
  std::map<std::string, Timestamp> opens;       ///< The first hold to open of what was told last.

 private:
  void found(const std::string& name, const std::vector<std::string>& stages, bool launched);
  void restart();
  Timestamp next_event() const;
  std::vector<CommitId> commits_of(const std::string& path, const std::string& after) const;
  bool lost_request();
  bool lost_reply();
  ObservedEnvironment observe_place(const Estate& estate, const Site& site,
                                    const std::string& e) const;
  Result<void> refuse(const std::string& site, const Step& step, const std::string& why);
  void count(const Step& step);
  void judge_start(const Site& site, const Step& step);
  void record_launch(const Site& site, const Step& step);
  Content prepare_part(const Site& site, const Step& step, Part part, const std::string& release,
                       const Place& place, Running& running) const;
  Release prepare(const Site& site, const Step& step, const Place& place, Running& running) const;
  void begin(const Site& site, const Step& step);
  void begin_recovery(const Site& site, const Step& step);
  std::optional<std::pair<std::string, bool>> gate(const Site& site, const Step& step,
                                                   const std::string& running) const;
  void advance();
  bool advance_one(const std::string& site, const std::string& e, Place& place);
  void try_switch(const std::string& site, const std::string& e, Place& place);
  void end_verification(const std::string& site, const std::string& e, Place& place);
  void fail(const std::string& site, const std::string& e, Place& place,
            std::optional<bool> by_site, const std::string& why, bool of_content = false);
  void end_undo(const std::string& site, const std::string& e, Place& place);
  void remember_failure(const std::string& site, const Running& running);
  void tell_end(const std::string& site);

  std::map<std::string, ObservedSite> yesterday_;  // What a stale read shows.
  bool fresh_ = false;                             // The last observation was the truth.
  std::vector<std::map<std::string, std::string>> revisions_;  // Files of each manifest commit.
  std::set<std::string> reverted_;  // Operations whose manifests were dealt with.
  std::string in_force_;            // The store's memory.
  std::vector<std::string> history_;
  int operations_ = 0, secrets_ = 1;
};

}  // namespace tidegate
