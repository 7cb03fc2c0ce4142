#include "controller/service/daemon.h"

#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "controller/host/files/locks.h"
#include "controller/loop/controller.h"
#include "controller/notify/notifier.h"
#include "controller/service/installation.h"
#include "controller/service/log.h"
#include "controller/service/reverter.h"
#include "controller/service/sources.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr unsigned fetch_threads = 2;
constexpr Duration history_kept = 24h * 90;
constexpr std::size_t operations_kept = 1000;  // Of each site.

/// One controller and its sources; replaced as a whole when the configuration changes.
struct Loop {
  std::vector<std::unique_ptr<GitSource>> sources;
  std::unique_ptr<Reverter> reverter;
  std::unique_ptr<Controller> controller;
};

/// Writes lines as the configuration says by now. Any thread.
class Log {
 public:
  void set(const Configuration& configuration) {
    auto writer = make_log(configuration.log_level, configuration.log_json);
    std::lock_guard lock(mutex_);
    writer_ = std::move(writer);
  }
  void write(const char* level, const std::string& message,
             const std::vector<std::pair<std::string, std::string>>& facts) {
    std::lock_guard lock(mutex_);
    writer_(level, message, facts);
  }

 private:
  std::mutex mutex_;
  LogLineWriter writer_;
};

class Daemon {
 public:
  Daemon(std::string file, Configuration configuration, std::unique_ptr<Installation> installation,
         std::unique_ptr<Outbox> outbox, Log& log)
      : file_(std::move(file)),
        configuration_(std::move(configuration)),
        log_lines_(log),
        installation_(std::move(installation)),
        notifier_(std::move(outbox), *installation_->store, installation_->secrets,
                  installation_->clock,
                  [&log](const char* level, const std::string& message, const auto& facts) {
                    log.write(level, message, facts);
                  }) {}

  int run();

 private:
  void wire();
  std::shared_ptr<Loop> make_loop();
  std::unique_ptr<Reverter> make_reverter(const Loop& loop, std::function<double()> jitter);
  std::shared_ptr<Loop> loop() const {
    std::lock_guard lock(mutex_);
    return loop_;
  }
  void wake() {
    ++wishes_;
    wake_.notify_all();
  }
  void log(const char* level, const std::string& message,
           const std::vector<std::pair<std::string, std::string>>& facts) {
    log_lines_.write(level, message, facts);
  }
  void work();
  void tend();
  void write_manifests();
  void every_second();
  void reload();
  void stop(const char* why);

  const std::string file_;
  Configuration configuration_;
  Log& log_lines_;
  std::unique_ptr<Installation> installation_;
  Notifier notifier_;
  boost::asio::io_context io_{1};
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> wishes_{0};
  std::atomic<Duration> resync_{};  // Of configuration_, which belongs to the thread of io_.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<Loop> loop_;
  std::string retry_seen_;
  unsigned seconds_ = 0;
};

void Daemon::wire() {
  installation_->latest = [this](const std::string& site) {
    return loop()->controller->find(site);
  };
  installation_->changed = [this](const std::string& site) {
    loop()->controller->look_soon(site);
    wake();
  };
  installation_->told = [this](const SiteStatus& status) { notifier_.told(status); };
  notifier_.serve(configuration_.notify);
}

std::shared_ptr<Loop> Daemon::make_loop() {
  auto out = std::make_shared<Loop>();
  LoopSettings settings;
  settings.sources.fleet = Fleet(known_zone);
  settings.wipes = installation_->history->wipes_since(installation_->clock.now() - 1h);
  resync_ = configuration_.resync;
  settings.cadence.resync = configuration_.resync;
  std::vector<ManifestSource*> sources;
  for (const auto& source : configuration_.sources) {
    out->sources.push_back(std::make_unique<GitSource>(source, installation_->secrets,
                                                       mirrors_beside(configuration_.state)));
    sources.push_back(out->sources.back().get());
    settings.sources.intervals.push_back(source.interval);
    settings.sources.roles.push_back(source.role);
  }
  auto jitter = [bits = std::minstd_rand(std::random_device{}())]() mutable {
    return static_cast<double>(bits() - 1) / static_cast<double>(std::minstd_rand::max());
  };
  out->reverter = make_reverter(*out, jitter);
  settings.writer = out->reverter.get();
  out->controller = std::make_unique<Controller>(sources, *installation_->driver,
                                                 installation_->clock, installation_->calendar,
                                                 *installation_->history, jitter, settings);
  return out;
}

std::unique_ptr<Reverter> Daemon::make_reverter(const Loop& loop, std::function<double()> jitter) {
  std::map<std::string, WritableSource> writable;
  for (const auto& source : loop.sources) {
    const SourceSettings& settings = source->settings();
    writable[settings.name] = {settings.ref, settings.path == "." ? "" : settings.path + "/",
                               [&source = *source] { return source.mirror(); }};
  }
  Reverter::Wishes wishes;
  wishes.read = [this] {
    this->loop()->controller->poll_soon();
    wake();
  };
  wishes.look = [this](const std::string& site) { installation_->changed(site); };
  wishes.pushes = [this](const auto&... facts) { installation_->auditor->takes_back(facts...); };
  wishes.told = [this](const Revert& revert, const std::string& type, const std::string& message) {
    installation_->auditor->told(revert, type, message);
    notifier_.told(transition_of(revert, type, message));
  };
  return std::make_unique<Reverter>(std::move(writable), installation_->clock,
                                    *installation_->store, *installation_->history,
                                    std::move(jitter), std::move(wishes));
}

int Daemon::run() {
  remember_origin(*installation_->store,
                  {std::filesystem::absolute(file_).lexically_normal(), "", ""});
  loop_ = make_loop();
  wire();
  installation_->repositories->run(fetch_threads);
  boost::asio::signal_set signals(io_, SIGTERM, SIGINT, SIGHUP);
  std::function<void(const boost::system::error_code&, int)> on_signal = [&](const auto& error,
                                                                             int signal) {
    if (error) return;
    if (signal == SIGHUP)
      reload();
    else
      return stop(signal == SIGTERM ? "SIGTERM" : "SIGINT");
    signals.async_wait(on_signal);
  };
  signals.async_wait(on_signal);
  boost::asio::steady_timer timer(io_);
  std::function<void(const boost::system::error_code&)> on_tick = [&](const auto& error) {
    if (error || stopping_) return;
    every_second();
    timer.expires_after(1s);
    timer.async_wait(on_tick);
  };
  on_tick({});
  std::vector<std::thread> threads;
  for (int i = 0; i < configuration_.workers; ++i) threads.emplace_back([this] { work(); });
  threads.emplace_back([this] { tend(); });
  threads.emplace_back([this] { write_manifests(); });
  log("info", "controller started",
      {{"pid", std::to_string(::getpid())}, {"state", configuration_.state}});
  io_.run();
  for (auto& thread : threads) thread.join();
  installation_->repositories->stop();
  installation_->driver->shut_down();
  loop()->controller->tell_how_it_ended(installation_->clock.now() + 10s);
  log("info", "controller ended", {});
  return 0;
}

void Daemon::stop(const char* why) {
  log("info", "controller is ending", {{"because", why}});
  stopping_ = true;
  loop()->controller->shut_down();
  wake();
  io_.stop();
}

void Daemon::work() {
  while (!stopping_) {
    const unsigned seen = wishes_;
    const auto current = loop();
    if (current->controller->run_one()) continue;
    const Timestamp due = current->controller->next_due();
    std::unique_lock lock(mutex_);
    if (stopping_ || seen != wishes_) continue;
    const Duration nap = std::clamp<Duration>(due - installation_->clock.now(), 1ms, 1s);
    wake_.wait_for(lock, nap, [&] { return stopping_ || seen != wishes_; });
  }
}

/// Looks every site over once in each resync, evenly spread.
void Daemon::tend() {
  while (!stopping_) {
    const auto fleet = loop()->controller->fleet();
    const Duration pause = resync_.load() / std::max<std::size_t>(1, fleet->sites().size());
    for (const auto& [name, site] : fleet->sites()) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, pause, [&] { return stopping_.load(); });
      }
      if (stopping_) return;
      auto news = installation_->driver->tend(*site, [this] { return stopping_.load(); });
      if (!news)
        log("warn", "a site could not be looked over",
            {{"site", name}, {"error", news.error().message}});
      else if (*news)
        installation_->changed(name);
    }
    if (fleet->sites().empty()) std::this_thread::sleep_for(100ms);
  }
}

/// Beside the looks: what is written there waits for the network.
void Daemon::write_manifests() {
  while (!stopping_) {
    const auto current = loop();
    if (current->reverter->run_one()) continue;
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, 1s, [&] { return stopping_.load(); });
  }
}

void Daemon::every_second() {
  auto asked = installation_->store->recall("retry asked");
  if (asked && *asked && **asked != retry_seen_) {
    retry_seen_ = **asked;
    for (const auto& [name, site] : loop()->controller->fleet()->sites()) {
      auto requests = installation_->store->retries(name);
      if (requests && !requests->empty()) installation_->changed(name);
    }
  }
  const auto fleet = loop()->controller->fleet();
  installation_->history->set_revision(configuration_.sources.size() == 1 ? fleet->revision() : "");
  if (seconds_++ % 3600 == 0) {
    auto pruned =
        installation_->store->prune(installation_->clock.now() - history_kept, operations_kept);
    if (!pruned)
      log("warn", "old history could not be cleared away", {{"error", pruned.error().message}});
  }
}

void Daemon::reload() {
  std::ifstream in(file_);
  std::stringstream text;
  text << in.rdbuf();
  auto parsed = parse_configuration(file_, text.str());
  if (!in || !parsed.problems.empty()) {
    log("error", "configuration is broken; the old one stays",
        {{"problem", parsed.problems.empty() ? "cannot read \"" + file_ + "\""
                                             : to_string(parsed.problems.front())}});
    return;
  }
  Configuration& fresh = parsed.configuration;
  if (fresh.state != configuration_.state ||
      fresh.secrets_directory != configuration_.secrets_directory ||
      fresh.workers != configuration_.workers) {
    log("warn", "state, secretsDirectory and workers change with a restart only", {});
    fresh.state = configuration_.state;
    fresh.secrets_directory = configuration_.secrets_directory;
    fresh.workers = configuration_.workers;
  }
  const bool same_receivers = fresh.notify == configuration_.notify;
  configuration_ = std::move(fresh);
  log_lines_.set(configuration_);
  if (!same_receivers) notifier_.serve(configuration_.notify);
  auto next = make_loop();
  {
    std::lock_guard lock(mutex_);
    loop_->controller->shut_down();
    next->controller->take_over(*loop_->controller);
    loop_ = std::move(next);
  }
  log("info", "configuration read again", {});
  wake();
}

/// Held while this controller works with the store; one-shot commands do beside it. Waits a little:
/// of one that was killed just now, a child on its way to its own program may hold it yet.
Result<EnvironmentLock> only_controller(const std::string& state, const std::string& owner) {
  const std::string path = state + ".controller";
  const auto enough = std::chrono::steady_clock::now() + 3s;
  for (;;) {
    auto lock = EnvironmentLock::try_exclusive(path, owner);
    if (!lock) return std::move(lock.error());
    if (*lock) return std::move(**lock);
    if (std::chrono::steady_clock::now() > enough) break;
    std::this_thread::sleep_for(50ms);
  }
  const auto held = look(path);
  return Error{ErrorKind::invalid,
               "state \"" + state + "\" belongs to " +
                   (held && !held->owner.empty() ? held->owner : "another controller") +
                   ", which is running; end it, or name another state"};
}

}  // namespace

int run_daemon(const std::string& file, Configuration configuration) {
  Log log;
  log.set(configuration);
  InstallationSettings settings;
  settings.state = configuration.state;
  settings.secrets = configuration.secrets_directory;
  settings.owner = "controller, pid " + std::to_string(::getpid());
  settings.workers = static_cast<unsigned>(configuration.workers);
  for (const auto& source : configuration.sources)
    settings.repository_interval = std::min(settings.repository_interval, source.interval);
  settings.log = [&log](const char* level, const std::string& message, const auto& facts) {
    log.write(level, message, facts);
  };
  const std::string owner = settings.owner;
  auto installation = Installation::open(std::move(settings));
  if (!installation) {
    log.write("error", "cannot start", {{"error", installation.error().message}});
    return 1;
  }
  const auto lock = only_controller(configuration.state, owner);
  if (!lock) {
    log.write("error", "cannot start", {{"error", lock.error().message}});
    return 1;
  }
  auto outbox = Outbox::open(configuration.state);
  if (!outbox) {
    log.write("error", "cannot start", {{"error", outbox.error().message}});
    return 1;
  }
  return Daemon(file, std::move(configuration), std::move(*installation), std::move(*outbox), log)
      .run();
}

}  // namespace tidegate
