#include "controller/http/post.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "controller/http/test_server.h"

namespace tidegate {
namespace {

using std::chrono::seconds;

constexpr const char* accepted = "HTTP/1.1 202 X\r\nContent-Length: 0\r\n\r\n";

TEST(HttpPostTest, SendsJsonWithItsHeaders) {
  std::string seen;
  TestServer server([&](const TestServer::Connection& client) {
    seen = client.request;
    char buffer[1000];
    while (!seen.ends_with("{\"a\":1}")) {
      const ssize_t count = ::recv(client.socket, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      seen.append(buffer, static_cast<std::size_t>(count));
    }
    client.send(accepted);
  });
  const auto answer = http_post(server.url() + "/hook?key=x", {{"X-Proof", "sha256=00"}},
                                "{\"a\":1}", seconds(10), {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 202);
  EXPECT_TRUE(seen.starts_with("POST /hook?key=x HTTP/1.1\r\n")) << seen;
  // The space after a colon is the sender's to leave out.
  for (const char* header : {"Content-Type:application/json", "Content-Length:7",
                             "X-Proof:sha256=00", "User-Agent:tidegate"})
    EXPECT_NE(seen.find(std::string("\r\n") + header + "\r\n"), seen.npos) << header << seen;
  EXPECT_TRUE(seen.ends_with("\r\n\r\n{\"a\":1}")) << seen;
}

TEST(HttpPostTest, FollowsNoRedirect) {
  TestServer server([&](const TestServer::Connection& client) {
    client.send("HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: /other\r\n\r\n");
  });
  const auto answer = http_post(server.url(), {}, "{}", seconds(10), {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 307);
}

TEST(HttpPostTest, NoErrorRepeatsTheUrl) {
  for (const char* url :
       {"ftp://host/s3cr3t", "https://s3cr3t@host/", "http:// s3cr3t", "s3cr3t"}) {
    const auto answer = http_post(url, {}, "{}", seconds(10), {});
    ASSERT_FALSE(answer) << url;
    EXPECT_EQ(answer.error().kind, ErrorKind::invalid);
    EXPECT_EQ(answer.error().message,
              "the url cannot be used: write http or https, a host and a path");
  }
}

}  // namespace
}  // namespace tidegate
