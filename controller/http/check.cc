#include "controller/http/check.h"

#include <algorithm>
#include <thread>

#include "controller/http/get.h"

namespace tidegate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto retry_interval = std::chrono::milliseconds(500);
constexpr auto cancel_interval = std::chrono::milliseconds(50);
/// Of one attempt: a page that takes longer is as good as none for its visitors.
constexpr auto attempt_deadline = std::chrono::seconds(30);
constexpr std::size_t first_line_bytes_max = 160;

/// The first line of a body with something on it, fit to be printed.
std::string first_line(const std::string& body) {
  const std::size_t begin = std::min(body.find_first_not_of(" \t\r\n"), body.size());
  std::string line = body.substr(begin, body.find_first_of("\r\n", begin) - begin);
  if (line.size() > first_line_bytes_max) {
    std::size_t end = first_line_bytes_max;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
    line = line.substr(0, end) + "…";
  }
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  return line;
}

std::string join(std::string base, const std::string& path) {
  while (base.ends_with('/')) base.pop_back();
  return base + (path.starts_with('/') ? "" : "/") + path;
}

/// Why `answer` does not pass; "" when it does.
std::string objection(const HttpCheck& check, const HttpAnswer& answer) {
  const bool right = check.status ? answer.status == *check.status : answer.status < 400;
  std::string text;
  if (!right)
    text = " answered " + std::to_string(answer.status) + ", wanted " +
           (check.status ? std::to_string(*check.status) : "below 400");
  else if (answer.body.find(check.contains) == answer.body.npos)
    text = " answered " + std::to_string(answer.status) + " without \"" + check.contains + "\"";
  else
    return {};
  if (!answer.location.empty()) text += "; it points to \"" + answer.location + "\"";
  if (const std::string line = first_line(answer.body); !line.empty())
    text += "; first line: \"" + line + "\"";
  return text;
}

/// False when it was cancelled meanwhile.
bool pause_until(Clock::time_point end, const std::function<bool()>& cancelled) {
  while (Clock::now() < end) {
    if (cancelled && cancelled()) return false;
    std::this_thread::sleep_for(
        std::min<Clock::duration>(cancel_interval, std::max(end - Clock::now(), {})));
  }
  return true;
}

}  // namespace

std::optional<std::string> run_http_checks(const std::vector<HttpCheck>& checks,
                                           const std::string& base_url,
                                           const std::string& host_header, Duration retry_for,
                                           const std::function<bool()>& cancelled) {
  const auto end = Clock::now() + retry_for;
  for (const HttpCheck& check : checks) {
    const std::string url = join(base_url, check.path);
    const std::string name =
        "GET " + url + (host_header.empty() ? "" : " (Host: " + host_header + ")");
    for (;;) {
      if (cancelled && cancelled()) return name + ": cancelled";
      const auto next = Clock::now() + retry_interval;
      const Result<HttpAnswer> answer = get_unless(url, host_header, attempt_deadline, cancelled);
      const std::string problem =
          answer ? objection(check, *answer) : ": " + answer.error().message;
      if (problem.empty()) break;
      const bool lasting = !answer && answer.error().kind == ErrorKind::invalid;
      if (lasting || next > end || !pause_until(next, cancelled)) return name + problem;
    }
  }
  return std::nullopt;
}

}  // namespace tidegate
