// What is verified, where, and what is kept of it when it fails.

#include "controller/host/verification.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "controller/host/test_pages.h"

namespace tidegate::test {
namespace {

class VerificationTest : public testing::Test {
 protected:
  /// Dev runs the first page.
  void create_dev(const std::string& more = "") {
    declare("");
    host.succeed("dev");
    declare(more);
  }
  void declare(const std::string& verify) {
    host.environments["dev"] = "code: {branch: main}, url: \"" + pages.url() +
                               "\", verify: {retryFor: 0s" + (verify.empty() ? "" : ", ") + verify +
                               "}" + further;
  }
  Failure failure() {
    const auto record = host.record("dev");
    if (record.failures.empty()) return {};
    return record.failures.back();
  }
  std::string get(const std::string& path) const { return "GET " + pages.url() + path; }
  bool proven(const CommitId& commit) {
    return std::ranges::count(host.record("dev").proven, commit) == 1;
  }

  TestHost host;
  TestPages pages{host.layout("dev").current()};
  std::string further;
};

TEST_F(VerificationTest, TellsTheLogWhatEachCheckSaw) {
  declare("http: [{path: /, contains: first}], commands: [" + sh("echo all is well") + "]");
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has(get("/") + ": 200 after ")) << told.all();
  EXPECT_TRUE(told.has("  first")) << told.all();
  EXPECT_TRUE(told.has("verify: \"sh -c 'echo all is well'\": exit code 0 after ")) << told.all();
  EXPECT_TRUE(told.has("verified on " + pages.url()));
}

TEST_F(VerificationTest, KeepsWhatItSawWhenItFailedAfterTheSwitchWithoutSecrets) {
  host.code.write("web/health.html", "good");
  host.code.commit("health");
  create_dev("http: [{path: /health}, {path: /}]");
  write_file(host.secrets() + "/sites/acme/smtp", "hunter22");
  further = ", secrets: {SMTP: smtp}";
  declare("http: [{path: /health}, {path: /}]");
  host.push("!\nlogin failed with hunter22\nmore\n");
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  const std::string message =
      "verification: " + get("/") + " answered 500, wanted below 400; first line: \"!\"";
  EXPECT_EQ(told.message, message);
  EXPECT_EQ(host.page("dev"), "first\n");
  const Failure failed = failure();
  EXPECT_EQ(failed.message, message);
  EXPECT_TRUE(failed.after_switch);
  ASSERT_EQ(failed.evidence.size(), 2u);
  EXPECT_EQ(failed.evidence[0].check, get("/health"));
  EXPECT_TRUE(failed.evidence[0].passed);
  EXPECT_EQ(failed.evidence[0].said, "good");
  EXPECT_EQ(failed.evidence[1].check, get("/"));
  EXPECT_FALSE(failed.evidence[1].passed);
  EXPECT_EQ(failed.evidence[1].status, 500);
  EXPECT_EQ(failed.evidence[1].said,
            "answered 500, wanted below 400; first line: \"!\"\n!\nlogin failed with ***\nmore");
  EXPECT_EQ(host.seen("dev").failures.back(), failed);
  EXPECT_EQ(read_file(host.layout("dev").record()).find("hunter22"), std::string::npos);
  EXPECT_EQ(told.all().find("hunter22"), std::string::npos);
}

TEST_F(VerificationTest, MasksASecretInTheMessageToo) {
  create_dev();
  write_file(host.secrets() + "/sites/acme/smtp", "hunter22");
  further = ", secrets: {SMTP: smtp}";
  declare("");
  host.push("!hunter22\n");
  EXPECT_EQ(host.run("dev").message,
            "verification: " + get("/") + " answered 500, wanted below 400; first line: \"!***\"");
  EXPECT_EQ(read_file(host.layout("dev").record()).find("hunter22"), std::string::npos);
}

TEST_F(VerificationTest, AFailureOnThePreviewIsNoneThatVisitorsSaw) {
  create_dev();
  TestPages preview(host.layout("dev").next());
  further = ", previewUrl: \"" + preview.url() + "\"";
  declare("");
  host.push("!broken\n");
  const Told told = host.run("dev");
  const std::string host_name = pages.url().substr(7);
  EXPECT_EQ(told.message, "verification on the preview: GET " + preview.url() +
                              "/ (Host: " + host_name +
                              ") answered 500, wanted below 400; first line: "
                              "\"!broken\"");
  EXPECT_FALSE(failure().after_switch);
  ASSERT_EQ(failure().evidence.size(), 1u);
  EXPECT_EQ(failure().evidence[0].status, 500);
}

TEST_F(VerificationTest, AsksAPreviewForNoCertificateThatIsNotReachedByHttps) {
  create_dev();
  TestPages preview(host.layout("dev").next());
  const std::string https = "https://127.0.0.1:1";
  host.environments["dev"] = "code: {branch: main}, url: \"" + https + "\", previewUrl: \"" +
                             preview.url() +
                             "\", verify: {retryFor: 0s, http: [{path: /, certificate: {validFor: "
                             "14d}}]}";
  host.push("second\n");
  EXPECT_EQ(host.run("dev").result, "failed") << "nobody is there";
  EXPECT_TRUE(failure().after_switch) << failure().message;
  EXPECT_TRUE(failure().message.starts_with("verification: GET " + https + "/"))
      << failure().message;
}

TEST_F(VerificationTest, KeepsWhatAFailedCommandSaid) {
  create_dev("commands: [" + sh("echo fine") + ", " + sh("echo out of order; exit 3") + "]");
  host.push("second\n");
  EXPECT_EQ(host.run("dev").result, "failed");
  const Failure failed = failure();
  EXPECT_FALSE(failed.after_switch);
  ASSERT_EQ(failed.evidence.size(), 2u);
  EXPECT_EQ(failed.evidence[0].check, "sh -c 'echo fine'");
  EXPECT_TRUE(failed.evidence[0].passed);
  EXPECT_EQ(failed.evidence[1].check, "sh -c 'echo out of order; exit 3'");
  EXPECT_EQ(failed.evidence[1].status, 3);
  EXPECT_EQ(failed.evidence[1].said, "out of order");
}

TEST_F(VerificationTest, KeepsAtMostTheLastTwentyChecks) {
  std::string checks;
  for (int i = 0; i < 25; ++i) checks += "{path: /}, ";
  create_dev("http: [" + checks + "{path: /missing}]");
  host.push("second\n");
  EXPECT_EQ(host.run("dev").result, "failed");
  ASSERT_EQ(failure().evidence.size(), evidence_max);
  EXPECT_EQ(failure().evidence.back().check, get("/missing"));
  EXPECT_EQ(failure().evidence.back().status, 404);
}

TEST_F(VerificationTest, KeepsWhatWasSeenForTheLastFailuresAlone) {
  create_dev("commands: [" + sh("echo no; exit 1") + "]");
  for (std::size_t i = 0; i <= evidenced_failures_max; ++i) {
    host.push("page " + std::to_string(i) + "\n");
    EXPECT_EQ(host.run("dev").result, "failed");
  }
  const auto failures = host.record("dev").failures;
  ASSERT_EQ(failures.size(), evidenced_failures_max + 1);
  EXPECT_TRUE(failures[0].evidence.empty());
  EXPECT_EQ(failures[1].evidence.size(), 1u);
}

TEST_F(VerificationTest, CutsAPageBetweenCharacters) {
  create_dev();
  std::string page = "!";
  while (page.size() < 2 * evidence_bytes_max) page += "é";
  host.push(page);
  EXPECT_EQ(host.run("dev").result, "failed");
  const std::string said = failure().evidence.at(0).said;
  EXPECT_LE(said.size(), evidence_bytes_max);
  EXPECT_GE(said.size(), evidence_bytes_max - 1);
  EXPECT_TRUE(said.ends_with("é"));
}

TEST_F(VerificationTest, ComparesPagesWithWhatTheyWereBeforeTheSwitch) {
  host.code.write("web/shop.html", "<title>Shop</title>");
  host.code.write("web/news.html", "!broken already");
  host.code.commit("shop");
  create_dev("http: [], compare: {paths: [/, /shop, /news, /never]}");
  host.code.write("web/shop.html", "<title>An error has occurred</title>");
  host.push("second\n");
  const Told told = host.run("dev");
  const std::string message = "verification: " + get("/shop") +
                              " answered 200 with title \"An error has occurred\", and had "
                              "\"Shop\" before the switch";
  EXPECT_EQ(told.message, message);
  EXPECT_EQ(told.phases, (std::vector<std::string>{"build", "content", "code", "compare", "verify",
                                                   "switch", "verifyLive", "undo"}));
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_TRUE(failure().after_switch);
  declare("http: [], compare: {paths: [/, /shop, /news, /never], titles: ignore}");
  host.succeed("dev");
  EXPECT_EQ(host.page("dev"), "second\n");
  host.code.write("web/shop.html", "!gone");
  host.push("third\n");
  EXPECT_EQ(host.run("dev").message, "verification: " + get("/shop") +
                                         " answered 500, and below 400 before the switch; first "
                                         "line: \"!gone\"");
}

TEST_F(VerificationTest, ComparesOnThePreviewBeforeVisitorsSeeIt) {
  host.push("<title>Acme</title>");
  create_dev();
  TestPages preview(host.layout("dev").next());
  further = ", previewUrl: \"" + preview.url() + "\"";
  declare("compare: {paths: [/]}");
  host.push("<title>Error</title>");
  EXPECT_EQ(host.run("dev").message,
            "verification on the preview: GET " + preview.url() +
                "/ (Host: " + pages.url().substr(7) +
                ") answered 200 with title \"Error\", and had \"Acme\" before the switch");
  EXPECT_FALSE(failure().after_switch);
}

TEST_F(VerificationTest, FailsWhereConfigurationInTheDatabaseDiffers) {
  const std::string line = "sh -c 'echo 2 items differ; test -e web/same || exit 1'";
  create_dev();
  host.commands = "configStatus: [\"" + line + "\"]";
  const CommitId second = host.push("second\n");
  EXPECT_EQ(host.run("dev").message,
            "configStatus: \"" + line +
                "\": configuration in the database differs from the code's: 2 items differ");
  EXPECT_FALSE(failure().after_switch);
  EXPECT_EQ(failure().evidence.at(0).check, line);
  EXPECT_EQ(failure().evidence.at(0).status, 1);
  EXPECT_FALSE(proven(second));
  host.code.write("web/same", "");
  host.code.commit("same");
  EXPECT_TRUE(host.succeed("dev").has("configStatus: \"" + line + "\": exit code 0 after "));
  host.commands = "configStatus: [" + sh("exit 4") + "]";
  host.push("third\n");
  EXPECT_EQ(host.run("dev").message,
            "configStatus: \"sh -c 'exit 4'\": exit code 4; 0 means no difference, 1 some");
}

TEST_F(VerificationTest, DoesNotAskCodeThatGoesBackAboutAConfigurationAheadOfIt) {
  create_dev();
  host.push("second\n");
  host.succeed("dev");
  host.commands = "configStatus: [" + sh("grep -q second web/index.html") + "]";
  host.environments["dev"] = "code: {commit: " + host.first.hex + "}";
  host.succeed("dev");
  EXPECT_EQ(host.page("dev"), "first\n");
}

TEST_F(VerificationTest, ANewTitleKeepsNobodyFromGoingBack) {
  create_dev("compare: {paths: [/], titles: ignore}");
  const CommitId second = host.push("<title>Second</title>");
  host.succeed("dev");
  const CommitId third = host.push("<title>Third</title>");
  host.succeed("dev");
  host.environments["dev"] = "code: {commit: " + second.hex + "}, url: \"" + pages.url() +
                             "\", verify: {retryFor: 0s, compare: {paths: [/]}}";
  host.succeed("dev");
  EXPECT_EQ(host.page("dev"), "<title>Second</title>");
  EXPECT_TRUE(proven(third));
}

TEST_F(VerificationTest, IsProvenOnlyWhenItHasSoaked) {
  create_dev("soak: {for: 1s, every: 1s}");
  const CommitId second = host.push("second\n");
  bool soaked = false, proven_before = true;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase != "soak") return;
    soaked = true;
    proven_before = proven(second);
  };
  const Told told = host.succeed("dev");
  EXPECT_TRUE(soaked);
  EXPECT_FALSE(proven_before);
  EXPECT_TRUE(proven(second));
  EXPECT_TRUE(told.has("soaking: all is as wanted after 1s of 1s")) << told.all();
}

TEST_F(VerificationTest, GoesBackWhenItFailsWhileItSoaks) {
  create_dev("soak: {for: 1h, every: 1s}");
  const CommitId second = host.push("second\n");
  host.log.on_phase = [&](const std::string& phase) {
    if (phase == "soak") pages.down = true;
  };
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "verification while it soaked: " + get("/") +
                              " answered 503, wanted below 400; first line: \"down\"");
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_FALSE(proven(second));
  EXPECT_TRUE(failure().after_switch);
  EXPECT_TRUE(failure().quarantined);
  EXPECT_EQ(failure().evidence.back().status, 503);
}

TEST_F(VerificationTest, AControllerThatEndsWhileItSoaksLeavesItToTheNextWhichSoaksAnew) {
  create_dev("soak: {for: 1h, every: 10s}");
  host.push("second\n");
  std::thread stopper;
  host.log.on_phase = [&](const std::string& phase) {
    if (phase == "soak") stopper = std::thread([this] { host.driver->shut_down(); });
  };
  const Told stopped = host.run("dev");
  stopper.join();
  EXPECT_EQ(stopped.result, "");
  EXPECT_EQ(stopped.message, "stopped with the controller; its verification is taken up again");
  EXPECT_EQ(host.page("dev"), "second\n");
  EXPECT_EQ(host.record("dev").current, "1");
  host.log.on_phase = {};
  host.restart();
  declare("soak: {for: 1s}");
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("taken up again: it was interrupted in phase soak")) << told.all();
  EXPECT_EQ(told.phases.back(), "soak");
  EXPECT_EQ(host.record("dev").current, "2");
}

TEST_F(VerificationTest, EvidenceOutlivesAKillWhileItIsUndone) {
  create_dev();
  const CommitId second = host.push("second\n");
  Journal j;
  j.operation = "op-1";
  j.actions = {"promote"};
  j.phase = "undo";
  j.started_at = host.clock.now();
  j.digest = "digest of the step";
  j.before = "1";
  j.prepared = host.release("dev");
  j.prepared.id = "2";
  j.prepared.commit = second;
  j.failure = "verification: GET / answered 500";
  j.failure_is_sites = true;
  j.evidence = {{"GET /", false, 500, "Fatal error", 12ms}};
  j.let_in = true;
  ASSERT_TRUE(write_journal(host.layout("dev"), j));
  host.restart();
  EXPECT_EQ(host.run("dev").result, "failed");
  EXPECT_EQ(failure().evidence, j.evidence);
  EXPECT_TRUE(failure().after_switch);
}

}  // namespace
}  // namespace tidegate::test
