#pragma once
// What somebody is called for: events tell everything that changes, a transition only what needs
// people, and that it needs them no more. Pure.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/reverts.h"
#include "reconcilers/status.h"

namespace tidegate {

enum class TransitionType {
  failed,       ///< An operation ended failed, and visitors saw nothing of it.
  rolled_back,  ///< It failed when visitors had been let in, and went back.
  held,         ///< Only a person, a policy or time can go on.
  normal,       ///< Ready again after any of these.
};
/// failed, rolledBack, held, normal.
const char* to_string(TransitionType type);

struct Transition {
  TransitionType type = TransitionType::failed;
  std::string site;
  std::string environment;  ///< "" for the site itself.
  std::string reason, message;
  std::string operation{};  ///< That failed; "" when unknown, or when it is about none.
  std::vector<Evidence> evidence{};
  bool operator==(const Transition&) const = default;
};

/// What was told of an environment, as far as it matters for what is to be told next.
struct Unrest {
  std::set<std::string> holds;                  ///< Their reasons.
  std::map<std::string, std::string> failures;  ///< Failure::digest → which time it was.
  bool called = false;                          ///< For anything since it was Ready last.
  bool operator==(const Unrest&) const = default;
};
/// By environment, "" standing for the site itself; what is at rest is not in it.
using SiteUnrest = std::map<std::string, Unrest>;

struct TransitionsTold {
  std::vector<Transition> transitions;
  SiteUnrest unrest;
};

/// What is to be told after a look, and what is known then. A hold is told when its reason was not
/// there at the last telling, whatever its message; a step that infrastructure keeps failing once
/// until it succeeds or becomes another. Where an operation runs, or nothing could be observed,
/// what was told stands.
TransitionsTold transitions_between(const SiteUnrest& before, const SiteStatus& now);

/// What became of a revert in git, by the type and message of its event: part of going back, and
/// told as such.
Transition transition_of(const Revert& revert, const std::string& type, const std::string& message);

}  // namespace tidegate
