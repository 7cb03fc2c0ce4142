// What a release's commands and pages are given, and how a command is run.

#include "controller/host/place.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "controller/host/files/durable.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

/// A place of its own, without an operation around it.
class PlaceTest : public testing::Test {
 protected:
  PlaceTest() {
    host.environments["dev"] =
        "code: {branch: main}, variables: {GREETING: hello world, EMPTY: \"\"}";
  }

  Place place() {
    site = host.site();
    auto made = Place::make(services, engines, *site, site->environments.at("dev"));
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  ReleaseRecord release() {
    ReleaseRecord r;
    r.id = "4";
    r.commit = host.first;
    r.content[Part::databases] = {"4",
                                  {},
                                  {{"main", "/srv/main.db"}, {"log-book", "/srv/log.db"}},
                                  {{"main", "sqlite"}, {"log-book", "sqlite"}}};
    return r;
  }
  CommandRun run_of(std::vector<std::string>& lines) {
    CommandRun run;
    run.what = "update";
    run.directory = "/";
    run.deadline = std::chrono::steady_clock::now() + 20s;
    run.on_line = [&lines](std::string_view line) { lines.emplace_back(line); };
    return run;
  }
  TestHost host;
  Engines engines{Secrets(host.secrets())};
  HostServices services = host.services();
  std::shared_ptr<const Site> site;
};

TEST_F(PlaceTest, GivesAReleaseExactlyTheVariablesOfTheContract) {
  host.content = "databases: [{name: log-book, engine: sqlite}, {name: main, engine: sqlite}]";
  host.environments["dev"] += ", secrets: {SMTP_PASSWORD: smtp}";
  write_file(host.secrets() + "/sites/acme/smtp", "hunter2 with spaces\n");
  host.succeed("dev");
  const auto dev = place();
  auto variables = dev.variables(host.release("dev"));
  ASSERT_TRUE(variables) << variables.error().message;
  const auto items = host.release("dev").content.at(Part::databases).items;
  const std::string book = "sqlite:///" + items.at("log-book"),
                    main = "sqlite:///" + items.at("main");
  EXPECT_EQ(variables->all,
            (std::map<std::string, std::string>{{"DATABASE_URL", book},
                                                {"EMPTY", ""},
                                                {"GREETING", "hello world"},
                                                {"LOG_BOOK_DATABASE_URL", book},
                                                {"MAIN_DATABASE_URL", main},
                                                {"SMTP_PASSWORD", "hunter2 with spaces"},
                                                {"TIDEGATE_COMMIT", host.first.hex},
                                                {"TIDEGATE_ENVIRONMENT", "dev"},
                                                {"TIDEGATE_RELEASE", "1"},
                                                {"TIDEGATE_SITE", "acme"}}));
  EXPECT_EQ(variables->secrets, std::vector<std::string>{"hunter2 with spaces"});
}

TEST_F(PlaceTest, WritesTheEnvironmentFileRawForTheGroupAlone) {
  host.environments["dev"] += ", secrets: {SMTP_PASSWORD: smtp}";
  write_file(host.secrets() + "/sites/acme/smtp", "it's \"raw\" $HOME # = \\\n");
  host.succeed("dev");
  const std::string path = host.layout("dev").current() + "/environment";
  const std::string url = "sqlite:///" + host.database("dev");
  EXPECT_EQ(read_file(path),
            "DATABASE_URL=" + url + "\nEMPTY=\nGREETING=hello world\nMAIN_DATABASE_URL=" + url +
                "\nSMTP_PASSWORD=it's \"raw\" $HOME # = \\\nTIDEGATE_COMMIT=" + host.first.hex +
                "\nTIDEGATE_ENVIRONMENT=dev\nTIDEGATE_RELEASE=1\nTIDEGATE_SITE=acme\n");
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640u);
  EXPECT_EQ(facts.st_uid, ::geteuid());
  EXPECT_EQ(facts.st_gid, is_root() ? 33u : ::getegid());
}

TEST_F(PlaceTest, RefusesASecretWithANewlineAndTellsNothingOfIt) {
  host.environments["dev"] += ", secrets: {SMTP_PASSWORD: smtp}";
  for (const std::string& value :
       {std::string("hunter2\nSMTP_HOST=evil\n"), std::string("hunter2\0x", 9)}) {
    write_file(host.secrets() + "/sites/acme/smtp", value);
    auto variables = place().variables(release());
    ASSERT_FALSE(variables);
    EXPECT_EQ(variables.error().kind, ErrorKind::invalid);
    EXPECT_EQ(variables.error().message,
              "secret \"smtp\" for variable SMTP_PASSWORD holds a newline; a variable cannot");
  }
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.all().find("hunter2"), std::string::npos);
  EXPECT_FALSE(host.seen("dev").exists);
}

TEST_F(PlaceTest, CommandsSeeExactlyTheirVariablesAndSecretsAreMaskedInTheLog) {
  host.environments["dev"] += ", secrets: {SMTP_PASSWORD: smtp}";
  write_file(host.secrets() + "/sites/acme/smtp", "hunter2-and-more\n");
  host.commands = "install: [env]";
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("GREETING=hello world")) << told.all();
  EXPECT_TRUE(told.has("TIDEGATE_RELEASE=1"));
  EXPECT_TRUE(told.has("HOME=/tmp"));
  EXPECT_TRUE(told.has("LANG=C.UTF-8"));
  EXPECT_TRUE(told.has("PATH=/usr/local/bin:/usr/bin:/bin"));
  EXPECT_TRUE(told.has("SMTP_PASSWORD="));
  EXPECT_FALSE(told.has("hunter2")) << told.all();
  const std::set<std::string> known{"DATABASE_URL",
                                    "EMPTY",
                                    "GREETING",
                                    "HOME",
                                    "LANG",
                                    "MAIN_DATABASE_URL",
                                    "PATH",
                                    "PWD",
                                    "SMTP_PASSWORD",
                                    "TIDEGATE_COMMIT",
                                    "TIDEGATE_ENVIRONMENT",
                                    "TIDEGATE_RELEASE",
                                    "TIDEGATE_SITE"};
  for (const auto& line : told.lines) {
    const std::string name = line.substr(0, line.find('='));
    if (line.find('=') == std::string::npos ||
        name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != std::string::npos)
      continue;
    EXPECT_TRUE(known.contains(name)) << line;
  }
}

TEST_F(PlaceTest, TellsHowACommandEnded) {
  const auto dev = place();
  std::vector<std::string> lines;
  auto run = run_of(lines);
  EXPECT_EQ(*run_site_command(dev, "sh -c 'echo out; echo err >&2; exit 5'", run), 5);
  EXPECT_EQ(std::set(lines.begin(), lines.end()),
            (std::set<std::string>{"$ sh -c 'echo out; echo err >&2; exit 5'", "out", "err"}));
  auto failed = run_site_commands(dev, {"true", "sh -c 'echo why; exit 2'", "echo never"}, run);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::site);
  EXPECT_EQ(failed.error().message, "update: \"sh -c 'echo why; exit 2'\": exit code 2: why");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "never"), 0);
  failed = run_site_commands(dev,
                             {"sh -c 'printf \"PHP Fatal error:  Uncaught Exception: gone\\n#0 "
                              "{main}\\n  thrown in /a.php\\n\"; exit 255'"},
                             run);
  EXPECT_TRUE(
      failed.error().message.ends_with("exit code 255: PHP Fatal error:  Uncaught Exception: gone"))
      << failed.error().message;
  failed = run_site_commands(dev, {"no-such-program"}, run);
  EXPECT_EQ(failed.error().kind, ErrorKind::site);
  EXPECT_TRUE(failed.error().message.starts_with("update: \"no-such-program\": exit code 127"))
      << failed.error().message;
  auto unsplit = run_site_command(dev, "echo 'open", run);
  ASSERT_FALSE(unsplit);
  EXPECT_EQ(unsplit.error().kind, ErrorKind::site);
  EXPECT_TRUE(unsplit.error().message.starts_with("update: \"echo 'open\": "))
      << unsplit.error().message;
}

TEST_F(PlaceTest, EndsACommandAtItsDeadlineAndWithTheController) {
  const auto dev = place();
  std::vector<std::string> lines;
  auto run = run_of(lines);
  run.deadline = std::chrono::steady_clock::now() + 300ms;
  auto late = run_site_command(dev, "sh -c 'sleep 60 || true'", run);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::site);
  EXPECT_EQ(late.error().message,
            "update: \"sh -c 'sleep 60 || true'\": ended at the deadline: deploy.timeout is 30m");
  run.deadline = std::chrono::steady_clock::now() - 1ms;
  EXPECT_EQ(run_site_command(dev, "true", run).error().message,
            "update: \"true\": no time left of deploy.timeout");
  run.deadline = std::chrono::steady_clock::now() + 20s;
  run.stop = [] { return true; };
  auto stopped = run_site_command(dev, "sleep 60", run);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::transient);
  EXPECT_EQ(stopped.error().message, "update: \"sleep 60\": stopped with the controller");
}

TEST_F(PlaceTest, RootRunsNoCommandAsRoot) {
  if (!is_root()) GTEST_SKIP() << "only root can be refused";
  auto dev = place();
  dev.user.reset();
  std::vector<std::string> lines;
  auto refused = run_site_command(dev, "id", run_of(lines));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid);
  EXPECT_EQ(refused.error().message,
            "update: \"id\": a controller that is root runs no site's commands as root; set runAs "
            "in Driver \"host\"");
  EXPECT_EQ(lines, std::vector<std::string>{"$ id"});
}

TEST_F(PlaceTest, RunsCommandsAsTheEnvironmentsUser) {
  const auto dev = place();
  std::vector<std::string> lines;
  EXPECT_EQ(*run_site_words(dev, {"id", "-u"}, run_of(lines)), 0);
  EXPECT_EQ(lines, std::vector<std::string>{is_root() ? "33" : std::to_string(::geteuid())});
}

TEST_F(PlaceTest, InputsChangeWithWhatShapesAReleaseAndNothingElse) {
  host.environments["dev"] = "code: {branch: main}, variables: {A: b, C: d}, secrets: {S: s}";
  write_file(host.secrets() + "/sites/acme/s", "one");
  auto digest = [&] {
    const auto site = host.site();
    auto made = inputs_digest(*site, site->environments.at("dev"), Secrets(host.secrets()));
    EXPECT_TRUE(made);
    return made ? *made : "";
  };
  std::set<std::string> seen{digest()};
  auto changes = [&](const char* what) { EXPECT_TRUE(seen.insert(digest()).second) << what; };
  host.environments["dev"] = "code: {branch: main}, variables: {A: bC, D: d}, secrets: {S: s}";
  changes("a variable");
  write_file(host.secrets() + "/sites/acme/s", "two");
  changes("a secret");
  host.commands = "build: [\"true\"]";
  changes("the build");
  host.writable = "cache";
  changes("writable paths");
  host.content = "files: [{name: uploads, path: web/files}]";
  changes("content");
  const std::string same = digest();
  host.commands += ", update: [\"true\"]";
  host.environments["dev"] +=
      ", url: \"http://127.0.0.1:1\", verify: {retryFor: 1s}, deploy: {note: later}";
  EXPECT_EQ(digest(), same);
}

TEST_F(PlaceTest, ExecutesInTheRunningReleaseAndGivesItsExitCode) {
  host.succeed("dev");
  std::vector<std::string> lines;
  const auto on_line = [&](std::string_view line) { lines.emplace_back(line); };
  auto code = host.driver->execute(
      *host.site(), "dev",
      {"sh", "-c", "cat web/index.html; echo $GREETING; touch lib/new 2>/dev/null; exit 9"},
      on_line);
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(*code, 9);
  EXPECT_EQ(lines, (std::vector<std::string>{"first", "hello world"}));
  EXPECT_FALSE(std::filesystem::exists(host.layout("dev").current() + "/code/lib/new"))
      << "code is read-only";
  auto unknown = host.driver->execute(*host.site(), "prod", {"true"}, on_line);
  EXPECT_EQ(unknown.error().message, "acme/prod is not declared");
  host.environments["test"] = "code: {from: dev}";
  EXPECT_EQ(host.driver->execute(*host.site(), "test", {"true"}, on_line).error().message,
            "acme/test runs no release");
}

TEST_F(PlaceTest, RefusesToStartWhatItsWorkersCannotTake) {
  host.environments.clear();
  for (const char* name : {"dev", "test", "live"})
    host.environments[name] = "code: {commit: " + host.first.hex + "}";
  const Step step = host.step("dev");
  std::mutex gate;
  std::unique_lock closed(gate);
  services.gate = [&](const Site&, const Step&, const std::string&) {
    std::lock_guard wait(gate);
    return std::optional(Refusal{"enough", true});
  };
  HostDriver driver(services, 1);
  auto start = [&](const char* name) {
    Step other = step;
    other.environment = name;
    auto started = driver.start(*host.site(), other);
    return started ? "started" : started.error().message;
  };
  EXPECT_EQ(start("dev"), "started");
  EXPECT_EQ(start("dev"), "dev is busy");
  EXPECT_EQ(start("test"), "started");
  EXPECT_EQ(driver.running(), (std::set<std::string>{"acme/dev", "acme/test"}));
  EXPECT_EQ(start("live"), "all workers are busy");
  closed.unlock();
  EXPECT_EQ(host.log.wait(1).result, "undone");
}

}  // namespace
}  // namespace tidegate::test
