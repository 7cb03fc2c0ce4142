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
#include "controller/loop/manifest_reader.h"
#include "controller/loop/workqueue.h"
#include "reconcilers/reconciler.h"

namespace tidegate {

struct LoopSettings {
  ManifestSettings sources;
  Cadence cadence{};
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
  void poll_soon() { manifests_.read_soon(); }

  std::shared_ptr<const Fleet> fleet() const { return manifests_.fleet(); }
  /// A site of the fleet, with who vouches for its manifests where a rule asks; null for none.
  std::shared_ptr<const Site> find(const std::string& site) const { return manifests_.find(site); }
  /// Hands out nothing more; what is being looked at ends by itself.
  void shut_down();
  /// After shut_down(), when the driver has ended what ran: observes each site that was told as
  /// busy once more and tells of it, starting nothing. Goes on to no other site after `deadline`.
  void tell_how_it_ended(Timestamp deadline);

 private:
  void look_at(const std::string& name);
  void take_back(const Site& site, const Look& look, const std::set<std::string>& retries);
  void tell_without_site(const std::string& name);
  std::optional<SiteStatus> last_told(const std::string& name);
  void tell(SiteStatus status, const Plan& plan, const std::optional<SiteStatus>& before);
  void note_started(const std::string& site, const Look& look);
  double draw();

  Driver& driver_;
  const Clock& clock_;
  Chronicle& chronicle_;
  ManifestWriter* const writer_;
  Reconciler reconciler_;
  Workqueue queue_;
  FleetLedger ledger_;

  mutable std::mutex mutex_;  // For the next two.
  std::function<double()> jitter_;
  std::map<std::string, SiteStatus> statuses_;  // Without what was observed: for transitions alone.
  ManifestReader manifests_;
  std::atomic<bool> stopping_{false};
};

}  // namespace tidegate
