#include "controller/notify/receiver.h"

#include <algorithm>
#include <cstdlib>

#include "controller/http/post.h"
#include "controller/notify/hmac.h"
#include "controller/process/process.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

constexpr auto command_deadline = std::chrono::seconds(30);
constexpr auto webhook_deadline = std::chrono::seconds(10);

std::string inherited(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

Result<void> run(const Receiver& receiver, const std::string& body,
                 const std::function<bool()>& cancelled) {
  ProcessRequest request;
  request.argv = receiver.command;
  request.environment = {
      {"PATH", inherited("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")},
      {"HOME", inherited("HOME", "/")},
      {"LANG", inherited("LANG", "C.UTF-8")}};
  request.input = body;
  request.deadline = command_deadline;
  request.output_max = 0;
  request.cancelled = cancelled;
  const auto ended = run_process(request);
  if (!ended) return ended.error();
  if (ended->succeeded()) return {};
  return Error{ErrorKind::transient, "its command ended with " + ending_of(*ended)};
}

Result<void> post(const Receiver& receiver, const std::string& body, const Secrets& secrets,
                  const std::function<bool()>& cancelled) {
  std::map<std::string, std::string> headers;
  if (receiver.secret) {
    const auto secret = secrets.read(*receiver.secret, "");
    if (!secret) return secret.error();
    headers["X-Tidegate-Signature-256"] = "sha256=" + hmac_sha256_hex(*secret, body);
  }
  const auto answer = http_post(receiver.webhook, headers, body, webhook_deadline, cancelled);
  if (!answer) return answer.error();
  if (answer->status >= 200 && answer->status < 300) return {};
  return Error{ErrorKind::transient,
               "it answered " + std::to_string(answer->status) + ", wanted 200 to 299"};
}

}  // namespace

bool wants(const Receiver& receiver, const Transition& transition) {
  return receiver.on.contains(transition.type) &&
         std::ranges::any_of(receiver.sites, [&](const std::string& glob) {
           return glob_matches(glob, transition.site);
         });
}

Result<void> deliver(const Receiver& receiver, const std::string& body, const Secrets& secrets,
                     const std::function<bool()>& cancelled) {
  return receiver.command.empty() ? post(receiver, body, secrets, cancelled)
                                  : run(receiver, body, cancelled);
}

}  // namespace tidegate
