#include "controller/commands/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>

#include "controller/commands/version.h"
#include "reconcilers/plan_text.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

/// Builds the parser; each command's flags stand together.
class Parser {
 public:
  explicit Parser(Options& options) : o_(options) {
    app_.set_version_flag("--version", std::string("tidegate ") + version);
    app_.require_subcommand(1);
    app_.footer(
        "Examples:\n  tidegate validate manifests/\n  tidegate plan --manifests manifests/\n"
        "  tidegate apply --manifests manifests/\n  tidegate status acme\n\n"
        "Exit codes: 0 done or converged, 1 failed, 2 changes pending, 3 held, 4 deadline passed, "
        "64 usage.");
    output(&app_);
    app_.add_flag("--no-color", no_color_,
                  "never print colours (also: NO_COLOR in the environment)");
    offline();
    policies();
    audit();
    working();
    telling();
    asking();
    editing();
    by_hand();
  }

  std::optional<Options> parse(int argc, char** argv, int& exit_code) {
    try {
      app_.parse(argc, argv);
      finish();
    } catch (const CLI::CallForHelp&) {
      const auto chosen = app_.get_subcommands();
      if (chosen.empty() && *argv[1] != '-') return misspelt(argv[1], exit_code);
      std::cout << (chosen.empty() ? app_.help() : chosen.front()->help("tidegate")) << "\n";
      exit_code = exit_done;
      return std::nullopt;
    } catch (const CLI::CallForVersion&) {
      std::cout << "tidegate " << version << "\n";
      exit_code = exit_done;
      return std::nullopt;
    } catch (const CLI::ParseError& e) {
      exit_code = exit_usage;
      if (argc == 1) {
        std::cerr << app_.help() << "\n";
        return std::nullopt;
      }
      const CLI::App& command = innermost();
      if (&command == &app_ && *argv[1] != '-') return misspelt(argv[1], exit_code);
      const bool unfinished = &command != &app_ && !command.get_subcommands({}).empty();
      std::cerr << "tidegate: " << (unfinished ? unknown_below(command, argc, argv) : e.what())
                << "\nRun `tidegate " << path_of(command) << "--help`.\n";
      return std::nullopt;
    }
    return o_;
  }

 private:
  CLI::App* command(const std::string& name, const std::string& what, const std::string& examples) {
    CLI::App* sub = app_.add_subcommand(name, what);
    sub->footer("Examples:\n" + examples);
    sub->fallthrough();
    sub->callback([this, name] { o_.command = name; });
    return sub;
  }
  std::optional<Options> misspelt(const std::string& word, int& exit_code) const {
    std::cerr << "tidegate: " << unknown(word) << "\nRun `tidegate --help`.\n";
    exit_code = exit_usage;
    return std::nullopt;
  }
  /// The command that was named last, of those that have others below them too.
  const CLI::App& innermost() const {
    const CLI::App* named = &app_;
    while (!named->get_subcommands().empty()) named = named->get_subcommands().front();
    return *named;
  }
  /// "policy test ".
  std::string path_of(const CLI::App& command) const {
    return &command == &app_ ? "" : path_of(*command.get_parent()) + command.get_name() + " ";
  }
  static std::vector<std::string> names_below(const CLI::App& command) {
    std::vector<std::string> names;
    for (const CLI::App* sub : command.get_subcommands({})) names.push_back(sub->get_name());
    return names;
  }
  /// What a first word that is no command may have meant.
  std::string unknown(const std::string& word) const {
    if (word == "backup" || word == "import") return word + " is not supported yet";
    const auto names = names_below(app_);
    const std::vector<std::string_view> known(names.begin(), names.end());
    return "there is no command \"" + word + "\"" + did_you_mean(word, known);
  }
  /// The same of a second word, or that one is missing.
  std::string unknown_below(const CLI::App& group, int argc, char** argv) const {
    const auto names = names_below(group);
    const std::string path = path_of(group);
    char** const end = argv + argc;
    char** const at = std::find(argv + 1, end, group.get_name());
    if (at != end && at + 1 != end && *at[1] != '-') {
      const std::vector<std::string_view> known(names.begin(), names.end());
      return "there is no command \"" + path + at[1] + "\"" + did_you_mean(at[1], known);
    }
    return "say which: tidegate " + path + join(names, " or tidegate " + path);
  }
  void output(CLI::App* sub) {
    sub->add_option("-o,--output", output_, "text or json")->check(CLI::IsMember({"text", "json"}));
  }
  void manifests(CLI::App* sub, bool required) {
    auto* option =
        sub->add_option("--manifests", o_.manifests, "a directory of manifests, or a git URL@REF");
    if (required) option->required();
    sub->add_option("--secrets", o_.secrets, "the directory of secrets, one file each");
  }
  void state(CLI::App* sub) {
    sub->add_option(
        "--state", o_.state,
        "the store's file (default: " +
            std::string(
                "/var/lib/tidegate/state.db for root, else ~/.local/state/tidegate/state.db") +
            ")");
    sub->add_option("--config", o_.config,
                    "the controller's configuration file, which names the store");
    sub->add_option("--server", server_,
                    "a running controller's URL (also: TIDEGATE_SERVER in the environment)");
  }
  void target(CLI::App* sub, bool environment, bool required) {
    auto* option =
        sub->add_option("target", target_, environment ? "SITE/ENV" : "SITE or SITE/ENV");
    if (required) option->required();
    if (environment) with_environment_.push_back(sub);
  }
  void timeout(CLI::App* sub, const char* standard) {
    sub->add_option("--timeout", timeout_,
                    std::string("how long at most (default ") + standard + ")");
  }

  void offline() {
    auto* validate =
        command("validate", "check manifests offline, telling every problem",
                "  tidegate validate manifests/\n  tidegate validate --effective manifests/");
    validate->add_option("PATH", o_.paths, "files or directories")->required();
    validate->add_flag("--effective", o_.effective,
                       "print each site with defaults, class and presets merged");
    output(validate);
    auto* plan = command("plan", "what would be done now and why; changes nothing",
                         "  tidegate plan --manifests manifests/\n  tidegate plan --manifests "
                         "https://git.example.org/fleet.git@main --site acme\n  tidegate plan "
                         "--manifests manifests/ --out plan.json && tidegate apply plan.json");
    manifests(plan, false);
    with_manifests_.push_back(plan);
    state(plan);
    plan->add_option("--site", o_.site, "this site alone");
    plan->add_option("--out", o_.out, "save the plan in this file, for `tidegate apply FILE`");
    output(plan);
    auto* webserver =
        command("webserver", "print the web server's and PHP-FPM's configuration for a site",
                "  tidegate webserver acme --manifests manifests/ > /etc/nginx/conf.d/acme.conf");
    target(webserver, false, true);
    manifests(webserver, false);
    state(webserver);
    webserver->add_option("--for", o_.webserver, "nginx or apache, or php-fpm for the pools alone")
        ->check(CLI::IsMember({"nginx", "apache", "php-fpm"}));
    webserver->add_option("--sockets", o_.sockets,
                          "where PHP-FPM's sockets are (default /run/php)");
    webserver->add_option(
        "--temporaries", o_.temporaries,
        "where each environment has its temporary directory (default /var/lib/php/tidegate)");
    auto* doctor = command("doctor", "what this machine lacks, with the command that mends it",
                           "  tidegate doctor --config /etc/tidegate/tidegate.yaml\n  tidegate "
                           "doctor --manifests manifests/");
    manifests(doctor, false);
    state(doctor);
    output(doctor);
  }
  void policies() {
    auto* policy =
        command("policy", "try policies out on examples", "  tidegate policy test manifests/");
    policy->require_subcommand(1);
    policy->callback([] {});  // Runs after that of the command below, which says what is meant.
    auto* test =
        policy->add_subcommand("test", "hold policies against examples (*.case.yaml), offline");
    test->footer(
        "Examples:\n  tidegate policy test manifests/\n  tidegate policy test manifests/ -o "
        "json\n\n"
        "Exit codes: 0 every example came out as expected, 1 one did not, 64 usage.");
    test->fallthrough();
    test->callback([this] { o_.command = "policy test"; });
    test->add_option("DIR", o_.paths, "a directory of manifests and *.case.yaml")
        ->required()
        ->expected(1);
    output(test);
  }
  void audit() {
    auto* audit = command("audit", "what was done, by whom, and what it rested on",
                          "  tidegate audit verify --state state.db\n  tidegate audit export");
    audit->require_subcommand(1);
    audit->callback([] {});  // As of policy.
    const auto below = [&](const std::string& name, const char* what, const char* examples) {
      auto* sub = audit->add_subcommand(name, what);
      sub->footer(examples);
      sub->fallthrough();
      sub->callback([this, name] { o_.command = "audit " + name; });
      state(sub);
      output(sub);
      return sub;
    };
    below(
        "verify", "follow the chain: was an entry changed, taken out or put in?",
        "Examples:\n  tidegate audit verify --config /etc/tidegate/tidegate.yaml\n  tidegate audit "
        "verify --anchor HASH@SEQ\n\n"
        "Exit codes: 0 unbroken, 1 broken at the entry that is named, 64 usage.")
        ->add_option("--anchor", o_.anchor,
                     "a head noted elsewhere, HASH@SEQ: without one, a chain cut short at its end "
                     "looks unbroken");
    auto* out = below("export", "print the entries, a line of JSON each",
                      "Examples:\n  tidegate audit export --site acme > acme.jsonl\n  tidegate "
                      "audit export --since 2026-11-01T00:00:00Z\n\nThe head of the chain is told "
                      "on stderr, to be noted elsewhere.");
    out->add_option("--since", o_.since, "entries from this time on: 2026-11-01T00:00:00Z");
    out->add_option("--site", o_.site, "of this site alone");
  }
  void working() {
    auto* apply = command("apply", "do all that can be done, once",
                          "  tidegate apply --manifests manifests/\n  tidegate apply --manifests "
                          "manifests/ --site acme --timeout 10m\n  tidegate apply plan.json");
    apply->add_option(
        "FILE", o_.saved_plan,
        "a plan that `tidegate plan --out FILE` saved: its steps are done exactly so, or "
        "nothing is when what it rests on has moved");
    manifests(apply, false);
    state(apply);
    apply->add_option("--site", o_.site, "this site alone");
    timeout(apply, "30m");
    output(apply);
    auto* controller = command("controller", "run the loop",
                               "  tidegate controller --config /etc/tidegate/tidegate.yaml");
    controller->add_option("--config", o_.config, "the configuration file")->required();
    auto* exec =
        command("exec", "run a command in the running release, as the site's own commands are run",
                "  tidegate exec acme/test --manifests manifests/ -- wp option get siteurl");
    target(exec, true, true);
    manifests(exec, false);
    state(exec);
    exec->add_option("words", o_.words, "the command, after --")->required();
  }
  void telling() {
    auto* status = command(
        "status", "what runs where, what waits and why",
        "  tidegate status\n  tidegate status acme/test -o json\n  tidegate status --watch");
    target(status, false, false);
    state(status);
    status->add_flag("--watch", o_.watch, "again and again, until interrupted");
    output(status);
    auto* explain = command("explain", "why an environment is as it is",
                            "  tidegate explain acme/live --manifests manifests/");
    target(explain, true, true);
    manifests(explain, false);
    state(explain);
    output(explain);
    auto* history = command("history", "operations, newest first",
                            "  tidegate history acme\n  tidegate history acme/live -o json");
    target(history, false, true);
    state(history);
    history->add_option("--limit", o_.limit, "how many at most (default 50)")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}));
    output(history);
    auto* logs = command("logs", "an operation's log",
                         "  tidegate logs acme/test\n  tidegate logs acme/test --follow");
    target(logs, true, true);
    state(logs);
    logs->add_option("--operation", o_.operation, "its id (default: the latest but exec's)");
    logs->add_flag("--follow", o_.follow, "go on while it runs");
  }
  void asking() {
    auto* wait = command("wait",
                         "until a site or environment has converged; ends with 3 as soon as only "
                         "holds are left that no time before the timeout lifts, with 4 at the "
                         "timeout",
                         "  tidegate wait acme --timeout 10m && echo it is live");
    target(wait, false, true);
    state(wait);
    wait->add_option("--for", for_, "converged")->check(CLI::IsMember({"converged"}));
    timeout(wait, "10m");
    auto* retry = command("retry", "lift a quarantine, once", "  tidegate retry acme/test");
    target(retry, true, true);
    state(retry);
  }
  void editing() {
    auto common = [&](CLI::App* sub) {
      sub->add_option("--manifests", o_.manifests,
                      "the work tree of the manifests repository, or a git URL@REF");
      sub->add_option("--secrets", o_.secrets, "the directory of secrets");
      state(sub);
      output(sub);
      sub->add_flag("--dry-run", o_.dry_run, "print the change, commit nothing");
      sub->add_option("--branch", o_.branch, "commit to this branch instead");
      sub->add_option("-m,--message", o_.message, "the commit's message");
      with_manifests_.push_back(sub);
    };
    auto* promote =
        command("promote", "let an environment run what another has proven, by a commit",
                "  tidegate promote acme dev test --manifests .\n  tidegate promote acme test live "
                "--dry-run --manifests .");
    promote->add_option("SITE", o_.site, "the site")->required();
    promote->add_option("FROM", o_.from, "the environment below")->required();
    promote->add_option("TO", o_.to, "the environment that gets it")->required();
    common(promote);
    auto* sync = command("sync", "ask for content anew, by a commit that raises the generation",
                         "  tidegate sync acme/test --manifests .\n  tidegate sync acme/dev --from "
                         "live --manifests .");
    target(sync, true, true);
    sync->add_option("--from", o_.from,
                     "the environment to copy from (default: as the manifest says)");
    common(sync);
    auto* wipe = command("wipe", "ask for empty content, by a commit",
                         "  tidegate wipe acme/dev --manifests .");
    target(wipe, true, true);
    common(wipe);
    auto* rollback = command("rollback", "let an environment run what it ran before, by a commit",
                             "  tidegate rollback acme/live --manifests .\n  tidegate rollback "
                             "acme/live --to 8ab17c0… --manifests .");
    target(rollback, true, true);
    rollback->add_option("--to", o_.commit, "the commit (default: the one before, by history)");
    common(rollback);
  }

  void by_hand() {
    const std::string found =
        "\n\nWithout --manifests: those that were applied last, or the controller's.";
    auto* commit = command(
        "commit", "commit what was changed by hand where code.writable is set, and push it",
        "  tidegate commit acme/dev -m \"A wider banner\"\n  tidegate commit acme/dev -m Banner "
        "--dry-run --manifests manifests/\n  tidegate commit acme/dev -m Banner --author \"Ada "
        "<ada@example.org>\"" +
            found);
    target(commit, true, true);
    manifests(commit, false);
    state(commit);
    output(commit);
    commit->add_option("-m,--message", o_.message, "the commit's message")->required();
    commit->add_option("--author", o_.author,
                       "\"Name <mail>\" (default: git's user.name and user.email)");
    commit->add_flag("--dry-run", o_.dry_run, "print what would be committed, commit nothing");
    commit->add_flag("--include-generated", o_.generated,
                     "commit what the build makes and what .gitignore names too");
    auto* discard = command(
        "discard", "give up what was changed by hand where code.writable is set",
        "  tidegate discard acme/dev\n  tidegate discard acme/dev --yes --manifests manifests/" +
            found);
    target(discard, true, true);
    manifests(discard, false);
    state(discard);
    discard->add_flag("--yes", o_.yes, "do not ask");
  }

  static void refuse(const std::string& option, const std::string& why) {
    throw CLI::ValidationError(option, why);
  }

  void finish() {
    const CLI::App& chosen = innermost();
    o_.json = output_ == "json";
    if (o_.json && !chosen.get_option_no_throw("--output"))
      refuse("--output", o_.command + " prints no JSON; leave it out");
    if (o_.json && o_.effective)
      refuse("--output", "--effective prints YAML; leave one of them out");
    o_.color = !no_color_ && !std::getenv("NO_COLOR") && ::isatty(STDOUT_FILENO);
    find_store(chosen);
    const bool asked = std::ranges::find(with_manifests_, &chosen) != with_manifests_.end();
    if (asked && o_.manifests.empty() && o_.config.empty())
      refuse("--manifests", "say which manifests: --manifests DIR or URL@REF, or --config FILE");
    if (o_.command == "apply") one_of_plan_and_manifests();
    if (o_.command == "commit" && o_.message.find_first_not_of(" \t\r\n") == std::string::npos)
      refuse("--message", "is empty; say what was changed");
    if (!timeout_.empty()) {
      o_.timeout = parse_duration(timeout_);
      if (!o_.timeout)
        refuse("--timeout", "\"" + timeout_ + "\" is no duration; write 30s, 10m or 2h");
    }
    const auto slash = target_.find('/');
    const bool whole = std::ranges::find(with_environment_, &chosen) == with_environment_.end();
    if (slash == 0 || target_.ends_with('/') || std::ranges::count(target_, '/') > 1)
      refuse("target", "\"" + target_ + "\" names no site or environment; write " +
                           (whole ? "SITE or SITE/ENV" : "SITE/ENV"));
    o_.target.site = target_.substr(0, slash);
    if (slash != std::string::npos) o_.target.environment = target_.substr(slash + 1);
    if (!whole && o_.target.environment.empty())
      refuse("target", "\"" + target_ + "\" names no environment; write SITE/ENV");
  }

  /// A saved plan says itself which manifests and which sites it is about.
  void one_of_plan_and_manifests() const {
    if (o_.manifests.empty() && o_.saved_plan.empty())
      refuse("--manifests",
             "say which manifests: --manifests DIR or URL@REF, or the FILE of a saved plan");
    if (o_.saved_plan.empty()) return;
    if (!o_.manifests.empty())
      refuse("--manifests", "a saved plan names its manifests; leave it out");
    if (!o_.site.empty()) refuse("--site", "a saved plan names its sites; leave it out");
  }

  /// A server in the environment is meant where nothing on the command line says otherwise.
  void find_store(const CLI::App& chosen) {
    if (!chosen.get_option_no_throw("--server")) return;
    const char* named = std::getenv("TIDEGATE_SERVER");
    if (server_.empty() && o_.config.empty() && o_.state.empty() && named) server_ = named;
    if (!server_.empty())
      refuse("--server", "a controller's HTTP API is not supported yet; use --config or --state");
    if (o_.state.starts_with("postgresql:") || o_.state.starts_with("postgres:"))
      refuse("--state", "a store in PostgreSQL is not supported yet; name a file");
  }

  Options& o_;
  CLI::App app_{"Tidegate reconciles the environments of web sites with manifests in git.",
                "tidegate"};
  std::string output_ = "text", target_, timeout_, server_, for_ = "converged";
  bool no_color_ = false;
  std::vector<const CLI::App*> with_environment_, with_manifests_;
};

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  Options options;
  return Parser(options).parse(argc, argv, exit_code);
}

}  // namespace tidegate
