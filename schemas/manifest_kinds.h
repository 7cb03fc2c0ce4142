#pragma once
// The readers of each kind's spec, for manifest.cc alone. What is wrong is told through the Value.

#include "schemas/fields.h"
#include "schemas/manifest.h"
#include "schemas/policy.h"

namespace tidegate {

/// Who named a secret decides where it is looked up; a class's marks say so.
struct Origin {
  SecretRef::Scope scope = SecretRef::Scope::site;
  bool of_class = false;
  KnowsZone knows_zone = nullptr;
};

Mark mark_of(const Value& value, const Origin& origin);
/// `{secret: NAME}`.
std::optional<SecretRef> read_secret(const Value& value, const Origin& origin);
/// `VARIABLE: NAME` entries.
std::map<std::string, SecretRef> read_secrets(const Value& value, const Origin& origin);

/// 40 hex digits; those that YAML takes for a number too.
std::optional<CommitId> read_commit(const Value& value);
/// RFC 3339.
std::optional<Timestamp> read_time(const Value& value);
/// An IANA time zone: of good form, and one, where somebody knows them.
std::optional<std::string> read_time_zone(const Value& value, KnowsZone knows_zone);

// JSON readers lose whole numbers above this.
inline constexpr std::int64_t generation_max = 9'007'199'254'740'991;
inline constexpr Duration length_max = std::chrono::days(3650);

/// `select` of a Policy or Freeze.
Selector read_selector(const Value& value);
/// Verbs of actions, each once.
std::vector<std::string> read_verbs(const Value& value);

HostDriverSpec read_driver(const Value& spec, const std::string& name);
SiteManifest read_site(const Value& spec);
SiteClassManifest read_site_class(const Value& spec, KnowsZone knows_zone);
EnvironmentFields read_environment(const Value& spec, const Origin& origin);
Policy read_policy(const Value& spec, const std::string& name, KnowsZone knows_zone);
Freeze read_freeze(const Value& spec, const std::string& name);
GrantManifest read_grant(const Value& spec, const std::string& name);

}  // namespace tidegate
