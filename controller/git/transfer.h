#pragma once
// The network's half of git, run in a process of its own because libgit2 1.5 knows no timeouts: the
// parent ends it at the deadline, whatever it hangs in.

namespace tidegate {

/// The body of the hidden `git-transfer` subcommand: reads one request from stdin, answers on
/// stdout (controller/git/transfer_protocol.h says how). Returns the exit code: 0 when it answered,
/// be it with an error. Started by Mirror alone; URL and credentials come by stdin, never in argv
/// or environment.
int transfer_main(int argc, char** argv);

}  // namespace tidegate
