#pragma once
// The host driver: environments as directories and databases of this machine (DESIGN § 6, CONTRACT
// § "On a host-driver machine").

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "controller/host/hand_made.h"
#include "controller/host/records.h"
#include "controller/host/services.h"
#include "reconcilers/driver.h"

namespace tidegate {

class HostDriver : public Driver {
 public:
  /// Operations run on `workers` threads; a step that finds them all taken and as many waiting
  /// again is refused as `transient`.
  HostDriver(HostServices services, unsigned workers);
  /// As shut_down().
  ~HostDriver() override;

  /// Reads a few small files for each environment, and what is known of the repository.
  Result<ObservedSite> observe(const Site& site) override;
  Result<void> start(const Site& site, const Step& step) override;

  /// Looks a site over for code changed by hand, and clears away what nothing names any more, at
  /// the earliest 5 minutes after its switch. Leaves an environment that is busy alone. Writes
  /// nothing when there is nothing new. Verifies what runs once more where that is due. True when a
  /// look would see something new. Any thread; may take as long as reading every file's stat does,
  /// and as verify_again for each environment. `enough`: to end early.
  Result<bool> tend(const Site& site, const std::function<bool()>& enough = {});

  /// A command in the running release, as the site's own commands are run. Its lines go to
  /// `on_line` too. `transient` when it was to end before it had.
  Result<int> execute(const Site& site, const std::string& environment,
                      const std::vector<std::string>& argv,
                      const std::function<void(std::string_view)>& on_line,
                      const Conversation& with = {});

  /// See hand_made.h. Any thread.
  Result<HandMade> hand_made(const Site& site, const std::string& environment);
  Result<void> discard(const Site& site, const std::string& environment, const HandMade& shown);

  /// Sites and environments that operations of this process work on now.
  std::set<std::string> running() const;

  /// Undoes what has not switched, leaves what has to the next start, and waits for both.
  void shut_down();

 private:
  struct Pool;
  Result<Place> place_of(const Site& site, const std::string& environment);
  Result<void> launch(const Site& site, const Step& step, const Launch* launched);
  Result<void> begin(const Site& site, const Step& step);
  Result<Journal> first_entry(const Site& site, const Environment& environment, const Step& step,
                              const EnvironmentRecord& memory);

  HostServices services_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace tidegate
