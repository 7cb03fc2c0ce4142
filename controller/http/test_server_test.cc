// The tests' own web server. (It carries the name of a test to be part of the test program only.)

#include "controller/http/test_server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

// What OpenSSL keeps for each of the library's threads, which never end, and a reference count that
// the library's uninstrumented half decides.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcrypto.so"; }
extern "C" const char* __tsan_default_suppressions() { return "race:libcpprest.so"; }

namespace tidegate {

bool TestServer::Connection::send(const std::string& bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const char* rest = bytes.data() + done;
    const std::size_t length = bytes.size() - done;
    const ssize_t count = tls ? SSL_write(tls, rest, static_cast<int>(length))
                              : ::send(socket, rest, length, MSG_NOSIGNAL);
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

void TestServer::Connection::wait_for_close() const {
  char byte;
  while (recv(socket, &byte, 1, 0) > 0) {
  }
}

TestServer::TestServer(Answer answer, Tls tls) : answer_(std::move(answer)) {
  if (!tls.name.empty()) prepare_tls(tls.name);
  listener_->listen();
  accepting_ = std::thread([this] { accept_all(); });
}

void TestServer::stop() {
  if (!listener_) return;
  shutdown(listener_->get(), SHUT_RDWR);
  accepting_.join();
  for (std::thread& thread : threads_) thread.join();
  listener_.reset();
  SSL_CTX_free(context_);
}

void TestServer::accept_all() {
  for (;;) {
    const int socket = accept4(listener_->get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void TestServer::serve(int socket) {
  Connection connection{{}, socket, nullptr};
  const auto receive = [&connection](char* to, int size) {
    return connection.tls ? SSL_read(connection.tls, to, size)
                          : static_cast<int>(recv(connection.socket, to, size, 0));
  };
  bool open = true;
  if (context_) {
    connection.tls = SSL_new(context_);
    SSL_set_fd(connection.tls, socket);
    open = SSL_accept(connection.tls) == 1;
  }
  char buffer[4096];
  while (open && connection.request.find("\r\n\r\n") == std::string::npos) {
    const int count = receive(buffer, sizeof buffer);
    open = count > 0;
    if (open) connection.request.append(buffer, static_cast<std::size_t>(count));
  }
  if (open) answer_(connection);
  if (connection.tls) {
    SSL_shutdown(connection.tls);
    SSL_free(connection.tls);
  }
  shutdown(socket, SHUT_RDWR);
  close(socket);
}

void TestServer::prepare_tls(const std::string& name) {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL.
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());

  context_ = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context_, certificate);
  SSL_CTX_use_PrivateKey(context_, key);
  SSL_CTX_set_tlsext_servername_arg(context_, this);
  SSL_CTX_set_tlsext_servername_callback(
      context_, +[](SSL* tls, int*, void* self) -> int {
        auto* server = static_cast<TestServer*>(self);
        const char* asked = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
        std::lock_guard lock(server->mutex_);
        server->name_asked_ = asked ? asked : "";
        return SSL_TLSEXT_ERR_OK;
      });

  BIO* text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(text, certificate);
  char* bytes;
  const long length = BIO_get_mem_data(text, &bytes);
  certificate_.assign(bytes, static_cast<std::size_t>(length));
  BIO_free(text);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

std::string TestServer::last_name_asked() const {
  std::lock_guard lock(mutex_);
  return name_asked_;
}

TestServer::Trust::Trust(const TestServer& server) {
  std::string name = "/tmp/tidegate-http-XXXXXX";
  close(mkstemp(name.data()));
  path_ = name;
  std::ofstream(path_) << server.certificate_;
  if (const char* before = getenv("SSL_CERT_FILE")) before_ = before;
  setenv("SSL_CERT_FILE", path_.c_str(), 1);
}

TestServer::Trust::~Trust() {
  before_.empty() ? unsetenv("SSL_CERT_FILE") : setenv("SSL_CERT_FILE", before_.c_str(), 1);
  unlink(path_.c_str());
}

}  // namespace tidegate
