#include "controller/service/installation.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "controller/host/layout.h"
#include "controller/host/roots.h"
#include "reconcilers/plan.h"

namespace tidegate {

Result<std::unique_ptr<Installation>> Installation::open(InstallationSettings settings) {
  auto store = open_store(settings.state, StoreMode::read_write);
  if (!store) return std::move(store.error());
  auto trail = AuditTrail::open(settings.state, StoreMode::read_write);
  if (!trail) return std::move(trail.error());
  std::unique_ptr<Installation> out(new Installation);
  Installation* self = out.get();
  out->secrets = Secrets(settings.secrets);
  out->store = std::move(*store);
  out->auditor =
      std::make_unique<Auditor>(std::move(*trail), settings.owner, out->clock, settings.log);
  if (!settings.watcher.told)
    settings.watcher.told = [self](const SiteStatus& status) {
      if (self->told) self->told(status);
    };
  out->history = std::make_unique<History>(*out->store, out->clock, settings.log, settings.watcher);
  out->repositories = std::make_unique<Repositories>(
      out->secrets, Repositories::Mode::refresh, settings.repository_interval, out->clock,
      [self](const std::string& site) {
        if (self->changed) self->changed(site);
      },
      [self](const std::string& mirrors) {
        return claim_and_remember(*self->history, RootLayout::of_mirrors(mirrors).root);
      });
  HostServices services{out->clock,
                        out->secrets,
                        *out->repositories,
                        *out->history,
                        *out->history,
                        settings.owner,
                        settings.state,
                        !settings.runs_once,
                        [self](const Site& site, const Step& step, const std::string& operation) {
                          return self->gate(site, step, operation);
                        },
                        [self](const std::string& site) {
                          if (self->changed) self->changed(site);
                        },
                        [self](const Site& site, const Step& step, const std::string& operation) {
                          self->auditor->begins(site, step, operation);
                        }};
  out->driver = std::make_unique<HostDriver>(std::move(services), settings.workers);
  return out;
}

Installation::~Installation() {
  if (repositories) repositories->stop();
  if (driver) driver->shut_down();
}

std::optional<Refusal> Installation::gate(const Site& site, const Step& step,
                                          const std::string& operation) {
  const auto newest = latest ? latest(site.name) : nullptr;
  if (latest && !newest) return Refusal{"no manifest declares " + site.name + " any more", true};
  const Site& now_declared = newest ? *newest : site;
  auto observed = driver->observe(now_declared);
  if (!observed)
    return Refusal{std::move(observed.error()).within("observe " + site.name).message, false};
  const Timestamp now = clock.now();
  if (auto hold = held_now(now_declared, *observed, step, calendar, now)) {
    return Refusal{"held " + hold->reason + ": " + hold->message, true};
  }
  if (auto broken = broken_rule(now_declared, *observed, step, calendar, now, operation)) {
    return Refusal{"not allowed any more: " + *broken, true};
  }
  return std::nullopt;
}

std::string default_state() {
  if (::geteuid() == 0) return "/var/lib/tidegate/state.db";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/')
    return std::string(state) + "/tidegate/state.db";
  const char* home = std::getenv("HOME");
  return std::string(home ? home : "/tmp") + "/.local/state/tidegate/state.db";
}

std::string mirrors_beside(const std::string& state) {
  return (std::filesystem::absolute(state).parent_path() / "manifests").lexically_normal();
}

namespace {

/// Knows which roots were seen, when there is a store to ask; forgets what it is told.
struct ReadOnlyMemory : RootMemory, OperationLog {
  std::unique_ptr<Store> store;
  std::optional<std::string> recall(const std::string& root) override {
    if (!store) return std::nullopt;
    auto value = store->recall("root " + root);
    return value ? *value : std::nullopt;
  }
  void remember(const std::string&, const std::string&) override {}
  void started(const Started&) override {}
  void phase(const std::string&, const std::string&, std::optional<int>) override {}
  void line(const std::string&, const std::string&) override {}
  void ended(const std::string&, const std::string&, const std::string&) override {}
};

}  // namespace

struct Observer::Parts {
  ReadOnlyMemory memory;
  std::unique_ptr<Repositories> repositories;
  std::unique_ptr<HostDriver> driver;
};

Observer::Observer(const std::string& state, Secrets secrets) : parts_(std::make_unique<Parts>()) {
  std::error_code error;
  if (std::filesystem::exists(state, error)) {
    if (auto store = open_store(state, StoreMode::read_only))
      parts_->memory.store = std::move(*store);
  }
  parts_->repositories = std::make_unique<Repositories>(secrets, Repositories::Mode::look_up,
                                                        std::chrono::hours(1), clock, nullptr);
  HostServices services{
      clock, secrets, *parts_->repositories, parts_->memory, parts_->memory, "plan", state, false,
      {},    {}};
  parts_->driver = std::make_unique<HostDriver>(std::move(services), 1);
}
Observer::~Observer() = default;
Driver& Observer::driver() { return *parts_->driver; }
Repositories& Observer::repositories() { return *parts_->repositories; }

}  // namespace tidegate
