#pragma once
// What a site's command may see and use: a bubblewrap sandbox, the environment's own user, limits.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/process/process.h"

namespace tidegate {

/// Everything not named here, and not the system's (/usr, /etc, /opt, read-only), is invisible:
/// /home, /root, /run, /srv, /var, other processes. /tmp, /var/tmp and /dev/shm are the command's
/// own and end with it. All paths are absolute. One that does not exist makes the command fail as
/// `transient`; one that leads over a symbolic link is refused: a site could have made it.
struct Sandbox {
  bool enabled = true;                 ///< `isolation: none`: same limits, user, group; no sandbox.
  std::vector<std::string> read_only;  ///< Bound read-only at the same place: the release's code.
  std::vector<std::string> writable;   ///< Bound writable: content, writable paths.
  std::vector<std::string> sockets;    ///< For example the database server's socket file.
  bool network = true;                 ///< The machine's network, loopback included.
  /// uid and gid of the environment's system user; nullopt = the controller's own, unless it is
  /// root.
  std::optional<std::pair<unsigned, unsigned>> user;
  /// The driver's root: nothing below it is visible but the paths above.
  std::string hidden_root;
  /// More directories or files that are shown empty: secrets, state. One wins over the same path
  /// above and what lies over it; a path above that lies inside it is still shown.
  std::vector<std::string> hidden;
  std::size_t processes_max = 512;                    ///< Of the user, as the kernel counts them.
  std::size_t memory_max = std::size_t{2} << 30;      ///< Bytes of private memory of each process.
  std::size_t file_size_max = std::size_t{64} << 30;  ///< Bytes of any file it writes.
  std::size_t temporary_max = std::size_t{1} << 30;   ///< Bytes of each temporary directory.
};

/// The request that runs the same command inside. Its environment reaches the command alone, by a
/// descriptor: no loader or shell outside the sandbox, or with more rights, ever reads it. PATH,
/// HOME (/tmp) and LANG are filled in when absent. `request.handed` must be empty, `request.user`
/// is replaced. A command that is not there ends with exit code 127, one that is no program with
/// 126. Errors (all `invalid`): no bubblewrap, a controller that is root and no user, a user that
/// the controller cannot become, a path over a symbolic link, a variable that cannot be passed.
Result<ProcessRequest> confine(ProcessRequest request, const Sandbox& sandbox);

/// run_process(confine(…)), with a sandbox that could not be set up told from a command that
/// failed: the former is a `transient` error. With the sandbox, the end of the command is the end
/// of everything it started, daemons too; a deadline ends it at once, without grace; and one that a
/// signal ended has the exit code 128 + signal.
Result<ProcessResult> run_confined(ProcessRequest request, const Sandbox& sandbox);

/// Runs `true` in a sandbox. What this machine lacks for that and the mend; nothing when it works.
std::optional<std::string> sandbox_problem();

}  // namespace tidegate
