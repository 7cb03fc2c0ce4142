#pragma once
// What several commands begin with: where the store is, which manifests are meant.

#include <memory>
#include <string>

#include "controller/commands/options.h"
#include "controller/service/configuration.h"
#include "controller/service/sources.h"
#include "controller/store/store.h"

namespace tidegate {

/// Prints "tidegate: …" on stderr and gives exit_failed.
int fail(const std::string& message);

/// The configuration that --config names, if any; problems are printed.
Result<std::optional<Configuration>> given_configuration(const Options& options);

/// --state, else the configuration's, else the standard place.
Result<std::string> state_file(const Options& options);
/// --secrets, else the configuration's; "" for none.
Result<std::string> secrets_directory(const Options& options);

struct GivenFleet {
  Fleet fleet;
  bool broken = false;  ///< Some document is; the problems were printed on stderr.
  std::set<std::string> broken_sites;
};
/// The fleet that --manifests or the configuration's sources declare.
Result<GivenFleet> given_fleet(const Options& options);

/// The store, read or written. An error that says how to name another when there is none.
Result<std::unique_ptr<Store>> given_store(const Options& options, StoreMode mode);

/// A bare mirrors' directory for commands that may leave nothing behind: below the store's when
/// that is there, else a temporary one that ends with this.
class MirrorsDirectory {
 public:
  explicit MirrorsDirectory(const std::string& state);
  ~MirrorsDirectory();
  MirrorsDirectory(const MirrorsDirectory&) = delete;
  MirrorsDirectory& operator=(const MirrorsDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_, temporary_;
};

}  // namespace tidegate
