#include "controller/commands/print.h"

#include <algorithm>

#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

/// Columns a terminal shows: UTF-8 continuation bytes and escape sequences take none.
std::size_t width(const std::string& text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      i = std::min(text.find('m', i), text.size());
      continue;
    }
    columns += (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
  }
  return columns;
}

const char* sign(const std::vector<Action>& actions, bool creates) {
  if (creates) return "+";
  for (const Action& a : actions)
    if (std::holds_alternative<Wipe>(a)) return "-";
  return "~";
}

}  // namespace

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths[i] == 0) continue;
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - width(row[i]) + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out << line << "\n";
  }
}

std::string verdict_line(const Verdict& verdict) {
  return (verdict.name().empty() ? "" : verdict.name() + " ") +
         (verdict.hold ? "holds: " : "allows: ") + verdict.said +
         (verdict.hold && verdict.hold->opens_at
              ? "; opens " + to_rfc3339(*verdict.hold->opens_at)
              : "");
}

void print_plan(std::ostream& out, const PlannedSite& site, const Paint& paint) {
  if (!site.problem.empty()) {
    out << paint.strong(site.site->name) << "\n  " << paint.bad("✗ " + site.problem) << "\n";
    return;
  }
  if (site.plan->converged() && site.plan->verdicts.empty() && site.plan->warnings.empty()) {
    out << paint.strong(site.site->name) << "  " << paint.good("converged") << "\n";
    return;
  }
  out << paint.strong(site.site->name) << "\n";
  std::vector<std::vector<std::string>> rows;
  for (const Step& s : site.plan->ready) {
    rows.push_back({std::string("  ") + paint.change(sign(s.actions, s.creates)), s.environment,
                    step_text(s), paint.faint("because " + s.because)});
  }
  for (const Waiting& w : site.plan->waiting) {
    std::string what = describe(w.actions);
    if (what.empty()) what = "–";
    rows.push_back({"  ·", w.environment, what, paint.faint(waiting_text(w))});
  }
  for (const Hold& h : site.plan->held) {
    rows.push_back({"  " + paint.bad("!"), h.environment.empty() ? "(site)" : h.environment,
                    "held " + h.reason,
                    h.message + (h.opens_at ? "; opens " + to_rfc3339(*h.opens_at) : "")});
  }
  if (rows.empty()) out << "  " << paint.good("converged") << "\n";
  print_table(out, rows);
  for (const auto& [environment, verdicts] : site.plan->verdicts) {
    for (const Verdict& v : verdicts)
      out << "  " << paint.faint(environment + ": " + verdict_line(v)) << "\n";
  }
  for (const auto& warning : site.plan->warnings)
    out << "  " << paint.change("warning: ") << warning << "\n";
}

std::string waiting_text(const Waiting& waiting) {
  return "waits " + (waiting.until ? "until " + to_rfc3339(*waiting.until) + " " : "") +
         waiting.because;
}

std::string actions_text(const OperationRecord& operation) { return join(operation.actions, ", "); }

std::string lasting(Duration length) {
  using namespace std::chrono;
  const auto seconds = duration_cast<std::chrono::seconds>(length).count();
  auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  if (seconds < 10) {
    const auto tenths = std::max<std::int64_t>(length.count() / 100, 1);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "s";
  }
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m " + two(seconds % 60) + "s";
  return std::to_string(seconds / 3600) + "h " + two(seconds / 60 % 60) + "m";
}

std::string ago(Timestamp then, Timestamp now) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now > then ? now - then : then - now)
          .count();
  std::string text = seconds < 60      ? std::to_string(seconds) + "s"
                     : seconds < 3600  ? std::to_string(seconds / 60) + "m"
                     : seconds < 86400 ? std::to_string(seconds / 3600) + "h"
                                       : std::to_string(seconds / 86400) + "d";
  return now >= then ? text + " ago" : "in " + text;
}

}  // namespace tidegate
