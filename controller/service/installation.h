#pragma once
// Everything one process of Tidegate works with, wired together once: store, history, secrets,
// repositories, driver.

#include <functional>
#include <memory>
#include <string>

#include "controller/calendar/calendar.h"
#include "controller/calendar/clock.h"
#include "controller/host/host_driver.h"
#include "controller/service/auditor.h"
#include "controller/service/history.h"

namespace tidegate {

struct InstallationSettings {
  std::string state;    ///< The store's file.
  std::string secrets;  ///< Directory; "" for none.
  std::string owner;    ///< "apply, pid 812".
  unsigned workers = 4;
  Duration repository_interval = std::chrono::seconds(15);
  bool runs_once = false;  ///< Leaves no trace below a root where nothing is to be done.
  LogLineWriter log;
  OperationWatcher watcher;
};

class Installation {
 public:
  /// `invalid` or `transient` when the store cannot be opened.
  static Result<std::unique_ptr<Installation>> open(InstallationSettings settings);
  ~Installation();

  SystemClock clock;
  SystemCalendar calendar;
  Secrets secrets;
  std::unique_ptr<Store> store;
  std::unique_ptr<Auditor> auditor;
  std::unique_ptr<History> history;
  std::unique_ptr<Repositories> repositories;
  std::unique_ptr<HostDriver> driver;

  /// How a site's latest manifest is found (asked before every switch), and who is told that a site
  /// is worth a look. Set before the first operation starts.
  std::function<std::shared_ptr<const Site>(const std::string& site)> latest;
  std::function<void(const std::string& site)> changed;
  /// What each look saw. Set likewise.
  std::function<void(const SiteStatus&)> told;

 private:
  Installation() = default;
  std::optional<Refusal> gate(const Site& site, const Step& step, const std::string& operation);
};

/// Where the store is when nobody says: /var/lib/tidegate for root, the user's state directory
/// else.
std::string default_state();
/// Below it, bare mirrors of manifest repositories.
std::string mirrors_beside(const std::string& state);

/// For `plan`: observes, never starts anything, and writes nothing.
class Observer {
 public:
  /// `state` is read when it is there.
  Observer(const std::string& state, Secrets secrets);
  ~Observer();
  SystemClock clock;
  SystemCalendar calendar;
  Driver& driver();
  Repositories& repositories();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tidegate
