#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/service/daemon.h"

namespace tidegate {

int run_controller(const Options& options) {
  auto configuration = given_configuration(options);
  if (!configuration) return fail(configuration.error().message);
  return run_daemon(options.config, std::move(**configuration));
}

}  // namespace tidegate
