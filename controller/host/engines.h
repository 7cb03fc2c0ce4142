#pragma once
// The database engines that drivers name, made once for each server, and the system users that
// environments run as.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "controller/host/databases/engine.h"
#include "controller/secrets/secrets.h"

namespace tidegate {

class Engines {
 public:
  explicit Engines(Secrets secrets) : secrets_(std::move(secrets)) {}

  /// `invalid` when the driver does not say how to reach that engine. Any thread.
  Result<std::shared_ptr<DatabaseEngine>> of(const HostDriverSpec& driver, Engine engine);

 private:
  const Secrets secrets_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<DatabaseEngine>> made_;
};

/// Whom an environment's commands, pages and content belong to; nothing: the controller's own user.
/// `invalid` when runAs names nobody, or somebody this controller cannot become.
Result<std::optional<std::pair<unsigned, unsigned>>> user_of(const HostDriverSpec& driver,
                                                             const std::string& site,
                                                             const std::string& environment);

}  // namespace tidegate
