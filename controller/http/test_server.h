#pragma once
// A small web server for the tests of this folder: a thread for each connection, which reads a
// request's head and lets the test answer.

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "controller/process/test_loopback.h"

namespace tidegate {

class TestServer {
 public:
  struct Connection {
    std::string request;  ///< Its head.
    int socket;
    SSL* tls;
    /// False when the other side is gone.
    bool send(const std::string& bytes) const;
    void wait_for_close() const;
  };
  using Answer = std::function<void(const Connection&)>;
  /// The name in the certificate, which is signed by itself.
  struct Tls {
    std::string name;
  };

  /// Listens on 127.0.0.1 when it returns. `answer` is called on threads of the server; the
  /// connection is closed when it returns.
  explicit TestServer(Answer answer, Tls tls = {});
  ~TestServer() { stop(); }
  TestServer(const TestServer&) = delete;

  /// Ends when every answer has.
  void stop();
  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// The name in the last TLS handshake.
  std::string last_name_asked() const;

  /// While it lives, this process trusts the server's certificate alone.
  class Trust {
   public:
    explicit Trust(const TestServer& server);
    ~Trust();

   private:
    std::string path_, before_;
  };

 private:
  void prepare_tls(const std::string& name);
  void accept_all();
  void serve(int socket);

  Answer answer_;
  std::optional<LoopbackSocket> listener_{std::in_place};  ///< Nothing once it stopped.
  const int port_ = listener_->port();
  SSL_CTX* context_ = nullptr;
  std::string certificate_;  // PEM
  mutable std::mutex mutex_;
  std::string name_asked_;
  std::list<std::thread> threads_;
  std::thread accepting_;
};

}  // namespace tidegate
