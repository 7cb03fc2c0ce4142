#include "schemas/presets.h"

namespace tidegate {
namespace {

using CommandMap = std::map<std::string, std::vector<std::string>>;

// updatePending answers 0 (nothing to do) or 1 (update has something to do); any other code means
// that it could not tell, and fails the step. The tools below answer in their own ways.

// A database that install has not filled yet has nothing to update or to flush.
const CommandMap& wordpress() {
  static const CommandMap commands{
      {"updatePending",
       {"sh -c 'wp core is-installed || exit 0; said=$(wp core update-db --dry-run) || exit 2; "
        "case \"$said\" in *\"already at latest\"*) exit 0;; *) exit 1;; esac'"}},
      {"update", {"sh -c 'if wp core is-installed; then wp core update-db; fi'"}},
      {"clearCache", {"sh -c 'if wp core is-installed; then wp cache flush; fi'"}},
  };
  return commands;
}

// Both lists are empty when the database and the configuration in it are what the code expects.
const CommandMap& drupal() {
  static const CommandMap commands{
      {"updatePending",
       {"sh -c 'updates=$(vendor/bin/drush updatedb:status --format=list) || exit 2; "
        "changes=$(vendor/bin/drush config:status --format=list) || exit 2; "
        "[ -z \"$updates$changes\" ]'"}},
      {"update", {"vendor/bin/drush updatedb -y", "vendor/bin/drush config:import -y"}},
      {"clearCache", {"vendor/bin/drush cache:rebuild"}},
      {"maintenanceOn",
       {"vendor/bin/drush state:set system.maintenance_mode 1 --input-format=integer"}},
      {"maintenanceOff",
       {"vendor/bin/drush state:set system.maintenance_mode 0 --input-format=integer"}},
  };
  return commands;
}

// Both status commands exit 2 when there is something to do, 1 when they failed.
const CommandMap& magento() {
  static const CommandMap commands{
      {"updatePending",
       {"sh -c 'for status in setup:db:status app:config:status; do bin/magento \"$status\"; "
        "case $? in 0) ;; 2) exit 1;; *) exit 3;; esac; done'"}},
      {"update", {"bin/magento setup:upgrade --keep-generated"}},
      {"clearCache", {"bin/magento cache:flush"}},
      {"maintenanceOn", {"bin/magento maintenance:enable"}},
      {"maintenanceOff", {"bin/magento maintenance:disable"}},
  };
  return commands;
}

}  // namespace

const std::vector<std::string_view>& application_types() {
  static const std::vector<std::string_view> types{"wordpress", "drupal", "magento", "custom"};
  return types;
}

const std::vector<std::string_view>& command_names() {
  static const std::vector<std::string_view> names{
      "build",      "afterCopy", "updatePending", "update",      "configStatus",
      "clearCache", "install",   "maintenanceOn", "maintenanceOff"};
  return names;
}

std::string preset_docroot(const std::string& type) {
  if (type == "drupal") return "web";
  return type == "magento" ? "pub" : "";
}

std::vector<std::string> preset_writable(const std::string& type, const std::string& docroot) {
  const std::string below = docroot.empty() ? "" : docroot + "/";
  if (type == "wordpress") return {below + "wp-content/cache"};
  if (type == "magento") return {"var", "generated", below + "static"};
  return {};
}

const CommandMap& preset_commands(const std::string& type) {
  static const CommandMap none;
  if (type == "wordpress") return wordpress();
  if (type == "drupal") return drupal();
  return type == "magento" ? magento() : none;
}

}  // namespace tidegate
