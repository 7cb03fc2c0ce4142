// Starts a child by fork and exec. Between the two only async-signal-safe calls are made: other
// threads may hold any lock. Everything that allocates is prepared before.

#include "controller/process/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "controller/process/guardian.h"

namespace tidegate {
namespace {

enum class Stage : int { user, parent, guardian, descriptors, directory, execute };

/// What a child tells through the pipe that a successful exec closes.
struct Failure {
  Stage stage;
  int number;  ///< errno
};

/// All the child needs, in the shape the system calls want it.
struct Image {
  std::vector<std::string> candidates;  ///< Where the program may be, in order.
  std::vector<char*> argv, environment;
  std::string directory;
  std::optional<std::pair<unsigned, unsigned>> user;
  Descriptor standard[3], handed, report;
  pid_t parent = 0;
  const Guardian* guardian = nullptr;
};

void set_cloexec_from(unsigned first) {
  if (close_range(first, ~0u, CLOSE_RANGE_CLOEXEC) == 0) return;
  // Kernels before 5.11 cannot. No descriptor is above the limit.
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const unsigned end = static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
  for (unsigned number = first; number < end; ++number) fcntl(number, F_SETFD, FD_CLOEXEC);
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void give_up(const Image& image, Stage stage, int number = errno) {
  const Failure failure{stage, number};
  [[maybe_unused]] const auto written = write(image.report.get(), &failure, sizeof failure);
  _exit(127);
}

void become(const Image& image) {
  // The raw calls: the library's would signal threads that this copy does not have.
  const auto [user, group] = *image.user;
  if (syscall(SYS_setgroups, 0, nullptr) != 0) give_up(image, Stage::user);
  if (syscall(SYS_setresgid, group, group, group) != 0) give_up(image, Stage::user);
  if (syscall(SYS_setresuid, user, user, user) != 0) give_up(image, Stage::user);
}

void arrange_descriptors(const Image& image) {
  // All sources are above 3, so none is overwritten before it is used.
  for (int number = 0; number < 3; ++number)
    if (dup2(image.standard[number].get(), number) < 0) give_up(image, Stage::descriptors);
  if (image.handed && dup2(image.handed.get(), 3) < 0) give_up(image, Stage::descriptors);
  set_cloexec_from(image.handed ? 4 : 3);
}

[[noreturn]] void run_child(const Image& image) {
  setsid();
  if (image.user) become(image);
  // After the change of user, which would clear it. If the parent died before this line, nobody
  // would send the signal: then it is not the parent any more.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != image.parent) give_up(image, Stage::parent, ESRCH);
  if (!image.guardian->watch(getpid())) give_up(image, Stage::guardian);
  arrange_descriptors(image);
  if (chdir(image.directory.c_str()) != 0) give_up(image, Stage::directory);
  reset_signals();
  int number = ENOENT;
  for (const std::string& candidate : image.candidates) {
    execve(candidate.c_str(), image.argv.data(), image.environment.data());
    // As the shell does: a later directory may have it, but "not allowed" is the better message.
    if (errno != ENOENT && errno != ENOTDIR) number = errno;
    if (number != ENOENT && number != EACCES) break;
  }
  give_up(image, Stage::execute, number);
}

/// The one thread that forks. The kernel's death signal follows the thread that forked, and this
/// one lives as long as the process.
class Spawner {
 public:
  static Spawner& instance() {
    static Spawner* const spawner = new Spawner;  // Never destroyed: its thread never ends.
    return *spawner;
  }

  /// The child's id, or -errno.
  pid_t fork_child(Image& image) {
    std::packaged_task<pid_t()> task([this, &image] {
      if (const int number = guardian_.ensure(); number != 0) return -number;
      image.guardian = &guardian_;
      const pid_t id = fork();
      if (id == 0) run_child(image);
      return id < 0 ? -errno : id;
    });
    std::future<pid_t> id = task.get_future();
    {
      std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    ready_.notify_one();
    return id.get();
  }

  Guardian& guardian() { return guardian_; }

 private:
  Spawner() {
    // Blocked, so that no handler of this program ever runs in a child.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this] { work(); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return !tasks_.empty(); });
      std::packaged_task<pid_t()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::packaged_task<pid_t()>> tasks_;
  Guardian guardian_;
};

Error system_error(const std::string& doing, int number) {
  return {ErrorKind::transient, doing + ": " + strerrordesc_np(number)};
}

/// The same open file at a number above 3, closed by exec.
Result<Descriptor> lifted(int number) {
  Descriptor copy(fcntl(number, F_DUPFD_CLOEXEC, 4));
  if (!copy) return system_error("cannot copy a descriptor", errno);
  return copy;
}

Result<Descriptor> opened(const char* path, int flags) {
  Descriptor file(open(path, flags | O_CLOEXEC));
  if (!file) return system_error(std::string("cannot open ") + path, errno);
  return lifted(file.get());
}

struct Pipe {
  Descriptor read_end, write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return system_error("cannot make a pipe", errno);
  const Descriptor first(ends[0]), second(ends[1]);
  Result<Descriptor> read_end = lifted(ends[0]), write_end = lifted(ends[1]);
  if (!read_end) return read_end.error();
  if (!write_end) return write_end.error();
  // So that a program that became another user can still open /dev/stdout and /dev/stderr.
  fchmod(ends[1], 0622);
  return Pipe{*std::move(read_end), *std::move(write_end)};
}

/// A file in memory that reads as `bytes`. Unlike a pipe it takes any length without a reader.
Result<Descriptor> memory_file(const std::string& bytes) {
  Descriptor file(memfd_create("tidegate", MFD_CLOEXEC));
  if (!file) return system_error("cannot make a file in memory", errno);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0) return system_error("cannot write a file in memory", errno);
    done += static_cast<std::size_t>(count);
  }
  lseek(file.get(), 0, SEEK_SET);
  return lifted(file.get());
}

bool has_nul(const std::string& text) { return text.find('\0') != text.npos; }

Result<void> check(const ProcessRequest& request) {
  if (request.argv.empty() || request.argv[0].empty())
    return Error{ErrorKind::invalid, "no command given"};
  if (std::any_of(request.argv.begin(), request.argv.end(), has_nul))
    return Error{ErrorKind::invalid, "an argument of \"" + request.argv[0] + "\" has a NUL byte"};
  for (const auto& [name, value] : request.environment)
    if (name.empty() || name.find('=') != name.npos || has_nul(name) || has_nul(value))
      return Error{ErrorKind::invalid, "variable \"" + name +
                                           "\" cannot be passed: its name is empty or has \"=\", "
                                           "or there is a NUL byte"};
  return {};
}

std::vector<std::string> candidates_of(const ProcessRequest& request) {
  const std::string& name = request.argv[0];
  if (name.find('/') != name.npos) return {name};
  const auto path = request.environment.find("PATH");
  std::vector<std::string> candidates;
  if (path == request.environment.end()) return candidates;
  std::string_view rest = path->second;
  for (;;) {
    const std::size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    // A relative folder would mean whatever the directory holds: a shell's trap, left out.
    if (folder.starts_with('/')) candidates.push_back(std::string(folder) + "/" + name);
    if (colon == rest.npos) return candidates;
    rest.remove_prefix(colon + 1);
  }
}

Result<Descriptor> input_of(const ProcessRequest& request) {
  if (request.input_fd) return lifted(*request.input_fd);
  if (!request.input.empty()) return memory_file(request.input);
  return opened("/dev/null", O_RDONLY);
}

Error start_error(const ProcessRequest& request, Failure failure) {
  const std::string name = "\"" + request.argv[0] + "\"";
  const std::string reason = strerrordesc_np(failure.number);
  if (failure.stage == Stage::directory)
    return {ErrorKind::transient,
            "cannot enter directory \"" + request.directory + "\": " + reason};
  if (failure.stage == Stage::user)
    return {ErrorKind::invalid, "cannot run " + name + " as user " +
                                    std::to_string(request.user->first) + ", group " +
                                    std::to_string(request.user->second) + ": " + reason};
  if (failure.stage != Stage::execute) return system_error("cannot start " + name, failure.number);
  if (failure.number == ENOENT || failure.number == ENOTDIR) {
    if (request.argv[0].starts_with('/') && access(request.argv[0].c_str(), F_OK) == 0)
      return {ErrorKind::invalid, "cannot run " + name + ": its interpreter is missing"};
    return {ErrorKind::invalid, "command not found: " + name};
  }
  if (failure.number == ENOEXEC)
    return {
        ErrorKind::invalid,
        "cannot run " + name + ": not a program; a script begins with a line like \"#!/bin/sh\""};
  const bool lasting = failure.number == EACCES || failure.number == E2BIG;
  return {lasting ? ErrorKind::invalid : ErrorKind::transient,
          "cannot run " + name + ": " + reason};
}

/// Everything but the descriptors.
void fill(Image& image, const ProcessRequest& request, std::vector<std::string>& variables) {
  image.candidates = candidates_of(request);
  for (const std::string& argument : request.argv)
    image.argv.push_back(const_cast<char*>(argument.c_str()));
  image.argv.push_back(nullptr);
  for (const auto& [name, value] : request.environment) variables.push_back(name + "=" + value);
  for (std::string& variable : variables) image.environment.push_back(variable.data());
  image.environment.push_back(nullptr);
  image.directory = request.directory.empty() ? "/" : request.directory;
  image.user = request.user;
  image.parent = getpid();
}

/// Gives the image its descriptors and the child those that this side reads.
Result<Pipe> connect(Image& image, Child& child, const ProcessRequest& request) {
  Result<Descriptor> input = input_of(request);
  if (!input) return input.error();
  image.standard[0] = *std::move(input);
  if (request.output_fd) {
    Result<Descriptor> output = lifted(*request.output_fd);
    if (!output) return output.error();
    image.standard[1] = *std::move(output);
  } else {
    Result<Pipe> output = make_pipe();
    if (!output) return output.error();
    image.standard[1] = std::move(output->write_end);
    child.output = std::move(output->read_end);
  }
  Result<Pipe> error = make_pipe();
  if (!error) return error.error();
  image.standard[2] = std::move(error->write_end);
  child.error = std::move(error->read_end);
  if (!request.handed.empty()) {
    Result<Descriptor> handed = memory_file(request.handed);
    if (!handed) return handed.error();
    image.handed = *std::move(handed);
  }
  return make_pipe();
}

}  // namespace

siginfo_t reap(pid_t id) {
  // While the leader waits to be reaped, nobody else can be given its group's number.
  kill(-id, SIGKILL);
  Spawner::instance().guardian().release(id);
  siginfo_t how{};
  while (waitid(P_PID, static_cast<id_t>(id), &how, WEXITED) < 0 && errno == EINTR) {
  }
  return how;
}

Result<Child> spawn(const ProcessRequest& request) {
  if (Result<void> checked = check(request); !checked) return checked.error();
  Image image;
  Child child;
  std::vector<std::string> variables;
  fill(image, request, variables);
  Result<Pipe> report = connect(image, child, request);
  if (!report) return report.error();
  image.report = std::move(report->write_end);

  child.id = Spawner::instance().fork_child(image);
  if (child.id < 0) return system_error("cannot start \"" + request.argv[0] + "\"", -child.id);
  image.report.close();
  Failure failure{};
  ssize_t count;
  while ((count = read(report->read_end.get(), &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  child.handle = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, child.id, 0)));
  const int handle_error = errno;
  if (count == sizeof failure || !child.handle) {
    reap(child.id);
    if (count == sizeof failure) return start_error(request, failure);
    return system_error("cannot watch \"" + request.argv[0] + "\"", handle_error);
  }
  return child;
}

}  // namespace tidegate
