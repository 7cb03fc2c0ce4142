#pragma once
// One GET that can be given up, for this folder alone.

#include <functional>
#include <string>

#include "controller/http/check.h"

namespace tidegate {

/// As http_get. `cancelled` (may be empty) is asked about ten times a second; true ends it with a
/// transient error.
Result<HttpAnswer> get_unless(const std::string& url, const std::string& host_header,
                              Duration deadline, const std::function<bool()>& cancelled);

}  // namespace tidegate
