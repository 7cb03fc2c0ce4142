// A secret is found where its owner may name it, and nowhere else; its value is told to nobody.

#include "controller/secrets/secrets.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "controller/git/test_repository.h"
#include "controller/secrets/credentials.h"

namespace tidegate {
namespace {

const SecretRef sites{"smtp", SecretRef::Scope::site};
const SecretRef platforms{"smtp", SecretRef::Scope::platform};

class SecretsTest : public testing::Test {
 protected:
  SecretsTest() {
    write_file(directory / "smtp", "of the platform\n");
    write_file(directory / "sites/acme/smtp", "of acme\n");
    write_file(directory / "sites/other/smtp", "of other\n");
  }
  std::string told(const SecretRef& secret, const std::string& site) {
    const auto value = secrets.read(secret, site);
    if (!value) {
      EXPECT_EQ(value.error().kind, ErrorKind::invalid);
    }
    return value ? *value : "refused: " + value.error().message;
  }
  TemporaryDirectory directory;
  Secrets secrets{directory.path()};
};

TEST_F(SecretsTest, ReachesASitesOwnSecretsOrThePlatforms) {
  EXPECT_EQ(told(sites, "acme"), "of acme");
  EXPECT_EQ(told(sites, "other"), "of other");
  EXPECT_EQ(told(platforms, "acme"), "of the platform");
  EXPECT_EQ(secrets.path_of(sites, "acme"), directory / "sites/acme/smtp");
  EXPECT_EQ(secrets.path_of(platforms, ""), directory / "smtp");
}

TEST_F(SecretsTest, TakesOneFinalNewlineAwayAndNothingElse) {
  for (const auto& [written, value] :
       std::map<std::string, std::string>{{"", ""},
                                          {"\n", ""},
                                          {"a", "a"},
                                          {"a\n", "a"},
                                          {"a\n\n", "a\n"},
                                          {" a \r\n", " a \r"},
                                          {std::string("a\0b\n", 4), std::string("a\0b", 3)}}) {
    write_file(directory / "smtp", written);
    EXPECT_EQ(told(platforms, ""), value);
  }
}

TEST_F(SecretsTest, NamesTheFileThatIsMissingAndNeverAValue) {
  EXPECT_EQ(told({"none", SecretRef::Scope::site}, "acme"),
            "refused: secret \"none\": cannot read \"" + (directory / "sites/acme/none") +
                "\": No such file or directory");
  EXPECT_EQ(told({"sites", SecretRef::Scope::platform}, ""),
            "refused: secret \"sites\": \"" + (directory / "sites") + "\" is not a file");
  EXPECT_EQ(Secrets().read(sites, "acme").error().message,
            "secret \"smtp\": there is no secrets directory; give one with --secrets or "
            "secretsDirectory");
}

TEST_F(SecretsTest, NamesCannotLeaveTheirDirectory) {
  for (const std::string& name :
       {std::string("../other/smtp"), std::string("/etc/passwd"), std::string(".."),
        std::string(".smtp"), std::string(""), std::string("smtp\0x", 6)}) {
    EXPECT_EQ(told({name, SecretRef::Scope::site}, "acme"),
              "refused: secret \"" + name + "\": not a name of a file");
  }
}

TEST_F(SecretsTest, FollowsLinksThatStayBelowItsDirectory) {
  // As mounted secrets are: a link to a link to a folder of this version.
  write_file(directory / "sites/acme/..2026/token", "mounted\n");
  std::filesystem::create_symlink("..2026", directory / "sites/acme/..data");
  std::filesystem::create_symlink("..data/token", directory / "sites/acme/token");
  EXPECT_EQ(told({"token", SecretRef::Scope::site}, "acme"), "mounted");
  const TemporaryDirectory elsewhere;
  write_file(elsewhere / "token", "of somebody else\n");
  std::filesystem::create_symlink(elsewhere / "token", directory / "outside");
  EXPECT_EQ(told({"outside", SecretRef::Scope::platform}, ""),
            "refused: secret \"outside\": \"" + (directory / "outside") +
                "\" is a link that leaves \"" + directory.path() + "\"; put the file there");
  std::filesystem::create_symlink(directory.path(), elsewhere / "secrets");
  EXPECT_EQ(*Secrets(elsewhere / "secrets").read(platforms, ""), "of the platform");
}

TEST_F(SecretsTest, WaitsForNoPipe) {
  ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(told({"pipe", SecretRef::Scope::platform}, ""),
            "refused: secret \"pipe\": \"" + (directory / "pipe") + "\" is not a file");
}

TEST_F(SecretsTest, RefusesWhatIsTooLargeToBeOne) {
  write_file(directory / "smtp", std::string(64 << 10, 'x'));
  EXPECT_EQ(told(platforms, "").size(), 64u << 10);
  write_file(directory / "smtp", std::string((64 << 10) + 1, 'x'));
  EXPECT_EQ(told(platforms, ""),
            "refused: secret \"smtp\": \"" + (directory / "smtp") + "\" is larger than 64 KiB");
}

TEST_F(SecretsTest, GivesGitWhatAUrlNeeds) {
  const std::string https = "https://git.example.org/acme.git",
                    ssh = "ssh://git@git.example.org/acme.git";
  auto credentials = [&](const std::string& url, const std::optional<SecretRef>& secret) {
    auto found = credentials_for(url, secret, secrets, "acme");
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : Credentials{};
  };
  EXPECT_EQ(credentials(https, {}), Credentials{});
  write_file(directory / "sites/acme/smtp", "token\n");
  EXPECT_EQ(credentials(https, sites), (Credentials{"", "token", "", ""}));
  write_file(directory / "sites/acme/smtp", "ada:pass:word\n");
  EXPECT_EQ(credentials(https, sites), (Credentials{"ada", "pass:word", "", ""}));
  EXPECT_EQ(credentials(ssh, sites), (Credentials{"", "", directory / "sites/acme/smtp", ""}));
  write_file(directory / "sites/acme/smtp.known_hosts", "git.example.org ssh-ed25519 AAAA\n");
  EXPECT_EQ(credentials(ssh, sites), (Credentials{"", "", directory / "sites/acme/smtp",
                                                  directory / "sites/acme/smtp.known_hosts"}));
  const auto missing = credentials_for(https, SecretRef{"none"}, secrets, "acme");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message,
            "credentials of " + https + ": secret \"none\": cannot read \"" +
                (directory / "sites/acme/none") + "\": No such file or directory");
}

}  // namespace
}  // namespace tidegate
