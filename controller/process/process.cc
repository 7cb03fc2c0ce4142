// Watches a child to its end: output, deadline, cancellation, and what it leaves behind.

#include "controller/process/process.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#include <array>

#include "controller/process/lines.h"
#include "controller/process/spawn.h"

namespace tidegate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto cancel_interval = std::chrono::milliseconds(100);
/// What holds the output open after the program ended has left its group: not ours to wait for.
constexpr auto drain_time = std::chrono::seconds(1);
/// A process in an uninterruptible call (a dead network file system) outlives SIGKILL.
constexpr auto undead_time = std::chrono::seconds(30);

/// The last whole lines that fit.
class Tail {
 public:
  void add(std::string_view line) {
    text_ += line.substr(0, error_tail_bytes_max - 1);
    text_ += '\n';
    while (text_.size() > error_tail_bytes_max) text_.erase(0, text_.find('\n') + 1);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class Run {
 public:
  Run(const ProcessRequest& request, Child child) : request_(request), child_(std::move(child)) {
    if (request.deadline > Duration::zero()) deadline_ = started_ + request.deadline;
  }

  ~Run() {
    // Left in the middle: a callback threw, or the child does not die (then nobody waits for it).
    if (ended_) return;
    if (killed_at_)
      kill(-child_.id, SIGKILL);
    else
      end();
  }

  Result<ProcessResult> finish() {
    while (!ended_ || ((child_.output || child_.error) && Clock::now() < drained_at_)) {
      if (!ended_) hurry(Clock::now());
      if (killed_at_ && !ended_ && Clock::now() > *killed_at_ + undead_time)
        return Error{ErrorKind::transient, "process " + std::to_string(child_.id) + " (\"" +
                                               request_.argv[0] +
                                               "\") was killed but does not die"};
      wait_and_read();
    }
    const auto tell = [this](std::string_view line) { on_output_line(line); };
    output_lines_.finish(tell);
    error_lines_.finish([this](std::string_view line) { on_error_line(line); });
    result_.error_tail = tail_.take();
    result_.took = std::chrono::duration_cast<Duration>(Clock::now() - started_);
    return std::move(result_);
  }

 private:
  /// Begins or goes on with ending the program, when it is time for that.
  void hurry(Clock::time_point now) {
    if (!terminated_at_) {
      if (deadline_ && now >= *deadline_) {
        result_.timed_out = true;
      } else if (request_.cancelled && now >= next_question_) {
        next_question_ = now + cancel_interval;
        result_.cancelled = request_.cancelled();
      }
      if (!result_.timed_out && !result_.cancelled) return;
      kill(-child_.id, SIGTERM);
      terminated_at_ = now;
    }
    if (!killed_at_ && now >= *terminated_at_ + request_.grace) {
      kill(-child_.id, SIGKILL);
      killed_at_ = now;
    }
  }

  /// When something must be done even if nothing is read.
  std::optional<Clock::time_point> next_event() const {
    if (ended_) return drained_at_;
    if (killed_at_) return *killed_at_ + undead_time;
    if (terminated_at_) return *terminated_at_ + request_.grace;
    if (!request_.cancelled) return deadline_;
    return deadline_ ? std::min(*deadline_, next_question_) : next_question_;
  }

  int poll_timeout() const {
    const std::optional<Clock::time_point> event = next_event();
    if (!event) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*event - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 60'000));
  }

  void wait_and_read() {
    // A negative descriptor is passed over.
    std::array<pollfd, 3> watched{{{child_.output.get(), POLLIN, 0},
                                   {child_.error.get(), POLLIN, 0},
                                   {ended_ ? -1 : child_.handle.get(), POLLIN, 0}}};
    if (poll(watched.data(), watched.size(), poll_timeout()) <= 0) return;
    if (watched[0].revents) read_output();
    if (watched[1].revents) read_error();
    if (watched[2].revents) end();
  }

  std::string_view read_some(Descriptor& from) {
    const ssize_t count = read(from.get(), buffer_.data(), buffer_.size());
    if (count == 0 || (count < 0 && errno != EINTR)) from.close();
    return {buffer_.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
  }

  void read_output() {
    const std::string_view bytes = read_some(child_.output);
    if (request_.on_output && !bytes.empty()) request_.on_output(bytes);
    const std::size_t room = request_.output_max - result_.output.size();
    result_.output += bytes.substr(0, room);
    if (bytes.size() > room) result_.output_cut = true;
    if (request_.on_line)
      output_lines_.feed(bytes, [this](std::string_view line) { on_output_line(line); });
  }

  void read_error() {
    const std::string_view bytes = read_some(child_.error);
    if (request_.on_error && !bytes.empty()) request_.on_error(bytes);
    error_lines_.feed(bytes, [this](std::string_view line) { on_error_line(line); });
  }

  void on_output_line(std::string_view line) {
    if (request_.on_line) request_.on_line(line);
  }

  void on_error_line(std::string_view line) {
    tail_.add(line);
    if (request_.on_line) request_.on_line(line);
  }

  void end() {
    const siginfo_t how = reap(child_.id);
    ended_ = true;
    drained_at_ = Clock::now() + drain_time;
    if (how.si_code == CLD_EXITED)
      result_.exit_code = how.si_status;
    else
      result_.signal = how.si_status;
  }

  const ProcessRequest& request_;
  Child child_;
  ProcessResult result_;
  Tail tail_;
  LineSplitter output_lines_{line_bytes_max}, error_lines_{line_bytes_max};
  std::array<char, 64 << 10> buffer_;

  const Clock::time_point started_ = Clock::now();
  Clock::time_point next_question_ = started_, drained_at_{};
  std::optional<Clock::time_point> deadline_, terminated_at_, killed_at_;
  bool ended_ = false;
};

}  // namespace

Result<ProcessResult> run_process(const ProcessRequest& request) {
  Result<Child> child = spawn(request);
  if (!child) return child.error();
  return Run(request, *std::move(child)).finish();
}

std::string ending_of(const ProcessResult& result) {
  if (result.timed_out) return "deadline passed";
  if (result.cancelled) return "cancelled";
  if (result.signal == 0) return "exit code " + std::to_string(result.exit_code);
  return "killed by signal " + std::to_string(result.signal) + " (" + sigdescr_np(result.signal) +
         ")";
}

}  // namespace tidegate
