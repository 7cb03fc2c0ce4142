#pragma once
// Points and lengths of time, and how manifests and JSON spell them. No clock in here.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;
using Duration = std::chrono::milliseconds;

/// RFC 3339 in UTC with whole seconds: "2026-11-20T03:00:00Z".
std::string to_rfc3339(Timestamp time);

/// Reads RFC 3339 with "Z" or an offset; nothing when it is anything else, or outside 1970–9999.
std::optional<Timestamp> parse_rfc3339(std::string_view text);

/// Reads a whole number and one unit: 500ms, 10s, 30m, 24h, 7d. Nothing when it is anything else,
/// or longer than 3650 days.
std::optional<Duration> parse_duration(std::string_view text);

/// The shortest exact spelling that parse_duration reads: "90s" stays 90s, "3600s" becomes "1h".
std::string to_string(Duration length);

}  // namespace tidegate
