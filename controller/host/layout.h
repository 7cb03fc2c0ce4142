#pragma once
// Where everything of the host driver lies below its root. CONTRACT § "On a host-driver machine"
// names what others may rely on; the rest is Tidegate's own and lies in directories called
// ".tidegate".

#include <string>

#include "schemas/site.h"

namespace tidegate {

struct RootLayout {
  std::string root;

  std::string own() const { return root + "/.tidegate"; }
  std::string mirrors() const { return own() + "/mirrors"; }
  static RootLayout of_mirrors(const std::string& mirrors) {
    return {mirrors.substr(0, mirrors.size() - std::string("/.tidegate/mirrors").size())};
  }
  /// A file for each source of manifests. See in_force.h.
  std::string in_force() const { return own() + "/in-force"; }
  std::string database_users() const { return own() + "/database-users"; }
  std::string builds(const std::string& site) const { return own() + "/builds/" + site; }
  /// An empty file for each environment that was ever created: what tells a lost directory from a
  /// new environment.
  std::string registered(const std::string& site, const std::string& environment) const {
    return own() + "/environments/" + site + "/" + environment;
  }
};

struct EnvironmentLayout {
  std::string root, site, environment;

  std::string directory() const { return root + "/" + site + "/" + environment; }
  std::string current() const { return directory() + "/current"; }
  std::string next() const { return directory() + "/next"; }
  std::string maintenance() const { return directory() + "/maintenance"; }
  std::string releases() const { return directory() + "/releases"; }
  std::string release(const std::string& id) const { return releases() + "/" + id; }
  std::string code(const std::string& id) const { return release(id) + "/code"; }
  /// Of a writable release: what its code was when it was made.
  std::string code_manifest(const std::string& id) const { return release(id) + "/code.manifest"; }
  std::string content() const { return directory() + "/content"; }
  std::string files(const std::string& content_id, const std::string& name) const {
    return content() + "/files-" + content_id + "/" + name;
  }
  /// What people put where links to content were, kept for them.
  std::string aside(const std::string& id) const { return directory() + "/aside/" + id; }
  std::string own() const { return directory() + "/.tidegate"; }
  std::string record() const { return own() + "/state.json"; }
  std::string journal() const { return own() + "/journal.json"; }
  std::string lock() const { return own() + "/lock"; }
  std::string stat_cache(const std::string& release_id) const {
    return own() + "/scan-" + release_id;
  }
  RootLayout of_root() const { return {root}; }
};

inline EnvironmentLayout layout_of(const Site& site, const Environment& environment) {
  return {environment.driver->root, site.name, environment.name};
}

/// Where the mirror of a site's code repository is kept: below the root of its first environment.
/// "" when no environment has a driver.
inline std::string mirrors_of(const Site& site) {
  for (const auto& [name, environment] : site.environments) {
    if (environment.driver) return RootLayout{environment.driver->root}.mirrors();
  }
  return "";
}

}  // namespace tidegate
