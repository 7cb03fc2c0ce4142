#include "schemas/checks.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidegate {
namespace {

using Check = std::string (*)(const std::string&);

void expect_all(Check check, const std::vector<std::string>& good,
                const std::vector<std::string>& bad) {
  for (const std::string& text : good) EXPECT_EQ(check(text), "") << text;
  for (const std::string& text : bad) EXPECT_NE(check(text), "") << text;
}

TEST(ChecksTest, NamesAreDnsLabels) {
  expect_all(wrong_name, {"a", "web-1", "0", std::string(63, 'a')},
             {"", "A", "-a", "a-", "a_b", "a.b", "a/b", "..", "ä", "a\n", std::string(64, 'a')});
  EXPECT_EQ(wrong_environment_name("keep"),
            "\"keep\" is a content source's word: choose another name for the environment");
  expect_all(wrong_environment_name, {"live"}, {"empty", "archive", "backup", "adopted", "Live"});
}

TEST(ChecksTest, CommitsAreWrittenInFull) {
  const std::string full = "9fceb02d0ae598e95dc970b74767f19372d61af8";
  EXPECT_EQ(wrong_commit(full), "");
  EXPECT_EQ(wrong_commit("9fceb02"),
            "\"9fceb02\" is a shortened commit: write all 40 digits (git rev-parse 9fceb02)");
  EXPECT_EQ(wrong_commit("9FCEB02D0AE598E95DC970B74767F19372D61AF8"),
            "\"9FCEB02D0AE598E95DC970B74767F19372D61AF8\" is not a commit: write it in lower case");
  expect_all(wrong_commit, {}, {"", "main", full + "0", "HEAD", "g" + full.substr(1)});
}

TEST(ChecksTest, RefsFollowGitsRules) {
  expect_all(wrong_ref, {"main", "feature/a-b_c", "v1.10", "a@b", "ünder"},
             {"",
              "-x",
              "--upload-pack=x",
              "@",
              "HEAD",
              "a..b",
              "a@{1}",
              "a b",
              "a~1",
              "a^",
              "a:b",
              "a?",
              "a*",
              "a[",
              "a\\b",
              "a.lock",
              "a.lock/b",
              "a//b",
              "/a",
              "a/",
              ".a",
              "a/.b",
              "a.",
              "a\nb",
              "refs/heads/main",
              "refs/heads/../../x",
              std::string(256, 'a')});
}

TEST(ChecksTest, RepositoriesAreReachedWithoutRunningAnything) {
  expect_all(wrong_repository_url,
             {"https://git.example.org/acme/site.git", "http://127.0.0.1:8080/x.git",
              "https://[::1]:8443/x", "ssh://git@host/path.git", "ssh://git@host:22/path",
              "file:///srv/git/site.git", "/srv/git/site.git"},
             {"",
              "relative/path",
              "../x",
              "/",
              "ext::sh -c x",
              "fd::17",
              "git://host/x",
              "ftp://host/x",
              "--upload-pack=touch x",
              "ssh://-oProxyCommand=x/y",
              "ssh://-a@host/path",
              "ssh://host",
              "ssh://git@host/-x",
              "https://-host/x",
              "https:///x",
              "https://host:0/x",
              "https://host:99999/x",
              "file://host/x",
              "https://host/a b",
              "https://ho st/x",
              "https://host/x\n",
              "javascript:alert(1)"});
  EXPECT_EQ(wrong_repository_url("git@host.example:acme/site.git"),
            "\"git@host.example:acme/site.git\" is scp's spelling: write "
            "\"ssh://git@host.example/acme/site.git\"");
}

TEST(ChecksTest, NeverRepeatsASecretInAnAddress) {
  for (Check check : {&wrong_repository_url, &wrong_web_url})
    for (const char* text :
         {"https://u:hunter2@host/x", "https://hunter2@host/x", "https://hunter2:@host/x"}) {
      const std::string problem = check(text);
      EXPECT_NE(problem, "") << text;
      EXPECT_EQ(problem.find("hunter2"), std::string::npos) << problem;
    }
  EXPECT_EQ(wrong_repository_url("ssh://u:hunter2@host/x"),
            "has a password in it: name a secret in repository.credentials instead");
}

TEST(ChecksTest, WebAddressesAreAbsolute) {
  expect_all(wrong_web_url, {"https://acme.example", "http://127.0.0.1:8081/", "https://[::1]/a"},
             {"", "acme.example", "//acme.example", "ftp://a", "javascript:alert(1)", "https://",
              "https://a b", "https://a/?q", "https://a/#f", "https://a:x", "https://a/\"",
              "https://a\\b", "https://-a"});
}

TEST(ChecksTest, PathsStayBelowTheCodeTree) {
  expect_all(wrong_relative_path, {"web", "web/wp-content/uploads", "a.b/c-d_e", ".well-known"},
             {"",
              "/etc",
              "..",
              "../../etc",
              "a/../b",
              "a/..//..",
              "./a",
              "a/.",
              "a//b",
              "a/",
              ".git",
              "a/.GIT/x",
              "-rf",
              "a b",
              "a;b",
              "a\nb",
              "%2e%2e",
              "a$b",
              "a\\b",
              "a{b}",
              "ü",
              std::string(1025, 'a'),
              std::string(256, 'a'),
              std::string("a\0b", 3)});
  EXPECT_EQ(wrong_relative_path("uploads/"), "\"uploads/\" ends with '/': write it without");
  expect_all(wrong_docroot, {".", "web"}, {"", "..", "/"});
  expect_all(wrong_absolute_path, {"/srv/sites", "/run/mysqld/mysqld.sock"},
             {"", "/", "srv", "/a/", "/a//b", "/a/../b", "/a b"});
  expect_all(wrong_http_path, {"/", "/a?b=c&d=%20"}, {"", "a", "/a b", "/#x", "/a\r\nX: y", "/ü"});
}

TEST(ChecksTest, VariablesAndSecretsHaveNamesOfTheirOwn) {
  expect_all(wrong_variable, {"A", "_a1", "WP_ENV", "MY_PATH", "DATABASE_URLS"},
             {"", "1A", "A-B", "A=B", "A B", "PATH", "HOME", "LANG", "TIDEGATE_SITE",
              "DATABASE_URL", "MAIN_DATABASE_URL", "ä"});
  expect_all(wrong_secret_name, {"smtp", "a.b-c_D", "0"},
             {"", ".hidden", "..", "a/b", "../x", "a b", std::string(254, 'a')});
  expect_all(wrong_variable_value, {"", "a b = c", "ü"}, {"a\nb", "a\r", std::string("\0", 1)});
}

TEST(ChecksTest, LabelsAreKubernetesLabels) {
  expect_all(wrong_label_key, {"team", "example.org/team"}, {"", "/", "a/", "-a", "a b", "a/b/c"});
  expect_all(wrong_label_value, {"", "gold", "a.b_c-d"}, {"-a", "a b", std::string(64, 'a')});
}

TEST(ChecksTest, HostSettingsAreWhatTheirServersTake) {
  expect_all(
      wrong_run_as, {"{site}-{environment}", "web", "_site", "www_{site}"},
      {"", "{Site}", "{site", "-x", "1a", "a b", "a:b", "{site}{other}", std::string(33, 'a')});
  expect_all(wrong_database_prefix, {"tg", "a1"}, {"", "1a", "tg_", "TG", "abcdefghi"});
  expect_all(wrong_time_zone, {"UTC", "Europe/Berlin", "Etc/GMT+1", "America/Port-au-Prince"},
             {"", "/etc", "../x", "Europe//Berlin", "Europe/", "a b", "+02:00"});
}

TEST(ChecksTest, KnowsWhichPathsOverlap) {
  EXPECT_TRUE(paths_overlap("a/b", "a/b"));
  EXPECT_TRUE(paths_overlap("a", "a/b"));
  EXPECT_TRUE(paths_overlap("a/b/c", "a/b"));
  EXPECT_FALSE(paths_overlap("a/b", "a/bc"));
  EXPECT_TRUE(path_inside("a/b", "a"));
  EXPECT_FALSE(path_inside("a", "a/b"));
}

}  // namespace
}  // namespace tidegate
