#pragma once
// A port of 127.0.0.1 for tests.

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstdlib>
#include <string>

#include "controller/process/descriptor.h"

namespace tidegate {

/// A TCP socket bound to a port that nobody else has. While it lives and does not listen,
/// connections to the port are refused.
class LoopbackSocket {
 public:
  LoopbackSocket() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_.get(), generic, size) != 0 ||
        ::getsockname(socket_.get(), generic, &size) != 0)
      std::abort();
    port_ = ntohs(address.sin_port);
  }
  void listen() const {
    if (::listen(socket_.get(), 128) != 0) std::abort();
  }
  int get() const { return socket_.get(); }
  int port() const { return port_; }
  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  Descriptor socket_;
  int port_ = 0;
};

}  // namespace tidegate
