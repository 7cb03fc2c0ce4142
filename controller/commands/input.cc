#include "controller/commands/input.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "controller/calendar/calendar.h"
#include "controller/service/installation.h"
#include "schemas/text.h"

namespace tidegate {

int fail(const std::string& message) {
  std::cerr << "tidegate: " << message << "\n";
  return exit_failed;
}

int misused(const std::string& message) {
  std::cerr << "tidegate: " << message << "\n";
  return exit_usage;
}

std::string told_as(const std::string& message,
                    const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string text = "tidegate: " + message;
  for (const auto& [key, value] : facts) text += " " + key + "=" + value;
  return text;
}

std::string who_asks() {
  const char* sudo = std::getenv("SUDO_USER");
  if (sudo && *sudo) return sudo;
  const passwd* user = ::getpwuid(::getuid());
  return user ? user->pw_name : "uid " + std::to_string(::getuid());
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

namespace {

/// As the loop does: files of several sources are told apart by their source's name.
std::string prefix_of(const SourceSettings& source, std::size_t sources) {
  return sources > 1 ? source.name + "/" : "";
}

std::vector<SourceRole> roles_of(const std::vector<SourceSettings>& sources) {
  std::vector<SourceRole> roles;
  for (const auto& source : sources) {
    roles.push_back(source.role);
    roles.back().name = source.name;
    roles.back().prefix = prefix_of(source, sources.size());
  }
  return roles;
}

/// Everything that --manifests or the configuration's sources hold.
Result<Fleet> read_fleet(const Options& options) {
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return std::move(secrets.error());
  if (!state) return std::move(state.error());
  const MirrorsDirectory mirrors(*state);
  if (!options.manifests.empty()) {
    auto changes = read_manifests(options.manifests, Secrets(*secrets), mirrors.path());
    if (!changes) return std::move(changes.error());
    return Fleet(known_zone)
        .with(changes->changes, changes->revision, changes->author)
        .with_signatures(changes->signature);
  }
  auto configuration = given_configuration(options);
  if (!configuration) return std::move(configuration.error());
  if (!*configuration)
    return Error{ErrorKind::invalid,
                 "say which manifests: --manifests DIR or URL@REF, or --config FILE"};
  const auto& sources = (*configuration)->sources;
  Fleet fleet = Fleet(known_zone).with_sources(roles_of(sources));
  std::vector<SignatureQuestion> questions;
  for (const auto& source : sources) {
    auto changes = GitSource(source, Secrets(*secrets), mirrors.path()).changed_since("");
    if (!changes) return std::move(changes.error()).within("source " + source.name);
    questions.push_back((*changes)->signature);
    for (auto& change : (*changes)->changes)
      change.path = prefix_of(source, sources.size()) + change.path;
    fleet = fleet.with((*changes)->changes, (*changes)->revision, (*changes)->author, source.name);
  }
  return fleet.with_signatures(first_answer(std::move(questions)));
}

}  // namespace

Result<GivenFleet> given_fleet(const Options& options) {
  auto fleet = read_fleet(options);
  if (!fleet) return std::move(fleet.error());
  const std::string& only = options.site.empty() ? options.target.site : options.site;
  GivenFleet out;
  out.fleet = std::move(*fleet);
  const bool named = !only.empty() && out.fleet.named_sites().contains(only);
  for (const Problem& p : named ? out.fleet.problems_concerning(only) : out.fleet.problems()) {
    std::cerr << to_string(p) << "\n";
    out.broken |= !p.warning;
  }
  for (const std::string& name : out.fleet.named_sites()) {
    if (!only.empty() && name != only) continue;
    if (auto site = out.fleet.find(name))
      out.sites.push_back(std::move(site));
    else
      out.broken_sites.emplace_back(name, out.fleet.invalid(name));
  }
  if (!named)
    for (const Problem& p : out.fleet.problems_of_none()) out.problems.push_back(to_string(p));
  return out;
}

BrokenSite::BrokenSite(const std::string& name, const std::string& invalid) {
  site_.name = name;
  site_.invalid = invalid;
  plan_.held.push_back({"", "Invalid", invalid, {}});
}

Error no_such_site(const Fleet& fleet, const std::string& site) {
  const std::string invalid = fleet.invalid(site);
  if (!invalid.empty()) return {ErrorKind::invalid, "site \"" + site + "\" is broken: " + invalid};
  const auto names = fleet.named_sites();
  return {ErrorKind::invalid, "no manifest declares site \"" + site + "\"" +
                                  did_you_mean(site, {names.begin(), names.end()})};
}

std::optional<Options> with_manifests(const Options& options) {
  if (!options.manifests.empty() || !options.config.empty()) return options;
  Options out = options;
  const auto state = state_file(options);
  std::error_code error;
  if (state && std::filesystem::exists(*state, error)) {
    if (auto store = open_store(*state, StoreMode::read_only)) {
      const ManifestsOrigin origin = recall_origin(**store);
      out.config = origin.config;
      out.manifests = origin.config.empty() ? origin.manifests : "";
      if (out.secrets.empty() && !out.manifests.empty()) out.secrets = origin.secrets;
    }
  }
  if (!out.config.empty() || !out.manifests.empty()) return out;
  misused("say which manifests: --manifests DIR or URL@REF, or --config FILE");
  return std::nullopt;
}

Result<std::unique_ptr<Store>> given_store(const Options& options, StoreMode mode) {
  auto state = state_file(options);
  if (!state) return std::move(state.error());
  std::error_code error;
  const auto size = std::filesystem::file_size(*state, error);  // An empty file is a new store.
  const bool absent = size == 0 || error == std::errc::no_such_file_or_directory;
  if (mode == StoreMode::read_only && absent) {
    return Error{ErrorKind::invalid, "there is no store at \"" + *state +
                                         "\" yet; name another with --state or --config, or run "
                                         "`tidegate apply` or `tidegate controller` first"};
  }
  return open_store(*state, mode);
}

Result<std::optional<std::string>> unknown_in(Store& store, const Target& target) {
  using Answer = std::optional<std::string>;
  auto text = store.status(target.site);
  if (!text) return std::move(text.error());
  if (!*text) {
    auto all = store.statuses();
    if (!all) return std::move(all.error());
    std::vector<std::string_view> names;
    for (const auto& [name, status] : *all) names.push_back(name);
    return Answer("nothing is known of site \"" + target.site + "\"" +
                  did_you_mean(target.site, names));
  }
  const auto status = conditions_from_json(**text);
  if (target.environment.empty() || !status) return Answer{};
  std::vector<std::string_view> names;
  for (const auto& e : status->environments) names.push_back(e.name);
  if (std::ranges::find(names, target.environment) != names.end()) return Answer{};
  return Answer("site \"" + target.site + "\" has no environment \"" + target.environment + "\"" +
                did_you_mean(target.environment, names));
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
