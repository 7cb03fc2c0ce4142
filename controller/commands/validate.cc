#include "schemas/validate.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"

namespace tidegate {
namespace {

Result<std::string> read_manifest_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in)
    return Error{ErrorKind::invalid, "cannot read \"" + path + "\": " + std::strerror(errno)};
  return text.str();
}

/// The files below each path, told as they were given.
Result<std::vector<FileChange>> read_paths(const std::vector<std::string>& paths) {
  std::vector<FileChange> out;
  for (std::string path : paths) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    struct stat facts {};
    if (::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) {
      auto files = read_directory(path);
      if (!files) return std::move(files.error());
      for (auto& file : *files)
        out.push_back({path == "." ? file.path : path + "/" + file.path, std::move(file.text)});
      continue;
    }
    auto file = read_manifest_file(path);
    if (!file) return std::move(file.error());
    out.push_back({path, std::move(*file)});
  }
  return out;
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
  auto files = read_paths(options.paths);
  if (!files) return fail(files.error().message);
  const Fleet fleet = Fleet().with(*files, "", "");
  const auto problems = fleet.problems();
  bool ok = true;
  for (const auto& problem : problems) ok &= problem.warning;
  if (options.json) {
    print_json(problems, ok);
  } else {
    for (const auto& problem : problems) std::cout << to_string(problem) << "\n";
  }
  if (options.effective) {
    for (const auto& [name, site] : fleet.sites()) std::cout << effective_yaml(*site);
  } else if (!options.json && ok) {
    std::cerr << files->size() << (files->size() == 1 ? " file, " : " files, ")
              << fleet.sites().size()
              << (fleet.sites().size() == 1 ? " site: valid\n" : " sites: valid\n");
  }
  return ok ? exit_done : exit_failed;
}

}  // namespace tidegate
