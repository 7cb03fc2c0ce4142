#pragma once
// Lines for operators on stderr: a constant message and facts, as logfmt or JSON.

#include "controller/service/history.h"

namespace tidegate {

/// Writes lines at or above `level` (debug, info, warn, error). Any thread.
LogLineWriter make_log(const std::string& level, bool json);

}  // namespace tidegate
