// Commands that ask the store: history, logs, wait, retry.

#include <algorithm>
#include <csignal>
#include <iostream>
#include <set>
#include <thread>

#include "controller/calendar/clock.h"
#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/service/auditor.h"
#include "controller/service/json.h"
#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t all_kept = 1000;  // Of a site; older ones are pruned.

/// Why a site, or one environment of it, has not converged; nothing when it has.
std::vector<std::string> what_is_missing(const std::optional<SiteStatus>& status,
                                         const std::string& environment) {
  if (!status) return {"nothing is known of it yet"};
  std::vector<std::string> out;
  for (const Condition& c : status->conditions)
    if (c.type == "Ready") out.push_back(c.reason + ": " + c.message);
  bool found = false;
  for (const auto& e : status->environments) {
    if (!environment.empty() && e.name != environment) continue;
    found = true;
    const Condition& ready = e.ready();
    if (ready.status == "True") continue;
    out.push_back(e.name + ": " + ready.reason + (ready.message.empty() ? "" : ": ") +
                  ready.message);
  }
  if (!found)
    out.push_back("it has no environment" +
                  (environment.empty() ? "" : " \"" + environment + "\""));
  return out;
}

/// Whether a hold opens by itself early enough to be waited for.
bool opens_by(const Hold& hold, Timestamp deadline) {
  if (!hold.opens_at) return hold.reason == "LimitReached";  // When another operation ends.
  return *hold.opens_at <= deadline;
}

/// The holds that keep it, where nothing else can go on before the deadline; nothing where anything
/// of the site runs or waits for its time: what is held may rest on that.
std::vector<std::string> what_holds_for_good(const SiteStatus& status,
                                             const std::string& environment, Timestamp deadline) {
  std::vector<std::string> out;
  for (const Condition& c : status.conditions) {
    if (c.type != "Ready") continue;
    if (c.reason != "BlastRadius") return {};
    out.push_back("held " + c.reason + ": " + c.message);
  }
  for (const auto& e : status.environments) {
    if (e.ready().status == "True") continue;
    const bool moves =
        e.observed.operation || e.tried_again_at || e.holds.empty() ||
        e.ready().reason != e.holds.front().reason ||
        std::ranges::any_of(e.holds, [&](const Hold& h) { return opens_by(h, deadline); });
    if (moves) return {};
    if (!environment.empty() && e.name != environment) continue;
    for (const Hold& hold : e.holds)
      out.push_back(e.name + ": held " + hold.reason + ": " + hold.message +
                    (hold.opens_at ? "; opens at " + to_rfc3339(*hold.opens_at) : ""));
  }
  return out;
}

/// Whether the manifests declare by now what no look has seen yet.
bool is_declared(const Options& options) {
  const auto found = with_manifests(options);
  if (!found) return false;
  const auto given = given_fleet(*found);
  const auto site = given ? given->fleet.find(options.target.site) : nullptr;
  return site && site->find(options.target.environment);
}

/// How it ended, or how far it is.
std::string result_text(const OperationRecord& o) {
  if (o.result.empty()) return o.phase.empty() ? "running" : "running: " + o.phase;
  return o.result;
}

std::string duration_text(const OperationRecord& o, Timestamp now) {
  return lasting(o.ended_at.value_or(now) - o.started_at);
}

/// Which operation a log is of; the log itself goes to stdout.
void print_heading(const OperationRecord& o, Timestamp now) {
  std::cerr << "operation " << o.id << " on " << o.site << "/" << o.environment << ": "
            << actions_text(o) << "; " << result_text(o) << (o.ended_at ? " after " : " for ")
            << duration_text(o, now) << "\n";
}

void note_retry(const Options& options, const Clock& clock) {
  const auto tell = [](const std::string& problem) {
    std::cerr << "tidegate: this is not in the audit: " << problem << "\n";
  };
  const auto state = state_file(options);
  auto trail = state ? AuditTrail::open(*state, StoreMode::read_write)
                     : Result<std::unique_ptr<AuditTrail>>(state.error());
  if (!trail) return tell(trail.error().message);
  Auditor auditor(std::move(*trail), "retry", clock,
                  [&](const char*, const std::string&, const auto& facts) {
                    tell(facts.back().second);
                  });
  auditor.did("retry", options.target.site, options.target.environment, who_asks(), "");
}

}  // namespace

int run_history(const Options& options) {
  auto store = given_store(options, StoreMode::read_only);
  if (!store) return fail(store.error().message);
  auto operations =
      (*store)->operations(options.target.site, options.target.environment, options.limit);
  if (!operations) return fail(operations.error().message);
  if (operations->empty()) {
    auto unknown = unknown_in(**store, options.target);
    if (!unknown) return fail(unknown.error().message);
    if (*unknown) return fail(**unknown);
  }
  if (options.json) {
    std::cout << history_json(*operations) << "\n";
    return exit_done;
  }
  const Paint paint(options.color);
  const Timestamp now = SystemClock().now();
  std::vector<std::vector<std::string>> rows;
  for (const auto& o : *operations) {
    const std::string result = result_text(o);
    rows.push_back({to_rfc3339(o.started_at), o.site + "/" + o.environment, actions_text(o),
                    o.result == "succeeded" ? paint.good(result)
                    : o.result.empty()      ? paint.change(result)
                                            : paint.bad(result),
                    duration_text(o, now), o.id, o.manifest_revision.substr(0, 7), o.author,
                    o.message});
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
    // What people ran by hand is asked for by its id.
    auto all = (*store)->operations(options.target.site, options.target.environment, all_kept);
    if (!all) return fail(all.error().message);
    const std::set<std::string> by_hand{"exec", "commit", "discard"};
    const auto latest = std::ranges::find_if(*all, [&](const OperationRecord& o) {
      return o.actions.size() != 1 || !by_hand.contains(o.actions.front());
    });
    if (latest == all->end())
      return fail("no operation on " + options.target.site + "/" + options.target.environment +
                  " yet");
    id = latest->id;
  }
  std::int64_t seen = 0;
  for (bool first = true;; first = false) {
    auto operation = (*store)->operation(id);
    if (!operation) return fail(operation.error().message);
    if (!*operation) return fail("there is no operation \"" + id + "\"");
    if (first) print_heading(**operation, SystemClock().now());
    const bool ended = (*operation)->ended_at.has_value();
    for (;;) {
      auto lines = (*store)->log(id, seen, 1000);
      if (!lines) return fail(lines.error().message);
      for (const auto& line : *lines) std::cout << to_rfc3339(line.at) << "  " << line.text << "\n";
      if (lines->empty()) break;
      seen = lines->back().id;
    }
    std::cout << std::flush;
    if (ended || !options.follow || !std::cout) return exit_done;
    std::this_thread::sleep_for(300ms);
  }
}

int run_retry(const Options& options) {
  auto store = given_store(options, StoreMode::read_write);
  if (!store) return fail(store.error().message);
  const SystemClock clock;
  const auto& target = options.target;
  const std::string name = target.site + "/" + target.environment;
  auto status = (*store)->status(target.site);
  if (!status) return fail(status.error().message);
  const auto failed = *status ? failed_in(**status, target.environment) : std::nullopt;
  if (!failed) {
    auto unknown = unknown_in(**store, target);
    if (!unknown) return fail(unknown.error().message);
    return fail(unknown->value_or("nothing is known of " + name));
  }
  if (!*failed) return fail("nothing is in quarantine on " + name);
  note_retry(options, clock);
  auto asked = (*store)->ask_retry({target.site, target.environment, who_asks(), clock.now()});
  if (!asked) return fail(asked.error().message);
  auto told = (*store)->remember(
      "retry asked", name + " " + std::to_string(clock.now().time_since_epoch().count()));
  if (!told) return fail(told.error().message);
  std::cerr << "the next step on " << name
            << " is tried again: by the running controller at once, else by `tidegate apply`\n";
  return exit_done;
}

int run_wait(const Options& options) {
  auto store = given_store(options, StoreMode::read_only);
  if (!store) return fail(store.error().message);
  const Duration patience = options.timeout.value_or(10min);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const Timestamp late = SystemClock().now() + patience;
  const auto& [site, environment] = options.target;
  for (bool first = true;; first = false) {
    auto text = (*store)->status(site);
    if (!text) return fail(text.error().message);
    const auto status = *text ? conditions_from_json(**text) : std::nullopt;
    const auto missing = what_is_missing(status, environment);
    if (missing.empty()) return exit_done;
    if (first && status && !environment.empty()) {
      auto unknown = unknown_in(**store, options.target);
      if (!unknown) return fail(unknown.error().message);
      if (*unknown && !is_declared(options)) return fail(**unknown);
    }
    auto asked = (*store)->retries(site);
    if (!asked) return fail(asked.error().message);
    const auto held = status && asked->empty()
                          ? what_holds_for_good(*status, environment, late)
                          : std::vector<std::string>{};
    if (!held.empty()) {
      std::cerr << "tidegate: " << site << " is held: " << join(held, "; ") << "\n";
      return exit_held;
    }
    if (std::chrono::steady_clock::now() > deadline) {
      std::cerr << "tidegate: " << site << " has not converged: " << join(missing, "; ") << "\n";
      return exit_late;
    }
    std::this_thread::sleep_for(200ms);
  }
}

}  // namespace tidegate
