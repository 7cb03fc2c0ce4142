#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <thread>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/host/layout.h"
#include "controller/loop/fleet_ledger.h"
#include "controller/service/installation.h"
#include "controller/service/saved_plan.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
volatile std::sig_atomic_t interrupted = 0;
constexpr int refusals_max =
    5;  // Then it is no race with another process, but a full disk or the like.

/// Tells how operations go: a line for each that ends, and on a terminal one that moves.
class Progress {
 public:
  explicit Progress(const Options& options)
      : paint_(options.color), terminal_(::isatty(STDERR_FILENO)), quiet_(options.json) {}
  void changed(const OperationRecord& o) {
    std::lock_guard lock(mutex_);
    const std::string who = o.site + "/" + o.environment;
    if (o.ended_at) {
      clear();
      const bool good = o.result == "succeeded";
      std::cerr << (good ? paint_.good("✓ ") : paint_.bad("✗ ")) << who << "  " << actions_text(o)
                << "  " << lasting(*o.ended_at - o.started_at)
                << (o.message.empty() ? "" : "  " + o.message) << "\n";
    } else if (terminal_ && !quiet_) {
      clear();
      std::cerr << "… " << who << "  " << actions_text(o) << "  " << o.phase
                << (o.percent ? " " + std::to_string(*o.percent) + " %" : "") << std::flush;
      dirty_ = true;
    }
  }
  void note(const std::string& text) {
    std::lock_guard lock(mutex_);
    if (text == noted_) return;
    noted_ = text;
    clear();
    std::cerr << text << "\n";
  }

 private:
  void clear() {
    if (dirty_) std::cerr << "\r\033[K";
    dirty_ = false;
  }
  const Paint paint_;
  const bool terminal_, quiet_;
  std::mutex mutex_;
  bool dirty_ = false;
  std::string noted_;
};

/// Keeps what was seen of a site, and what happened since it was seen `before`.
void tell(Installation& installation, const std::optional<SiteStatus>& before,
          const SiteStatus& status, const Plan& plan) {
  for (const Event& event :
       events_between(before ? &*before : nullptr, status, installation.clock.now()))
    installation.history->happened(event);
  installation.history->told(status, plan);
}

/// What became of one site so far.
struct Progressing {
  std::shared_ptr<const Site> site;
  Look look;
  bool settled = false;
  bool limited = false;          // A limit alone keeps it from going on.
  int refusals = 0;              // Looks in a row at which nothing runs and a step cannot start.
  std::vector<Basis> saved;      // Of a saved plan; what it does not show is left.
  std::set<std::string> left{};  // "test: promote 1111111".
  std::optional<SiteStatus> before;

  /// Whether a saved plan is about this environment ("": about the site as a whole).
  bool speaks_of(const std::string& environment) const {
    return environment.empty() || std::ranges::any_of(saved, [&](const Basis& b) {
             return b.environment == environment && !b.only_copied_from();
           });
  }
};

class Apply {
 public:
  /// `saved`: the plan whose steps alone are done.
  Apply(Installation& installation, std::vector<std::shared_ptr<const Site>> sites,
        Progress& progress, Duration timeout, const SavedPlan* saved)
      : installation_(installation),
        progress_(progress),
        saved_(saved),
        reconciler_(*installation.driver, installation.clock, installation.calendar),
        deadline_(std::chrono::steady_clock::now() + timeout) {
    for (auto& site : sites) {
      order_.push_back(site->name);
      sites_[site->name].before = installation.history->last(site->name);
      sites_[site->name].site = std::move(site);
    }
    if (!saved) return;
    for (auto& [name, bases] : saved->by_site())
      if (const auto p = sites_.find(name); p != sites_.end()) p->second.saved = std::move(bases);
  }

  void prepare() {
    for (const auto& name : order_) {
      const Site& site = *sites_[name].site;
      if (mirrors_of(site).empty()) continue;
      installation_.repositories->look_once(site, mirrors_of(site));
      auto tended = installation_.driver->tend(site, [] { return interrupted != 0; });
      if (!tended) progress_.note("tidegate: " + name + ": " + tended.error().message);
    }
  }

  /// Why the saved plan holds no more; "" when it does. `broken`: those it speaks of that are.
  std::string moved(const std::list<BrokenSite>& broken) {
    std::vector<PlannedSite> now;
    for (const auto& name : order_) {
      Progressing& p = sites_[name];
      p.look = reconciler_.look(*p.site, {}, nullptr);
      now.push_back({p.site.get(), &p.look.observed, &p.look.plan,
                     p.look.problem ? p.look.problem->message : ""});
    }
    for (const BrokenSite& site : broken) now.push_back(site.planned());
    return moved_since(*saved_, now);
  }

  /// True when everything settled before the deadline.
  bool run() {
    for (int quiet = 0;;) {
      bool all = true, quiet_now = true;
      for (const auto& name : order_) {
        Progressing& p = sites_[name];
        look(p);
        all &= p.settled;
        quiet_now &= p.settled || p.limited;
      }
      // What a limit keeps back has to see all others at rest, and they may come after it.
      quiet = quiet_now ? quiet + 1 : 0;
      if (all || quiet > 1) return true;
      if (interrupted || std::chrono::steady_clock::now() > deadline_) return false;
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, 500ms, [&] { return changed_; });
      changed_ = false;
    }
  }
  void changed() {
    std::lock_guard lock(mutex_);
    changed_ = true;
    wake_.notify_all();
  }
  const std::map<std::string, Progressing>& sites() const { return sites_; }

  /// Once nothing of ours runs any more: what was told as running must not stay told so. Bounded,
  /// for whoever interrupts this waits for it.
  void tell_how_it_ended() {
    const auto enough = std::chrono::steady_clock::now() + 10s;
    for (const auto& name : order_) {
      Progressing& p = sites_[name];
      if (p.settled || p.look.status.name.empty()) continue;
      if (std::chrono::steady_clock::now() > enough) return;
      p.look = reconciler_.look(*p.site, installation_.history->retries(name), &*p.before);
      tell(p);
    }
  }

 private:
  void look(Progressing& p) {
    if (p.settled) return;
    const auto shown = [&](const Step& step) { return !saved_ || is_shown(p, step); };
    p.look = reconciler_.reconcile(*p.site, retries(p), p.before ? &*p.before : nullptr, ledger_,
                                   shown);
    if (saved_) leave_what_is_not_shown(p);
    for (const Step& step : p.look.started)
      if (step.asked) installation_.history->retried(p.site->name, step.environment);
    tell(p);
    bool running = false;
    for (const auto& [name, seen] : p.look.observed.environments) {
      if (!seen.operation) continue;
      running = true;
      const bool mine = installation_.driver->running().contains(p.site->name + "/" + name);
      if (!mine && !seen.operation->as_source && !seen.operation->interrupted) {
        progress_.note("… waits: " + p.site->name + "/" + name + " is held by " +
                       seen.operation->owner);
      }
    }
    const auto ours = installation_.driver->running();
    const bool rests = !running && p.look.started.empty();
    // While operations of ours run, a refusal only means that all workers are taken.
    p.refusals = ours.empty() && rests && !p.look.refused.empty() ? p.refusals + 1 : 0;
    const bool hopeless = std::ranges::all_of(p.look.refused, [&](const auto& refused) {
      return refused.second.kind == ErrorKind::invalid || p.refusals >= refusals_max;
    });
    p.limited = rests && p.look.refused.empty() && is_limited(p.look.plan);
    p.settled = rests && hopeless && !backs_off(p) && !p.limited;
    // What is wrong with one step ends none of the others.
    if (p.look.problem || !p.look.bug.empty()) p.settled = !any_of_site(ours, p.site->name);
    if (p.settled && !p.look.problem && !p.look.refused.empty())
      p.look.problem = p.look.refused.front().second;
  }
  /// A saved plan was made without them.
  std::set<std::string> retries(const Progressing& p) const {
    return saved_ ? std::set<std::string>{} : installation_.history->retries(p.site->name);
  }
  static bool is_shown(const Progressing& p, const Step& step) {
    return std::ranges::any_of(p.saved, [&](const Basis& b) {
      return b.environment == step.environment && shows(b, step);
    });
  }
  static void leave_what_is_not_shown(Progressing& p) {
    p.left.clear();
    std::erase_if(p.look.plan.ready, [&](const Step& step) {
      if (is_shown(p, step)) return false;
      p.left.insert(step.environment + ": " + describe(step.actions));
      return true;
    });
    const auto others = [&](const auto& told) { return !p.speaks_of(told.environment); };
    std::erase_if(p.look.plan.waiting, others);
    std::erase_if(p.look.plan.held, others);
  }
  void tell(Progressing& p) {
    tidegate::tell(installation_, p.before, p.look.status, p.look.plan);
    p.before = p.look.status;
  }
  static bool any_of_site(const std::set<std::string>& environments, const std::string& site) {
    const auto next = environments.lower_bound(site + "/");
    return next != environments.end() && next->starts_with(site + "/");
  }
  static bool is_limited(const Plan& plan) {
    return std::ranges::any_of(plan.held, [](const Hold& h) {
      return h.reason == "LimitReached" && !h.opens_at;  // Room comes when an operation ends.
    });
  }
  /// A failure of an earlier run is worth waiting for; one of this run is what the caller hears of.
  bool backs_off(const Progressing& p) const {
    if (!installation_.history->failed().empty()) return false;
    for (const auto& waiting : p.look.plan.waiting)
      if (waiting.until) return true;
    return false;
  }

  Installation& installation_;
  Progress& progress_;
  const SavedPlan* const saved_;
  Reconciler reconciler_;
  // All are looked at again and again.
  FleetLedger ledger_{installation_.calendar, [](const std::string&) {}};
  const std::chrono::steady_clock::time_point deadline_;
  std::vector<std::string> order_;
  std::map<std::string, Progressing> sites_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool changed_ = false;
};

/// Sites whose documents cannot be used stay as they are, and say so.
void tell_broken(Installation& installation, const std::list<BrokenSite>& sites) {
  for (const BrokenSite& site : sites) {
    const auto before = installation.history->last(site.name());
    tell(installation, before,
         broken_status(site.name(), site.invalid(), before ? &*before : nullptr,
                       installation.clock.now()),
         {});
  }
}

/// What is left at the end, and the exit code that says so.
int conclude(const Options& options, const Apply& apply, const Installation& installation,
             const GivenFleet& given, bool in_time) {
  bool failed = given.broken, held = false;
  std::vector<PlannedSite> planned;
  for (const auto& [name, p] : apply.sites()) {
    const std::string problem = p.look.problem ? p.look.problem->message : p.look.bug;
    failed |= !problem.empty();
    // What is gone explains itself; a repository nobody can reach is a failure of this run.
    const bool gone = std::ranges::any_of(
        p.look.plan.held, [](const Hold& h) { return h.reason == "EnvironmentGone"; });
    if (!p.look.observed.repository_problem.empty() && !gone) {
      std::cerr << "tidegate: " << name << ": " << p.look.observed.repository_problem << "\n";
      failed = true;
    }
    held |= !p.look.plan.converged();
    planned.push_back({p.site.get(), &p.look.observed, &p.look.plan, problem});
  }
  for (const auto& operation : installation.history->failed())
    failed |= operation.result == "failed";
  for (const auto& site : given.broken_sites) planned.push_back(site.planned());
  if (options.json) {
    std::cout << plan_json(planned, given.problems) << "\n";
  } else {
    for (const auto& p : planned) print_plan(std::cout, p, Paint(options.color));
  }
  for (const auto& [name, p] : apply.sites())
    for (const auto& step : p.left)
      std::cerr << "left, for the saved plan does not show it: " << name << "/" << step << "\n";
  if (!in_time) return interrupted ? exit_failed : exit_late;
  return failed ? exit_failed : held ? exit_held : exit_done;
}

/// Where a saved plan's manifests, secrets and store are; what is said with the command stands.
Options with_plan(Options options, const SavedPlan& plan) {
  options.manifests = plan.origin.manifests;
  if (options.config.empty()) options.config = plan.origin.config;
  if (options.secrets.empty()) options.secrets = plan.origin.secrets;
  if (options.state.empty()) options.state = plan.state;
  return options;
}

/// What a saved plan does not speak of is not looked at.
void keep_covered(const SavedPlan& plan, GivenFleet& given) {
  const auto covered = plan.by_site();
  std::erase_if(given.sites, [&](const auto& site) { return !covered.contains(site->name); });
  given.broken_sites.remove_if([&](const auto& site) { return !covered.contains(site.name()); });
  given.broken = !given.broken_sites.empty();
  given.problems.clear();
}

/// Where later commands find the same manifests.
ManifestsOrigin origin_of(const Options& options, const std::string& secrets) {
  if (options.manifests.empty()) return {options.config, "", ""};
  return {"", absolute_manifests(options.manifests), secrets};
}

/// `saved`: the plan of which nothing else is done.
int apply_given(const Options& options, const SavedPlan* saved) {
  auto given = given_fleet(options);
  if (!given) return fail(given.error().message);
  if (saved) keep_covered(*saved, *given);
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return fail(secrets.error().message);
  if (!state) return fail(state.error().message);
  if (!options.site.empty() && given->sites.empty() && given->broken_sites.empty())
    return fail(no_such_site(given->fleet, options.site).message);
  Progress progress(options);
  InstallationSettings settings;
  settings.state = *state;
  settings.secrets = *secrets;
  settings.owner = "apply, pid " + std::to_string(::getpid());
  settings.runs_once = true;
  settings.watcher.changed = [&](const OperationRecord& o) { progress.changed(o); };
  settings.log = [&](const char* level, const std::string& message, const auto& facts) {
    if (std::string(level) == "error") progress.note(told_as(message, facts));
  };
  auto installation = Installation::open(std::move(settings));
  if (!installation) return fail(installation.error().message);
  remember_origin(*(*installation)->store, origin_of(options, *secrets));
  const Fleet fleet = given->fleet;
  (*installation)->latest = [fleet](const std::string& site) { return fleet.find(site); };
  Apply apply(**installation, given->sites, progress, options.timeout.value_or(30min), saved);
  (*installation)->changed = [&](const std::string&) { apply.changed(); };
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = 1; });
  apply.prepare();
  if (const auto moved = saved ? apply.moved(given->broken_sites) : ""; !moved.empty())
    return fail("nothing was done, for what the saved plan rests on has moved: " + moved +
                "; plan again, and look at what is new: tidegate plan --out FILE");
  tell_broken(**installation, given->broken_sites);
  const bool in_time = apply.run();
  (*installation)->driver->shut_down();
  apply.tell_how_it_ended();
  (*installation)->history->set_revision(fleet.revision());
  return conclude(options, apply, **installation, *given, in_time);
}

}  // namespace

int run_apply(const Options& options) {
  if (options.saved_plan.empty()) return apply_given(options, nullptr);
  std::error_code ignored;
  if (std::filesystem::is_directory(options.saved_plan, ignored))
    return misused("\"" + options.saved_plan +
                   "\" is a directory, and no saved plan; for the "
                   "manifests in it: tidegate apply --manifests " +
                   options.saved_plan);
  auto plan = read_plan(options.saved_plan);
  if (!plan) return fail(plan.error().message);
  return apply_given(with_plan(options, *plan), &*plan);
}

}  // namespace tidegate
