// Every field of the configuration file, and what is said of each that is wrong.

#include "controller/service/configuration.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace tidegate {
namespace {

using namespace std::chrono_literals;

std::string told(const std::string& text, const std::string& file = "/etc/tidegate/tidegate.yaml") {
  std::string out;
  for (const Problem& problem : parse_configuration(file, text).problems)
    out += to_string(problem) + "\n";
  return out;
}

const std::string head = "apiVersion: tidegate/v1\nkind: Configuration\n";
const std::string sources = "sources: [{name: fleet, url: /srv/fleet.git}]\n";
const std::string place = "/etc/tidegate/tidegate.yaml:";

TEST(ConfigurationTest, ReadsEveryField) {
  const auto file = parse_configuration("/etc/tidegate/tidegate.yaml", head + R"(
sources:
  - {name: fleet, url: "https://git.example.org/fleet.git", ref: production, path: sites, interval: 30s, credentials: {secret: git-token}, role: platform}
  - {name: other, url: ssh://git@git.example.org/other.git}
secretsDirectory: /etc/tidegate/secrets
state: /srv/state.db
workers: 9
resync: 1h
log: {level: debug, format: json}
)");
  for (const auto& problem : file.problems) ADD_FAILURE() << to_string(problem);
  const Configuration& c = file.configuration;
  ASSERT_EQ(c.sources.size(), 2u);
  EXPECT_EQ(c.sources[0].name, "fleet");
  EXPECT_EQ(c.sources[0].url, "https://git.example.org/fleet.git");
  EXPECT_EQ(c.sources[0].ref, "production");
  EXPECT_EQ(c.sources[0].path, "sites");
  EXPECT_EQ(c.sources[0].interval, 30s);
  EXPECT_EQ(c.sources[0].credentials, (SecretRef{"git-token", SecretRef::Scope::platform}));
  EXPECT_EQ(c.sources[1].url, "ssh://git@git.example.org/other.git");
  EXPECT_EQ(c.sources[1].credentials, std::nullopt);
  EXPECT_EQ(c.secrets_directory, "/etc/tidegate/secrets");
  EXPECT_EQ(c.state, "/srv/state.db");
  EXPECT_EQ(c.workers, 9);
  EXPECT_EQ(c.resync, 1h);
  EXPECT_EQ(c.log_level, "debug");
  EXPECT_TRUE(c.log_json);
}

TEST(ConfigurationTest, HasTheDefaultsThatAreWritten) {
  const auto file = parse_configuration("/etc/tidegate/tidegate.yaml", head + sources);
  EXPECT_TRUE(file.problems.empty());
  const Configuration& c = file.configuration;
  EXPECT_EQ(c.sources[0].ref, "main");
  EXPECT_EQ(c.sources[0].path, ".");
  EXPECT_EQ(c.sources[0].interval, 15s);
  EXPECT_EQ(c.secrets_directory, "");
  EXPECT_EQ(c.state, "/var/lib/tidegate/state.db");
  EXPECT_EQ(c.workers, 4);
  EXPECT_EQ(c.resync, 5min);
  EXPECT_EQ(c.log_level, "info");
  EXPECT_FALSE(c.log_json);
}

TEST(ConfigurationTest, PathsAreRelativeToTheFile) {
  const std::string text =
      head +
      "sources: [{name: fleet, url: ../fleet.git}, {name: file, url: "
      "\"file:///srv/x.git\"}]\nsecretsDirectory: secrets\nstate: ./run/state.db\n";
  const Configuration c = parse_configuration("/etc/tidegate/tidegate.yaml", text).configuration;
  EXPECT_EQ(c.sources[0].url, "/etc/fleet.git");
  EXPECT_EQ(c.sources[1].url, "file:///srv/x.git");
  EXPECT_EQ(c.secrets_directory, "/etc/tidegate/secrets");
  EXPECT_EQ(c.state, "/etc/tidegate/run/state.db");
  const Configuration here = parse_configuration("tidegate.yaml", text).configuration;
  EXPECT_EQ(here.secrets_directory, std::filesystem::current_path() / "secrets");
}

TEST(ConfigurationTest, BoundsASourceOfSiteTeams) {
  const Configuration c =
      parse_configuration("/etc/tidegate/tidegate.yaml",
                          head +
                              "sources:\n"
                              "  - {name: fleet, url: /srv/fleet.git}\n"
                              "  - name: team-a\n"
                              "    url: /srv/team-a.git\n"
                              "    role: sites\n"
                              "    allow: {sites: [\"a-*\"], classes: [plain], drivers: [hosts], "
                              "localRepositories: true}\n")
          .configuration;
  ASSERT_EQ(c.sources.size(), 2U);
  EXPECT_EQ(c.sources[0].role, (SourceRole{"fleet", true, "", {}, {}, {}, false}));
  EXPECT_EQ(c.sources[1].role,
            (SourceRole{"team-a", false, "", {"a-*"}, {"plain"}, {"hosts"}, true}));
}

TEST(ConfigurationTest, NamesReceivers) {
  const auto file = parse_configuration("/etc/tidegate/tidegate.yaml", head + sources + R"(notify:
  - {name: on-call, command: "/usr/local/bin/page --team 'web site'"}
  - name: chat
    webhook: "https://chat.example.org/hook?key=x"
    secret: {secret: chat-key}
    on: [failed, rolledBack]
    sites: ["acme-*", shop]
)");
  for (const auto& problem : file.problems) ADD_FAILURE() << to_string(problem);
  const auto& notify = file.configuration.notify;
  ASSERT_EQ(notify.size(), 2U);
  EXPECT_EQ(notify[0].name, "on-call");
  EXPECT_EQ(notify[0].command,
            (std::vector<std::string>{"/usr/local/bin/page", "--team", "web site"}));
  EXPECT_EQ(notify[0].on.size(), 4U);
  EXPECT_EQ(notify[0].sites, (std::vector<std::string>{"*"}));
  EXPECT_EQ(notify[1].webhook, "https://chat.example.org/hook?key=x");
  EXPECT_EQ(notify[1].secret, (SecretRef{"chat-key", SecretRef::Scope::platform}));
  EXPECT_EQ(notify[1].on, (std::set{TransitionType::failed, TransitionType::rolled_back}));
  EXPECT_EQ(notify[1].sites, (std::vector<std::string>{"acme-*", "shop"}));
}

TEST(ConfigurationTest, SaysWhatIsWrongWithAReceiver) {
  const std::string notify = head + sources + "notify: ";
  const std::string address =
      "notify[0].webhook: is no address: write http or https, a host and a path, without user "
      "name\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"[{command: page}]", "4:10: notify[0].name: is missing: name: on-call\n"},
      {"[{name: a}]", "4:10: notify[0]: needs one of command and webhook\n"},
      {"[{name: a, command: page, webhook: \"http://h/\"}]",
       "4:10: notify[0]: needs one of command and webhook\n"},
      {"[{name: a, command: page, secret: {secret: s}}]",
       "4:43: notify[0].secret: goes with webhook only: remove it\n"},
      {"[{name: a, webhook: \"ftp://h/s3cr3t\"}]", "4:29: " + address},
      {"[{name: a, webhook: \"https://u:s3cr3t@h/\"}]", "4:29: " + address},
      {"[{name: a, webhook: \"https:///s3cr3t\"}]", "4:29: " + address},
      {"[{name: a, command: page, on: [ok]}]",
       "4:40: notify[0].on[0]: \"ok\" is not failed, rolledBack, held or normal\n"},
      {"[{name: a, command: page, on: []}]",
       "4:39: notify[0].on: is empty: leave it out for all, or write some of failed, rolledBack, "
       "held, normal\n"},
      {"[{name: a, command: page, sites: []}]",
       "4:42: notify[0].sites: is empty: leave it out for all, or write patterns of names\n"},
      {"[{name: a, command: page}, {name: a, command: page}]",
       "4:36: notify[1]: \"a\" is the name of two receivers\n"},
  };
  for (const auto& [text, problem] : cases)
    EXPECT_EQ(told(notify + text + "\n"), place + problem) << text;
}

TEST(ConfigurationTest, SaysWhatIsWrongAndWhere) {
  const std::string good = head + sources;
  const std::string fleet_and = "sources:\n  - {name: fleet, url: /srv/fleet.git}\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", place + "1:1: must hold exactly one document of kind Configuration\n"},
      {good + "---\n" + good,
       place + "1:1: must hold exactly one document of kind Configuration\n"},
      {"[]", place + "1:1: is a list: write a mapping (name: value)\n"},
      {"kind: Configuration\n" + sources,
       place + "1:1: apiVersion: is missing: apiVersion: tidegate/v1\n"},
      {"apiVersion: tidegate/v2\nkind: Configuration\n" + sources,
       place +
           "1:13: apiVersion: \"tidegate/v2\" is not tidegate/v1; did you mean \"tidegate/v1\"?\n"},
      {"apiVersion: tidegate/v1\nkind: Site\n" + sources,
       place + "2:7: kind: \"Site\" is not Configuration\n"},
      {head, place + "1:1: sources: is missing: sources: [{name: fleet, url: …}]\n"},
      {head + "sources: []\n", place + "3:10: sources: must name at least one source\n"},
      {head + "sources: [fleet]\n",
       place + "3:11: sources[0]: is a single value: write a mapping (name: value)\n"},
      {head + "sources: [{url: /srv/a.git}]\n",
       place + "3:11: sources[0].name: is missing: name: fleet\n"},
      {head + "sources: [{name: fleet}]\n",
       place + "3:11: sources[0].url: is missing: url: \"https://git.example.org/fleet.git\"\n"},
      {head + "sources: [{name: a, url: /srv/a.git}, {name: a, url: /srv/b.git}]\n",
       place + "3:39: sources[1]: \"a\" is the name of two sources\n"},
      {head + "sources: [{name: a, url: /srv/a.git, role: sites}]\n",
       place + "3:11: sources[0].allow: is missing: write allow: {sites: [\"acme-*\"]}\n" + place +
           "3:10: sources: need one whose role is platform: drivers come from there\n"},
      {head + "sources: [{name: a, url: /srv/a.git, allow: {sites: [\"*\"]}}]\n",
       place + "3:45: sources[0].allow: goes with role: sites only: remove it\n"},
      {head + fleet_and + "  - {name: t, url: /srv/t.git, role: sites, allow: {sites: []}}\n",
       place + "5:60: sources[1].allow.sites: is empty: write at least one pattern of names\n"},
      {head + fleet_and +
           "  - {name: t, url: /srv/t.git, role: sites, allow: {classes: [Gold], driver: [a]}}\n",
       place +
           "5:70: sources[1].allow.driver: unknown field \"driver\"; did you mean "
           "\"drivers\"?\n" +
           place +
           "5:52: sources[1].allow.sites: is missing: write patterns of their names, such as "
           "[\"acme-*\"]\n" +
           place +
           "5:63: sources[1].allow.classes[0]: \"Gold\" is not a name: use lower-case letters, "
           "digits and '-', a letter or digit at both ends\n"},
      {head + fleet_and + "  - {name: t, url: /srv/t.git, role: sites, allow: {sites: [\"A*\"]}}\n",
       place + "5:61: sources[1].allow.sites[0]: \"A*\" is not a pattern of names: at most 63 "
               "lower-case letters, digits, '-', '*' for any text and '?' for one character\n"},
      {head + "sources: [{name: a, url: /srv/a.git, role: site}]\n",
       place + "3:44: sources[0].role: \"site\" is not platform or sites; did you mean "
               "\"sites\"?\n"},
      {head + "sources: [{name: a, url: /srv/a.git, ref: \"a b\"}]\n",
       place + "3:43: sources[0].ref: \"a b\" is no name git allows: it has a space\n"},
      {head + "sources: [{name: a, url: /srv/a.git, path: /abs}]\n",
       place + "3:44: sources[0].path: \"/abs\" is absolute: write it relative to the code tree\n"},
      {head + "sources: [{name: a, url: /srv/a.git, interval: 0s}]\n",
       place + "3:48: sources[0].interval: \"0s\" is out of bounds: write 1s to 1d\n"},
      {head + "sources: [{name: a, url: /srv/a.git, credentials: {secret: \"s3cr3t/\"}}]\n",
       place + "3:60: sources[0].credentials.secret: is not a secret's name: write the name of its "
               "file, of letters, digits, '.', '_' and '-', no dot first; never its value\n"},
      {head + "sources: [{name: a, url: /srv/a.git, credentials: {secret: 12345678}}]\n",
       place + "3:60: sources[0].credentials.secret: is a number, text is needed: quote it\n"},
      {good + "secretsDirectory: \"\"\n", place + "4:19: secretsDirectory: must be a path\n"},
      {good + "state: postgresql://db/tidegate\n",
       place + "4:8: state: a store in PostgreSQL is not supported yet; name a file\n"},
      {good + "workers: 0\n",
       place + "4:10: workers: \"0\" is out of bounds: write a whole number between 1 and 256\n"},
      {good + "workers: many\n",
       place + "4:10: workers: \"many\" is not a number: write a whole number between 1 and 256\n"},
      {good + "resync: 5\n", place + "4:9: resync: \"5\" is not a duration: write a whole number "
                                     "and a unit, like 90s, 30m, 24h or 7d\n"},
      {good + "resync: 8d\n", place + "4:9: resync: \"8d\" is out of bounds: write 1s to 7d\n"},
      {good + "log: {level: verbose}\n",
       place + "4:14: log.level: \"verbose\" is not debug, info, warn or error\n"},
      {good + "log: {format: xml}\n", place + "4:15: log.format: \"xml\" is not logfmt or json\n"},
      {good + "listen: 127.0.0.1:8440\n", place + "4:1: listen: \"listen\" is not supported yet\n"},
      {good + "worker: 4\n",
       place + "4:1: worker: unknown field \"worker\"; did you mean \"workers\"?\n"},
      {good + "workers: 4\nworkers: 5\n",
       place + "5:1: the key \"workers\" is written twice: remove one\n"},
      {good + "state: &a x\n", place + "4:8: an anchor (&a) is not allowed: remove it\n"},
  };
  for (const auto& [text, problems] : cases) EXPECT_EQ(told(text), problems) << text;
}

TEST(ConfigurationTest, TellsAllProblemsAtOnce) {
  EXPECT_EQ(told(head + "sources: [{url: \"ftp://x\"}, {}]\nworkers: 0\nresync: soon\n"),
            place + "3:11: sources[0].name: is missing: name: fleet\n" + place +
                "3:17: sources[0].url: has the scheme \"ftp\": write https, http, ssh or file\n" +
                place + "3:29: sources[1].name: is missing: name: fleet\n" + place +
                "3:29: sources[1].url: is missing: url: \"https://git.example.org/fleet.git\"\n" +
                place +
                "4:10: workers: \"0\" is out of bounds: write a whole number between 1 and 256\n" +
                place +
                "5:9: resync: \"soon\" is not a duration: write a whole number and a unit, like "
                "90s, 30m, 24h or 7d\n");
  EXPECT_NE(told(head + "sources: [{name: a, url: \"git@git.example.org:fleet.git\"}]\n"), "")
      << "no path, though it has no ://";
  EXPECT_NE(
      told(head +
           "sources: [{name: a, url: \"https://user:password@git.example.org/fleet.git\"}]\n"),
      "");
}

}  // namespace
}  // namespace tidegate
