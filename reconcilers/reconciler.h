#pragma once
// One look at a site: observe, plan, ask the rules, start. Keeps no state: everything it knows it
// has just observed.

#include <functional>

#include "reconcilers/driver.h"
#include "reconcilers/limits.h"
#include "reconcilers/plan.h"
#include "reconcilers/status.h"

namespace tidegate {

struct Look {
  SiteStatus status;
  Plan plan;
  ObservedSite observed;
  std::vector<Step> started;
  std::vector<std::pair<Step, Error>>
      refused;                   ///< By the driver; the next look tells what became of it.
  std::optional<Error> problem;  ///< The site could not be observed.
  std::string bug;               ///< A planned step that would break a rule: nothing was started.
  Timestamp again{};             ///< When to look again, without what the queue adds for errors.
  std::string because;           ///< Of `again`.
};

using StepFilter = std::function<bool(const Step&)>;

/// How soon to look again.
struct Cadence {
  Duration busy = std::chrono::seconds(2);  ///< While an operation runs.
  Duration resync = std::chrono::minutes(5);
};

class Reconciler {
 public:
  Reconciler(Driver& driver, const Clock& clock, const Calendar& calendar, Cadence cadence = {})
      : driver_(driver), clock_(clock), calendar_(calendar), cadence_(cadence) {}

  /// `retries`: environments whose quarantine a person lifted. `before`: the last status, for times
  /// of transition. Starts what `admission` lets in, and of that, when `only` is given, the steps
  /// for which it is true; changes the world only through Driver::start.
  Look reconcile(const Site& site, const std::set<std::string>& retries, const SiteStatus* before,
                 Admission& admission, const StepFilter& only = {});

  /// The same without starting anything.
  Look look(const Site& site, const std::set<std::string>& retries, const SiteStatus* before);

 private:
  void observe(const Site& site, const std::set<std::string>& retries, Look& look, Timestamp now);
  void find_bug(const Site& site, Look& look, Timestamp now) const;
  static std::vector<Step> admit(const Site& site, Admission& admission, const StepFilter& only,
                                 Look& look, Timestamp now);
  void tell(const Site& site, const SiteStatus* before, Look& look, Timestamp now) const;
  void start(const Site& site, const std::vector<Step>& steps, Look& look, Timestamp now);
  static void refuse(Look& look, const Step& step, Error error);
  static void next_look(Look& look, Timestamp at, const char* because);
  void choose_next(Look& look, Timestamp now) const;

  Driver& driver_;
  const Clock& clock_;
  const Calendar& calendar_;
  const Cadence cadence_;
};

}  // namespace tidegate
