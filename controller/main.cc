// The program: one hidden subcommand for git's transfers, and the commands of CONTRACT.

#include <csignal>
#include <cstring>
#include <exception>
#include <iostream>
#include <map>

#include "controller/commands/options.h"
#include "controller/git/transfer.h"

int main(int argc, char** argv) {
  using namespace tidegate;
  std::signal(SIGPIPE, SIG_IGN);
  if (argc > 1 && std::strcmp(argv[1], "git-transfer") == 0) return transfer_main(argc, argv);
  int exit_code = exit_done;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  const std::map<std::string, int (*)(const Options&)> commands{
      {"validate", run_validate}, {"plan", run_plan},
      {"apply", run_apply},       {"controller", run_controller},
      {"status", run_status},     {"explain", run_explain},
      {"history", run_history},   {"logs", run_logs},
      {"wait", run_wait},         {"retry", run_retry},
      {"exec", run_exec},         {"webserver", run_webserver},
      {"doctor", run_doctor},     {"promote", run_edit},
      {"sync", run_edit},         {"wipe", run_edit},
      {"rollback", run_edit}};
  try {
    return commands.at(options->command)(*options);
  } catch (const std::exception& e) {
    std::cerr << "tidegate: this is a bug: " << e.what() << "\n";
    return exit_failed;
  }
}
