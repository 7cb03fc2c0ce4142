#pragma once
// Looks at web pages, as a visitor would: one bounded GET, and the checks of a manifest.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schemas/result.h"
#include "schemas/site.h"
#include "schemas/time.h"

namespace tidegate {

/// Bytes of a body that are kept; reading stops there.
inline constexpr std::size_t http_body_bytes_max = 256 << 10;

struct HttpAnswer {
  int status = 0;
  std::string location;  ///< Where a redirect points; redirects are never followed.
  std::string body;      ///< Its first http_body_bytes_max bytes, whatever its Content-Type.
  Duration took{};
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  /// When the server's own certificate ends; of https, where it was verified.
  std::optional<Timestamp> certificate_ends;
};

/// One GET over a connection of its own, certificates verified, `deadline` for the whole of it.
/// `host_header` replaces the Host header ("" = the url's host); with https it is also the name in
/// the TLS handshake that the certificate must be valid for, and a port in it is left out. Any
/// answer is a result. Errors: `invalid` for a url or host that cannot be used, `transient` for no
/// answer. Never throws.
Result<HttpAnswer> http_get(const std::string& url, const std::string& host_header,
                            Duration deadline);

/// What the last look at one page met.
struct PageLook {
  std::string check;    ///< "GET http://127.0.0.1:81/ (Host: a.example)".
  std::string problem;  ///< Goes on from `check`; "" when it passed.
  HttpAnswer answer;    ///< Status 0 when none came.
  std::string text() const { return check + problem; }
};

/// Carries out `checks` against `base_url`, each again every 500 ms until it passes or `retry_for`
/// has passed since the call (at least once). One look for each, ending with the first that did not
/// pass: `GET https://a.example/ answered 500, wanted 200; first line: "…"`. Asks `cancelled` (may
/// be empty) about ten times a second; true gives up. One attempt takes 30 s at most. How long a
/// certificate is valid is counted from this machine's time.
std::vector<PageLook> run_http_checks(const std::vector<HttpCheck>& checks,
                                      const std::string& base_url, const std::string& host_header,
                                      Duration retry_for, const std::function<bool()>& cancelled);

/// A page as visitors saw it.
struct PageBefore {
  std::string path;
  std::string title;  ///< "" when it had none.
  bool operator==(const PageBefore&) const = default;
};

/// Those of `paths` that answer below 400 now, each asked once, for at most 10 s.
std::vector<PageBefore> pages_answering(const std::vector<std::string>& paths,
                                        const std::string& base_url,
                                        const std::function<bool()>& cancelled);

/// As run_http_checks: each page must answer below 400 still, and with the title it had, where it
/// had one and `titles`.
std::vector<PageLook> compare_pages(const std::vector<PageBefore>& pages, bool titles,
                                    const std::string& base_url, const std::string& host_header,
                                    Duration retry_for, const std::function<bool()>& cancelled);

}  // namespace tidegate
