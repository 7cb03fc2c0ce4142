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
/// Of a look at what is still running: a page that hangs by then is not compared.
constexpr auto before_deadline = std::chrono::seconds(10);
constexpr std::size_t first_line_bytes_max = 160, title_bytes_max = 300;

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

/// The certificate's own end decides, not when it was looked at.
std::string certificate_objection(const HttpCheck& check, const HttpAnswer& answer) {
  if (!check.certificate_valid_for) return {};
  if (!answer.certificate_ends) return " answered without a certificate: it is not https";
  const auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  if (*answer.certificate_ends >= now + *check.certificate_valid_for) return {};
  return " has a certificate that ends at " + to_rfc3339(*answer.certificate_ends) +
         ", wanted one valid for " + to_string(*check.certificate_valid_for) + " more; renew it";
}

std::string header_objection(const HttpCheck& check, const HttpAnswer& answer) {
  for (const auto& [name, wanted] : check.header) {
    const auto found = answer.headers.find(name);
    if (found == answer.headers.end()) return " without header \"" + name + "\"";
    if (found->second.find(wanted) != std::string::npos) continue;
    return " with header \"" + name + ": " + first_line(found->second) + "\", wanted \"" + wanted +
           "\" in it";
  }
  return {};
}

/// What is told of any answer that is not as wanted.
std::string rest_of(const HttpAnswer& answer) {
  std::string text;
  if (!answer.location.empty()) text += "; it points to \"" + answer.location + "\"";
  if (const std::string line = first_line(answer.body); !line.empty())
    text += "; first line: \"" + line + "\"";
  return text;
}

/// Why `answer` does not pass; "" when it does.
std::string objection(const HttpCheck& check, const HttpAnswer& answer) {
  const std::string answered = " answered " + std::to_string(answer.status);
  if (check.status ? answer.status != *check.status : answer.status >= 400)
    return answered + ", wanted " + (check.status ? std::to_string(*check.status) : "below 400") +
           rest_of(answer);
  if (answer.body.find(check.contains) == answer.body.npos)
    return answered + " without \"" + check.contains + "\"" + rest_of(answer);
  if (const std::string text = header_objection(check, answer); !text.empty())
    return answered + text;
  if (check.within && answer.took > *check.within)
    return answered + ", but not within " + to_string(*check.within);
  return certificate_objection(check, answer);
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text;
}

/// What stands between <title> and </title>, its white space made one; at most 300 bytes.
std::string title_of(const std::string& page) {
  const std::string small = lower(page);
  for (std::size_t at = small.find("<title"); at != small.npos; at = small.find("<title", at + 1)) {
    const std::size_t open = small.find('>', at), end = small.find("</title", at);
    if (open == small.npos || end == small.npos || open > end) continue;
    std::string title;
    for (std::size_t i = open + 1; i < end && title.size() < title_bytes_max; ++i) {
      const bool blank = static_cast<unsigned char>(page[i]) <= ' ';
      if (!blank || (!title.empty() && title.back() != ' ')) title += blank ? ' ' : page[i];
    }
    while (title.ends_with(' ')) title.pop_back();
    return title;
  }
  return {};
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

/// Where a check looks, as whom, and how long it tries.
struct Attempts {
  const std::string& base_url;
  const std::string& host_header;
  Clock::time_point end;
  const std::function<bool()>& cancelled;

  /// `objection`: why an answer does not pass; "" when it does.
  PageLook look(const std::string& path,
                const std::function<std::string(const HttpAnswer&)>& objection) const {
    PageLook out;
    const std::string url = join(base_url, path);
    out.check = "GET " + url + (host_header.empty() ? "" : " (Host: " + host_header + ")");
    for (;;) {
      if (cancelled && cancelled()) {
        out.problem = ": cancelled";
        return out;
      }
      const auto next = Clock::now() + retry_interval;
      Result<HttpAnswer> answer = get_unless(url, host_header, attempt_deadline, cancelled);
      out.problem = answer ? objection(*answer) : ": " + answer.error().message;
      out.answer = answer ? std::move(*answer) : HttpAnswer{};
      if (out.problem.empty()) return out;
      const bool lasting = !answer && answer.error().kind == ErrorKind::invalid;
      if (lasting || next > end || !pause_until(next, cancelled)) return out;
    }
  }
};

}  // namespace

std::vector<PageLook> run_http_checks(const std::vector<HttpCheck>& checks,
                                      const std::string& base_url, const std::string& host_header,
                                      Duration retry_for, const std::function<bool()>& cancelled) {
  const Attempts attempts{base_url, host_header, Clock::now() + retry_for, cancelled};
  std::vector<PageLook> looks;
  for (const HttpCheck& check : checks) {
    looks.push_back(attempts.look(
        check.path, [&](const HttpAnswer& answer) { return objection(check, answer); }));
    if (!looks.back().problem.empty()) break;
  }
  return looks;
}

std::vector<PageBefore> pages_answering(const std::vector<std::string>& paths,
                                        const std::string& base_url,
                                        const std::function<bool()>& cancelled) {
  std::vector<PageBefore> pages;
  for (const std::string& path : paths) {
    if (cancelled && cancelled()) break;
    const auto answer = get_unless(join(base_url, path), "", before_deadline, cancelled);
    if (answer && answer->status < 400) pages.push_back({path, title_of(answer->body)});
  }
  return pages;
}

std::vector<PageLook> compare_pages(const std::vector<PageBefore>& pages, bool titles,
                                    const std::string& base_url, const std::string& host_header,
                                    Duration retry_for, const std::function<bool()>& cancelled) {
  const Attempts attempts{base_url, host_header, Clock::now() + retry_for, cancelled};
  std::vector<PageLook> looks;
  for (const PageBefore& before : pages) {
    looks.push_back(attempts.look(before.path, [&](const HttpAnswer& answer) -> std::string {
      const std::string answered = " answered " + std::to_string(answer.status);
      if (answer.status >= 400)
        return answered + ", and below 400 before the switch" + rest_of(answer);
      const std::string title = title_of(answer.body);
      if (!titles || before.title.empty() || title == before.title) return {};
      return answered + " with title \"" + title + "\", and had \"" + before.title +
             "\" before the switch";
    }));
    if (!looks.back().problem.empty()) break;
  }
  return looks;
}

}  // namespace tidegate
