#pragma once
// The loop's body: read what manifests changed, look at the sites that are due, say when to look
// again. Owns no thread and never sleeps; several threads may call run_one() at once.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "controller/loop/fleet_ledger.h"
#include "controller/loop/ports.h"
#include "controller/loop/workqueue.h"
#include "reconcilers/blast_radius.h"
#include "reconcilers/reconciler.h"

namespace tidegate {

struct LoopSettings {
  std::vector<Duration> intervals;  ///< One for each source, jittered by ±10 %.
  std::vector<SourceRole> roles;    ///< One for each source; empty: all are the platform team's.
  Cadence cadence;
  Fleet fleet{};  ///< What the first manifests are added to: an empty one.
  ManifestWriter* writer = nullptr;  ///< Null: nothing is ever written into the sources.
  std::map<std::string, std::vector<Timestamp>>
      wipes{};  ///< Started within the last hour, by site.
};

class Controller {
 public:
  /// `jitter` gives numbers in [0, 1), from one thread at a time. Everything outlives the
  /// controller.
  Controller(std::vector<ManifestSource*> sources, Driver& driver, const Clock& clock,
             const Calendar& calendar, Chronicle& chronicle, std::function<double()> jitter,
             LoopSettings settings);

  /// Reads one source that is due, or looks at one site. False: nothing is due now.
  bool run_one();
  /// When run_one() next has something to do, as things stand.
  Timestamp next_due() const;

  /// Goes on from the manifests that another one knows, which was shut down, also where it still
  /// reads a source; each source is read anew and as a whole, and what it may say is judged by its
  /// role here. Called before run_one().
  void take_over(const Controller& old);

  /// Something about this site changed. Any thread.
  void look_soon(const std::string& site);
  /// Read this source again as soon as possible. Any thread.
  void poll_soon();

  std::shared_ptr<const Fleet> fleet() const;
  /// A site of the fleet, with who vouches for its manifests where a rule asks; null for none.
  std::shared_ptr<const Site> find(const std::string& site) const;
  /// Hands out nothing more; what is being looked at ends by itself.
  void shut_down();
  /// After shut_down(), when the driver has ended what ran: observes each site that was told as
  /// busy once more and tells of it, starting nothing. Goes on to no other site after `deadline`.
  void tell_how_it_ended(Timestamp deadline);

 private:
  struct Source {
    ManifestSource* source;
    Duration interval;
    std::string revision;         // Read last.
    std::set<std::string> files;  // With the source's prefix.
    SignatureQuestion signature;  // Of what was read last.
    std::set<std::string> sites;  // That its files concern, or once did.
    std::string problem;          // Told last.
    Timestamp since{};            // Of `problem`.
    Timestamp due{};
    bool busy = false;
    bool asked = false;  // Once, whatever came of it.
    bool begun = false;  // What was in force before this process is known, or that nothing was.
    bool waits = false;  // For the platform's other sources.
  };

  Source* due_source(Timestamp now);
  std::string prefix_of(const Source& source) const;
  void poll(Source& source);
  bool begin(Source& source, const std::string& revision);
  void begin_anew(Source& source, const ManifestChanges& newest);
  void note_begun(Source& source);
  std::set<std::string> roots_with(const Source& source, const ManifestChanges& newest) const;
  bool waits_for_others(const Source& source) const;
  bool must_wait(const Source& source) const;
  const SourceRole& role_of(const Source& source) const;
  void apply(Source& source, ManifestChanges changes);
  std::set<std::string> bound(const Fleet& before, const Fleet& after,
                              const ManifestChanges& changes);
  void note_in_force();
  void look_at(const std::string& name);
  void take_back(const Site& site, const Look& look, const std::set<std::string>& retries);
  std::optional<DocumentPlace> place_of(const Site& site, const std::string& environment) const;
  void tell_without_site(const std::string& name);
  std::optional<SiteStatus> last_told(const std::string& name);
  void tell(SiteStatus status, const Plan& plan, const std::optional<SiteStatus>& before);
  void note_problem(Source& source, const std::string& problem);
  std::vector<Condition> unreadable_sources_of(const std::string& site) const;
  void note_started(const std::string& site, const Look& look);
  double draw();

  Driver& driver_;
  const Clock& clock_;
  Chronicle& chronicle_;
  ManifestWriter* const writer_;
  Reconciler reconciler_;
  Workqueue queue_;
  FleetLedger ledger_;

  std::mutex applying_;       // One source's changes after the other's. Taken before mutex_.
  mutable std::mutex mutex_;  // For everything below.
  std::function<double()> jitter_;
  std::vector<Source> sources_;
  std::vector<SourceRole> roles_;
  std::shared_ptr<const Fleet> fleet_;
  WithheldSites withheld_;
  std::map<std::string, SiteStatus> statuses_;  // Without what was observed: for transitions alone.
  std::atomic<bool> all_read_{false};           // Every source, once at least.
  std::atomic<bool> stopping_{false};
};

}  // namespace tidegate
