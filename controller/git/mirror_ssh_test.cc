#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include "controller/git/mirror.h"
#include "controller/git/test_repository.h"
#include "controller/git/test_server.h"
#include "controller/process/test_loopback.h"

namespace tidegate {
namespace {

/// The real sshd on a loopback port, for the user the tests run as.
class MirrorSshTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::access("/usr/sbin/sshd", X_OK) < 0)
      GTEST_SKIP() << "no sshd: apt-get install openssh-server";
    const passwd* user = ::getpwuid(::geteuid());
    const std::string login_shell = user ? user->pw_shell : "nologin";
    if (login_shell.ends_with("nologin") || login_shell.ends_with("false"))
      GTEST_SKIP() << "the user the tests run as cannot log in";
    std::error_code failure;
    if (::geteuid() == 0) std::filesystem::create_directories("/run/sshd", failure);
    if (failure) GTEST_SKIP() << "sshd needs /run/sshd";
    tree.write("a", "1");
    first = tree.commit("first");
    const std::string d = directory.path();
    for (const char* key : {"host", "client", "stranger"})
      shell("ssh-keygen -q -t ed25519 -N '' -f '" + d + "/" + key + "'");
    shell("ssh-keygen -q -t rsa -b 2048 -N '' -f '" + d +
          "/rsa' && ssh-keygen -q -t ecdsa -N '' -f '" + d +
          "/ecdsa-host' && ssh-keygen -q -t ed25519 -N 'pass phrase' -f '" + d + "/locked'");
    shell("cat '" + d + "/client.pub' '" + d + "/rsa.pub' '" + d + "/locked.pub' > '" + d +
          "/authorized'");
    port = std::to_string(LoopbackSocket().port());
    write_file(d + "/sshd_config",
               "Port " + port + "\nListenAddress 127.0.0.1\nHostKey " + d + "/host\nHostKey " + d +
                   "/ecdsa-host\nAuthorizedKeysFile " + d +
                   "/authorized\nStrictModes no\nUsePAM no\n"
                   "PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n");
    server.emplace(std::vector<std::string>{"/usr/sbin/sshd", "-D", "-e", "-f", d + "/sshd_config"},
                   d + "/sshd.log");
    shell("for i in $(seq 200); do ssh-keyscan -t ed25519 -p " + port +
          " 127.0.0.1 2>/dev/null > '" + d + "/known' && test -s '" + d +
          "/known' && exit 0; sleep 0.05; done; cat '" + d + "/sshd.log'; exit 1");
    write_file(d + "/unknown", "");
  }
  Mirror mirror_of(const std::string& key, const std::string& known,
                   const std::string& passphrase = "") const {
    return Mirror(directory / "mirrors", url(),
                  {.password = passphrase,
                   .ssh_private_key_file = directory / key,
                   .ssh_known_hosts_file = directory / known},
                  std::chrono::seconds(60));
  }
  std::string url() const {
    return std::string("ssh://") + ::getpwuid(::geteuid())->pw_name + "@127.0.0.1:" + port +
           tree.path();
  }
  std::string error_of(const auto& result) const {
    if (result) return "no error";
    EXPECT_EQ(result.error().kind, ErrorKind::invalid);
    const std::string about = "git repository \"" + url() + "\": ";
    EXPECT_EQ(result.error().message.rfind(about, 0), 0u) << result.error().message;
    return result.error().message.substr(about.size());
  }

  TemporaryDirectory directory;
  WorkTree tree{directory / "tree"};
  CommitId first;
  std::string port;
  std::optional<Server> server;
};

TEST_F(MirrorSshTest, MirrorsWithAKeyAndAKnownHost) {
  Mirror mirror = mirror_of("client", "known");
  const auto refreshed = mirror.refresh();
  ASSERT_TRUE(refreshed) << refreshed.error().message;
  EXPECT_TRUE(*refreshed);
  EXPECT_EQ(mirror.open()->resolve("refs/heads/main"), first);
  const auto locked = mirror_of("locked", "known", "pass phrase").look_up();
  EXPECT_TRUE(locked) << locked.error().message;
  shell("ssh-keygen -q -H -f '" + (directory / "known") + "'");
  const auto hashed = mirror.look_up();
  EXPECT_TRUE(hashed) << hashed.error().message;
}

TEST_F(MirrorSshTest, RefusesAnUnknownHostAndSaysHowToAddIt) {
  const std::string message = error_of(mirror_of("client", "unknown").look_up());
  const std::string start = "host \"127.0.0.1\" shows the ",
                    end = ", which is not in \"" + (directory / "unknown") +
                          "\"; make sure that it is the right one, then add it: ssh-keyscan -p " +
                          port + " -t ";
  EXPECT_EQ(message.rfind(start, 0), 0u) << message;
  EXPECT_NE(message.find(end), message.npos) << message;
  EXPECT_NE(message.find(" key SHA256:"), message.npos) << message;
}

TEST_F(MirrorSshTest, RefusesAHostThatShowsAnotherKey) {
  const std::string d = directory.path();
  shell("printf '[127.0.0.1]:%s %s\\n' " + port + " \"$(cut -d' ' -f1,2 '" + d +
        "/stranger.pub')\" > '" + d + "/changed'");
  const std::string fingerprint = shell("ssh-keygen -l -f '" + d + "/host.pub' | cut -d' ' -f2");
  EXPECT_EQ(error_of(mirror_of("client", "changed").look_up()),
            "host \"127.0.0.1\" shows the ed25519 key " + fingerprint + ", which is not in \"" + d +
                "/changed\"; make sure that it is the right one, then add it: ssh-keyscan -p " +
                port + " -t ed25519 127.0.0.1 >> " + d + "/changed");
}

TEST_F(MirrorSshTest, SaysWhichKeyIsRefused) {
  EXPECT_EQ(error_of(mirror_of("stranger", "known").look_up()), "it refused the credentials");
  EXPECT_EQ(
      error_of(mirror_of("rsa", "known").look_up()),
      "it refused the credentials; an RSA key is not accepted by servers of today, make one with "
      "ssh-keygen -t ed25519");
  EXPECT_EQ(
      error_of(mirror_of("none", "known").look_up()),
      "private key \"" + (directory / "none") + "\" cannot be read: No such file or directory");
  EXPECT_EQ(error_of(mirror_of("client", "none").look_up()),
            "known hosts file \"" + (directory / "none") +
                "\" cannot be read: No such file or directory");
}

TEST_F(MirrorSshTest, LeavesNoTemporaryDirectoryBehind) {
  const std::string temporary = directory / "tmp";
  std::filesystem::create_directory(temporary);
  ::setenv("TMPDIR", temporary.c_str(), 1);
  const auto seen = mirror_of("client", "known").look_up();
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(temporary));
}

}  // namespace
}  // namespace tidegate
