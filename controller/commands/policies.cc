#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "controller/calendar/calendar.h"
#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/git/source.h"
#include "reconcilers/case_verdict.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Result<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return Error{ErrorKind::invalid, "cannot read \"" + path.string() + "\""};
  return text.str();
}

/// Files of examples below a directory, hidden ones not, in order.
Result<std::vector<fs::path>> case_files(const fs::path& directory) {
  std::error_code failure;
  std::vector<fs::path> out;
  if (fs::is_regular_file(directory, failure))
    return Error{ErrorKind::invalid, "\"" + directory.string() +
                                         "\" is a file; name the directory that holds it and the "
                                         "manifests that it is about"};
  for (fs::recursive_directory_iterator walk(directory, failure), end; !failure && walk != end;
       walk.increment(failure)) {
    if (walk->path().filename().string().starts_with("."))
      walk.disable_recursion_pending();
    else if (is_policy_case_path(walk->path()) && !walk->is_directory(failure))
      out.push_back(walk->path());
  }
  if (failure)
    return Error{ErrorKind::invalid,
                 "\"" + directory.string() + "\" cannot be read: " + failure.message()};
  if (out.empty())
    return Error{ErrorKind::invalid,
                 "no example (*.case.yaml) lies below \"" + directory.string() + "\""};
  std::ranges::sort(out);
  return out;
}

/// Manifests of these files and directories, told by the paths that lead there.
Result<std::vector<FileChange>> read_given(const std::vector<fs::path>& paths) {
  std::vector<FileChange> out;
  for (const fs::path& path : paths) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      auto text = read_file(path);
      if (!text) return std::move(text.error());
      out.push_back({path.string(), std::move(*text)});
      continue;
    }
    auto files = read_directory(path);
    if (!files) return std::move(files.error());
    for (auto& file : *files)
      out.push_back({(path / file.path).lexically_normal().string(), std::move(file.text)});
  }
  return out;
}

/// What came out of one expectation.
struct Outcome {
  const PolicyCase* example;
  const Expectation* expected;
  CaseAnswer answer;
};

std::string what_of(const Outcome& o) {
  return o.expected->target.site + "/" + o.expected->target.environment + " " +
         describe(o.answer.actions);
}

void print(const Outcome& o, const Paint& paint) {
  const CaseTarget& at = o.expected->target;
  if (o.answer.as_expected) {
    std::cout << paint.good("ok") << "      " << o.example->name << ": " << what_of(o) << ": "
              << expected_text(*o.expected) << "\n";
    return;
  }
  std::cout << paint.bad("not ok") << "  " << o.example->file << ":" << at.line << ":" << at.column
            << ": " << o.example->name << ": " << what_of(o) << ": expected "
            << expected_text(*o.expected) << "; seen: " << seen_text(*o.expected, o.answer) << "\n";
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json time_or_null(const std::optional<Timestamp>& at) {
  return at ? Json(to_rfc3339(*at)) : Json();
}

Json json_of(const Outcome& o) {
  const Expectation& e = *o.expected;
  const auto& hold = o.answer.hold;
  Json policies = Json::array();
  for (const Verdict& v : o.answer.verdicts)
    policies.push_back({{"policy", text_or_null(v.policy)},
                        {"rule", text_or_null(v.rule)},
                        {"holds", v.hold.has_value()},
                        {"said", v.said},
                        {"opensAt", time_or_null(v.hold ? v.hold->opens_at : std::nullopt)}});
  return {{"name", o.example->name},
          {"file", o.example->file},
          {"line", e.target.line},
          {"site", e.target.site},
          {"environment", e.target.environment},
          {"verb", e.verb},
          {"ok", o.answer.as_expected},
          {"expected",
           {{"verdict", e.held ? "held" : "allowed"},
            {"reason", text_or_null(e.reason)},
            {"rule", text_or_null(e.rule)},
            {"opensAt", time_or_null(e.opens_at)}}},
          {"seen",
           {{"verdict", hold ? "held" : "allowed"},
            {"reason", hold ? Json(hold->reason) : Json()},
            {"message", hold ? Json(hold->message) : Json()},
            {"opensAt", time_or_null(hold ? hold->opens_at : std::nullopt)},
            {"policies", policies}}}};
}

/// Reads examples with what they are about, and asks them all.
class PolicyTest {
 public:
  explicit PolicyTest(std::string directory) : directory_(std::move(directory)) {}

  std::optional<Error> run() {
    auto files = case_files(directory_);
    if (!files) return std::move(files.error());
    for (const fs::path& path : *files) {
      auto text = read_file(path);
      if (!text) return std::move(text.error());
      files_.push_back(read_policy_cases(path.string(), *text));
      tell(files_.back().problems);
      if (!files_.back().problems.empty()) continue;
      for (const PolicyCase& example : files_.back().cases)
        if (auto error = ask(example)) return error;
    }
    return std::nullopt;
  }
  const std::vector<Outcome>& outcomes() const { return outcomes_; }
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  std::optional<Error> ask(const PolicyCase& example) {
    auto fleet = fleet_of(example);
    if (!fleet) return std::move(fleet.error());
    for (const Expectation& expected : example.expect) {
      Outcome outcome{&example, &expected, answer(example, expected, **fleet, calendar_)};
      if (outcome.answer.problem.empty()) {
        outcomes_.push_back(std::move(outcome));
        continue;
      }
      const CaseTarget& at = *outcome.answer.at;
      tell({{example.file, at.line, at.column, at.path, outcome.answer.problem}});
    }
    return std::nullopt;
  }

  /// Examples that speak of the same manifests share them.
  Result<const Fleet*> fleet_of(const PolicyCase& example) {
    std::vector<fs::path> paths;
    for (const std::string& path : example.manifests)
      paths.push_back((fs::path(example.file).parent_path() / path).lexically_normal());
    if (paths.empty()) paths.emplace_back(directory_);
    if (const auto known = fleets_.find(paths); known != fleets_.end()) return &known->second;
    auto files = read_given(paths);
    if (!files) return std::move(files.error()).within(example.file);
    const Fleet& fleet =
        fleets_.emplace(paths, Fleet(known_zone).with(*files, "", "")).first->second;
    std::vector<Problem> errors = fleet.problems();
    std::erase_if(errors, [](const Problem& p) { return p.warning; });
    tell(errors);
    return &fleet;
  }

  void tell(const std::vector<Problem>& problems) {
    for (const Problem& p : problems)
      if (std::ranges::find(problems_, p) == problems_.end()) problems_.push_back(p);
  }

  const std::string directory_;
  SystemCalendar calendar_;
  std::list<PolicyCaseFile> files_;  // Outcomes point into it.
  std::map<std::vector<fs::path>, Fleet> fleets_;
  std::vector<Outcome> outcomes_;
  std::vector<Problem> problems_;
};

void print_json(const PolicyTest& test, bool ok) {
  Json examples = Json::array(), problems = Json::array();
  for (const Outcome& o : test.outcomes()) examples.push_back(json_of(o));
  for (const Problem& p : test.problems()) problems.push_back(to_string(p));
  const Json all = {{"ok", ok}, {"examples", examples}, {"problems", problems}};
  std::cout << all.dump(1, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace

int run_policy_test(const Options& options) {
  PolicyTest test(options.paths.front());
  if (auto error = test.run()) return fail(error->message);
  const auto& outcomes = test.outcomes();
  const auto wrong =
      std::ranges::count_if(outcomes, [](const Outcome& o) { return !o.answer.as_expected; });
  const bool ok = wrong == 0 && test.problems().empty();
  if (options.json) {
    print_json(test, ok);
    return ok ? exit_done : exit_failed;
  }
  for (const Problem& p : test.problems()) std::cout << to_string(p) << "\n";
  for (const Outcome& o : outcomes) print(o, Paint(options.color));
  const auto count = [](auto n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  std::cerr << count(outcomes.size(), "example") << ": ";
  if (ok)
    std::cerr << "all as expected\n";
  else
    std::cerr << count(wrong, "failure") << ", " << count(test.problems().size(), "problem")
              << "\n";
  return ok ? exit_done : exit_failed;
}

}  // namespace tidegate
