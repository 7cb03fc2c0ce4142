// discard: what people changed by hand in a writable environment is given up, and what was built
// comes back.

#include <unistd.h>

#include <iostream>
#include <thread>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/personal_act.h"
#include "controller/host/layout.h"
#include "reconcilers/plan.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

bool agreed() {
  std::cerr << "Give these changes up? [y/N] " << std::flush;
  std::string answer;
  return std::getline(std::cin, answer) && (answer == "y" || answer == "yes");
}

/// The next step of the environment, which no change holds any more: by a running controller, or
/// here.
int put_back(PersonalAct& act) {
  Installation& here = act.installation();
  here.repositories->look_once(act.site(), mirrors_of(act.site()));
  auto observed = here.driver->observe(act.site());
  if (!observed) return fail(observed.error().message);
  const Plan plan = make_plan(act.site(), *observed, here.calendar, here.clock.now());
  const std::string& name = act.environment().name;
  for (const Step& step : plan.ready) {
    if (step.environment != name) continue;
    if (auto started = here.driver->start(act.site(), step); !started) {
      std::cerr << "not put back here: " << started.error().message << "\n";
      return exit_done;  // Whoever is busy with it does that.
    }
    while (here.driver->running().contains(act.name())) std::this_thread::sleep_for(50ms);
    const auto failed = here.history->failed();
    if (!failed.empty()) return fail(failed.front().message);
    std::cerr << "what was built is back on " << act.name() << "\n";
    return exit_done;
  }
  for (const Hold& hold : plan.held) {
    if (hold.environment != name && !hold.environment.empty()) continue;
    std::cerr << "given up, and held " << hold.reason << ": " << hold.message << "\n";
    return exit_held;
  }
  std::cerr << "given up; the running controller or `tidegate apply` puts back what was built\n";
  return exit_done;
}

}  // namespace

int run_discard(const Options& options) {
  int exit_code = exit_done;
  const auto act = PersonalAct::open(options, exit_code);
  if (!act) return exit_code;
  Installation& here = act->installation();
  const std::string& environment = act->environment().name;
  auto made = here.driver->hand_made(act->site(), environment);
  if (!made) return fail(made.error().message);
  if (made->changes.empty()) {
    std::cerr << "nothing was changed by hand on " << act->name() << "\n";
    return exit_done;
  }
  for (const HandChange& change : made->changes)
    std::cout << change.letter << " " << change.path << " (" << change.lines << ")\n";
  std::cout << std::flush;
  if (!options.yes && !::isatty(STDIN_FILENO))
    return misused("these changes would be lost on " + act->name() + "; say --yes to discard them");
  if (!options.yes && !agreed()) return fail("nothing was discarded");
  const std::string summary = summary_of(made->changes);
  if (auto begun = act->begin(summary); !begun) return fail(begun.error().message);
  auto discarded = here.driver->discard(act->site(), environment, *made);
  act->end(discarded ? "succeeded" : "failed", discarded ? summary : discarded.error().message);
  if (!discarded) return fail(discarded.error().message);
  return put_back(*act);
}

}  // namespace tidegate
