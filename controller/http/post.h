#pragma once
// Sends something to another server.

#include <functional>
#include <map>
#include <string>

#include "controller/http/check.h"

namespace tidegate {

/// One POST of JSON, in all else as http_get; the url may have a query. No error repeats more of
/// the url than its host. `cancelled` (may be empty) is asked about ten times a second.
Result<HttpAnswer> http_post(const std::string& url,
                             const std::map<std::string, std::string>& headers,
                             const std::string& json, Duration deadline,
                             const std::function<bool()>& cancelled);

}  // namespace tidegate
