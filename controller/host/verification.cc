#include "controller/host/verification.h"

#include <algorithm>
#include <thread>

#include "controller/host/failure_reason.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

/// Masked as one text before it is cut, so that no secret is cut in half first.
constexpr std::size_t masked_bytes_max = 16 << 10;

std::string host_of(const std::string& url) {
  const auto from = url.find("://");
  if (from == std::string::npos) return "";
  const auto to = url.find_first_of("/?#", from + 3);
  return url.substr(from + 3, to == std::string::npos ? to : to - from - 3);
}

/// Between two characters, and without a line break at the end.
std::string cut(std::string text) {
  if (text.size() > evidence_bytes_max) {
    std::size_t end = evidence_bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
  }
  for (char& c : text)
    if ((static_cast<unsigned char>(c) < ' ' && c != '\n') || c == '\x7f') c = ' ';
  while (text.ends_with('\n') || text.ends_with(' ')) text.pop_back();
  return text;
}

Duration since(Steady::time_point began) {
  return std::chrono::duration_cast<Duration>(Steady::now() - began);
}

Error stopped_error(const std::string& when) {
  return {ErrorKind::transient, "stopped with the controller " + when};
}

}  // namespace

Verification::Verification(const Place& place, CommandRun run,
                           std::function<void(const std::string&)> say)
    : place_(place),
      wanted_(place.environment.verify),
      run_(std::move(run)),
      say_(std::move(say)) {}

Result<void> Verification::prepared(const std::vector<PageBefore>& before, bool configuration) {
  const Environment& e = place_.environment;
  if (auto r = commands(configuration); !r) return r;
  if (e.preview_url.empty() || (wanted_.http.empty() && before.empty())) return {};
  if (auto r = pages(before, e.preview_url, host_of(e.url), "verification on the preview"); !r)
    return stopped() ? stopped_error("before the switch") : std::move(r);
  say_("verified on " + e.preview_url);
  return {};
}

Result<void> Verification::live(const std::vector<PageBefore>& before, bool configuration) {
  const Environment& e = place_.environment;
  if (auto r = commands(configuration); !r) return r;
  if (e.url.empty() || (wanted_.http.empty() && before.empty())) return {};
  if (auto r = pages(before, e.url, "", "verification"); !r)
    return stopped() ? stopped_error("during verification") : std::move(r);
  say_("verified on " + e.url);
  return {};
}

Result<void> Verification::soak() {
  const Soak& soak = *wanted_.soak;
  const auto began = Steady::now();
  quiet_ = true;
  for (Duration passed{}; passed < soak.length; passed = since(began)) {
    if (!wait(std::min(soak.every, soak.length - passed))) return stopped_error("while it soaked");
    if (auto r = judge(
            run_http_checks(wanted_.http, place_.environment.url, "", wanted_.retry_for, run_.stop),
            "verification while it soaked");
        !r)
      return stopped() ? stopped_error("while it soaked") : std::move(r);
    say_("soaking: all is as wanted after " +
         to_string(std::chrono::duration_cast<std::chrono::seconds>(since(began))) + " of " +
         to_string(soak.length));
  }
  return {};
}

Result<void> Verification::again(Duration retry_for) {
  const std::string& url = place_.environment.url;
  if (auto r = configuration(); !r) return r;
  if (url.empty() || wanted_.http.empty()) return {};
  auto result = judge(run_http_checks(wanted_.http, url, "", retry_for, run_.stop), "");
  if (!result && stopped()) return stopped_error("during verification");
  return result;
}

Result<void> Verification::commands(bool with_configuration) {
  for (const std::string& line : wanted_.commands)
    if (auto r = command("verify", line); !r) return r;
  return with_configuration ? configuration() : Result<void>{};
}

Result<void> Verification::configuration() {
  for (const std::string& line : place_.site.application.commands.config_status)
    if (auto r = command("configStatus", line); !r) return r;
  return {};
}

Result<void> Verification::command(const char* what, const std::string& line) {
  FailureReason reason;
  Evidence evidence{line, false, 0, "", {}};
  CommandRun run = run_;
  run.what = what;
  run.on_line = [&](std::string_view text) {
    if (!text.starts_with("$ ")) {
      reason.line(text);
      if (evidence.said.size() < evidence_bytes_max) evidence.said += std::string(text) + "\n";
    }
    if (run_.on_line) run_.on_line(text);
  };
  const auto began = Steady::now();
  auto code = run_site_command(place_, line, run);
  evidence.took = since(began);
  evidence.passed = code && *code == 0;
  if (code) evidence.status = *code;
  const std::string name = std::string(what) + ": \"" + line + "\": ";
  if (code)
    say_(name + "exit code " + std::to_string(*code) + " after " + to_string(evidence.took));
  else
    evidence.said = masked(code.error().message) + "\n" + evidence.said;
  note(std::move(evidence));
  if (!code) return std::move(code.error());
  if (*code == 0) return {};
  const std::string because = reason.text().empty() ? "" : ": " + reason.text();
  if (std::string_view(what) != "configStatus")
    return Error{ErrorKind::site, name + "exit code " + std::to_string(*code) + because};
  if (*code == 1)
    return Error{ErrorKind::site,
                 name + "configuration in the database differs from the code's" + because};
  return Error{ErrorKind::site, name + "exit code " + std::to_string(*code) +
                                    "; 0 means no difference, 1 some" + because};
}

Result<void> Verification::pages(const std::vector<PageBefore>& before, const std::string& base,
                                 const std::string& host, const std::string& where) {
  std::vector<HttpCheck> checks = wanted_.http;
  // A preview is seldom reached by https, and is nobody's address.
  if (base != place_.environment.url && !base.starts_with("https://"))
    for (HttpCheck& check : checks) check.certificate_valid_for.reset();
  auto result = judge(run_http_checks(checks, base, host, wanted_.retry_for, run_.stop), where);
  if (!result) return result;
  return judge(
      compare_pages(before, wanted_.compare.titles, base, host, wanted_.retry_for, run_.stop),
      where);
}

Result<void> Verification::judge(const std::vector<PageLook>& looks, const std::string& where) {
  for (const PageLook& look : looks) {
    Evidence evidence = seen(look);
    if (!quiet_ || !evidence.passed) tell(evidence);
    note(std::move(evidence));
  }
  if (looks.empty() || looks.back().problem.empty()) return {};
  return Error{ErrorKind::site, (where.empty() ? "" : where + ": ") + masked(looks.back().text())};
}

Evidence Verification::seen(const PageLook& look) const {
  Evidence out{look.check, look.problem.empty(), look.answer.status, "", look.answer.took};
  const auto begin = look.problem.find_first_not_of(": ");
  if (begin != std::string::npos) out.said = masked(look.problem.substr(begin)) + "\n";
  out.said = cut(out.said + masked(look.answer.body.substr(0, masked_bytes_max)));
  return out;
}

void Verification::tell(const Evidence& evidence) const {
  say_(evidence.check + (evidence.status ? ": " + std::to_string(evidence.status) + " after " +
                                               to_string(evidence.took)
                                         : ": no answer"));
  for (std::size_t at = 0; at < evidence.said.size();) {
    const auto end = std::min(evidence.said.find('\n', at), evidence.said.size());
    say_("  " + evidence.said.substr(at, end - at));
    at = end + 1;
  }
}

void Verification::note(Evidence evidence) {
  evidence.said = cut(std::move(evidence.said));
  evidence_.push_back(std::move(evidence));
  if (evidence_.size() > evidence_max) evidence_.erase(evidence_.begin());
}

bool Verification::wait(Duration length) const {
  const auto end = Steady::now() + length;
  while (Steady::now() < end) {
    if (stopped()) return false;
    std::this_thread::sleep_for(std::min<Steady::duration>(50ms, end - Steady::now()));
  }
  return !stopped();
}

std::string Verification::masked(const std::string& text) const {
  return run_.mask ? run_.mask->apply(text) : text;
}

}  // namespace tidegate
