#pragma once
// What is visible inside a sandbox, for sandbox.cc alone.

#include <string>
#include <vector>

#include "controller/process/sandbox.h"

namespace tidegate {

/// bwrap's arguments that build the view of `sandbox`. Looks at the machine's own directories.
std::vector<std::string> mount_arguments(const Sandbox& sandbox);

}  // namespace tidegate
