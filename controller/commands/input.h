#pragma once
// What several commands begin with: where the store is, which manifests are meant.

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "controller/commands/options.h"
#include "controller/service/configuration.h"
#include "controller/service/json.h"
#include "controller/service/sources.h"
#include "controller/store/store.h"

namespace tidegate {

/// Prints "tidegate: …" on stderr and gives exit_failed.
int fail(const std::string& message);
/// The same for what was asked the wrong way: exit_usage.
int misused(const std::string& message);

/// A line for operators, as a command tells it to the person who gave it: "tidegate: cannot …
/// site=acme problem=…".
std::string told_as(const std::string& message,
                    const std::vector<std::pair<std::string, std::string>>& facts);

/// Who gave this command, for history: the user's name, of sudo's too.
std::string who_asks();

/// The configuration that --config names, if any; problems are printed.
Result<std::optional<Configuration>> given_configuration(const Options& options);

/// --state, else the configuration's, else the standard place.
Result<std::string> state_file(const Options& options);
/// --secrets, else the configuration's; "" for none.
Result<std::string> secrets_directory(const Options& options);

/// A site whose documents cannot be used, told in a plan like any other.
class BrokenSite {
 public:
  BrokenSite(const std::string& name, const std::string& invalid);
  PlannedSite planned() const { return {&site_, &observed_, &plan_, ""}; }
  const std::string& name() const { return site_.name; }
  const std::string& invalid() const { return site_.invalid; }

 private:
  Site site_;
  ObservedSite observed_;
  Plan plan_;
};

/// Where a command's words name one site, only that one and what concerns it counts.
struct GivenFleet {
  Fleet fleet;
  bool broken = false;                ///< Some document is; the problems were printed on stderr.
  std::vector<std::string> problems;  ///< Of no site.
  std::list<BrokenSite> broken_sites;
  /// Good ones, by name.
  std::vector<std::shared_ptr<const Site>> sites;
};
/// The fleet that --manifests or the configuration's sources declare.
Result<GivenFleet> given_fleet(const Options& options);
/// Why a fleet has no such site.
Error no_such_site(const Fleet& fleet, const std::string& site);

/// The options with --manifests or --config as the last `apply` or controller that wrote the store
/// had them, where neither is given. Nothing: it was told already what to add.
std::optional<Options> with_manifests(const Options& options);

/// The store, read or written. An error that says how to name another when there is none.
Result<std::unique_ptr<Store>> given_store(const Options& options, StoreMode mode);

/// Why the store knows no such site or environment, with the nearest name; nothing when it does.
Result<std::optional<std::string>> unknown_in(Store& store, const Target& target);

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
