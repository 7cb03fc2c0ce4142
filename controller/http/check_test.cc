#include "controller/http/check.h"

#include <gtest/gtest.h>

#include <atomic>

#include "controller/http/test_server.h"

namespace tidegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string reply(int status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

std::string error_of(const Result<HttpAnswer>& answer) {
  if (answer) return "answered " + std::to_string(answer->status);
  return (answer.error().kind == ErrorKind::transient ? "transient: " : "invalid: ") +
         answer.error().message;
}

/// What the checks met that did not pass: the last look's.
std::optional<std::string> first_failure(const std::vector<PageLook>& looks) {
  if (looks.empty() || looks.back().problem.empty()) return std::nullopt;
  return looks.back().text();
}
std::optional<std::string> first_failure(const std::vector<HttpCheck>& checks,
                                         const std::string& base_url, const std::string& host = "",
                                         Duration retry_for = {},
                                         const std::function<bool()>& cancelled = {}) {
  return first_failure(run_http_checks(checks, base_url, host, retry_for, cancelled));
}

TEST(HttpGetTest, TellsStatusHeadersAndBody) {
  std::string seen;
  TestServer server([&](const TestServer::Connection& client) {
    seen = client.request;
    client.send(reply(200, "hello\n", "X-Thing: Some Value\r\n"));
  });
  const auto answer = http_get(server.url() + "/a?b=c%20d", "", seconds(10));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hello\n");  // Though there is no Content-Type.
  EXPECT_EQ(answer->headers.at("x-thing"), "Some Value");
  EXPECT_EQ(answer->location, "");
  EXPECT_TRUE(seen.starts_with("GET /a?b=c%20d HTTP/1.1\r\n")) << seen;
  EXPECT_NE(seen.find("\r\nHost: " + server.url().substr(7) + "\r\n"), seen.npos) << seen;
}

TEST(HttpGetTest, SendsAnotherHostWhenAsked) {
  std::string seen;
  TestServer server([&](const TestServer::Connection& client) {
    seen = client.request;
    client.send(reply(200, ""));
  });
  ASSERT_TRUE(http_get(server.url(), "test.acme.example", seconds(10)));
  EXPECT_NE(seen.find("\r\nHost:test.acme.example\r\n"), seen.npos) << seen;
  EXPECT_EQ(seen.find("127.0.0.1"), seen.npos) << seen;
}

TEST(HttpGetTest, FollowsNoRedirect) {
  std::atomic<int> requests = 0;
  TestServer server([&](const TestServer::Connection& client) {
    ++requests;
    client.send(reply(302, "moved", "Location: /elsewhere\r\n"));
  });
  const auto answer = http_get(server.url(), "", seconds(10));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->location, "/elsewhere");
  EXPECT_EQ(requests, 1);
}

TEST(HttpGetTest, ReadsChunks) {
  TestServer server([](const TestServer::Connection& client) {
    client.send(
        "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
  });
  const auto answer = http_get(server.url(), "", seconds(10));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body, "hello!");
}

TEST(HttpGetTest, StopsReadingAnEndlessBody) {
  std::atomic<std::size_t> sent = 0;
  TestServer server([&](const TestServer::Connection& client) {
    client.send("HTTP/1.1 200 X\r\nContent-Type: text/html\r\n\r\n");
    while (client.send(std::string(10'000, 'x'))) sent += 10'000;
  });
  const auto answer = http_get(server.url(), "", seconds(30));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, std::string(http_body_bytes_max, 'x'));
  EXPECT_LT(answer->took, seconds(10));
  server.stop();  // Waits for the server's last send, which fails only once nobody reads.
  EXPECT_LT(sent, 50'000'000u);
}

TEST(HttpGetTest, WaitsNoLongerThanItsDeadlineForTheWhole) {
  TestServer silent([](const TestServer::Connection& client) { client.wait_for_close(); });
  TestServer dripping([](const TestServer::Connection& client) {
    client.send("HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n");
    while (client.send("x")) std::this_thread::sleep_for(milliseconds(20));
  });
  for (const TestServer* server : {&silent, &dripping}) {
    const auto started = std::chrono::steady_clock::now();
    EXPECT_EQ(error_of(http_get(server->url(), "", milliseconds(400))),
              "transient: no complete answer within 400ms");
    EXPECT_LT(std::chrono::steady_clock::now() - started, seconds(5));
  }
}

TEST(HttpGetTest, TellsWhyThereIsNoAnswer) {
  TestServer silent([](const TestServer::Connection&) {});
  EXPECT_EQ(error_of(http_get(silent.url(), "", seconds(10))),
            "transient: the connection brought no HTTP answer");
  const LoopbackSocket closed;
  EXPECT_EQ(error_of(http_get("http://" + closed.authority(), "", seconds(10))),
            "transient: cannot connect to \"" + closed.authority() + "\"");
  EXPECT_EQ(error_of(http_get("http://no-such-host.invalid/", "", seconds(60))),
            "transient: the name \"no-such-host.invalid\" cannot be resolved");
  TestServer nonsense([](const TestServer::Connection& client) { client.send("SSH-2.0-x\r\n"); });
  EXPECT_EQ(error_of(http_get(nonsense.url(), "", seconds(10))),
            "transient: the connection brought no HTTP answer");
  TestServer broken([](const TestServer::Connection& client) {
    client.send("HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf");
  });
  EXPECT_EQ(error_of(http_get(broken.url(), "", seconds(10))),
            "transient: the connection ended before the answer did");
}

TEST(HttpGetTest, RefusesWhatCannotBeSent) {
  const auto refused = [](const std::string& url, const std::string& host = "") {
    return error_of(http_get(url, host, seconds(1)));
  };
  EXPECT_EQ(refused("ftp://a.example/"),
            "invalid: \"ftp://a.example/\" is not an http or https url");
  EXPECT_EQ(refused("/path"), "invalid: \"/path\" is not an http or https url");
  EXPECT_EQ(refused(""), "invalid: \"\" is not an http or https url");
  EXPECT_EQ(refused("http://a.example/\r\nX: y"),
            "invalid: the url has a space or control character");
  EXPECT_EQ(refused("http://a.example/", "b.example\r\nX: y"),
            "invalid: the Host header has a space or control character");
  EXPECT_EQ(refused("http://me:secret@a.example/"),
            "invalid: the url of host \"a.example\" has a user name or password");
}

TEST(HttpGetTest, MayBeAskedByManyThreadsAtOnce) {
  TestServer server([](const TestServer::Connection& client) {
    std::this_thread::sleep_for(milliseconds(50));
    client.send(reply(200, "hello"));
  });
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i)
    threads.emplace_back([&] {
      const auto answer = http_get(server.url(), "", seconds(20));
      if (answer && answer->body == "hello") ++right;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 20);
}

TEST(HttpChecksTest, PassesWhatIsAsWanted) {
  TestServer server([](const TestServer::Connection& client) {
    const bool front = client.request.starts_with("GET / ");
    client.send(front ? reply(200, "<h1>Acme</h1>") : reply(404, "nothing"));
  });
  EXPECT_EQ(first_failure({{"/", 200, "Acme"}, {"/gone", 404, ""}, {"/", std::nullopt, ""}},
                          server.url() + "/", "", {}, {}),
            std::nullopt);
}

TEST(HttpChecksTest, TellsWhatTheFirstFailureMet) {
  TestServer server([](const TestServer::Connection& client) {
    client.send(client.request.starts_with("GET /login ")
                    ? reply(302, "", "Location: https://sso.example/\r\n")
                    : reply(500, "\n  Fatal error:\tno database\nStack trace\n"));
  });
  const auto failure = [&](const HttpCheck& check, const std::string& host = "") {
    return first_failure({check}, server.url(), host, {}, {}).value_or("passed");
  };
  const std::string get = "GET " + server.url();
  EXPECT_EQ(failure({"/", 200, ""}), get +
                                         "/ answered 500, wanted 200; first line: \"Fatal error: "
                                         "no database\"");
  EXPECT_EQ(failure({"/x", std::nullopt, ""}, "test.acme.example"),
            get +
                "/x (Host: test.acme.example) answered 500, wanted below 400; first line: "
                "\"Fatal error: no database\"");
  EXPECT_EQ(failure({"/", 500, "Acme"}),
            get + "/ answered 500 without \"Acme\"; first line: \"Fatal error: no database\"");
  EXPECT_EQ(failure({"/login", 200, ""}),
            get + "/login answered 302, wanted 200; it points to \"https://sso.example/\"");
  server.stop();
  EXPECT_EQ(failure({"/", 200, ""}),
            get + "/: cannot connect to \"" + server.url().substr(7) + "\"");
}

TEST(HttpChecksTest, TriesAgainUntilItPasses) {
  std::atomic<int> requests = 0;
  TestServer server([&](const TestServer::Connection& client) {
    client.send(++requests < 3 ? reply(500, "warming up") : reply(200, "ready"));
  });
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(first_failure({{"/", 200, "ready"}}, server.url(), "", seconds(30), {}), std::nullopt);
  EXPECT_EQ(requests, 3);
  EXPECT_GE(std::chrono::steady_clock::now() - started, milliseconds(1000));
}

TEST(HttpChecksTest, TriesOnceWithoutRetriesAndEndsWhenTheyAreOver) {
  std::atomic<int> requests = 0;
  TestServer server([&](const TestServer::Connection& client) {
    ++requests;
    client.send(reply(500, ""));
  });
  const std::string expected = "GET " + server.url() + "/ answered 500, wanted below 400";
  EXPECT_EQ(first_failure({HttpCheck{}}, server.url(), "", {}, {}), expected);
  EXPECT_EQ(requests, 1);
  EXPECT_EQ(first_failure({HttpCheck{}}, server.url(), "", milliseconds(700), {}), expected);
  EXPECT_EQ(requests, 3);
}

TEST(HttpChecksTest, CanBeGivenUpWhileAServerIsSilent) {
  TestServer server([](const TestServer::Connection& client) { client.wait_for_close(); });
  std::atomic<int> questions = 0;
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(
      first_failure({HttpCheck{}}, server.url(), "", seconds(30), [&] { return ++questions > 3; }),
      "GET " + server.url() + "/: cancelled");
  EXPECT_LT(std::chrono::steady_clock::now() - started, seconds(5));
}

TEST(HttpChecksTest, CutsALongFirstLineBetweenCharacters) {
  TestServer server([](const TestServer::Connection& client) {
    client.send(reply(500, "x" + std::string(158, 'y') + "é and more"));
  });
  EXPECT_EQ(first_failure({HttpCheck{}}, server.url(), "", {}, {}),
            "GET " + server.url() + "/ answered 500, wanted below 400; first line: \"x" +
                std::string(158, 'y') + "…\"");
}

TEST(HttpChecksTest, TellsWhatEachLookMet) {
  TestServer server([](const TestServer::Connection& client) {
    client.send(client.request.starts_with("GET / ") ? reply(200, "hello") : reply(503, "busy"));
  });
  const auto looks =
      run_http_checks({{"/", 200, ""}, {"/x", 200, ""}, {"/y", 200, ""}}, server.url(), "", {}, {});
  ASSERT_EQ(looks.size(), 2u) << "it ends with the first that does not pass";
  EXPECT_EQ(looks[0].check, "GET " + server.url() + "/");
  EXPECT_EQ(looks[0].problem, "");
  EXPECT_EQ(looks[0].answer.status, 200);
  EXPECT_EQ(looks[0].answer.body, "hello");
  EXPECT_EQ(looks[1].check, "GET " + server.url() + "/x");
  EXPECT_EQ(looks[1].problem, " answered 503, wanted 200; first line: \"busy\"");
  EXPECT_EQ(looks[1].answer.status, 503);
}

TEST(HttpChecksTest, LooksForHeadersWhateverTheCaseOfTheirNames) {
  TestServer server([](const TestServer::Connection& client) {
    client.send(reply(200, "", "Cache-Control: public, max-age=60\r\n"));
  });
  HttpCheck check;
  check.header = {{"cache-control", "max-age=60"}};
  EXPECT_EQ(first_failure({check}, server.url()), std::nullopt);
  check.header = {{"cache-control", "no-store"}};
  EXPECT_EQ(first_failure({check}, server.url()),
            "GET " + server.url() +
                "/ answered 200 with header \"cache-control: public, max-age=60\", wanted "
                "\"no-store\" in it");
  check.header = {{"x-frame-options", "DENY"}};
  EXPECT_EQ(first_failure({check}, server.url()),
            "GET " + server.url() + "/ answered 200 without header \"x-frame-options\"");
}

TEST(HttpChecksTest, RefusesAnAnswerThatTookTooLong) {
  TestServer server([](const TestServer::Connection& client) {
    std::this_thread::sleep_for(milliseconds(60));
    client.send(reply(200, "slow"));
  });
  HttpCheck check;
  check.within = milliseconds(50);
  EXPECT_EQ(first_failure({check}, server.url()),
            "GET " + server.url() + "/ answered 200, but not within 50ms");
  check.within = seconds(30);
  EXPECT_EQ(first_failure({check}, server.url()), std::nullopt);
}

std::string page(const std::string& title) {
  return reply(200, "<!doctype html><HTML><head><TITLE lang=en>" + title + "</Title></head>");
}

TEST(ComparePagesTest, RemembersOnlyPagesThatAnswer) {
  TestServer server([](const TestServer::Connection& client) {
    if (client.request.starts_with("GET / ")) client.send(page(" Acme &amp;\n  Sons "));
    if (client.request.starts_with("GET /old ")) client.send(reply(301, "", "Location: /\r\n"));
    if (client.request.starts_with("GET /gone ")) client.send(reply(404, "<title>Gone</title>"));
  });
  const std::vector<PageBefore> expected{{"/", "Acme &amp; Sons"}, {"/old", ""}};
  EXPECT_EQ(pages_answering({"/", "/gone", "/old", "/silent"}, server.url(), {}), expected);
}

TEST(ComparePagesTest, TellsWhatIsNotAsItWas) {
  TestServer server([](const TestServer::Connection& client) {
    if (client.request.starts_with("GET / ")) client.send(page("Acme"));
    if (client.request.starts_with("GET /shop ")) client.send(page("Error"));
    if (client.request.starts_with("GET /news ")) client.send(reply(500, "Fatal error"));
  });
  const auto failure = [&](const std::vector<PageBefore>& pages, bool titles = true) {
    return first_failure(compare_pages(pages, titles, server.url(), "", {}, {})).value_or("passed");
  };
  EXPECT_EQ(failure({{"/", "Acme"}}), "passed");
  EXPECT_EQ(failure({{"/", ""}}), "passed") << "it had none";
  EXPECT_EQ(failure({{"/", "Acme"}, {"/shop", "Shop"}}),
            "GET " + server.url() +
                "/shop answered 200 with title \"Error\", and had \"Shop\" before the switch");
  EXPECT_EQ(failure({{"/shop", "Shop"}}, false), "passed");
  EXPECT_EQ(failure({{"/news", "News"}}, false),
            "GET " + server.url() +
                "/news answered 500, and below 400 before the switch; first line: \"Fatal error\"");
}

TEST(HttpsTest, AsksHowLongTheCertificateIsValidStill) {
  TestServer server([](const TestServer::Connection& client) { client.send(reply(200, "safe")); },
                    TestServer::Tls{"localhost"});
  const TestServer::Trust trust(server);
  const std::string url = "https://localhost:" + std::to_string(server.port());
  const auto answer = http_get(url, "", seconds(10));
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_TRUE(answer->certificate_ends);
  HttpCheck check;
  check.certificate_valid_for = std::chrono::minutes(30);  // Of the hour that it has.
  EXPECT_EQ(first_failure({check}, url), std::nullopt);
  check.certificate_valid_for = std::chrono::days(14);
  EXPECT_EQ(first_failure({check}, url), "GET " + url + "/ has a certificate that ends at " +
                                             to_rfc3339(*answer->certificate_ends) +
                                             ", wanted one valid for 14d more; renew it");
}

TEST(HttpsTest, FindsNoCertificateWhereItIsNotHttps) {
  TestServer server([](const TestServer::Connection& client) { client.send(reply(200, "")); });
  HttpCheck check;
  check.certificate_valid_for = std::chrono::days(14);
  EXPECT_EQ(first_failure({check}, server.url()),
            "GET " + server.url() + "/ answered without a certificate: it is not https");
}

TEST(HttpsTest, TrustsOnlyACertificateForTheNameItAskedFor) {
  TestServer server([](const TestServer::Connection& client) { client.send(reply(200, "safe")); },
                    TestServer::Tls{"localhost"});
  const std::string url = "https://localhost:" + std::to_string(server.port()) + "/";
  EXPECT_EQ(error_of(http_get(url, "", seconds(10))),
            "transient: no TLS connection as \"localhost\": certificate verify failed");
  const TestServer::Trust trust(server);
  const auto answer = http_get(url, "", seconds(10));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "safe");
  EXPECT_EQ(server.last_name_asked(), "localhost");
}

TEST(HttpsTest, AsksForTheNameOfTheHostItSends) {
  TestServer server([](const TestServer::Connection& client) { client.send(reply(200, "safe")); },
                    TestServer::Tls{"test.acme.example"});
  const TestServer::Trust trust(server);
  const std::string url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
  EXPECT_EQ(error_of(http_get(url, "test.acme.example:8443", seconds(10))), "answered 200");
  EXPECT_EQ(server.last_name_asked(), "test.acme.example");
  EXPECT_EQ(error_of(http_get(url, "other.example", seconds(10))),
            "transient: no TLS connection as \"other.example\": certificate verify failed");
}

}  // namespace
}  // namespace tidegate
