#pragma once
// For the tests of this folder: a web server that shows what an environment's link points at.

#include "controller/host/test_host.h"
#include "controller/http/test_server.h"

namespace tidegate::test {

/// Serves DIRECTORY/code/web: "/" is index.html, "/shop" is shop.html. A page that begins with "!"
/// answers 500, one that is not there 404; while it is `down`, all answer 503.
class TestPages {
 public:
  explicit TestPages(std::string directory)
      : directory_(std::move(directory)),
        server_([this](const TestServer::Connection& client) { client.send(answer(client)); }) {}

  std::string url() const { return server_.url(); }
  int requests() const { return requests_; }

  std::atomic<bool> down{false};

 private:
  std::string answer(const TestServer::Connection& client) {
    ++requests_;
    const auto begin = client.request.find('/');
    std::string name = client.request.substr(begin, client.request.find(' ', begin) - begin);
    const std::string file = directory_ + "/code/web" + (name == "/" ? "/index" : name) + ".html";
    const bool there = std::filesystem::exists(file);
    const std::string page = down ? "down\n" : there ? read_file(file) : "";
    const char* status = down ? "503" : !there ? "404" : page.starts_with("!") ? "500" : "200";
    return std::string("HTTP/1.1 ") + status +
           " X\r\nContent-Length: " + std::to_string(page.size()) + "\r\n\r\n" + page;
  }

  const std::string directory_;
  std::atomic<int> requests_{0};
  TestServer server_;
};

}  // namespace tidegate::test
