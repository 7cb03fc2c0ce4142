#pragma once
// Sees to it that nothing this program started outlives it, for spawn.cc alone. The kernel's death
// signal reaches a program's first process only; a process of its own, which waits for this one's
// end, reaches all of the group.

#include <sys/types.h>

#include <mutex>

#include "controller/process/descriptor.h"

namespace tidegate {

class Guardian {
 public:
  /// Starts the process unless it runs. 0, or an errno. Called by one thread.
  int ensure();

  /// From now on the group dies with this process. Called in a child between fork and exec (it is
  /// async-signal-safe), so that there is no moment when it has run and is not watched.
  bool watch(pid_t group) const { return tell(group); }
  /// Called before the group's leader is reaped: afterwards its number may be another's. From any
  /// thread.
  void release(pid_t group);

 private:
  bool tell(pid_t message) const;
  bool runs() const;

  std::mutex mutex_;  ///< Not for `watch`, whose child is alone.
  Descriptor line_;   ///< Its other end reads the end of this process, however it comes.
};

}  // namespace tidegate
