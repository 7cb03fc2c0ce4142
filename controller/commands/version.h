#pragma once

namespace tidegate {

/// As in CMakeLists.txt and CHANGELOG.md; a test holds them together.
inline constexpr const char* version = "0.1.0";

}  // namespace tidegate
