#include "controller/host/place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "controller/host/failure_reason.h"
#include "controller/host/files/durable.h"
#include "controller/process/sandbox.h"
#include "schemas/command_line.h"
#include "schemas/digest.h"

namespace tidegate {
namespace {

std::string upper(std::string name) {
  for (char& c : name)
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Result<void> add_databases(const Place& place, const ReleaseRecord& release,
                           ReleaseVariables& out) {
  auto set = release.content.find(Part::databases);
  if (set == release.content.end()) return {};
  bool first = true;
  for (const auto& declared : place.site.databases) {
    auto item = set->second.items.find(declared.name);
    if (item == set->second.items.end()) continue;
    auto engine = place.engines.of(*place.environment.driver, declared.engine);
    if (!engine) return std::move(engine.error());
    auto access = (*engine)->access(item->second, place.owner());
    if (!access) return std::move(access.error()).within("database \"" + declared.name + "\"");
    out.all[upper(declared.name) + "_DATABASE_URL"] = access->url;
    if (first) out.all["DATABASE_URL"] = access->url;
    first = false;
    // A MariaDB address holds a password; masked whole, and the password alone.
    const auto at = access->url.find('@');
    const auto colon = access->url.find(':', access->url.find("://") + 3);
    if (at != std::string::npos && colon < at)
      out.secrets.push_back(access->url.substr(colon + 1, at - colon - 1));
    std::ranges::copy(access->sandbox_writable, std::back_inserter(out.writable));
    std::ranges::copy(access->sandbox_sockets, std::back_inserter(out.sockets));
  }
  return {};
}

/// Where people write to the code they may put a link in the place of a directory: what it leads to
/// is none of the sandbox's.
bool is_real(const std::string& code, const std::string& path) {
  std::error_code unknown;
  const auto top = std::filesystem::canonical(code, unknown);
  return !unknown && std::filesystem::canonical(code + "/" + path, unknown) == top / path;
}

}  // namespace

std::string environment_text(const ReleaseVariables& variables) {
  std::string text;
  for (const auto& [name, value] : variables.all) text += name + "=" + value + "\n";
  return text;
}

Result<Place> Place::make(const HostServices& services, Engines& engines, const Site& site,
                          const Environment& environment) {
  auto user = user_of(*environment.driver, site.name, environment.name);
  if (!user) return std::move(user.error());
  return Place{services, engines, site, environment, layout_of(site, environment), *user};
}

Result<ReleaseVariables> Place::variables(const ReleaseRecord& release) const {
  ReleaseVariables out;
  for (const auto& [name, value] : environment.variables) out.all[name] = value;
  for (const auto& [name, secret] : environment.secrets) {
    auto value = services.secrets.read(secret, site.name);
    if (!value) return std::move(value.error());
    if (value->find_first_of(std::string("\n\0", 2)) != std::string::npos) {
      return Error{ErrorKind::invalid, "secret \"" + secret.name + "\" for variable " + name +
                                           " holds a newline; a variable cannot"};
    }
    out.all[name] = *value;
    out.secrets.push_back(*value);
  }
  if (auto added = add_databases(*this, release, out); !added) return std::move(added.error());
  out.all["TIDEGATE_SITE"] = site.name;
  out.all["TIDEGATE_ENVIRONMENT"] = environment.name;
  out.all["TIDEGATE_RELEASE"] = release.id;
  out.all["TIDEGATE_COMMIT"] = release.commit.hex;
  return out;
}

Result<void> Place::write_environment_file(const ReleaseRecord& release,
                                           const ReleaseVariables& v) const {
  const std::string path = layout.release(release.id) + "/environment";
  if (auto written = write_durably(path, environment_text(v), environment_mode); !written)
    return written;
  if (user && ::chown(path.c_str(), static_cast<uid_t>(-1), user->second) != 0) {
    return Error{ErrorKind::transient, "chown \"" + path + "\": " + std::strerror(errno)};
  }
  return {};
}

bool declares(const Site& site, Part part, const std::string& name) {
  const auto is_it = [&](const auto& declared) { return declared.name == name; };
  return part == Part::databases ? std::ranges::any_of(site.databases, is_it)
                                 : std::ranges::any_of(site.files, is_it);
}

Result<std::string> inputs_digest(const Site& site, const Environment& environment,
                                  const Secrets& secrets) {
  std::string text;
  auto add = [&](const std::string& piece) { text += std::to_string(piece.size()) + ":" + piece; };
  for (const auto& [name, value] : environment.variables) add(name), add(value);
  add("secrets");
  for (const auto& [name, secret] : environment.secrets) {
    auto value = secrets.read(secret, site.name);
    if (!value) return std::move(value.error());
    add(name), add(*value);
  }
  add("tree");
  for (const auto& line : site.application.commands.build) add(line);
  for (const auto& path : site.application.writable) add(path);
  for (const auto& database : site.databases) add(database.name);
  for (const auto& files : site.files) add(files.name), add(files.path);
  add(environment.driver ? environment.driver->run_as : "");
  if (environment.writable) add("writable");
  return sha256_hex(text);
}

Result<int> run_site_command(const Place& place, const std::string& line, const CommandRun& run) {
  auto argv = split_command(line);
  if (!argv)
    return Error{ErrorKind::site, run.what + ": \"" + line + "\": " + argv.error().message};
  if (run.on_line) run.on_line("$ " + line);
  CommandRun named = run;
  named.what = run.what + ": \"" + line + "\"";
  return run_site_words(place, *argv, named);
}

Result<int> run_site_words(const Place& place, const std::vector<std::string>& argv,
                           const CommandRun& run) {
  const std::string& name = run.what;
  if (::geteuid() == 0 && !place.user) {
    return Error{ErrorKind::invalid,
                 name +
                     ": a controller that is root runs no site's commands as root; "
                     "set runAs in Driver \"" +
                     place.environment.driver->name + "\""};
  }
  const auto left =
      std::chrono::duration_cast<Duration>(run.deadline - std::chrono::steady_clock::now());
  if (left <= Duration::zero())
    return Error{ErrorKind::site, name + ": no time left of deploy.timeout"};
  ProcessRequest request;
  request.argv = argv;
  request.environment = run.environment;
  request.environment.emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
  request.environment.emplace("HOME", "/tmp");
  request.environment.emplace("LANG", "C.UTF-8");
  request.directory = run.directory;
  request.deadline = left;
  request.cancelled = run.stop;
  request.on_line = [&run](std::string_view text) {
    if (run.on_line) run.on_line(run.mask ? run.mask->apply(text) : std::string(text));
  };
  const Mask none;
  const Mask& mask = run.mask ? *run.mask : none;
  MaskedStream output(mask, run.with.on_output), error(mask, run.with.on_error);
  request.input_fd = run.with.input_fd;
  if (run.with.on_output) request.on_output = [&](std::string_view bytes) { output.feed(bytes); };
  if (run.with.on_error) request.on_error = [&](std::string_view bytes) { error.feed(bytes); };
  Sandbox sandbox;
  sandbox.enabled = place.environment.driver->sandbox;
  sandbox.read_only = run.read_only;
  sandbox.writable = run.writable;
  sandbox.sockets = run.sockets;
  sandbox.user = place.user;
  sandbox.hidden_root = place.layout.root;
  if (!place.services.secrets.directory().empty())
    sandbox.hidden.push_back(place.services.secrets.directory());
  if (!place.services.state_directory.empty())
    sandbox.hidden.push_back(place.services.state_directory);
  auto result = run_confined(std::move(request), sandbox);
  output.finish();
  error.finish();
  if (!result) return std::move(result.error()).within(name);
  if (result->cancelled) return Error{ErrorKind::transient, name + ": stopped with the controller"};
  if (result->timed_out) {
    return Error{
        ErrorKind::site,
        name + ": ended at the deadline: " +
            (run.limit.empty() ? "deploy.timeout is " + to_string(place.environment.deploy.timeout)
                               : run.limit)};
  }
  if (result->exit_code < 0) return Error{ErrorKind::site, name + ": " + ending_of(*result)};
  return result->exit_code;
}

Result<void> run_site_commands(const Place& place, const std::vector<std::string>& lines,
                               const CommandRun& run) {
  for (const std::string& line : lines) {
    FailureReason reason;
    CommandRun told = run;
    told.on_line = [&](std::string_view text) {
      if (!text.starts_with("$ ")) reason.line(text);
      if (run.on_line) run.on_line(text);
    };
    auto code = run_site_command(place, line, told);
    if (!code) return std::move(code.error());
    if (*code != 0) {
      return Error{ErrorKind::site, run.what + ": \"" + line + "\": exit code " +
                                        std::to_string(*code) +
                                        (reason.text().empty() ? "" : ": " + reason.text())};
    }
  }
  return {};
}

CommandRun run_in_release(const Place& place, const ReleaseRecord& release,
                          const ReleaseVariables& variables) {
  CommandRun run;
  run.directory = place.layout.code(release.id);
  run.environment = variables.all;
  run.read_only.push_back(place.layout.release(release.id));
  run.writable = variables.writable;
  run.sockets = variables.sockets;
  for (const auto& path : place.site.application.writable) {
    if (release.writable && !is_real(run.directory, path)) continue;
    run.writable.push_back(run.directory + "/" + path);
  }
  if (auto files = release.content.find(Part::files); files != release.content.end()) {
    for (const auto& [name, directory] : files->second.items)
      if (declares(place.site, Part::files, name)) run.writable.push_back(directory);
  }
  return run;
}

}  // namespace tidegate
