#pragma once
// What a plan rests on, so that whoever approved or saved one can tell whether it still holds:
// nothing that changes by itself, and nothing of what the plan does not speak of. Pure.

#include <string>
#include <vector>

#include "reconcilers/plan.h"

namespace tidegate {

/// What the plan for one environment rests on. Texts to compare, of no meaning beyond that.
struct Basis {
  std::string site;
  std::string environment;  ///< "" stands for a site none of whose environments is known.
  std::string desired;  ///< What its manifests, its secrets and the rules for it say, and what its
                        ///< branch or tag stands for. "" for one that others are only copied from.
  std::string observed;  ///< What is there; of one that is only copied from, its content.
  /// What the plan says of it: "ready promote …, sync …", "waiting promote …", "held NotProven".
  std::vector<std::string> steps;
  bool operator==(const Basis&) const = default;
  bool only_copied_from() const { return desired.empty(); }
};

/// Of each environment that the plan speaks of, and of those that it copies from; with
/// `everything`, of all.
std::vector<Basis> bases_of(const Site& site, const ObservedSite& observed, const Plan& plan,
                            bool everything = false);
/// The same of one environment, as things are now.
Basis basis_now(const Basis& before, const Site& site, const ObservedSite& observed,
                const Plan& plan);
/// "sha256:…".
std::string digest_of(const std::vector<Basis>& bases);

/// Exact, unlike describe(): "promote <40 hex>, sync databases from live (generation 7)".
std::string exactly(const std::vector<Action>& actions);
/// Whether a saved plan showed this very step: ready, or waiting for what comes before it.
bool shows(const Basis& saved, const Step& step);

}  // namespace tidegate
