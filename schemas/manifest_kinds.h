#pragma once
// The readers of each kind's spec, for manifest.cc alone. What is wrong is told through the Value.

#include "schemas/fields.h"
#include "schemas/manifest.h"

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

HostDriverSpec read_driver(const Value& spec, const std::string& name);
SiteManifest read_site(const Value& spec);
SiteClassManifest read_site_class(const Value& spec, KnowsZone knows_zone);
EnvironmentFields read_environment(const Value& spec, const Origin& origin);

}  // namespace tidegate
