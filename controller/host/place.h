#pragma once
// One environment as the host driver works on it: what is declared, where it lies, whom it belongs
// to, and how a command is run in one of its releases.

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/host/engines.h"
#include "controller/host/records.h"
#include "controller/host/services.h"
#include "controller/process/mask.h"

namespace tidegate {

/// What a release's commands and pages get: CONTRACT's variables, and what they need to see.
struct ReleaseVariables {
  std::map<std::string, std::string> all;
  std::vector<std::string> secrets;            ///< Values to keep out of logs.
  std::vector<std::string> writable, sockets;  ///< For the sandbox.
};

/// What `current/environment` holds, and its mode.
std::string environment_text(const ReleaseVariables& variables);
inline constexpr unsigned environment_mode = 0640;

struct Place {
  const HostServices& services;
  Engines& engines;
  const Site& site;
  const Environment& environment;
  EnvironmentLayout layout;
  std::optional<std::pair<unsigned, unsigned>> user;

  static Result<Place> make(const HostServices& services, Engines& engines, const Site& site,
                            const Environment& environment);

  Owner owner() const { return {site.name, environment.name, user}; }
  /// Variables of a release, reading secrets and asking engines for addresses.
  Result<ReleaseVariables> variables(const ReleaseRecord& release) const;
  /// `current/environment` of a release: NAME=value lines, 0640, the environment's group.
  Result<void> write_environment_file(const ReleaseRecord& release,
                                      const ReleaseVariables& v) const;
};

/// Whether the Site declares content of that name now.
bool declares(const Site& site, Part part, const std::string& name);

/// Digest of what a release is made with besides its commit: variables, secrets' contents, and what
/// of the Site shapes its tree and its build.
Result<std::string> inputs_digest(const Site& site, const Environment& environment,
                                  const Secrets& secrets);

/// Where and how long a command may run.
struct CommandRun {
  std::string what;  ///< "update", for messages.
  std::string directory;
  std::map<std::string, std::string> environment;
  std::vector<std::string> read_only, writable, sockets;
  std::chrono::steady_clock::time_point deadline;
  std::string limit{};  ///< What set `deadline`, for messages; "" for deploy.timeout.
  std::function<bool()> stop;
  std::function<void(std::string_view)> on_line;  ///< Lines are masked before.
  const Mask* mask = nullptr;
  Conversation with{};
};

/// Runs one command line, confined; gives its exit code. `site` when it could not be split, found,
/// or took too long; `transient` when it was stopped or the sandbox failed.
Result<int> run_site_command(const Place& place, const std::string& line, const CommandRun& run);
/// The same for a command that is words already.
Result<int> run_site_words(const Place& place, const std::vector<std::string>& argv,
                           const CommandRun& run);
/// Runs all in turn; the first that does not exit with 0 is a `site` error that names it.
Result<void> run_site_commands(const Place& place, const std::vector<std::string>& lines,
                               const CommandRun& run);

/// A run in a release that is there: code read-only, content and writable paths writable.
CommandRun run_in_release(const Place& place, const ReleaseRecord& release,
                          const ReleaseVariables& variables);

}  // namespace tidegate
