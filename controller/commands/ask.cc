// Commands that ask the store: history, logs, wait, retry.

#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "controller/calendar/clock.h"
#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/service/json.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

std::string who() {
  const char* sudo = std::getenv("SUDO_USER");
  if (sudo && *sudo) return sudo;
  const passwd* user = ::getpwuid(::getuid());
  return user ? user->pw_name : "uid " + std::to_string(::getuid());
}

std::string verbs(const OperationRecord& o) {
  std::string out;
  for (const auto& a : o.actions) out += (out.empty() ? "" : ", ") + a;
  return out;
}

}  // namespace

int run_history(const Options& options) {
  auto store = given_store(options, StoreMode::read_only);
  if (!store) return fail(store.error().message);
  auto operations =
      (*store)->operations(options.target.site, options.target.environment, options.limit);
  if (!operations) return fail(operations.error().message);
  if (options.json) {
    std::cout << history_json(*operations) << "\n";
    return exit_done;
  }
  const Paint paint(options.color);
  std::vector<std::vector<std::string>> rows;
  for (const auto& o : *operations) {
    const std::string result = o.result.empty() ? "running: " + o.phase : o.result;
    rows.push_back({to_rfc3339(o.started_at), o.site + "/" + o.environment, verbs(o),
                    o.result == "succeeded" ? paint.good(result)
                    : o.result.empty()      ? paint.change(result)
                                            : paint.bad(result),
                    o.id, o.manifest_revision.substr(0, 7), o.author, o.message});
  }
  print_table(std::cout, rows);
  if (rows.empty()) std::cerr << "no operation yet\n";
  return exit_done;
}

int run_logs(const Options& options) {
  auto store = given_store(options, StoreMode::read_only);
  if (!store) return fail(store.error().message);
  std::string id = options.operation;
  if (id.empty()) {
    auto latest = (*store)->operations(options.target.site, options.target.environment, 1);
    if (!latest) return fail(latest.error().message);
    if (latest->empty())
      return fail("no operation on " + options.target.site + "/" + options.target.environment +
                  " yet");
    id = latest->front().id;
  }
  std::int64_t seen = 0;
  for (;;) {
    auto operation = (*store)->operation(id);
    if (!operation) return fail(operation.error().message);
    if (!*operation) return fail("there is no operation \"" + id + "\"");
    const bool ended = (*operation)->ended_at.has_value();
    for (;;) {
      auto lines = (*store)->log(id, seen, 1000);
      if (!lines) return fail(lines.error().message);
      for (const auto& line : *lines) std::cout << to_rfc3339(line.at) << "  " << line.text << "\n";
      if (lines->empty()) break;
      seen = lines->back().id;
    }
    std::cout << std::flush;
    if (ended || !options.follow) return exit_done;
    std::this_thread::sleep_for(300ms);
  }
}

int run_retry(const Options& options) {
  auto store = given_store(options, StoreMode::read_write);
  if (!store) return fail(store.error().message);
  const SystemClock clock;
  const auto& target = options.target;
  auto asked = (*store)->ask_retry({target.site, target.environment, who(), clock.now()});
  if (!asked) return fail(asked.error().message);
  auto told =
      (*store)->remember("retry asked", target.site + "/" + target.environment + " " +
                                            std::to_string(clock.now().time_since_epoch().count()));
  if (!told) return fail(told.error().message);
  std::cerr << "the next step on " << target.site << "/" << target.environment
            << " is tried again: by the running controller at once, else by `tidegate apply`\n";
  return exit_done;
}

int run_wait(const Options& options) {
  auto store = given_store(options, StoreMode::read_only);
  if (!store) return fail(store.error().message);
  const auto deadline = std::chrono::steady_clock::now() + options.timeout.value_or(10min);
  std::string last = "no status yet";
  for (;;) {
    auto text = (*store)->status(options.target.site);
    if (!text) return fail(text.error().message);
    const auto status = *text ? conditions_from_json(**text) : std::nullopt;
    bool found = false, ready = status && status->conditions.empty();
    if (status)
      for (const auto& c : status->conditions) last = c.reason + ": " + c.message;
    for (const auto& e : status ? status->environments : std::vector<EnvironmentStatus>{}) {
      if (!options.target.environment.empty() && e.name != options.target.environment) continue;
      found = true;
      if (e.ready().status == "True") continue;
      ready = false;
      last = e.name + ": " + e.ready().reason +
             (e.ready().message.empty() ? "" : ": " + e.ready().message);
    }
    if (found && ready) return exit_done;
    if (std::chrono::steady_clock::now() > deadline) {
      std::cerr << "tidegate: " << options.target.site << " has not converged: " << last << "\n";
      return exit_late;
    }
    std::this_thread::sleep_for(200ms);
  }
}

}  // namespace tidegate
