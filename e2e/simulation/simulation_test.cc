// Any history: whatever people and fate do, nothing forbidden happens; once they are done
// everything becomes as written, and then nothing moves.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "e2e/simulation/oracle.h"
#include "e2e/simulation/world.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

/// What is not as written yet, or nothing.
std::optional<std::string> missing(const World& world) {
  if (!world.knows_everything()) return "the newest manifests are not read";
  for (const auto& [name, written] : world.people.sites) {
    const auto site = world.known(name);
    if (!site) return name + " is not known";
    if (!site->invalid.empty()) return name + " is invalid: " + site->invalid;
    std::map<std::string, std::string> inputs;
    for (const auto& [e, declared] : site->environments)
      inputs[e] = world.inputs_of(name, *site, declared);
    if (auto why = unconverged(*site, world.estates.at(name), inputs)) return why;
  }
  return {};
}

std::string story(const World& world) {
  std::string out = world.wrong + "\n" + world.history(60);
  for (const auto& [name, text] : world.statuses) out += text + "\n";
  return out;
}

void expect_convergence(World& world, Duration bound) {
  const Timestamp until = world.time + bound;
  while (world.wrong.empty() && world.time < until && missing(world)) world.turn();
  if (auto why = missing(world); why && world.wrong.empty())
    world.fault("does not converge: " + *why);
}

std::optional<Timestamp> next_refresh(const Place& place, const Environment& declared) {
  if (!declared.content.refresh || !place.exists || place.running) return {};
  std::optional<Timestamp> next;
  for (Part part : parts) {
    const auto& stamp = place.current.content.at(part).stamp;
    if (!declared.content.includes(part) || !stamp.taken_at) continue;
    const auto due = due_after(*declared.content.refresh, *stamp.taken_at);
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

void expect_refreshes_in_time(World& world) {
  for (const auto& [name, written] : world.controller->fleet()->sites()) {
    for (const auto& [e, declared] : world.known(name)->environments) {
      const auto due = next_refresh(world.place(name, e), declared);
      if (due && *due + 15min < world.time)
        world.fault(name + "/" + e + " is not refreshed when due");
    }
  }
}

bool has_windows(const Site& site) {
  return std::ranges::any_of(site.governance->policies, [](const auto& policy) {
    return std::ranges::any_of(policy->rules, [](const Rule& rule) {
      return std::holds_alternative<WindowsRule>(rule.spec);
    });
  });
}

/// Nothing may start but refreshes that are due; nothing is refused, and what is told of sites
/// without refreshes stays as it is. Where everything is as written, what is due comes in time.
void expect_quiet(World& world, Duration length) {
  const int started = world.started, refreshes = world.refreshes, refused = world.refused;
  const auto told = world.status_changes;
  const bool aligned = !missing(world);
  const Timestamp until = world.time + length;
  while (world.wrong.empty() && world.time < until) {
    world.turn();
    if (aligned) expect_refreshes_in_time(world);
  }
  if (world.started - started != world.refreshes - refreshes) world.fault("moves without need");
  if (world.refused != refused) world.fault("asks for what cannot be, without any fault");
  for (const auto& [name, written] : world.controller->fleet()->sites()) {
    const auto site = world.known(name);  // What is in force of it.
    const bool refreshed = std::ranges::any_of(
        site->environments, [](const auto& e) { return e.second.content.refresh.has_value(); });
    auto before = told.find(name);
    if (has_windows(*site)) continue;  // What they hold is told and taken back as they go.
    if (!refreshed && before != told.end() && before->second != world.status_changes.at(name)) {
      world.fault("what is told of " + name + " does not stay as it is");
    }
  }
}

/// A commit is acted upon within one poll of the manifests and one look.
void expect_promptness(World& world) {
  const auto& [name, site] = *world.people.sites.begin();
  const std::string lowest = site.stages.front();
  world.people.sites[name].environments[lowest].code =
      "commit: " + world.new_commit(name, false).hex;
  world.commit(name + ": one more commit for " + lowest);
  const Timestamp committed = world.time;
  world.run_for(poll_interval * 11 / 10 + 1s);
  const auto started = world.last_start.find(name + "/" + lowest);
  const bool prompt = started != world.last_start.end() && started->second >= committed;
  if (!prompt) world.fault("a commit is not acted upon at once");
}

Faults all_faults() {
  Faults f;
  f.lost_request = 60, f.lost_reply = 60, f.stale_read = 100, f.lost_news = 200;
  f.site_fails = 60, f.host_fails = 80, f.undo_fails = 50;
  f.commits = 150, f.drift = 20, f.crash = 20, f.git = 15, f.code_git = 10, f.gone = 10,
  f.secret = 8;
  f.retry = 20, f.fails_again = 10;
  return f;
}

/// Where everything works, people get further.
Faults people_alone() {
  Faults f;
  f.commits = 250, f.retry = 10, f.drift = 10;
  return f;
}

std::string run(std::uint64_t seed, std::map<std::string, int>* tally = nullptr) {
  World world(seed, 2);
  world.faults = seed % 4 == 0 ? people_alone() : all_faults();
  for (int i = 0; i < 400 && world.wrong.empty(); ++i) world.turn();
  world.heal();
  world.run_for(8h);
  if (world.wrong.empty()) expect_quiet(world, 2h);  // Whatever people wrote, it comes to rest.
  if (world.wrong.empty()) align(world);
  if (world.wrong.empty()) expect_convergence(world, 12h);
  if (world.wrong.empty()) world.run_for(10min);
  if (world.wrong.empty()) expect_quiet(world, 12h);
  if (world.wrong.empty()) expect_convergence(world, 1h);
  if (world.wrong.empty()) expect_promptness(world);
  EXPECT_EQ(world.wrong, "") << "reproduce with SIM_SEED=" << seed << "\n" << story(world);
  for (const auto& [what, times] : world.tally) {
    if (tally) (*tally)[what] += times;
  }
  return world.history(1'000'000);
}

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::stoull(text) : otherwise;
}

TEST(SimulationTest, AnyHistoryIsSafeAndConvergesAndThenStaysQuiet) {
  const bool one = std::getenv("SIM_SEED") != nullptr;
  const std::uint64_t begin = number("SIM_SEED", 1);
  const std::uint64_t count = one ? 1 : number("SIM_SEEDS", 1000);
  std::map<std::string, int> tally;
  std::size_t lines = 0;
  for (std::uint64_t seed = begin; seed < begin + count && !HasFailure(); ++seed) {
    const std::string history = run(seed, &tally);
    lines += static_cast<std::size_t>(std::ranges::count(history, '\n'));
    if (one) std::cout << history;
  }
  std::cout << count << " seeds, " << lines << " lines of history\n";
  for (const auto& [what, times] : tally) std::cout << "  " << times << " " << what << "\n";
  if (count < 500) return;
  // A thing that never happened in them was not proven by them.
  for (const char* what : {"promote",
                           "sync",
                           "refresh",
                           "wipe",
                           "create",
                           "activate",
                           "declare",
                           "launch",
                           "recover",
                           "reuse",
                           "asked",
                           "without update",
                           "combined",
                           "warned",
                           "held at the switch",
                           "failed by the site",
                           "failed by the host",
                           "not undone",
                           "held NotProven",
                           "held GenerationUsed",
                           "held ContentGone",
                           "held ContentChanged",
                           "held AuthorityProtected",
                           "held AuthorityMissing",
                           "held LaunchedOnce",
                           "held EnvironmentGone",
                           "held Quarantined",
                           "held Suspended",
                           "held Soaking",
                           "held WindowClosed",
                           "held Frozen",
                           "held Forbidden",
                           "by a grant",
                           "fails again",
                           "passes again",
                           "unlaunch",
                           "revert",
                           "revert overtaken",
                           "revert left alone",
                           "held Invalid"}) {
    EXPECT_GT(tally[what], 20) << what;
  }
}

TEST(SimulationTest, TheSameSeedGivesTheSameHistory) {
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

/// Each call to the driver and to git, failed once, alone; and once more with its effect, but no
/// answer.
TEST(SimulationTest, ConvergesWhicheverCallFails) {
  for (const bool launched : {true, false}) {
    for (const bool reply : {false, true}) {
      int n = 0;
      for (;; ++n) {
        World world(1, {"dev", "test", "live"}, launched);
        world.people.sites["acme"].environments["dev"].content = "source: live, generation: 1";
        world.people.sites["acme"].environments["test"].code = "from: dev";
        world.commit("dev gets content, test follows dev");
        world.fail_call = n;
        world.fail_reply = reply;
        expect_convergence(world, 12h);
        world.fail_call.reset();
        if (world.wrong.empty()) world.run_for(10min);
        if (world.wrong.empty()) expect_quiet(world, 2h);
        ASSERT_EQ(world.wrong, "") << "when call " << n << " fails\n" << story(world);
        if (world.calls <= n) break;
      }
      EXPECT_GT(n, 20);
    }
  }
}

}  // namespace
}  // namespace tidegate
