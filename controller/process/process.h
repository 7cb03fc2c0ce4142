#pragma once
// Runs one program to its end: in a session and process group of its own, with exactly the
// environment and descriptors it is given, a deadline, bounded output, and no orphans.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/result.h"
#include "schemas/time.h"

namespace tidegate {

/// Longer lines are cut here, the rest up to the newline is dropped.
inline constexpr std::size_t line_bytes_max = 8 << 10;
/// How much of the end of stderr a result keeps.
inline constexpr std::size_t error_tail_bytes_max = 4 << 10;

struct ProcessRequest {
  /// argv[0] is absolute, or looked up in PATH of `environment`.
  std::vector<std::string> argv;
  /// Exactly these; nothing is inherited.
  std::map<std::string, std::string> environment;
  std::string directory;  ///< "" = /
  /// What the program reads from stdin, which is /dev/null when this is empty.
  std::string input;
  /// Or these descriptors, for a pipe between two programs. They stay the caller's, who closes
  /// each when the run_process that uses it has returned: only then does the other end see it.
  std::optional<int> input_fd, output_fd;
  /// What the program can read at descriptor 3, when not empty: for what neither its arguments
  /// nor its environment may show.
  std::string handed;
  Duration deadline{};                       ///< From now; zero = none.
  Duration grace = std::chrono::seconds(5);  ///< Between SIGTERM and SIGKILL to the group.
  std::size_t output_max = 1 << 20;  ///< Bytes kept of stdout; the rest is read and dropped.
  /// Each line of stdout and stderr as it comes, without its newline, on the calling thread; may
  /// be empty. Lines longer than line_bytes_max are cut.
  std::function<void(std::string_view line)> on_line;
  /// The same bytes just as they come, on the calling thread; may be empty.
  std::function<void(std::string_view bytes)> on_output, on_error;
  /// The user and group to become, without further groups (needs root); nullopt = stay.
  std::optional<std::pair<unsigned, unsigned>> user;
  /// Asked about ten times a second on the calling thread; true ends it as a deadline does.
  std::function<bool()> cancelled;
};

struct ProcessResult {
  int exit_code = -1;  ///< -1 when a signal ended it.
  int signal = 0;      ///< The signal that ended it, or 0.
  bool timed_out = false, cancelled = false, output_cut = false;
  std::string output;  ///< The first `output_max` bytes of stdout.
  /// The last whole lines of stderr that fit in error_tail_bytes_max (a longer line is cut there).
  std::string error_tail;
  Duration took{};

  /// It ended by itself with exit code 0.
  bool succeeded() const { return exit_code == 0 && !timed_out && !cancelled; }
};

/// Blocks the calling thread until the program has ended; may be called from any thread. A program
/// that ends badly is a result, not an error. Errors: `invalid` when the request cannot work (no
/// such command, not a program, not allowed to become that user), `transient` when it could not be
/// started this time, or does not die. When the program ends, what is left of its process group
/// is killed, and its output is waited for at most one second longer. The group dies with this
/// process too, however that ends. What calls setsid leaves the group: only a sandbox (sandbox.h)
/// ends that too.
Result<ProcessResult> run_process(const ProcessRequest& request);

/// How it ended, for messages: `exit code 3`, `killed by signal 9 (Killed)`, `deadline passed`,
/// `cancelled`.
std::string ending_of(const ProcessResult& result);

}  // namespace tidegate
