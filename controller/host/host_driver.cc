#include "controller/host/host_driver.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <mutex>
#include <random>

#include "controller/host/files/durable.h"
#include "controller/host/files/marks.h"
#include "controller/host/observe.h"
#include "controller/host/operation.h"
#include "controller/host/reverify.h"
#include "controller/host/roots.h"
#include "controller/host/tend.h"
#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

/// Time first, so that ids sort as they began; the rest keeps two machines apart.
std::string new_operation_id(Timestamp now) {
  static thread_local std::mt19937_64 bits{std::random_device{}()};
  char text[40];
  std::snprintf(text, sizeof text, "%011llx%08llx",
                static_cast<unsigned long long>(now.time_since_epoch().count()),
                static_cast<unsigned long long>(bits() & 0xffffffffu));
  return text;
}

std::vector<std::string> verbs(const Step& step) {
  std::vector<std::string> out;
  for (const Action& action : step.actions) {
    if (out.empty() || std::find(out.begin(), out.end(), verb(action)) == out.end())
      out.push_back(verb(action));
  }
  return out;
}

bool is_recovery(const Step& step) {
  return step.actions.size() == 1 && std::holds_alternative<Recover>(step.actions[0]);
}

/// Copies that live as long as the operation.
struct Subject {
  Site site;
  Environment environment;
  std::unique_ptr<HostOperation> operation;
};

Result<std::shared_ptr<Subject>> subject_of(const Site& site, const Step& step) {
  if (const Environment* declared = site.find(step.environment); declared && declared->driver)
    return std::make_shared<Subject>(Subject{site, *declared, nullptr});
  auto let_go = is_recovery(step) ? let_go_environment(site, step.environment) : std::nullopt;
  if (!let_go) return Error{ErrorKind::invalid, step.environment + " is not declared"};
  auto out = std::make_shared<Subject>(Subject{site, std::move(*let_go), nullptr});
  out->site.application.commands = {};  // Their variables are not known any more.
  return out;
}

/// The target's lock, exclusive, and those of the sources, shared; `transient` when one is busy.
Result<std::vector<EnvironmentLock>> lock_all(const Site& site, const Step& step,
                                              const EnvironmentLayout& target,
                                              const std::string& owner) {
  std::vector<EnvironmentLock> locks;
  auto lock = EnvironmentLock::try_exclusive(target.lock(), owner);
  if (!lock) return std::move(lock.error());
  if (!*lock) return Error{ErrorKind::transient, step.environment + " is busy"};
  locks.push_back(std::move(**lock));
  for (const Action& action : step.actions) {
    const auto* sync = std::get_if<Sync>(&action);
    if (!sync) continue;
    const Environment* source = site.find(sync->from);
    if (!source || !source->driver)
      return Error{ErrorKind::invalid, sync->from + " is not declared"};
    const auto layout = layout_of(site, *source);
    auto shared = EnvironmentLock::try_shared(layout.lock(), owner);
    if (!shared) return std::move(shared.error());
    if (!*shared) return Error{ErrorKind::transient, sync->from + " is busy"};
    auto journal = read_journal(layout);
    if (!journal) return std::move(journal.error()).within(sync->from);
    if (*journal)
      return Error{ErrorKind::transient,
                   "an interrupted operation on " + sync->from + " comes first"};
    locks.push_back(std::move(**shared));
  }
  return locks;
}

}  // namespace

struct HostDriver::Pool {
  explicit Pool(unsigned threads, Secrets secrets)
      : workers(threads), engines(std::move(secrets)), pool(threads) {}
  const unsigned workers;
  Engines engines;
  std::atomic<bool> stopping{false};
  std::atomic<unsigned> waiting{0};
  std::mutex mutex;
  std::set<std::string> running;
  boost::asio::thread_pool pool;
};

HostDriver::HostDriver(HostServices services, unsigned workers)
    : services_(std::move(services)), pool_(std::make_unique<Pool>(workers, services_.secrets)) {}

HostDriver::~HostDriver() { shut_down(); }

void HostDriver::shut_down() {
  pool_->stopping = true;
  pool_->pool.join();
}

std::set<std::string> HostDriver::running() const {
  std::lock_guard lock(pool_->mutex);
  return pool_->running;
}

Result<ObservedSite> HostDriver::observe(const Site& site) {
  return observe_site(services_, pool_->engines, site);
}

Result<void> HostDriver::start(const Site& site, const Step& step) {
  if (pool_->stopping) return Error{ErrorKind::transient, "the controller is stopping"};
  if (step.actions.size() == 1) {
    const auto* launches = std::get_if<Launch>(&step.actions[0]);
    if (launches || std::holds_alternative<Unlaunch>(step.actions[0]))
      return launch(site, step, launches);
  }
  return begin(site, step);
}

Result<void> HostDriver::launch(const Site& site, const Step& step, const Launch* launched) {
  const Environment* environment = site.find(step.environment);
  if (!environment) return Error{ErrorKind::invalid, step.environment + " is not declared"};
  const auto layout = layout_of(site, *environment);
  auto lock = EnvironmentLock::try_exclusive(layout.lock(), services_.owner);
  if (!lock) return std::move(lock.error());
  if (!*lock) return Error{ErrorKind::transient, step.environment + " is busy"};
  auto record = known_record(layout);
  if (!record) return std::move(record.error());
  if (!*record) return Error{ErrorKind::transient, step.environment + " is not there"};
  if (!launched && services_.gate) {
    // By its lock it is this very step that the environment is busy with.
    if (auto refusal = services_.gate(site, step, services_.owner))
      return Error{ErrorKind::transient, refusal->message};
  }
  if (services_.begins) services_.begins(site, step, "");
  (*record)->launched = launched != nullptr;
  (*record)->took_over = launched ? launched->took_over : "";
  for (const auto& id : step.grants) (*record)->grants_used[id] = {};
  // What protects is noted first, what ends it last.
  if (launched) {
    if (auto noted = register_environment(layout, true); !noted) return noted;
    return write_record(layout, **record);
  }
  if (auto written = write_record(layout, **record); !written) return written;
  return register_environment(layout, false);
}

/// The journal of a step that begins on a release; `memory` is what ran before.
Result<Journal> HostDriver::first_entry(const Site& site, const Environment& environment,
                                        const Step& step, const EnvironmentRecord& memory) {
  Journal entry;
  entry.operation = new_operation_id(services_.clock.now());
  entry.actions = verbs(step);
  entry.started_at = services_.clock.now();
  entry.digest = step.digest;
  entry.revision = site.revision;
  entry.author = site.author;
  entry.grants = step.grants;
  entry.creates = step.creates;
  entry.asked = step.asked;
  entry.before = memory.current;
  if (!step.reuse.empty() && memory.releases.contains(step.reuse)) {
    entry.reuses = true;
    entry.prepared = memory.releases.at(step.reuse);
    entry.prepared.updated = false;
  } else {
    entry.prepared.id = next_release_id(layout_of(site, environment), memory);
    entry.prepared.created_at = entry.started_at;
  }
  entry.prepared.commit = step.commit;
  if (!entry.reuses) entry.prepared.writable = environment.writable;
  entry.prepared.manifest_revision = site.revision;
  auto inputs = inputs_digest(site, environment, services_.secrets);
  if (!inputs) return std::move(inputs.error());
  entry.prepared.inputs = *inputs;
  return entry;
}

Result<void> HostDriver::begin(const Site& site, const Step& step) {
  if (pool_->waiting >= pool_->workers * 2)
    return Error{ErrorKind::transient, "all workers are busy"};
  auto found = subject_of(site, step);
  if (!found) return std::move(found.error());
  const std::shared_ptr<Subject> subject = std::move(*found);
  auto place = Place::make(services_, pool_->engines, subject->site, subject->environment);
  if (!place) return std::move(place.error());
  const auto& layout = place->layout;
  if (auto claimed = claim_and_remember(services_.roots, layout.root); !claimed) return claimed;
  if (auto made = make_directory(layout.own(), 0700); !made) return made;
  auto locks = lock_all(site, step, layout, services_.owner);
  if (!locks) return std::move(locks.error());
  auto record = known_record(layout);
  if (!record) return std::move(record.error());
  auto journal = read_journal(layout);
  if (!journal) return std::move(journal.error());
  const bool recovers = is_recovery(step);
  if (recovers != journal->has_value()) {
    return Error{ErrorKind::transient, recovers ? "the operation has ended meanwhile"
                                                : "an interrupted operation comes first"};
  }
  EnvironmentRecord memory = record->value_or(EnvironmentRecord{});
  if (!recovers) {
    auto followed = follow_link(layout, memory);
    if (!followed) return std::move(followed.error());
    // Recovering believes the record about what ran before.
    if (*followed)
      if (auto written = write_record(layout, memory); !written) return written;
    auto entry = first_entry(site, subject->environment, step, memory);
    if (!entry) return std::move(entry.error());
    *journal = std::move(*entry);
  }
  (*journal)->owner = services_.owner;
  if (services_.begins) services_.begins(site, step, (*journal)->operation);
  if (auto written = write_journal(layout, **journal); !written) return written;
  if (!recovers) {
    const Journal& entry = **journal;
    services_.log.started({entry.operation, site.name, step.environment, entry.actions,
                           site.revision, site.author, entry.started_at});
  }
  subject->operation = std::make_unique<HostOperation>(
      std::move(*place), step, memory, std::move(**journal), std::move(*locks), pool_->stopping);
  const std::string name = site.name + "/" + step.environment;
  {
    std::lock_guard guard(pool_->mutex);
    pool_->running.insert(name);
  }
  ++pool_->waiting;
  boost::asio::post(pool_->pool, [this, subject, recovers, name] {
    recovers ? subject->operation->recover() : subject->operation->run();
    subject->operation.reset();
    --pool_->waiting;
    std::lock_guard guard(pool_->mutex);
    pool_->running.erase(name);
  });
  return {};
}

Result<bool> HostDriver::tend(const Site& site, const std::function<bool()>& enough) {
  bool news = false;
  std::set<std::string> builds;
  std::optional<Error> problem;  // Of one environment, which keeps no other from being tended.
  for (const auto& [name, environment] : site.environments) {
    if (!environment.driver) continue;
    const auto id = root_id(environment.driver->root);
    if (!id || !*id) continue;  // Not mounted, or nothing was ever made there.
    auto place = Place::make(services_, pool_->engines, site, environment);
    auto tended = place ? tend_environment(*place, services_.renews_stat_cache)
                        : Result<Tended>(std::move(place.error()));
    if (tended && (tended->unhealthy || environment.verify.again)) {
      auto verified = verify_again(*place, enough);
      if (verified)
        tended->news |= *verified;
      else
        tended = std::move(verified.error());
    }
    if (tended) {
      news |= tended->news;
      builds.merge(tended->builds);
    } else if (!problem) {
      problem = std::move(tended.error()).within(name);
    }
  }
  if (problem) return std::move(*problem);
  if (auto cleared = tend_builds(site, builds); !cleared) return std::move(cleared.error());
  return news;
}

Result<Place> HostDriver::place_of(const Site& site, const std::string& environment) {
  const Environment* declared = site.find(environment);
  if (!declared || !declared->driver)
    return Error{ErrorKind::invalid, site.name + "/" + environment + " is not declared"};
  return Place::make(services_, pool_->engines, site, *declared);
}

Result<HandMade> HostDriver::hand_made(const Site& site, const std::string& environment) {
  auto place = place_of(site, environment);
  if (!place) return std::move(place.error());
  return hand_made_in(*place);
}

Result<void> HostDriver::discard(const Site& site, const std::string& environment,
                                 const HandMade& shown) {
  auto place = place_of(site, environment);
  if (!place) return std::move(place.error());
  return discard_in(*place, shown);
}

Result<int> HostDriver::execute(const Site& site, const std::string& environment,
                                const std::vector<std::string>& argv,
                                const std::function<void(std::string_view)>& on_line,
                                const Conversation& with) {
  auto place = place_of(site, environment);
  if (!place) return std::move(place.error());
  auto record = known_record(place->layout);
  if (!record) return std::move(record.error());
  if (!*record || !(*record)->releases.contains((*record)->current))
    return Error{ErrorKind::invalid, site.name + "/" + environment + " runs no release"};
  if (auto followed = follow_link(place->layout, **record); !followed)
    return std::move(followed.error());
  const ReleaseRecord& release = (*record)->releases.at((*record)->current);
  auto variables = place->variables(release);
  if (!variables) return std::move(variables.error());
  const Mask mask(variables->secrets);
  CommandRun run = run_in_release(*place, release, *variables);
  run.what = "exec: \"" + join(argv, " ") + "\"";
  run.deadline = std::chrono::steady_clock::now() + place->environment.deploy.timeout;
  // By hand as an editor is; the site's own commands leave it alone.
  if (release.writable) run.writable.push_back(run.directory);
  run.stop = [&] { return pool_->stopping || (with.enough && with.enough()); };
  run.on_line = on_line;
  run.with = with;
  run.mask = &mask;
  return run_site_words(*place, argv, run);
}

}  // namespace tidegate
