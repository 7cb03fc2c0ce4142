#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "controller/calendar/clock.h"
#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/service/json.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

std::string text_or(const Json& j, const std::string& otherwise) {
  return j.is_string() ? j.get<std::string>() : otherwise;
}
std::string brief(const Json& commit) { return text_or(commit, "–").substr(0, 7); }

std::string content_text(const Json& content, Timestamp now) {
  auto one = [&](const char* part) -> std::string {
    const Json& stamp = content.at(part);
    if (!stamp.is_object()) return "–";
    const std::string source = stamp.at("source").get<std::string>();
    std::string text = source;
    if (stamp.at("generation") != 0)
      text += " (generation " + std::to_string(stamp.at("generation").get<std::uint64_t>()) + ")";
    const auto taken = parse_rfc3339(text_or(stamp.at("takenAt"), ""));
    if (taken && source != "keep") text += ", " + ago(*taken, now);
    return text;
  };
  const std::string databases = one("databases"), files = one("files");
  return databases == files ? databases : "databases " + databases + "; files " + files;
}

/// "promote, sync: update 40 %, for 12s".
std::string running_text(const Json& operation, Timestamp now) {
  std::string text;
  for (const Json& action : operation.at("actions"))
    text += (text.empty() ? "" : ", ") + action.get<std::string>();
  text += ": " + operation.at("phase").get<std::string>();
  if (operation.at("percent").is_number())
    text += " " + std::to_string(operation.at("percent").get<int>()) + " %";
  const auto started = parse_rfc3339(text_or(operation.at("startedAt"), ""));
  return text + (started ? ", for " + lasting(now - *started) : "");
}

/// The last columns of one row or more: what goes on, what waits or is held, and why.
std::vector<std::vector<std::string>> story(const Json& e, const Paint& paint, Timestamp now) {
  const Json& ready = e.at("conditions").at(0);
  const Json& operation = e.at("operation");
  const std::string reason = ready.at("reason").get<std::string>();
  const std::string message = ready.at("message").get<std::string>();
  std::vector<std::vector<std::string>> out;
  if (operation.is_object()) {
    out.push_back({paint.change(reason), running_text(operation, now)});
  } else if (ready.at("status") == "True") {
    out.push_back({paint.good(reason), message});
  } else if (ready.at("status") == "Unknown") {
    out.push_back({paint.bad(reason), message});
  } else if (reason == "Progressing" || reason == "Waiting") {
    out.push_back({paint.change(reason), message});
  }
  for (const Json& hold : e.at("holds")) {
    const std::string opens = text_or(hold.at("opensAt"), "");
    out.push_back(
        {paint.bad(hold.at("reason").get<std::string>()),
         hold.at("message").get<std::string>() + (opens.empty() ? "" : "; opens " + opens)});
  }
  const std::string prefix = e.at("name").get<std::string>() + ": ";
  for (const Json& warning : e.value("warnings", Json::array())) {
    std::string text = warning.get<std::string>();
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
    out.push_back({paint.change("warning"), text});
  }
  return out;
}

void print_site(std::ostream& out, const Json& site, const std::string& environment,
                const Paint& paint, Timestamp now) {
  out << paint.strong(site.at("name").get<std::string>());
  if (!site.at("launched").get<bool>()) out << "  (not launched)";
  out << "\n";
  for (const Json& c : site.at("conditions")) {
    out << "  " << paint.bad(c.at("reason").get<std::string>()) << ": "
        << c.at("message").get<std::string>() << "\n";
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& e : site.at("environments")) {
    if (!environment.empty() && e.at("name") != environment) continue;
    const Json& observed = e.at("observed");
    std::string code = brief(observed.at("commit"));
    if (e.at("desired").at("commit") != observed.at("commit"))
      code += " → " + brief(e.at("desired").at("commit"));
    if (observed.at("drifted").get<bool>()) code += " (changed by hand)";
    std::vector<std::string> row{"  " + e.at("name").get<std::string>(), code,
                                 content_text(observed.at("content"), now)};
    for (auto& cells : story(e, paint, now)) {
      row.insert(row.end(), cells.begin(), cells.end());
      rows.push_back(std::move(row));
      row = {"", "", ""};
    }
  }
  print_table(out, rows);
}

int show(const Options& options, Store& store) {
  auto statuses = store.statuses();
  if (!statuses) return fail(statuses.error().message);
  std::vector<std::string> texts;
  for (const auto& [site, text] : *statuses) {
    if (options.target.site.empty() || site == options.target.site) texts.push_back(text);
  }
  if (!options.target.site.empty()) {
    auto unknown = unknown_in(store, options.target);
    if (!unknown) return fail(unknown.error().message);
    if (*unknown) return fail(**unknown);
  }
  auto revision = store.recall("revision");
  const std::string at = revision && *revision ? **revision : "";
  Json all = Json::parse(status_json(at, texts));
  if (!options.target.environment.empty()) {
    for (Json& site : all.at("sites")) {
      Json kept = Json::array();
      for (Json& e : site.at("environments"))
        if (e.at("name") == options.target.environment) kept.push_back(e);
      site["environments"] = kept;
    }
  }
  if (options.json) {
    std::cout << nlohmann::ordered_json::parse(all.dump()).dump(1) << "\n";
    return exit_done;
  }
  const Timestamp now = SystemClock().now();
  const Paint paint(options.color);
  if (!at.empty()) std::cout << paint.faint("manifests at " + at.substr(0, 7)) << "\n";
  for (const Json& site : all.at("sites"))
    print_site(std::cout, site, options.target.environment, paint, now);
  if (texts.empty()) std::cerr << "no site is known yet\n";
  return exit_done;
}

}  // namespace

int run_status(const Options& options) {
  auto store = given_store(options, StoreMode::read_only);
  if (!store) return fail(store.error().message);
  try {
    if (!options.watch) return show(options, **store);
    for (;;) {
      if (::isatty(STDOUT_FILENO)) std::cout << "\033[H\033[2J";
      if (const int code = show(options, **store); code != exit_done) return code;
      std::cout << std::flush;
      if (!std::cout) return exit_failed;
      std::this_thread::sleep_for(1s);
    }
  } catch (const Json::exception& e) {
    return fail(std::string("the store holds a status of another version: ") + e.what());
  }
}

}  // namespace tidegate
