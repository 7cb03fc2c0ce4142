#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/service/installation.h"

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

int run_exec(const Options& asked) {
  const auto found = with_manifests(asked);
  if (!found) return exit_usage;
  const Options& options = *found;
  auto given = given_fleet(options);
  if (!given) return fail(given.error().message);
  const auto site = given->fleet.find(options.target.site);
  if (!site) return fail(no_such_site(given->fleet, options.target.site).message);
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return fail(secrets.error().message);
  if (!state) return fail(state.error().message);
  InstallationSettings settings;
  settings.state = *state;
  settings.secrets = *secrets;
  settings.owner = "exec, pid " + std::to_string(::getpid());
  auto installation = Installation::open(std::move(settings));
  if (!installation) return fail(installation.error().message);
  OperationRecord record;
  record.started_at = (*installation)->clock.now();
  record.id = "exec" + std::to_string(record.started_at.time_since_epoch().count()) + "-" +
              std::to_string(::getpid());
  record.site = site->name;
  record.environment = options.target.environment;
  record.actions = {"exec"};
  record.manifest_revision = site->revision;
  record.author = who_asks();
  for (const auto& word : options.words)
    record.message += (record.message.empty() ? "" : " ") + word;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, [](int) { interrupted = 1; });
  Store& store = *(*installation)->store;
  if (auto put = store.put_operation(record); !put) return fail(put.error().message);
  Person person;
  const auto log = [&](std::string_view line) {
    auto kept = store.append_log(record.id, (*installation)->clock.now(), {std::string(line)});
    if (!kept) std::cerr << kept.error().message << "\n";
  };
  auto code = (*installation)
                  ->driver->execute(*site, options.target.environment, options.words, log,
                                    person.conversation());
  if (!code && !person.why().empty()) code.error().message = person.why();
  record.ended_at = (*installation)->clock.now();
  record.result = code && *code == 0 ? "succeeded" : "failed";
  if (!code) record.message += ": " + code.error().message;
  if (auto put = store.put_operation(record); !put) std::cerr << put.error().message << "\n";
  if (!code) return fail(code.error().message);
  if (*code != 0) std::cerr << "tidegate: exit code " << *code << "\n";
  return *code == 0 ? exit_done : exit_failed;
}

}  // namespace tidegate
