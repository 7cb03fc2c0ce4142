#pragma once
// The start of a program, for process.cc alone: from a request to a running child.

#include <signal.h>
#include <sys/types.h>

#include "controller/process/descriptor.h"
#include "controller/process/process.h"

namespace tidegate {

struct Child {
  pid_t id = 0;       ///< Also its session and its process group.
  Descriptor handle;  ///< A pidfd: readable once the child has ended.
  Descriptor output;  ///< Where its stdout is read; closed when the request has an output_fd.
  Descriptor error;   ///< Where its stderr is read.
};

/// Returns when the program has been executed, or could not be. The child is not reaped here,
/// unless there is an error. Errors as of run_process.
Result<Child> spawn(const ProcessRequest& request);

/// Kills what there is of a child's group, waits for the child, and tells how it ended.
siginfo_t reap(pid_t id);

}  // namespace tidegate
