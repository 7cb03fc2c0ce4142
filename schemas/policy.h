#pragma once
// What a platform team says may happen: policies, freezes and grants. Values only, valid once
// constructed by schemas/fleet.h. Policies yield holds, never actions (DESIGN § 3.2).

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "schemas/site.h"
#include "schemas/time.h"

namespace tidegate {

/// Which sites and environments something is about. What is absent selects all.
struct Selector {
  std::vector<std::string> sites;             ///< Globs of names; any may match.
  std::map<std::string, std::string> labels;  ///< Of the Site; all must match.
  std::vector<std::string> environments;      ///< Globs of names; any may match.
  std::vector<std::string> stages;            ///< Names of stages, without globs.
  std::optional<bool> authority;              ///< The last stage, or every other.
  bool operator==(const Selector&) const = default;

  bool selects(const Site& site) const;
  /// Assumes that the site is selected.
  bool selects(const Site& site, const std::string& environment) const;
};

/// `*` stands for any text, `?` for one character; everything else for itself.
bool glob_matches(const std::string& glob, const std::string& text);

/// A commit enters only when it has been proven in `environment` for `soak`, on content from above
/// that is not older than `content_max_age`.
struct ProvenRule {
  std::string environment;
  Duration soak{};
  std::optional<Duration> content_max_age;
  bool operator==(const ProvenRule&) const = default;
};
/// Open from each time that `cron` names in `time_zone`, for `duration`.
struct Window {
  std::string cron;
  Duration duration{};
  std::string time_zone = "UTC";
  bool operator==(const Window&) const = default;
};
/// Steps begin inside an `allow` window (when there is one) and outside every `deny` window.
struct WindowsRule {
  std::vector<Window> allow, deny;
  bool operator==(const WindowsRule&) const = default;
};
struct SignedRule {
  bool manifests = false, code = false;
  SecretRef allowed_signers;
  bool operator==(const SignedRule&) const = default;
};
/// What may be brought into an environment.
struct ContentRule {
  std::vector<std::string> sources;  ///< keep, empty, or environments; empty list: any.
  bool sanitizer_required = false;
  std::optional<Duration> max_age;  ///< Of content that a commit is promoted onto.
  bool operator==(const ContentRule&) const = default;
};
/// A backup of the environment newer than that is needed before anything changes it.
struct BackupRule {
  Duration newer_than{};
  bool operator==(const BackupRule&) const = default;
};
struct LimitsRule {
  std::optional<int> environments;                    ///< That a site may have.
  std::optional<int> per_driver, per_site, in_fleet;  ///< Operations at once.
  std::optional<int> wipes_per_hour;                  ///< Of one site.
  bool operator==(const LimitsRule&) const = default;
};
/// Sites that a manifest commit removes, wipes or moves keep what they were when it does so to more
/// than that, unless it is acknowledged.
struct BlastRadiusRule {
  int max_sites = 0;
  std::vector<CommitId> acknowledge{};
  bool operator==(const BlastRadiusRule&) const = default;
};
/// A field of the effective Environment document (as `validate --effective` prints it), by JSON
/// pointer, and what it must be to fit. Without a condition: it is there and not empty.
struct FieldCondition {
  std::string pointer;                ///< "/spec/verify/http"
  std::optional<std::string> equals;  ///< The scalar as text.
  std::vector<std::string> one_of;
  std::string matches;  ///< A glob.
  bool operator==(const FieldCondition&) const = default;
};
struct RequireRule {
  FieldCondition field;
  std::string message;
  bool operator==(const RequireRule&) const = default;
};
/// Forbids these verbs (empty: any), while the field fits (absent: always).
struct ForbidRule {
  std::vector<std::string> verbs;
  std::optional<FieldCondition> field;
  std::string message;
  bool operator==(const ForbidRule&) const = default;
};

using RuleSpec = std::variant<ProvenRule, WindowsRule, SignedRule, ContentRule, BackupRule,
                              LimitsRule, BlastRadiusRule, RequireRule, ForbidRule>;
struct Rule {
  std::string name;
  RuleSpec spec;
  bool operator==(const Rule&) const = default;
};
struct Policy {
  std::string name;
  Selector select;
  std::vector<Rule> rules;
  std::string digest{};  ///< Of all that is said below its name.
  bool operator==(const Policy&) const = default;
};

/// The emergency stop: holds every verb but `except`.
struct Freeze {
  std::string name;
  Selector select;
  std::optional<Timestamp> from, until;  ///< Half open: from ≤ now < until.
  std::string reason;
  std::vector<std::string> except;  ///< Verbs.
  std::string digest{};             ///< As a Policy's.
  bool operator==(const Freeze&) const = default;
};

/// One exception from the rules of DESIGN § 5. `broken_rule` alone reads it. Used once: which were
/// used is recorded in the environment by `id`.
struct GrantedPromote {
  CommitId commit;
  bool operator==(const GrantedPromote&) const = default;
};
struct GrantedSync {
  std::string source;
  std::uint64_t generation = 0;
  bool operator==(const GrantedSync&) const = default;
};
struct GrantedWipe {
  std::uint64_t generation = 0;
  bool operator==(const GrantedWipe&) const = default;
};
struct GrantedUnlaunch {
  bool operator==(const GrantedUnlaunch&) const = default;
};
/// The authority moves from this environment to the one the Grant names.
struct GrantedAuthority {
  std::string from;
  bool operator==(const GrantedAuthority&) const = default;
};
using GrantedAction =
    std::variant<GrantedPromote, GrantedSync, GrantedWipe, GrantedUnlaunch, GrantedAuthority>;
struct Grant {
  std::string name;
  std::string id;  ///< Name and digest of all that is below: a changed Grant is another one.
  std::string site, environment;
  GrantedAction allow;
  std::string reason, by;
  Timestamp expires{};
  bool operator==(const Grant&) const = default;
};

/// What of all this concerns one site, chosen when manifests are read so that a look at a site
/// costs nothing for the policies of others.
struct Governance {
  std::vector<std::shared_ptr<const Policy>> policies;  ///< Selecting the site, by name.
  std::vector<std::shared_ptr<const Freeze>> freezes;
  std::vector<std::shared_ptr<const Grant>> grants;
  /// Why rules that concern this site cannot be evaluated ("Policy \"gold\" is broken: …"): each
  /// holds every environment of it. A Policy that broke after it was good stays what it was, and is
  /// not among them.
  std::vector<std::string> unreadable;
  /// By value, whichever documents it came from.
  bool operator==(const Governance& other) const;
};

}  // namespace tidegate
