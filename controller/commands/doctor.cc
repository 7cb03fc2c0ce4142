// What a machine lacks to run a configuration: each line a lack and the command that mends it.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <set>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/host/engines.h"
#include "controller/host/files/marks.h"
#include "controller/process/sandbox.h"
#include "controller/signatures/signatures.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

class Doctor {
 public:
  Doctor(const Secrets& secrets, const Options& options)
      : secrets_(secrets), paint_(options.color), silent_(options.json), engines_(secrets) {}

  void good(const std::string& what) {
    if (!silent_) std::cout << paint_.good("ok    ") << what << "\n";
  }
  /// "what: the mend", "what: what is wrong: the mend" or "what: what is wrong; the mend".
  void lacks(const std::string& text) {
    if (!told_.insert(text).second) return;
    if (!silent_) std::cout << paint_.bad("lacks ") << text << "\n";
    const std::string what = text.substr(0, text.find(": "));
    const auto mend = std::max(text.rfind(": ") + 2, text.rfind("; ") + 2);
    const bool has_mend = mend > 1 && mend < text.size();
    lacks_.push_back({what, text, has_mend ? text.substr(mend) : ""});
  }
  const std::vector<Lack>& all() const { return lacks_; }
  void say(const std::string& what, const std::string& problem) {
    problem.empty() ? good(what) : lacks(what + ": " + problem);
  }
  int lacking() const { return static_cast<int>(told_.size()); }

  void look_at(const Site& site) {
    look_at_signers(site);
    for (const auto& [name, environment] : site.environments) {
      if (!environment.driver) {
        lacks(site.name + "/" + name + ": its driver is not defined by any document");
        continue;
      }
      look_at_driver(*environment.driver);
      look_at_user(site, environment);
      look_at_secrets(site, environment);
      for (const auto& database : site.databases)
        look_at_engine(*environment.driver, database.engine);
    }
  }

  /// Whoever may enter it reads any secret whose name is known.
  void look_at_secrets_directory(const std::string& directory) {
    struct stat facts {};
    const std::string what = "secrets directory \"" + directory + "\"";
    if (::stat(directory.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode))
      return lacks(what + ": install -d -m 0700 \"" + directory + "\"");
    say(what, facts.st_mode & S_IRWXO
                  ? "open to every user of this machine: chmod o= \"" + directory + "\""
                  : "");
  }

 private:
  void look_at_signers(const Site& site) {
    if (!site.governance) return;
    for (const auto& policy : site.governance->policies)
      for (const Rule& rule : policy->rules) {
        const auto* asked = std::get_if<SignedRule>(&rule.spec);
        if (!asked || !seen_.insert("signers " + asked->allowed_signers.name).second) continue;
        auto allowed = secrets_.read(asked->allowed_signers, site.name);
        say("allowed signers \"" + asked->allowed_signers.name + "\"",
            allowed ? signature_lack(*allowed) : allowed.error().message);
      }
  }
  void look_at_driver(const HostDriverSpec& driver) {
    if (!seen_.insert("driver " + driver.name).second) return;
    struct stat facts {};
    if (::stat(driver.root.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) {
      lacks("root \"" + driver.root + "\" of driver " + driver.name + ": install -d \"" +
            driver.root + "\"");
    } else {
      auto ours = is_ours(driver.root);
      say("root " + driver.root,
          ours ? (*ours || empty(driver.root)
                      ? ""
                      : "holds something that is not Tidegate's; name an empty directory")
               : ours.error().message);
    }
    if (driver.sandbox) say("sandbox (bubblewrap)", sandbox_problem().value_or(""));
  }
  static bool empty(const std::string& directory) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
      if (entry.path().filename() != "lost+found") return false;
    }
    return !error;
  }
  void look_at_user(const Site& site, const Environment& environment) {
    auto user = user_of(*environment.driver, site.name, environment.name);
    if (!user) return lacks(user.error().message);
    if (::geteuid() == 0 && environment.driver->run_as.empty() &&
        runs_commands(site, environment)) {
      lacks("runAs in Driver \"" + environment.driver->name +
            "\": a controller that is root runs no site's commands as root");
    }
  }
  static bool runs_commands(const Site& site, const Environment& environment) {
    const Commands& c = site.application.commands;
    return !environment.verify.commands.empty() || !(c == Commands{});
  }
  void look_at_secrets(const Site& site, const Environment& environment) {
    auto ask = [&](const SecretRef& secret) {
      auto value = secrets_.read(secret, site.name);
      if (!value) lacks(value.error().message);
    };
    for (const auto& [name, secret] : environment.secrets) ask(secret);
    for (const auto& [name, secret] : site.application.build_secrets) ask(secret);
    if (site.repository.credentials) ask(*site.repository.credentials);
  }
  void look_at_engine(const HostDriverSpec& driver, Engine engine) {
    if (!seen_.insert("engine " + driver.name + std::to_string(static_cast<int>(engine))).second)
      return;
    auto made = engines_.of(driver, engine);
    if (!made) return lacks(made.error().message);
    auto problem = (*made)->check();
    say(std::string(engine == Engine::mariadb ? "MariaDB" : "SQLite") + " of driver " + driver.name,
        problem ? problem->value_or("") : problem.error().message);
  }

  const Secrets& secrets_;
  const Paint paint_;
  const bool silent_;
  std::vector<Lack> lacks_;
  Engines engines_;
  std::set<std::string> seen_, told_;
};

}  // namespace

int run_doctor(const Options& options) {
  auto given = given_fleet(options);
  auto secrets = secrets_directory(options);
  if (!secrets) return fail(secrets.error().message);
  const Secrets store(*secrets);
  Doctor doctor(store, options);
  if (!secrets->empty()) doctor.look_at_secrets_directory(*secrets);
  if (!given)
    doctor.lacks("manifests: " + given.error().message);
  else if (given->broken)
    doctor.lacks("valid manifests: see above");
  if (auto state = state_file(options)) {
    const std::string folder = state->substr(0, state->rfind('/'));
    auto opened = ::access(folder.c_str(), F_OK) == 0 && ::access(folder.c_str(), W_OK) != 0;
    doctor.say(
        "store " + *state,
        opened ? "\"" + folder + "\" is not writable; chown it to the controller's user" : "");
  }
  if (given)
    for (const auto& [name, site] : given->fleet.sites()) doctor.look_at(*site);
  if (options.json)
    std::cout << lacks_json(doctor.all());
  else if (doctor.lacking() == 0)
    std::cout << "nothing is lacking\n";
  return doctor.lacking() == 0 ? exit_done : exit_failed;
}

}  // namespace tidegate
