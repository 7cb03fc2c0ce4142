#pragma once
// The command line as values.

#include <optional>
#include <string>
#include <vector>

#include "schemas/time.h"

namespace tidegate {

/// Exit codes of CONTRACT.
enum Exit : int {
  exit_done = 0,
  exit_failed = 1,
  exit_pending = 2,
  exit_held = 3,
  exit_late = 4,
  exit_usage = 64
};

/// SITE or SITE/ENV.
struct Target {
  std::string site, environment;
};

struct Options {
  std::string command;
  bool json = false, color = false;
  std::vector<std::string> paths;  ///< validate
  bool effective = false;          ///< validate --effective
  std::string manifests, config, state, secrets;
  std::string site;  ///< --site
  Target target;
  std::optional<Duration> timeout;
  bool watch = false, follow = false, dry_run = false;
  std::string operation, branch, from, to, webserver = "nginx", message, commit;
  std::string sockets = "/run/php", temporaries = "/var/lib/php/tidegate";  ///< webserver
  std::optional<std::uint64_t> generation;
  std::size_t limit = 50;
  std::string anchor, since;  ///< audit
  std::vector<std::string> words;  ///< exec
  std::string out;                 ///< plan --out
  std::string saved_plan;          ///< apply FILE
  std::string author;              ///< commit --author
  bool generated = false;          ///< commit --include-generated
  bool yes = false;                ///< discard --yes
};

/// Reads argv. Nothing: it was --help, --version or a mistake, told already; then `exit_code` says
/// how to end.
std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

// One function a command; each gives the exit code.
int run_validate(const Options& options);
int run_plan(const Options& options);
int run_apply(const Options& options);
int run_controller(const Options& options);
int run_status(const Options& options);
int run_explain(const Options& options);
int run_history(const Options& options);
int run_logs(const Options& options);
int run_wait(const Options& options);
int run_retry(const Options& options);
int run_exec(const Options& options);
int run_commit(const Options& options);
int run_discard(const Options& options);
int run_webserver(const Options& options);
int run_doctor(const Options& options);
int run_policy_test(const Options& options);
int run_audit_verify(const Options& options);
int run_audit_export(const Options& options);
/// promote, sync, wipe, rollback: by options.command.
int run_edit(const Options& options);

}  // namespace tidegate
