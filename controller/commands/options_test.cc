// The command line: what each command takes, how a mistake is told, and that each shows examples.

#include "controller/commands/options.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

struct Parsed {
  std::optional<Options> options;
  int exit_code = -1;
  std::string out, err;
};

Parsed parse(std::vector<std::string> words) {
  words.insert(words.begin(), "tidegate");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Parsed parsed;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  parsed.options = parse_options(static_cast<int>(words.size()), argv.data(), parsed.exit_code);
  parsed.out = testing::internal::GetCapturedStdout();
  parsed.err = testing::internal::GetCapturedStderr();
  return parsed;
}

/// What is told of a mistake.
std::string mistake(const std::vector<std::string>& words) {
  const Parsed parsed = parse(words);
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 64);
  EXPECT_EQ(parsed.out, "");
  return parsed.err;
}

Options good(const std::vector<std::string>& words) {
  const Parsed parsed = parse(words);
  EXPECT_TRUE(parsed.options) << parsed.err;
  EXPECT_EQ(parsed.out + parsed.err, "");
  return parsed.options.value_or(Options{});
}

const std::vector<std::string> commands{"validate",   "plan",     "webserver", "doctor",  "apply",
                                        "controller", "exec",     "status",    "explain", "history",
                                        "logs",       "wait",     "retry",     "promote", "sync",
                                        "wipe",       "rollback", "commit",    "discard"};

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() { ::unsetenv("TIDEGATE_SERVER"); }
  ~OptionsTest() override { ::unsetenv("TIDEGATE_SERVER"); }
};

TEST_F(OptionsTest, EveryCommandHasHelpWithExamples) {
  for (const auto& command : commands) {
    const Parsed parsed = parse({command, "--help"});
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_code, 0) << command;
    EXPECT_EQ(parsed.err, "") << command;
    EXPECT_NE(parsed.out.find("Examples:\n  tidegate " + command), std::string::npos) << parsed.out;
    EXPECT_NE(parsed.out.find("Usage: tidegate " + command), std::string::npos) << parsed.out;
  }
  const Parsed all = parse({"--help"});
  EXPECT_EQ(all.exit_code, 0);
  for (const auto& command : commands)
    EXPECT_NE(all.out.find("\n  " + command + " "), std::string::npos) << command;
  EXPECT_NE(all.out.find("Exit codes: 0 done or converged, 1 failed, 2 changes pending, 3 held, 4 "
                         "deadline passed, 64 usage."),
            std::string::npos);
  EXPECT_EQ(parse({"--version"}).out.substr(0, 9), "tidegate ");
}

TEST_F(OptionsTest, ReadsWhatEachCommandTakes) {
  Options o = good({"validate", "--effective", "a.yaml", "b"});
  EXPECT_EQ(o.command, "validate");
  EXPECT_TRUE(o.effective);
  EXPECT_EQ(o.paths, (std::vector<std::string>{"a.yaml", "b"}));
  o = good({"plan", "--manifests", "m", "--site", "acme", "-o", "json", "--secrets", "s", "--state",
            "f"});
  EXPECT_EQ(o.manifests + o.site + o.secrets + o.state, "macmesf");
  EXPECT_TRUE(o.json);
  o = good({"apply", "--manifests", "m", "--timeout", "90s"});
  EXPECT_EQ(o.timeout, 90s);
  EXPECT_FALSE(o.json);
  o = good({"status", "acme/test", "--watch"});
  EXPECT_EQ(o.target.site, "acme");
  EXPECT_EQ(o.target.environment, "test");
  EXPECT_TRUE(o.watch);
  o = good({"history", "acme", "--limit", "7"});
  EXPECT_EQ(o.target.site, "acme");
  EXPECT_EQ(o.target.environment, "");
  EXPECT_EQ(o.limit, 7u);
  o = good({"logs", "acme/test", "--operation", "op-1", "--follow"});
  EXPECT_EQ(o.operation, "op-1");
  EXPECT_TRUE(o.follow);
  o = good({"exec", "acme/test", "--manifests", "m", "--", "wp", "option", "--help"});
  EXPECT_EQ(o.words, (std::vector<std::string>{"wp", "option", "--help"}));
  o = good({"webserver", "acme", "--for", "apache", "--manifests", "m"});
  EXPECT_EQ(o.webserver, "apache");
  EXPECT_EQ(o.sockets, "/run/php");
  o = good({"promote", "--manifests", "m", "acme", "dev", "test", "--dry-run", "--branch", "b",
            "-m", "why"});
  EXPECT_EQ(o.site + o.from + o.to + o.branch + o.message, "acmedevtestbwhy");
  EXPECT_TRUE(o.dry_run);
  o = good({"sync", "--manifests", "m", "acme/dev", "--from", "live"});
  EXPECT_EQ(o.from, "live");
  o = good({"rollback", "--manifests", "m", "acme/live", "--to", "8ab17c0"});
  EXPECT_EQ(o.commit, "8ab17c0");
  o = good({"plan", "--manifests", "m", "--out", "plan.json"});
  EXPECT_EQ(o.out, "plan.json");
  o = good({"apply", "plan.json", "--timeout", "1m"});
  EXPECT_EQ(o.saved_plan, "plan.json");
  o = good({"policy", "test", "m", "-o", "json"});
  EXPECT_EQ(o.command, "policy test");
  EXPECT_EQ(o.paths, std::vector<std::string>{"m"});
  EXPECT_TRUE(o.json);
  o = good({"wait", "acme", "--for", "converged", "--timeout", "10m"});
  EXPECT_EQ(o.timeout, 10min);
  EXPECT_EQ(good({"controller", "--config", "c"}).config, "c");
  EXPECT_EQ(good({"--no-color", "status"}).color, false);
  EXPECT_EQ(good({"status", "--no-color"}).color, false);
}

TEST_F(OptionsTest, TellsAMistakeInALineAndWhereToLook) {
  EXPECT_EQ(mistake({"validate"}), "tidegate: PATH is required\nRun `tidegate validate --help`.\n");
  EXPECT_EQ(
      mistake({"apply"}),
      "tidegate: --manifests: say which manifests: --manifests DIR or URL@REF, or the FILE of "
      "a saved plan\nRun `tidegate apply --help`.\n");
  EXPECT_EQ(mistake({"policy", "test"}),
            "tidegate: DIR is required\nRun `tidegate policy test --help`.\n");
  EXPECT_EQ(mistake({"policy", "tset", "m"}),
            "tidegate: there is no command \"policy tset\"; did you mean \"test\"?\nRun `tidegate "
            "policy --help`.\n");
  EXPECT_EQ(mistake({"audit"}),
            "tidegate: say which: tidegate audit verify or tidegate audit export\nRun `tidegate "
            "audit --help`.\n");
  EXPECT_EQ(mistake({"commit", "acme/dev", "-m", " "}),
            "tidegate: --message: is empty; say what was changed\nRun `tidegate commit --help`.\n");
  EXPECT_EQ(mistake({"validate", "--effective", "-o", "json", "m"}),
            "tidegate: --output: --effective prints YAML; leave one of them out\nRun `tidegate "
            "validate --help`.\n");
  EXPECT_EQ(mistake({"controller"}),
            "tidegate: --config is required\nRun `tidegate controller --help`.\n");
  EXPECT_EQ(mistake({"explain", "acme"}),
            "tidegate: target: \"acme\" names no environment; write SITE/ENV\nRun `tidegate "
            "explain --help`.\n");
  EXPECT_EQ(mistake({"wait", "acme", "--timeout", "soon"}),
            "tidegate: --timeout: \"soon\" is no duration; write 30s, 10m or 2h\nRun `tidegate "
            "wait --help`.\n");
  EXPECT_EQ(mistake({"status", "--server", "http://127.0.0.1:8440"}),
            "tidegate: --server: a controller's HTTP API is not supported yet; use --config or "
            "--state\nRun `tidegate status --help`.\n");
  EXPECT_EQ(mistake({"statsu"}),
            "tidegate: there is no command \"statsu\"; did you mean \"status\"?\nRun `tidegate "
            "--help`.\n");
  EXPECT_EQ(mistake({"backup", "create", "acme/live"}),
            "tidegate: backup is not supported yet\nRun `tidegate --help`.\n");
  EXPECT_EQ(mistake({"import", "acme/live", "dump.sql"}),
            "tidegate: import is not supported yet\nRun `tidegate --help`.\n");
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"status", "--nope"},
                                             {"plan", "-o", "xml"},
                                             {"webserver", "acme", "--for", "iis"},
                                             {"history", "acme", "--limit", "many"},
                                             {"promote", "acme", "dev"},
                                             {"exec", "acme/test"},
                                             {"wait", "acme", "--for", "christmas"}}) {
    EXPECT_TRUE(mistake(words).ends_with("\nRun `tidegate " + words[0] + " --help`.\n"))
        << words[0];
  }
  EXPECT_NE(mistake({}).find("Examples:"), std::string::npos) << "nothing at all shows the help";
}

TEST_F(OptionsTest, AServerInTheEnvironmentIsRefusedAsWell) {
  ::setenv("TIDEGATE_SERVER", "http://127.0.0.1:8440", 1);
  EXPECT_NE(mistake({"status"}).find("not supported yet"), std::string::npos);
  EXPECT_EQ(good({"validate", "m"}).command, "validate") << "it asks no server";
  EXPECT_EQ(good({"controller", "--config", "c"}).command, "controller");
  EXPECT_EQ(good({"status", "--state", "f"}).state, "f") << "said nearer by";
  EXPECT_EQ(good({"plan", "--config", "c"}).config, "c");
}

TEST_F(OptionsTest, TakesGlobalOptionsBeforeTheCommandToo) {
  EXPECT_TRUE(good({"-o", "json", "status"}).json);
  EXPECT_TRUE(good({"--output=json", "plan", "--manifests", "m"}).json);
  EXPECT_FALSE(good({"-o", "json", "status", "-o", "text"}).json) << "the later one stands";
  EXPECT_EQ(mistake({"-o", "json", "logs", "acme/dev"}),
            "tidegate: --output: logs prints no JSON; leave it out\nRun `tidegate logs --help`.\n");
  EXPECT_EQ(mistake({"-o", "xml", "status"}),
            "tidegate: --output: xml not in {text,json}\nRun `tidegate status --help`.\n");
}

TEST_F(OptionsTest, AStoreInPostgresqlIsNotSupportedYet) {
  for (const std::string command : {"status", "plan", "retry"}) {
    const std::string text = mistake({command, command == "retry" ? "a/b" : "--no-color", "--state",
                                      "postgresql://localhost/tidegate"});
    EXPECT_EQ(text,
              "tidegate: --state: a store in PostgreSQL is not supported yet; name a file\n"
              "Run `tidegate " +
                  command + " --help`.\n");
  }
}

TEST_F(OptionsTest, WhatReadsOrWritesManifestsIsToldWhich) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"plan"},
                                                                 {"promote", "acme", "dev", "test"},
                                                                 {"sync", "acme/test"},
                                                                 {"wipe", "acme/test"},
                                                                 {"rollback", "acme/test"}}) {
    EXPECT_EQ(mistake(words),
              "tidegate: --manifests: say which manifests: --manifests DIR or URL@REF, or --config "
              "FILE\nRun `tidegate " +
                  words[0] + " --help`.\n");
  }
}

}  // namespace
}  // namespace tidegate
