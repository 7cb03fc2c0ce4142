// The guardian is a copy of this process that keeps nothing of it but its end of a socket. It makes
// async-signal-safe calls only, as every child of a program with threads must.

#include "controller/process/guardian.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

namespace tidegate {
namespace {

/// More than the workers of any controller run at once; what is beyond has the death signal only.
constexpr std::size_t groups_max = 4096;

/// Open files of the controller, its locks among them, must not live on in here.
void keep_only(int line) {
  const int kept = fcntl(line, F_DUPFD, 4), nothing = open("/dev/null", O_RDWR);
  for (int number = 0; number < 3; ++number) dup2(nothing, number);
  dup2(kept, 3);
  if (close_range(4, ~0u, 0) == 0) return;
  for (int number = 4; number < 65536; ++number) close(number);
}

[[noreturn]] void guard(int line) {
  // Away from the terminal's and the service manager's signals: it ends by itself.
  setsid();
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGQUIT}) signal(number, SIG_IGN);
  prctl(PR_SET_NAME, "tidegate-guard");
  keep_only(line);
  if (chdir("/") != 0) _exit(1);  // No mount is kept busy.

  static pid_t groups[groups_max];
  std::size_t count = 0;
  pid_t message;
  for (ssize_t got; (got = recv(3, &message, sizeof message, 0)) != 0;) {
    if (got != sizeof message) {
      if (got < 0 && errno != EINTR) break;
      continue;
    }
    if (message > 1 && count < groups_max) groups[count++] = message;
    if (message < 0)
      count = static_cast<std::size_t>(std::remove(groups, groups + count, -message) - groups);
  }
  for (std::size_t i = 0; i < count; ++i) kill(-groups[i], SIGKILL);
  _exit(0);
}

}  // namespace

int Guardian::ensure() {
  std::lock_guard lock(mutex_);
  if (runs()) return 0;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno;
  Descriptor near(ends[0]), far(ends[1]);
  // Two forks: it is nobody's child, so nobody has to wait for it.
  const pid_t between = fork();
  if (between < 0) return errno;
  if (between == 0) {
    const pid_t guardian = fork();
    if (guardian == 0) guard(far.get());
    _exit(guardian < 0 ? errno : 0);
  }
  int status = 0;
  while (waitpid(between, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return ECHILD;
  if (WEXITSTATUS(status) == 0) line_ = std::move(near);
  return WEXITSTATUS(status);
}

void Guardian::release(pid_t group) {
  std::lock_guard lock(mutex_);
  tell(-group);
}

bool Guardian::runs() const {
  if (!line_) return false;
  char byte;
  return recv(line_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

bool Guardian::tell(pid_t message) const {
  return send(line_.get(), &message, sizeof message, MSG_NOSIGNAL) == sizeof message;
}

}  // namespace tidegate
