#pragma once
// What the rules say in an example of a policy (schemas/policy_case.h). Pure: the same judge as in
// plans, of a described world in place of an observed one.

#include "reconcilers/policies.h"
#include "schemas/policy_case.h"

namespace tidegate {

struct CaseAnswer {
  std::string problem;             ///< Why it cannot be asked; "" when it can.
  const CaseTarget* at = nullptr;  ///< In the example: what the problem is about.
  std::vector<Action> actions;     ///< What was asked about.
  std::vector<Verdict> verdicts;   ///< Of all rules that looked.
  bool looked = true;              ///< The rule that the expectation names did.
  std::optional<Hold> hold;        ///< Of that rule; of all, what stands, when it names none.
  bool as_expected = false;
};

/// Environments that the example does not describe are there, healthy, on what they declare since
/// long ago, their content taken now; everything is signed; nothing runs.
CaseAnswer answer(const PolicyCase& example, const Expectation& expected, const Fleet& fleet,
                  const Calendar& calendar);

/// "held Soaking by gold-live/soaked, opens 2026-11-20T12:00:00Z", "allowed".
std::string expected_text(const Expectation& expected);
/// The same of what is, with what was said.
std::string seen_text(const Expectation& expected, const CaseAnswer& answer);

}  // namespace tidegate
