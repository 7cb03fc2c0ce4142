// The program: one hidden subcommand for git's transfers, and the commands of CONTRACT.

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <map>

#include "controller/commands/options.h"
#include "controller/git/transfer.h"

namespace {

/// A closed stream gets a descriptor that fails as a closed one does, before a store or a socket
/// gets its number and what is printed goes there.
void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0)
      ::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

/// Results that nobody got are a failure, whatever they said.
int concluded(int exit_code) {
  std::cout.flush();
  if (std::cout && !std::ferror(stdout)) return exit_code;
  std::cerr << "tidegate: the result cannot be written to standard output\n";
  return tidegate::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tidegate;
  open_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  if (argc > 1 && std::strcmp(argv[1], "git-transfer") == 0) return transfer_main(argc, argv);
  int exit_code = exit_done;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) return concluded(exit_code);
  const std::map<std::string, int (*)(const Options&)> commands{
      {"validate", run_validate}, {"plan", run_plan},
      {"apply", run_apply},       {"controller", run_controller},
      {"status", run_status},     {"explain", run_explain},
      {"history", run_history},   {"logs", run_logs},
      {"wait", run_wait},         {"retry", run_retry},
      {"exec", run_exec},         {"webserver", run_webserver},
      {"doctor", run_doctor},     {"promote", run_edit},
      {"commit", run_commit},     {"discard", run_discard},
      {"sync", run_edit},         {"wipe", run_edit},
      {"rollback", run_edit},     {"policy test", run_policy_test},
      {"audit verify", run_audit_verify}, {"audit export", run_audit_export}};
  try {
    return concluded(commands.at(options->command)(*options));
  } catch (const std::exception& e) {
    std::cerr << "tidegate: this is a bug: " << e.what() << "\n";
    return exit_failed;
  }
}
