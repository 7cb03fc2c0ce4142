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

int count(const std::map<std::string, int>& counts, const std::string& name) {
  const auto it = counts.find(name);
  return it == counts.end() ? 0 : it->second;
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
    if (const auto* radius = std::get_if<BlastRadiusRule>(&rule.spec)) ask_radius(*radius);
  }
  std::vector<Verdict> take() && { return std::move(out_); }

 private:
  void say(const char* reason, const std::string& text, bool holds,
           std::optional<Timestamp> opens_at = {}) {
    Verdict verdict{policy_, rule_, {}, text};
    if (holds) {
      verdict.hold = Hold{step_.environment, reason, verdict.name() + ": " + text, opens_at};
    }
    out_.push_back(std::move(verdict));
  }

  void at_once(const std::optional<int>& limit, int running, const std::string& where) {
    if (!limit) return;
    say("LimitReached",
        "at most " + std::to_string(*limit) + " operations at once " + where + "; " +
            std::to_string(running) + " run",
        running >= *limit);
  }

  void ask_limits(const LimitsRule& rule) {
    const std::string driver = driver_of(site_, step_.environment);
    at_once(rule.per_driver, count(fleet_.by_driver, driver), "by driver \"" + driver + "\"");
    at_once(rule.per_site, count(fleet_.by_site, site_.name), "on " + site_.name);
    at_once(rule.in_fleet, fleet_.operations, "in the fleet");
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

  void ask_radius(const BlastRadiusRule& rule) {
    for (const auto& [revision, strike] : fleet_.strikes) {
      if (!strike.sites.contains(site_.name)) continue;
      const int struck = static_cast<int>(strike.sites.size());
      const std::string text = "manifest commit " + revision.substr(0, 7) +
                               " removes, wipes or moves " + std::to_string(struck) + " sites";
      if (struck <= rule.max_sites) {
        say("", text, false);
      } else if (strike.acknowledged) {
        say("", text + ", which was acknowledged", false);
      } else {
        say("BlastRadius",
            text + ", more than " + std::to_string(rule.max_sites) +
                ": a commit of the platform team has to acknowledge it",
            true);
      }
    }
  }

  const Site& site_;
  const Step& step_;
  const FleetFacts& fleet_;
  const Timestamp now_;
  std::string policy_, rule_;
  std::vector<Verdict> out_;
};

/// Whether an environment asks for a wipe that it did not ask for before.
bool asks_for_wipe(const Environment& before, const Environment& after) {
  return after.content.source == ContentSource::empty() &&
         (before.content.source != ContentSource::empty() ||
          after.content.generation != before.content.generation);
}

bool moves(const Environment& before, const Environment& after) {
  return before.driver && after.driver && before.driver->root != after.driver->root;
}

}  // namespace

std::vector<Verdict> judge_limits(const Site& site, const Step& step, const FleetFacts& fleet,
                                  Timestamp now) {
  if (!site.governance || does<Recover>(step) || does<Launch>(step) || does<Unlaunch>(step))
    return {};
  Rules rules(site, step, fleet, now);
  for (const auto& policy : site.governance->policies) {
    if (!policy->select.selects(site, step.environment)) continue;
    for (const Rule& rule : policy->rules) rules.ask(*policy, rule);
  }
  return std::move(rules).take();
}

void note_start(FleetFacts& fleet, const Site& site, const Step& step, Timestamp now) {
  if (does<Recover>(step) || does<Launch>(step) || does<Unlaunch>(step)) return;
  ++fleet.operations;
  ++fleet.by_driver[driver_of(site, step.environment)];
  ++fleet.by_site[site.name];
  if (wipes(step)) fleet.wipes[site.name].push_back(now);
}

bool strikes(const Site* before, const Site* after) {
  if (!before) return false;
  if (!after || before->repository.url != after->repository.url ||
      before->authority() != after->authority())
    return true;
  return std::ranges::any_of(before->environments, [&](const auto& entry) {
    const Environment* now_is = after->find(entry.first);
    return !now_is || asks_for_wipe(entry.second, *now_is) || moves(entry.second, *now_is);
  });
}

}  // namespace tidegate
