#include "controller/git/remote_url.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

std::string refusal(const std::string& text) {
  const auto url = parse_remote_url(text);
  if (url) return "accepted";
  EXPECT_EQ(url.error().kind, ErrorKind::invalid);
  return url.error().message;
}

TEST(RemoteUrlTest, TakesApartWhatItAccepts) {
  const auto https = parse_remote_url("https://git.example.org/acme/site.git");
  ASSERT_TRUE(https);
  EXPECT_EQ(https->transport, Transport::https);
  EXPECT_EQ(https->host, "git.example.org");
  EXPECT_EQ(https->port, 443);
  EXPECT_EQ(https->path, "/acme/site.git");
  const auto ssh = parse_remote_url("ssh://git@[::1]:2222/srv/x.git");
  ASSERT_TRUE(ssh);
  EXPECT_EQ(ssh->user, "git");
  EXPECT_EQ(ssh->host, "::1");
  EXPECT_EQ(ssh->port, 2222);
  const auto http = parse_remote_url("http://ada@h:8080/x");
  ASSERT_TRUE(http);
  EXPECT_EQ(http->user, "ada");
  EXPECT_EQ(http->port, 8080);
}

TEST(RemoteUrlTest, ReadsLocalPathsInBothSpellings) {
  for (const char* text :
       {"/srv/git/a b.git", "file:///srv/git/a%20b.git", "file://localhost/srv/git/a%20b.git"}) {
    const auto url = parse_remote_url(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->transport, Transport::file);
    EXPECT_EQ(url->path, "/srv/git/a b.git");
  }
}

TEST(RemoteUrlTest, RefusesOtherTransportsSayingWhatToWrite) {
  EXPECT_EQ(refusal("git@github.com:acme/site.git"),
            "\"git@github.com:acme/site.git\" is not supported; write "
            "ssh://git@github.com/acme/site.git");
  EXPECT_EQ(refusal("ext::sh -c x"), "the repository URL has a space or control character");
  EXPECT_EQ(
      refusal("ext::sh"),
      "\"ext::sh\" is not supported; use https://, http://, ssh://, file:/// or an absolute path");
  EXPECT_EQ(refusal("git://h/x"),
            "\"git://h/x\" is not supported; use https://, http://, ssh://, file:/// or an "
            "absolute path");
  EXPECT_EQ(
      refusal("fleet"),
      "\"fleet\" is not supported; use https://, http://, ssh://, file:/// or an absolute path");
  EXPECT_EQ(refusal(""), "the repository URL is empty");
}

TEST(RemoteUrlTest, RefusesWhatAnOptionOrASecretCouldHideIn) {
  EXPECT_EQ(refusal("--upload-pack=x"), "\"--upload-pack=x\" begins with \"-\" and is no URL");
  EXPECT_EQ(refusal("ssh://-oProxyCommand=x/y"),
            "\"ssh://-oProxyCommand=x/y\" has a host or user that begins with \"-\"");
  EXPECT_EQ(refusal("ssh://-l@h/y"), "\"ssh://-l@h/y\" has a host or user that begins with \"-\"");
  EXPECT_EQ(refusal("https://ada:geheim@h/x"),
            "the repository URL holds a password; name a secret in credentials instead");
  EXPECT_EQ(refusal("/srv/a\nb"), "the repository URL has a line break");
  EXPECT_EQ(refusal("file:///srv/a%0Ab"), "\"file:///srv/a%0Ab\" has a broken % escape");
}

TEST(RemoteUrlTest, SharesCredentialsWithTheSameServerAlone) {
  const auto may = [](const std::string& meant, const std::string& other) {
    return may_share_credentials(*parse_remote_url(meant), *parse_remote_url(other));
  };
  EXPECT_TRUE(may("https://h/x", "https://h/y"));
  EXPECT_TRUE(may("http://h/x", "https://h/x"));
  EXPECT_FALSE(may("https://h/x", "http://h/x"));
  EXPECT_FALSE(may("https://h/x", "https://h.example.org/x"));
  EXPECT_FALSE(may("https://h/x", "https://h:8443/x"));
  EXPECT_FALSE(may("http://h:8080/x", "https://h/x"));
}

TEST(RemoteUrlTest, RefusesIncompleteAddresses) {
  EXPECT_EQ(refusal("https://h"), "\"https://h\" names no repository on that host");
  EXPECT_EQ(refusal("https:///x"), "\"https:///x\" names no host");
  EXPECT_EQ(refusal("https://h:x/y"), "\"https://h:x/y\" has a port that is no number");
  EXPECT_EQ(refusal("https://h:70000/y"), "\"https://h:70000/y\" has a port outside 1–65535");
  EXPECT_EQ(refusal("file://srv/x"), "\"file://srv/x\" names no absolute path; write file:///path");
}

}  // namespace
}  // namespace tidegate
