#include "reconcilers/limits.h"

#include <algorithm>

#include "schemas/policy.h"

namespace tidegate {
namespace {

constexpr Duration wipes_window = std::chrono::hours(1);

template <class Wanted>
bool does(const Step& step) {
  return std::ranges::any_of(step.actions,
                             [](const Action& a) { return std::holds_alternative<Wanted>(a); });
}

bool wipes(const Step& step) {
  return std::ranges::any_of(step.actions, [](const Action& a) {
    const auto* wipe = std::get_if<Wipe>(&a);
    return wipe && wipe->generation > 0;
  });
}

std::string driver_of(const Site& site, const std::string& environment) {
  const Environment* e = site.find(environment);
  return e && e->driver ? e->driver->name : "";
}

/// Verdicts of one rule in the making.
class Rules {
 public:
  Rules(const Site& site, const Step& step, const FleetFacts& fleet, Timestamp now)
      : site_(site), step_(step), fleet_(fleet), now_(now) {}

  void ask(const Policy& policy, const Rule& rule) {
    policy_ = policy.name;
    rule_ = rule.name;
    if (const auto* limits = std::get_if<LimitsRule>(&rule.spec)) ask_limits(*limits);
  }
  LimitsSaid take() && { return std::move(out_); }

 private:
  void say(const char* reason, const std::string& text, bool holds,
           std::optional<Timestamp> opens_at = {}) {
    Verdict verdict{policy_, rule_, {}, text};
    if (holds) {
      verdict.hold = Hold{step_.environment, reason, verdict.name() + ": " + text, opens_at};
    }
    out_.verdicts.push_back(std::move(verdict));
  }

  void at_once(const std::optional<int>& limit, const std::string& place,
               const std::string& where) {
    if (!limit) return;
    const auto it = fleet_.running.find(place);
    const int running = it == fleet_.running.end() ? 0 : it->second;
    if (running >= *limit) out_.full.insert(place);
    say("LimitReached",
        "at most " + std::to_string(*limit) + (*limit == 1 ? " operation" : " operations") +
            " at once " + where + "; " + std::to_string(running) +
            (running == 1 ? " runs" : " run"),
        running >= *limit);
  }

  void ask_limits(const LimitsRule& rule) {
    const std::string driver = driver_of(site_, step_.environment);
    at_once(rule.per_driver, "driver " + driver, "by driver \"" + driver + "\"");
    at_once(rule.per_site, "site " + site_.name, "on " + site_.name);
    at_once(rule.in_fleet, "fleet", "in the fleet");
    if (rule.wipes_per_hour && wipes(step_)) ask_wipes(*rule.wipes_per_hour);
  }

  /// Opens when so many of the last hour's are older than that, that one more fits.
  void ask_wipes(int limit) {
    std::vector<Timestamp> last;
    if (const auto it = fleet_.wipes.find(site_.name); it != fleet_.wipes.end()) {
      std::ranges::copy_if(it->second, std::back_inserter(last),
                           [&](Timestamp at) { return at + wipes_window > now_; });
    }
    std::ranges::sort(last);
    const int done = static_cast<int>(last.size());
    const std::string text = "at most " + std::to_string(limit) + " wipes of " + site_.name +
                             " an hour; " + std::to_string(done) + " were started";
    std::optional<Timestamp> opens;
    if (limit > 0 && done >= limit)
      opens = last[static_cast<std::size_t>(done - limit)] + wipes_window;
    say("LimitReached", text, done >= limit, opens);
  }

  const Site& site_;
  const Step& step_;
  const FleetFacts& fleet_;
  const Timestamp now_;
  std::string policy_, rule_;
  LimitsSaid out_;
};

}  // namespace

Places places_of(const Site& site, const std::string& environment) {
  return {"fleet", "driver " + driver_of(site, environment), "site " + site.name};
}

bool counts(const Step& step) {
  return !does<Recover>(step) && !does<Launch>(step) && !does<Unlaunch>(step);
}

LimitsSaid judge_limits(const Site& site, const Step& step, const FleetFacts& fleet,
                        Timestamp now) {
  if (!site.governance || !counts(step)) return {};
  Rules rules(site, step, fleet, now);
  for (const auto& policy : site.governance->policies) {
    if (!policy->select.selects(site, step.environment)) continue;
    for (const Rule& rule : policy->rules) rules.ask(*policy, rule);
  }
  return std::move(rules).take();
}

void note_start(FleetFacts& fleet, const Site& site, const Step& step, Timestamp now) {
  if (!counts(step)) return;
  for (const auto& place : places_of(site, step.environment)) ++fleet.running[place];
  if (!wipes(step)) return;
  auto& of_site = fleet.wipes[site.name];
  std::erase_if(of_site, [&](Timestamp at) { return at + wipes_window <= now; });
  of_site.push_back(now);
}

}  // namespace tidegate
