#pragma once
// What is told of a site after a look, and which events lie between two looks. Nothing in a status
// but next_look changes on a look that changed nothing.

#include <optional>
#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace tidegate {

/// Ready is always there; Reconciling and Stalled only when True.
struct Condition {
  std::string type, status, reason, message;
  Timestamp last_transition{};  ///< When `status` last changed.
  bool operator==(const Condition&) const = default;
};

struct EnvironmentStatus {
  std::string name;
  std::size_t stage = 0;
  std::optional<CommitId> desired_commit;
  ContentSpec desired_content;
  ObservedEnvironment observed;
  std::vector<Condition> conditions;
  std::vector<Hold> holds;
  std::vector<std::string> warnings;
  std::optional<Timestamp> tried_again_at;  ///< A step that infrastructure failed.
  const Condition& ready() const { return conditions.front(); }
};

struct SiteStatus {
  std::string name, revision, author;  ///< The last two: of the manifest commit.
  bool launched = true;
  std::vector<Condition> conditions;  ///< Of the site itself; empty when nothing is wrong with it.
  std::vector<EnvironmentStatus> environments;  ///< In the order of the stages.
  Timestamp next_look{};
  std::string because;  ///< Of the next look.
  bool broken = false;  ///< No document of it can be used: what was told of environments stands.
};

/// One look's outcome. `problem`: why the site could not be observed (then `observed` and `plan`
/// are those of the last look that could, or empty ones). `before`: the status of the last look.
SiteStatus make_status(const Site& site, const ObservedSite& observed, const Plan& plan,
                       const std::string& problem, const SiteStatus* before, Timestamp now);

/// Of a site whose documents cannot be used, and that was never good before.
SiteStatus broken_status(const std::string& site, const std::string& invalid,
                         const SiteStatus* before, Timestamp now);

struct Event {
  Timestamp at{};
  std::string site, environment, type, message;
  bool operator==(const Event&) const = default;
};

/// What happened between two looks, for people: nothing when nothing did.
std::vector<Event> events_between(const SiteStatus* before, const SiteStatus& after, Timestamp now);

}  // namespace tidegate
