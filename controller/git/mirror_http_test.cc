#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "controller/git/mirror.h"
#include "controller/git/test_repository.h"
#include "controller/git/test_server.h"
#include "controller/git/writer.h"
#include "controller/process/test_loopback.h"

namespace tidegate {
namespace {

using std::chrono::seconds;

class MirrorHttpTest : public testing::Test {
 protected:
  MirrorHttpTest() {
    tree.write("a", "1");
    first = tree.commit("first");
    tree.git("tag -a -m note v1");
    shell("git clone -q --bare '" + tree.path() + "' '" + (directory / "site.git") + "'");
  }
  Mirror mirror_of(const std::string& url, Credentials credentials = {}) const {
    return Mirror(directory / "mirrors", url, std::move(credentials), seconds(60));
  }
  static Credentials ada(const std::string& password) {
    return {.username = "ada", .password = password};
  }
  /// The message without the URL it is about.
  static std::string error_of(const Mirror& mirror, const auto& result, ErrorKind kind) {
    if (result) return "no error";
    EXPECT_EQ(result.error().kind, kind) << result.error().message;
    const std::string about = "git repository \"" + mirror.url() + "\": ";
    EXPECT_EQ(result.error().message.rfind(about, 0), 0u) << result.error().message;
    return result.error().message.substr(about.size());
  }

  TemporaryDirectory directory;
  WorkTree tree{directory / "tree"};
  CommitId first;
};

TEST_F(MirrorHttpTest, MirrorsOverHttpWithCredentials) {
  const HttpGitServer server(directory, "auth");
  Mirror mirror = mirror_of("http://" + server.address() + "/site.git", ada("right"));
  const auto seen = mirror.look_up();
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(*seen,
            (std::map<std::string, CommitId>{{"refs/heads/main", first}, {"refs/tags/v1", first}}));
  ASSERT_TRUE(*mirror.refresh());
  EXPECT_FALSE(*mirror.refresh());
  EXPECT_EQ(mirror.open()->resolve("refs/tags/v1"), first);
  EXPECT_EQ(mirror.open()->list(first, "")->size(), 1u);
}

TEST_F(MirrorHttpTest, FetchesWhatIsNewOnTopOfWhatIsThere) {
  const HttpGitServer server(directory, "");
  Mirror mirror = mirror_of("http://" + server.address() + "/site.git");
  ASSERT_TRUE(*mirror.refresh());
  tree.write("b", "2");
  const CommitId second = tree.commit("second");
  tree.git("push -q '" + (directory / "site.git") + "' main");
  ASSERT_TRUE(*mirror.refresh());
  EXPECT_EQ(mirror.open()->resolve("refs/heads/main"), second);
  EXPECT_EQ(mirror.open()->list(second, "")->size(), 2u);
  EXPECT_EQ(shell("git -C '" + mirror.path() + "' fsck --strict --connectivity-only"), "");
}

TEST_F(MirrorHttpTest, SaysWhenCredentialsAreMissingOrWrong) {
  const HttpGitServer server(directory, "auth");
  const std::string url = "http://" + server.address() + "/site.git";
  EXPECT_EQ(error_of(mirror_of(url), mirror_of(url).look_up(), ErrorKind::invalid),
            "it asks for credentials; name a secret in credentials");
  const Mirror wrong = mirror_of(url, ada("wrong"));
  EXPECT_EQ(error_of(wrong, wrong.look_up(), ErrorKind::invalid), "it refused the credentials");
  // Offered once: whoever counts failed logins sees one, not a storm.
  EXPECT_EQ(shell("grep -c 'Basic YWRhOndyb25n' '" + (directory / "server.log") + "'"), "1");
}

TEST_F(MirrorHttpTest, NeverSendsCredentialsToAnotherHost) {
  const HttpGitServer server(directory, "auth");
  const Mirror mirror =
      mirror_of("http://" + server.address() + "/redirect/localhost:PORT/site.git", ada("right"));
  EXPECT_EQ(error_of(mirror, mirror.look_up(), ErrorKind::transient),
            "connect: cannot redirect from '127.0.0.1' to 'localhost'");
  EXPECT_EQ(shell("grep -c 'Basic' '" + (directory / "server.log") + "' || true"), "0");
}

TEST_F(MirrorHttpTest, NeverSendsCredentialsToAnotherPort) {
  if (shell("dpkg --compare-versions \"$(dpkg-query -W -f '${Version}' libgit2-1.5)\" lt "
            "1.5.1+ds-1+deb12u2 && echo old || true") == "old")
    GTEST_SKIP() << "libgit2 before its security update deb12u2 does not tell the port it is at";
  const HttpGitServer server(directory, "auth");
  const HttpGitServer other(directory, "auth-other");
  const std::string path = "/redirect/" + other.address() + "/site.git";
  const Mirror to_port = mirror_of("http://" + server.address() + path, ada("right"));
  EXPECT_EQ(error_of(to_port, to_port.look_up(), ErrorKind::invalid),
            "it redirects to another server, \"" + other.address() +
                "\", which does not get the credentials; use that address in the URL");
  EXPECT_EQ(shell("grep -c 'Basic' '" + (directory / "server.log") + "' || true"), "0");
}

TEST_F(MirrorHttpTest, FollowsARedirectOnTheSameHost) {
  const HttpGitServer server(directory, "");
  const Mirror mirror =
      mirror_of("http://" + server.address() + "/redirect/127.0.0.1:PORT/site.git");
  const auto seen = mirror.look_up();
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->size(), 2u);
}

TEST_F(MirrorHttpTest, AServerInTroubleIsTriedAgain) {
  const HttpGitServer server(directory, "");
  const Mirror broken = mirror_of("http://" + server.address() + "/broken/site.git");
  EXPECT_EQ(error_of(broken, broken.look_up(), ErrorKind::transient),
            "connect: unexpected http status code: 503");
  const Mirror missing = mirror_of("http://" + server.address() + "/none.git");
  EXPECT_EQ(error_of(missing, missing.look_up(), ErrorKind::transient),
            "connect: unexpected http status code: 404");
  const Mirror nobody = mirror_of("http://127.0.0.1:1/site.git");
  EXPECT_EQ(error_of(nobody, nobody.look_up(), ErrorKind::transient),
            "connect: failed to connect to 127.0.0.1: Connection refused");
}

TEST_F(MirrorHttpTest, AServerThatNeverAnswersEndsAtTheDeadline) {
  const LoopbackSocket listener;
  listener.listen();
  Mirror mirror(directory / "mirrors", "http://" + listener.authority() + "/x.git", {},
                std::chrono::milliseconds(400));
  const auto start = std::chrono::steady_clock::now();
  const auto refreshed = mirror.refresh();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(10));
  EXPECT_EQ(error_of(mirror, refreshed, ErrorKind::transient), "no answer within 400ms");
}

TEST_F(MirrorHttpTest, PushesAndRefusesWhatMoved) {
  const HttpGitServer server(directory, "auth");
  Mirror mirror = mirror_of("http://" + server.address() + "/site.git", ada("right"));
  ASSERT_TRUE(*mirror.refresh());
  const auto commit = commit_file(mirror.path(), first,
                                  {.path = "a",
                                   .before = "1",
                                   .text = "2",
                                   .author_name = "Ada",
                                   .author_mail = "ada@example.org",
                                   .message = "Two",
                                   .at = {}});
  ASSERT_TRUE(commit);
  const auto pushed = mirror.push(*commit, "refs/heads/main", first);
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(shell("git -C '" + (directory / "site.git") + "' show main:a"), "2");
  const auto late = mirror.push(first, "refs/heads/main", first);
  EXPECT_EQ(error_of(mirror, late, ErrorKind::transient),
            "\"refs/heads/main\" moved: it points to \"" + commit->hex + "\", not to \"" +
                first.hex + "\"");
  ASSERT_TRUE(mirror.push(*commit, "refs/heads/change", std::nullopt));
  EXPECT_EQ(shell("git -C '" + (directory / "site.git") + "' rev-parse change"), commit->hex);
}

TEST_F(MirrorHttpTest, SaysWhyAServerRefusesAPush) {
  write_file(directory / "site.git/hooks/pre-receive", "#!/bin/sh\nexit 1\n");
  shell("chmod +x '" + (directory / "site.git/hooks/pre-receive") + "'");
  const HttpGitServer server(directory, "");
  Mirror mirror = mirror_of("http://" + server.address() + "/site.git");
  ASSERT_TRUE(*mirror.refresh());
  EXPECT_EQ(
      error_of(mirror, mirror.push(first, "refs/heads/new", std::nullopt), ErrorKind::invalid),
      "it refused to change \"refs/heads/new\": pre-receive hook declined");
}

class MirrorTlsTest : public MirrorHttpTest {
 protected:
  MirrorTlsTest() {
    shell(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
        "subjectAltName=DNS:localhost -keyout '" +
        (directory / "key.pem") + "' -out '" + (directory / "certificate.pem") + "'");
  }
  ~MirrorTlsTest() override { ::unsetenv("SSL_CERT_FILE"); }
};

TEST_F(MirrorTlsTest, ChecksTheCertificate) {
  const HttpGitServer server(directory, "tls");
  const Mirror mirror = mirror_of("https://" + server.address("localhost") + "/site.git");
  EXPECT_EQ(error_of(mirror, mirror.look_up(), ErrorKind::invalid),
            "the certificate of \"localhost\" is not valid; if it is the right one, install its "
            "authority with update-ca-certificates");
  ::setenv("SSL_CERT_FILE", (directory / "certificate.pem").c_str(), 1);
  const auto seen = mirror.look_up();
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->size(), 2u);
  const Mirror by_address = mirror_of("https://" + server.address() + "/site.git");
  EXPECT_FALSE(by_address.look_up());
}

TEST_F(MirrorTlsTest, SaysThatTls13AloneCannotBeUsed) {
  const HttpGitServer server(directory, "tls13");
  const Mirror mirror = mirror_of("https://" + server.address("localhost") + "/site.git");
  const std::string message = error_of(mirror, mirror.look_up(), ErrorKind::transient);
  EXPECT_EQ(
      message.rfind("TLS with \"localhost\" failed; TLS 1.2 is spoken here, a server that accepts "
                    "1.3 alone cannot be used (connect: ",
                    0),
      0u)
      << message;
}

}  // namespace
}  // namespace tidegate
