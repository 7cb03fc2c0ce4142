// GET through cpprestsdk's client, whose own time limit is for one read, not for the whole, which
// follows redirects and reads without bound unless kept from it. All of that is decided here.

#include "controller/http/get.h"

#include <cpprest/http_client.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>

#include <algorithm>
#include <condition_variable>

#include "controller/http/body_buffer.h"
#include "controller/http/post.h"

namespace tidegate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto cancel_interval = std::chrono::milliseconds(100);
/// The library would start 40, at its first use.
constexpr std::size_t pool_threads = 4;

void initialize_pool() {
  [[maybe_unused]] static const bool done = [] {
    try {
      crossplat::threadpool::initialize_with_threads(pool_threads);
    } catch (const std::exception&) {
      // Somebody used the library before; more threads do no harm.
    }
    return true;
  }();
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text;
}

/// What the library's threads tell the one that waits. Shared: they may come after it has left.
class Exchange {
 public:
  static std::shared_ptr<Exchange> make(std::size_t body_bytes_max) {
    auto exchange = std::make_shared<Exchange>();
    // Weak: the library may keep the buffer for longer than anybody keeps the exchange.
    const auto on_full = [weak = std::weak_ptr(exchange)] {
      if (const auto held = weak.lock()) held->settle([&] { held->full_ = true; });
    };
    exchange->body_ = std::make_shared<BodyBuffer>(body_bytes_max, on_full);
    return exchange;
  }

  concurrency::streams::ostream stream() const {
    return concurrency::streams::ostream(concurrency::streams::streambuf<std::uint8_t>(body_));
  }
  void answered(const web::http::http_response& response) {
    settle([&] {
      status_ = response.status_code();
      for (const auto& [name, value] : response.headers()) headers_[lower(name)] = value;
    });
  }
  void certified_until(Timestamp end) {
    settle([&] { certificate_ends_ = end; });
  }
  void ended(std::string error) {
    settle([&] {
      done_ = true;
      error_ = std::move(error);
    });
  }

  enum class Wait { over, late, cancelled };
  Wait wait_until(Clock::time_point end, const std::function<bool()>& cancelled) {
    std::unique_lock lock(mutex_);
    const auto over = [this] { return done_ || (full_ && status_ != 0); };
    for (;;) {
      if (over()) return Wait::over;
      if (Clock::now() >= end) return Wait::late;
      const auto pause = std::min(end, Clock::now() + cancel_interval);
      changed_.wait_until(lock, cancelled ? pause : end, over);
      lock.unlock();
      if (cancelled && cancelled()) return Wait::cancelled;
      lock.lock();
    }
  }

  /// After Wait::over.
  Result<HttpAnswer> take() {
    std::lock_guard lock(mutex_);
    if (!error_.empty() && !full_) return Error{ErrorKind::transient, error_};
    HttpAnswer answer;
    answer.status = status_;
    answer.headers = headers_;
    answer.certificate_ends = certificate_ends_;
    if (const auto found = headers_.find("location"); found != headers_.end())
      answer.location = found->second;
    answer.body = body_->text();
    return answer;
  }

 private:
  template <class Change>
  void settle(const Change& change) {
    std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;
  std::map<std::string, std::string> headers_;
  std::optional<Timestamp> certificate_ends_;
  std::string error_;
  bool done_ = false, full_ = false;
  std::shared_ptr<BodyBuffer> body_;
};

/// The library has one text, and no true error number, for most of what goes wrong.
std::string explain(const std::string& text, int number, const web::uri& url,
                    const std::string& name) {
  const auto about = [&text](const char* words) { return text.find(words) != text.npos; };
  if (about("connect to any resolved endpoint"))
    return "cannot connect to \"" + url.host() +
           (url.port() > 0 ? ":" + std::to_string(url.port()) : "") + "\"";
  if (about("resolving address")) return "the name \"" + url.host() + "\" cannot be resolved";
  if (about("read HTTP status line")) return "the connection brought no HTTP answer";
  if (about("read response body") || about("read HTTP headers") || about("chunk"))
    return "the connection ended before the answer did";
  if (about("SSL handshake")) {
    const char* reason = ERR_reason_error_string(static_cast<unsigned long>(number));
    return "no TLS connection as \"" + name + "\"" + (reason ? std::string(": ") + reason : "");
  }
  std::string line = text.substr(0, text.find('\n'));
  while (line.ends_with('.')) line.pop_back();
  return line;
}

/// What went wrong, from the exception being handled. `name` is the one in the TLS handshake.
std::string current_failure(const web::uri& url, const std::string& name) {
  try {
    throw;
  } catch (const web::http::http_exception& error) {
    return explain(error.what(), error.error_code().value(), url, name);
  } catch (const std::exception& error) {
    return explain(error.what(), 0, url, name);
  } catch (...) {
    return "unknown error";
  }
}

/// Starts `request`; its end is told to `exchange`. Throws what the library does.
void begin(web::http::client::http_client client, web::http::http_request request,
           const pplx::cancellation_token& token, const std::shared_ptr<Exchange>& exchange,
           const std::function<std::string()>& failure) {
  request.set_response_stream(exchange->stream());
  client.request(request, token)
      .then([exchange](const web::http::http_response& response) {
        exchange->answered(response);
        return response.content_ready();
      })
      .then([exchange, client, failure](const pplx::task<web::http::http_response>& task) {
        try {
          task.get();
          exchange->ended({});
        } catch (...) {
          exchange->ended(failure());
        }
      });
}

bool has_control_or_space(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; });
}

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

/// The url's parts; checked here because the library would send a line break on as it is.
Result<web::uri> parse(const std::string& url, const std::string& host_header) {
  if (has_control_or_space(url)) return invalid("the url has a space or control character");
  if (has_control_or_space(host_header))
    return invalid("the Host header has a space or control character");
  try {
    const web::uri parsed(url);
    if ((parsed.scheme() != "http" && parsed.scheme() != "https") || parsed.host().empty())
      return invalid("\"" + url + "\" is not an http or https url");
    if (!parsed.user_info().empty())
      return invalid("the url of host \"" + parsed.host() + "\" has a user name or password");
    return parsed;
  } catch (const std::exception&) {
    return invalid("\"" + url + "\" is not a url");
  }
}

/// The library takes it for the name in the TLS handshake too, where a port makes no sense.
std::string host_to_send(const web::uri& url, const std::string& host_header) {
  if (url.scheme() != "https" || host_header.ends_with(']')) return host_header;
  return host_header.substr(0, host_header.rfind(':'));
}

/// Which exchange a TLS context belongs to; the context owns its share of it.
int exchange_of_context() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* held, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::shared_ptr<Exchange>*>(held);
      });
  return index;
}

/// Tells the exchange when the certificate ends that the handshake has verified.
void note_certificate(const SSL* tls, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_DONE) == 0) return;
  void* held = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(tls), exchange_of_context());
  const X509* certificate = SSL_get0_peer_certificate(tls);
  std::tm end{};
  if (!held || !certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return;
  (*static_cast<std::shared_ptr<Exchange>*>(held))
      ->certified_until(Timestamp(std::chrono::seconds(::timegm(&end))));
}

web::http::client::http_client_config config_for(Duration deadline,
                                                 const std::shared_ptr<Exchange>& exchange) {
  web::http::client::http_client_config config;
  config.set_ssl_context_callback([exchange](boost::asio::ssl::context& context) {
    auto* shared = new std::shared_ptr<Exchange>(exchange);
    if (SSL_CTX_set_ex_data(context.native_handle(), exchange_of_context(), shared) != 1) {
      delete shared;
      return;
    }
    SSL_CTX_set_info_callback(context.native_handle(), note_certificate);
  });
  config.set_max_redirects(0);
  // For one read only: what must never be first. wait_until has the whole.
  config.set_timeout(std::max(deadline, Duration(0)) + std::chrono::seconds(5));
  return config;
}

/// One request over a connection of its own, `deadline` for the whole of it.
Result<HttpAnswer> send(web::http::http_request request, const web::uri& url,
                        const std::string& host, Duration deadline,
                        const std::function<bool()>& cancelled) {
  const auto started = Clock::now();
  const auto failure = [url, name = host.empty() ? url.host() : host] {
    return current_failure(url, name);
  };
  const auto exchange = Exchange::make(http_body_bytes_max);
  pplx::cancellation_token_source stop;
  try {
    request.headers().add("User-Agent", "tidegate");
    if (!host.empty()) request.headers().add("Host", host);
    request.set_request_uri(url.resource());
    begin({url.authority(), config_for(deadline, exchange)}, request, stop.get_token(), exchange,
          failure);
  } catch (...) {
    return Error{ErrorKind::transient, failure()};
  }
  const Exchange::Wait wait = exchange->wait_until(started + deadline, cancelled);
  stop.cancel();
  if (wait == Exchange::Wait::late)
    return Error{ErrorKind::transient, "no complete answer within " + to_string(deadline)};
  if (wait == Exchange::Wait::cancelled) return Error{ErrorKind::transient, "cancelled"};
  Result<HttpAnswer> answer = exchange->take();
  if (answer) answer->took = std::chrono::duration_cast<Duration>(Clock::now() - started);
  return answer;
}

}  // namespace

Result<HttpAnswer> get_unless(const std::string& url, const std::string& host_header,
                              Duration deadline, const std::function<bool()>& cancelled) {
  initialize_pool();
  const Result<web::uri> parsed = parse(url, host_header);
  if (!parsed) return parsed.error();
  return send(web::http::http_request(web::http::methods::GET), *parsed,
              host_to_send(*parsed, host_header), deadline, cancelled);
}

Result<HttpAnswer> http_post(const std::string& url,
                             const std::map<std::string, std::string>& headers,
                             const std::string& json, Duration deadline,
                             const std::function<bool()>& cancelled) {
  initialize_pool();
  const Result<web::uri> parsed = parse(url, "");
  // Unlike that of a page, such a url may be a secret.
  if (!parsed) return invalid("the url cannot be used: write http or https, a host and a path");
  web::http::http_request request(web::http::methods::POST);
  request.set_body(json, "application/json");
  for (const auto& [name, value] : headers) request.headers().add(name, value);
  return send(std::move(request), *parsed, "", deadline, cancelled);
}

Result<HttpAnswer> http_get(const std::string& url, const std::string& host_header,
                            Duration deadline) {
  return get_unless(url, host_header, deadline, {});
}

}  // namespace tidegate
