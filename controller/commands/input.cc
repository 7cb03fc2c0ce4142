#include "controller/commands/input.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "controller/service/installation.h"

namespace tidegate {

int fail(const std::string& message) {
  std::cerr << "tidegate: " << message << "\n";
  return exit_failed;
}

Result<std::optional<Configuration>> given_configuration(const Options& options) {
  if (options.config.empty()) return std::optional<Configuration>{};
  std::ifstream in(options.config);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return Error{ErrorKind::invalid, "cannot read \"" + options.config + "\""};
  auto parsed = parse_configuration(options.config, text.str());
  for (const auto& problem : parsed.problems) std::cerr << to_string(problem) << "\n";
  if (!parsed.problems.empty())
    return Error{ErrorKind::invalid, "\"" + options.config + "\" is broken"};
  return std::optional(std::move(parsed.configuration));
}

Result<std::string> state_file(const Options& options) {
  if (!options.state.empty())
    return std::filesystem::absolute(options.state).lexically_normal().string();
  auto configuration = given_configuration(options);
  if (!configuration) return std::move(configuration.error());
  return *configuration ? (*configuration)->state : default_state();
}

Result<std::string> secrets_directory(const Options& options) {
  if (!options.secrets.empty())
    return std::filesystem::absolute(options.secrets).lexically_normal().string();
  auto configuration = given_configuration(options);
  if (!configuration) return std::move(configuration.error());
  return *configuration ? (*configuration)->secrets_directory : std::string();
}

Result<GivenFleet> given_fleet(const Options& options) {
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return std::move(secrets.error());
  if (!state) return std::move(state.error());
  const MirrorsDirectory mirrors(*state);
  GivenFleet out;
  std::vector<SignatureQuestion> questions;
  if (!options.manifests.empty()) {
    auto changes = read_manifests(options.manifests, Secrets(*secrets), mirrors.path());
    if (!changes) return std::move(changes.error());
    out.fleet = Fleet().with(changes->changes, changes->revision, changes->author);
    if (changes->signature) questions.push_back(changes->signature);
  } else {
    auto configuration = given_configuration(options);
    if (!configuration) return std::move(configuration.error());
    if (!*configuration)
      return Error{ErrorKind::invalid, "say which manifests: --manifests DIR, or --config FILE"};
    for (const auto& source : (*configuration)->sources) {
      auto changes = GitSource(source, Secrets(*secrets), mirrors.path()).changed_since("");
      if (!changes) return std::move(changes.error()).within("source " + source.name);
      if (!*changes) continue;
      questions.push_back((*changes)->signature);
      if ((*configuration)->sources.size() > 1) {
        for (auto& change : (*changes)->changes) change.path = source.name + "/" + change.path;
      }
      out.fleet = out.fleet.with((*changes)->changes, (*changes)->revision, (*changes)->author);
    }
  }
  out.fleet = out.fleet.with_signatures(first_answer(std::move(questions)));
  for (const auto& problem : out.fleet.problems()) {
    std::cerr << to_string(problem) << "\n";
    out.broken |= !problem.warning;
  }
  return out;
}

Result<std::unique_ptr<Store>> given_store(const Options& options, StoreMode mode) {
  auto state = state_file(options);
  if (!state) return std::move(state.error());
  std::error_code error;
  if (mode == StoreMode::read_only && !std::filesystem::exists(*state, error)) {
    return Error{ErrorKind::invalid, "there is no store at \"" + *state +
                                         "\" yet; name another with --state or --config, or run "
                                         "`tidegate apply` or `tidegate controller` first"};
  }
  return open_store(*state, mode);
}

MirrorsDirectory::MirrorsDirectory(const std::string& state) {
  std::error_code error;
  if (std::filesystem::exists(state, error)) {
    path_ = mirrors_beside(state);
    return;
  }
  char name[] = "/tmp/tidegate-manifests-XXXXXX";
  if (::mkdtemp(name)) temporary_ = name;
  path_ = temporary_;
}

MirrorsDirectory::~MirrorsDirectory() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

}  // namespace tidegate
