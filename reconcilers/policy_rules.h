#pragma once
// Rules of policies that take more than a line to judge. For policies.cc alone.

#include "reconcilers/diff.h"
#include "reconcilers/policies.h"
#include "schemas/effective_fields.h"

namespace tidegate {

/// What one rule says: nothing when it is not concerned, what lets it pass, or why it holds.
struct Said {
  std::string text;
  std::string reason;  ///< Of a hold.
  std::optional<Timestamp> opens_at;
};
inline Said passed(std::string text) { return {std::move(text), {}, {}}; }
inline Said held(const char* reason, std::string text, std::optional<Timestamp> opens_at = {}) {
  return {std::move(text), reason, opens_at};
}

struct RuleQuestion {
  const Site& site;
  const ObservedSite& observed;
  const Environment& environment;
  const Action& action;
  const Calendar& calendar;
  const Timestamp now;
  const StepSoFar& step;
  const EffectiveFields fields{site, environment};
  const ObservedEnvironment& seen() const { return observed_of(observed, environment.name); }
};

Said proofs_say(const Site& site, const ObservedSite& observed, const Environment& environment,
                const CommitId& commit, Timestamp now, const ProvenRule& rule);
Said signatures_say(const RuleQuestion& q, const SignedRule& rule);
Said content_says(const RuleQuestion& q, const ContentRule& rule);

}  // namespace tidegate
