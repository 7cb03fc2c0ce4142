#pragma once
// The controller's configuration file (CONTRACT § "Configuration file"): read strictly, every
// problem at once, paths relative to the file made absolute.

#include <optional>
#include <string>
#include <vector>

#include "controller/notify/receiver.h"
#include "schemas/fleet.h"
#include "schemas/site.h"

namespace tidegate {

struct SourceSettings {
  std::string name, url, ref = "main", path = ".";
  Duration interval = std::chrono::seconds(15);
  std::optional<SecretRef> credentials;
  SourceRole role;  ///< Of the same name; its prefix is the loop's affair.
};

struct Configuration {
  std::vector<SourceSettings> sources;
  std::string secrets_directory;
  std::string state = "/var/lib/tidegate/state.db";
  int workers = 4;
  Duration resync = std::chrono::minutes(5);
  std::string log_level = "info";  ///< debug | info | warn | error
  bool log_json = false;
  std::vector<Receiver> notify;
};

/// `file` is used in problems and as the base of relative paths.
struct ConfigurationFile {
  Configuration configuration;
  std::vector<Problem> problems;
};
ConfigurationFile parse_configuration(const std::string& file, const std::string& text);

}  // namespace tidegate
