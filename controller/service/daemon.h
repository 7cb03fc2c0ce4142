#pragma once
// `tidegate controller`: threads, signals and the background work around the loop.

#include <string>

#include "controller/service/configuration.h"

namespace tidegate {

/// Runs until SIGTERM or SIGINT; gives the exit code. SIGHUP reads `file` again: a broken one is
/// told of and changes nothing; `state`, `secretsDirectory` and `workers` wait for a restart.
int run_daemon(const std::string& file, Configuration configuration);

}  // namespace tidegate
