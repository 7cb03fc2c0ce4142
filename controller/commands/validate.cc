#include "schemas/validate.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "controller/calendar/calendar.h"
#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "schemas/policy_case.h"

namespace tidegate {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_manifest_file(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode))
    return Error{ErrorKind::invalid, "\"" + path + "\" is neither a file nor a directory"};
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in)
    return Error{ErrorKind::invalid, "cannot read \"" + path + "\": " + std::strerror(errno)};
  return text.str();
}

struct Given {
  std::vector<FileChange> files;
  std::vector<Problem> warnings;
  std::vector<Problem> of_cases;  ///< Of examples of policies, which are no manifests.
};

/// Gathers files below several paths, told as they were given; one given twice counts once.
class Gathering {
 public:
  std::optional<Error> add(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      if (!is_new(path)) return std::nullopt;
      auto text = read_manifest_file(path);
      if (!text) return std::move(text.error());
      if (is_policy_case_path(path)) {
        const auto problems = read_policy_cases(path, *text).problems;
        given_.of_cases.insert(given_.of_cases.end(), problems.begin(), problems.end());
        return std::nullopt;
      }
      given_.files.push_back({path, std::move(*text)});
      return std::nullopt;
    }
    auto files = read_directory(path);
    if (!files) return std::move(files.error());
    if (files->empty())
      given_.warnings.push_back(
          {path, 1, 1, "", "no manifest (*.yaml, *.yml) lies below it", true});
    for (auto& file : *files) {
      const std::string name = path == "." ? file.path : path + "/" + file.path;
      if (is_new(name)) given_.files.push_back({name, std::move(file.text)});
    }
    return std::nullopt;
  }
  Given take() { return std::move(given_); }

 private:
  bool is_new(const std::string& path) {
    std::error_code error;
    const fs::path folder = fs::canonical(fs::absolute(path).parent_path(), error);
    return seen_.insert(error ? fs::path(path) : folder / fs::path(path).filename()).second;
  }
  Given given_;
  std::set<std::filesystem::path> seen_;
};

Result<Given> read_paths(const std::vector<std::string>& paths) {
  Gathering gathering;
  for (const std::string& path : paths)
    if (auto error = gathering.add(path)) return std::move(*error);
  return gathering.take();
}

void print_json(const std::vector<Problem>& problems, bool ok) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& p : problems) {
    list.push_back({{"file", p.file},
                    {"line", p.line},
                    {"column", p.column},
                    {"path", p.path},
                    {"text", p.text},
                    {"warning", p.warning}});
  }
  std::cout << nlohmann::ordered_json{{"valid", ok}, {"problems", list}}.dump(
                   1, ' ', false, nlohmann::json::error_handler_t::replace)
            << "\n";
}

}  // namespace

int run_validate(const Options& options) {
  auto given = read_paths(options.paths);
  if (!given) return fail(given.error().message);
  const auto& files = given->files;
  const Fleet fleet = Fleet(known_zone).with(files, "", "");
  auto problems = fleet.problems();
  problems.insert(problems.end(), given->of_cases.begin(), given->of_cases.end());
  problems.insert(problems.begin(), given->warnings.begin(), given->warnings.end());
  bool ok = true;
  for (const auto& problem : problems) ok &= problem.warning;
  if (options.json) {
    print_json(problems, ok);
  } else {
    for (const auto& problem : problems) std::cout << to_string(problem) << "\n";
  }
  if (options.effective) {
    for (const auto& [name, site] : fleet.sites()) std::cout << effective_yaml(*site);
  } else if (!options.json && ok && !files.empty()) {
    std::cerr << files.size() << (files.size() == 1 ? " file, " : " files, ")
              << fleet.sites().size()
              << (fleet.sites().size() == 1 ? " site: valid\n" : " sites: valid\n");
  }
  return ok ? exit_done : exit_failed;
}

}  // namespace tidegate
