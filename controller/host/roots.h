#pragma once
// Roots of drivers: claimed once, remembered, and not trusted when they lost what they held.

#include <string>

#include "controller/host/services.h"

namespace tidegate {

/// Why nothing below a root may be believed now: not mounted, or another file system than before.
/// "" when all is well, also for a root never used. Changes nothing.
std::string root_problem(RootMemory& memory, const std::string& root);

/// Marks an empty root as Tidegate's and remembers its id. `invalid` when it does not
/// exist, leads over a symbolic link (the message says what to write instead), or holds anything
/// else; `transient` when root_problem() has something to say.
Result<void> claim_and_remember(RootMemory& memory, const std::string& root);

}  // namespace tidegate
