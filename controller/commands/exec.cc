#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/personal_act.h"

namespace tidegate {
namespace {

volatile std::sig_atomic_t interrupted = 0;

/// Byte for byte; false when nobody reads any more.
bool write_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(to, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR && !interrupted) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// The person's own stdin, stdout and stderr, until one of them is closed or a signal comes.
class Person {
 public:
  Conversation conversation() {
    Conversation out;
    out.input_fd = STDIN_FILENO;
    out.on_output = [this](std::string_view bytes) { gone_ |= !write_all(STDOUT_FILENO, bytes); };
    out.on_error = [](std::string_view bytes) { write_all(STDERR_FILENO, bytes); };
    out.enough = [this] { return gone_ || interrupted; };
    return out;
  }
  /// Why it was ended before it had; "" when it was not.
  std::string why() const {
    return interrupted ? "interrupted" : gone_ ? "its output was closed" : "";
  }

 private:
  bool gone_ = false;
};

}  // namespace

int run_exec(const Options& options) {
  int exit_code = exit_done;
  const auto act = PersonalAct::open(options, exit_code);
  if (!act) return exit_code;
  std::string message;
  for (const auto& word : options.words) message += (message.empty() ? "" : " ") + word;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, [](int) { interrupted = 1; });
  if (auto begun = act->begin(message); !begun) return fail(begun.error().message);
  Person person;
  auto code = act->installation().driver->execute(
      act->site(), act->environment().name, options.words,
      [&](std::string_view line) { act->line(std::string(line)); }, person.conversation());
  if (!code && !person.why().empty()) code.error().message = person.why();
  if (!code) message += ": " + code.error().message;
  act->end(code && *code == 0 ? "succeeded" : "failed", message);
  if (!code) return fail(code.error().message);
  if (*code != 0) std::cerr << "tidegate: exit code " << *code << "\n";
  return *code == 0 ? exit_done : exit_failed;
}

}  // namespace tidegate
