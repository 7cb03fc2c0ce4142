// The chain: bwrap builds the view and the process namespace, setpriv becomes the user (when the
// controller is root), sh sets the limits and the variables, and becomes the command.

#include "controller/process/sandbox.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "controller/process/mounts.h"

namespace tidegate {
namespace {

constexpr const char* system_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t open_files_max = 4096;
/// The kernel's killer takes a site's command before a database server or the controller.
constexpr const char* out_of_memory_score = "800";
constexpr unsigned nobody = 65534;

std::string find_bwrap() {
  // Fixed places: the controller may be root, and its PATH may be anything.
  for (const char* path : {"/usr/bin/bwrap", "/usr/local/bin/bwrap"})
    if (access(path, X_OK) == 0) return path;
  return {};
}

constexpr const char* missing_bwrap =
    "bubblewrap is missing, which runs sites' commands in a sandbox: apt-get install bubblewrap";

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

/// The user to become, or nothing to stay who we are.
Result<std::optional<std::pair<unsigned, unsigned>>> user_of(const Sandbox& sandbox) {
  using User = std::optional<std::pair<unsigned, unsigned>>;
  const bool root = geteuid() == 0;
  if (!sandbox.user) {
    if (root)
      return invalid(
          "a site's commands are not run as root: give the Driver a runAs user, or run the "
          "controller as an ordinary user");
    return User{};
  }
  if (sandbox.user->first == 0 || sandbox.user->second == 0)
    return invalid("a site's commands are not run as root: runAs names user " +
                   std::to_string(sandbox.user->first) + ", group " +
                   std::to_string(sandbox.user->second));
  if (root) return sandbox.user;
  if (sandbox.user->first == geteuid()) return User{};
  return invalid("cannot run as user " + std::to_string(sandbox.user->first) +
                 ": the controller runs as user " + std::to_string(geteuid()) +
                 "; only root can change users");
}

bool is_variable_name(const std::string& name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

std::string quoted(const std::string& value) {
  std::string result = "'";
  for (const char c : value) c == '\'' ? result += "'\\''" : result += c;
  return result + "'";
}

/// The environment as a script: what sh reads from descriptor 3.
Result<std::string> variables_script(std::map<std::string, std::string> environment) {
  environment.try_emplace("PATH", system_path);
  environment.try_emplace("HOME", "/tmp");
  environment.try_emplace("LANG", "C.UTF-8");
  std::string script;
  for (const auto& [name, value] : environment) {
    if (!is_variable_name(name))
      return invalid("variable \"" + name +
                     "\" cannot be passed to a command: names have letters, digits and \"_\"");
    if (value.find('\0') != value.npos)
      return invalid("variable \"" + name + "\" cannot be passed to a command: it has a NUL byte");
    script += "export " + name + "=" + quoted(value) + "\n";
  }
  return script;
}

/// A limit no higher than what we have ourselves, which sh could not set.
std::size_t limit_of(__rlimit_resource resource, std::size_t wanted) {
  rlimit own{};
  if (getrlimit(resource, &own) != 0 || own.rlim_max == RLIM_INFINITY) return wanted;
  return std::min<std::size_t>(wanted, own.rlim_max);
}

/// sh itself would say it with a line number of this script.
constexpr const char* finds_command =
    "case $1 in */*) [ -e \"$1\" ];; *) command -v -- \"$1\";; esac > /dev/null ||\n"
    "  { echo \"no such command: $1\" >&2; exit 127; }\n";

std::string limits_script(const Sandbox& sandbox) {
  const auto text = [](std::size_t number) { return std::to_string(number); };
  // RLIMIT_DATA, not RLIMIT_AS: node and others reserve far more addresses than they use.
  return "umask 022; ulimit -c 0" +
         (" && ulimit -p " + text(limit_of(RLIMIT_NPROC, sandbox.processes_max))) +
         " && ulimit -d " + text(limit_of(RLIMIT_DATA, sandbox.memory_max) >> 10) +
         " && ulimit -f " + text(limit_of(RLIMIT_FSIZE, sandbox.file_size_max) / 512) +
         " && ulimit -n " + text(limit_of(RLIMIT_NOFILE, open_files_max)) + " || exit 126\n" +
         "{ echo " + out_of_memory_score + " > /proc/self/oom_score_adj; } 2> /dev/null\n";
}

/// /var/run is the system's own link.
std::string without_run_link(const std::string& path) {
  return path.starts_with("/var/run/") ? path.substr(std::string_view("/var").size()) : path;
}

/// bwrap would follow a link that a build has left in the code, with the controller's eyes, and
/// show what is at its end.
Result<void> check_paths(const Sandbox& sandbox) {
  for (const auto* paths : {&sandbox.read_only, &sandbox.writable, &sandbox.sockets})
    for (const std::string& path : *paths) {
      std::error_code error;
      const std::string real = std::filesystem::weakly_canonical(path, error).string();
      if (!path.starts_with('/') || (!error && real != without_run_link(path)))
        return invalid("\"" + path +
                       "\" cannot be shown to a command: it is not absolute, or "
                       "leads over a symbolic link to \"" +
                       real + "\"");
    }
  return {};
}

void append(std::vector<std::string>& to, std::vector<std::string> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<std::string> bwrap_arguments(const std::string& bwrap, const Sandbox& sandbox,
                                         const std::string& directory, bool changes_user) {
  // No --new-session: run_process makes a session without a terminal already, and this way its
  // signals to the group reach what is inside.
  std::vector<std::string> argv{bwrap,
                                "--unshare-pid",
                                "--unshare-ipc",
                                "--unshare-uts",
                                "--unshare-cgroup-try",
                                "--die-with-parent",
                                "--cap-drop",
                                "ALL"};
  if (changes_user)  // For setpriv, which gives them away with the user.
    append(argv,
           {"--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"});
  if (!sandbox.network) argv.push_back("--unshare-net");
  append(argv, mount_arguments(sandbox));
  append(argv, {"--chdir", directory.empty() ? "/" : directory, "--"});
  return argv;
}

std::vector<std::string> setpriv_arguments(std::pair<unsigned, unsigned> user) {
  return {"/usr/bin/setpriv",
          "--reuid",
          std::to_string(user.first),
          "--regid",
          std::to_string(user.second),
          "--clear-groups",
          "--no-new-privs",
          "--inh-caps=-all",
          "--ambient-caps=-all",
          "--bounding-set=-all",
          "--"};
}

std::string read_word(const char* path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

/// Why namespaces may be refused here, as the command that allows them.
std::string mend() {
  if (read_word("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    return "sysctl -w kernel.unprivileged_userns_clone=1";
  if (read_word("/proc/sys/user/max_user_namespaces") == "0")
    return "sysctl -w user.max_user_namespaces=15000";
  if (read_word("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
    return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  return "in a container, allow it namespaces (docker run --privileged), or write \"isolation: "
         "none\" in the Driver";
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Result<ProcessRequest> confine(ProcessRequest request, const Sandbox& sandbox) {
  if (request.argv.empty()) return invalid("no command given");
  if (!request.handed.empty()) return invalid("a confined command cannot be handed more");
  const auto user = user_of(sandbox);
  if (!user) return user.error();
  if (Result<void> checked = check_paths(sandbox); !checked) return checked.error();
  Result<std::string> variables = variables_script(std::move(request.environment));
  if (!variables) return variables.error();

  std::vector<std::string> argv;
  request.user.reset();
  if (sandbox.enabled) {
    const std::string bwrap = find_bwrap();
    if (bwrap.empty()) return invalid(missing_bwrap);
    argv = bwrap_arguments(bwrap, sandbox, request.directory, user->has_value());
    if (*user) append(argv, setpriv_arguments(**user));
    request.directory.clear();
  } else {
    request.user = *user;
  }
  const std::string script = limits_script(sandbox) +
                             "unset PWD OLDPWD; . /proc/self/fd/3 || exit 126\n" + finds_command +
                             "exec 3<&- \"$@\"";
  append(argv, {"/bin/sh", "-c", script, "tidegate"});
  append(argv, std::move(request.argv));
  request.argv = std::move(argv);
  request.environment.clear();
  request.handed = *std::move(variables);
  return request;
}

Result<ProcessResult> run_confined(ProcessRequest request, const Sandbox& sandbox) {
  Result<ProcessRequest> confined = confine(std::move(request), sandbox);
  if (!confined) return confined.error();
  Result<ProcessResult> result = run_process(*confined);
  if (!result || result->exit_code != 1) return result;
  for (const char* tool : {"bwrap: ", "setpriv: "})
    if (result->error_tail.starts_with(tool))
      return Error{ErrorKind::transient,
                   "the sandbox could not be set up: " + first_line(result->error_tail)};
  return result;
}

std::optional<std::string> sandbox_problem() {
  Sandbox sandbox;
  if (geteuid() == 0) sandbox.user = {nobody, nobody};
  ProcessRequest request;
  request.argv = {"true"};
  request.deadline = std::chrono::seconds(10);
  if (find_bwrap().empty()) return missing_bwrap;
  const Result<ProcessResult> result = run_confined(std::move(request), sandbox);
  if (!result) return result.error().message + "; " + mend();
  if (result->succeeded()) return std::nullopt;
  return "the sandbox does not work here: " + ending_of(*result) + ": " +
         first_line(result->error_tail) + "; " + mend();
}

}  // namespace tidegate
