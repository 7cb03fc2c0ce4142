#pragma once
// verify.again: the running release is verified once more while it runs. What fails twice is not
// healthy and its commit not proven any more; what passes again is both. Nothing goes back by it.

#include <functional>

#include "controller/host/place.h"

namespace tidegate {

/// The running release has passed its verification: its commit is proven, as the last one.
void note_proof(EnvironmentRecord& record, const Place& place, Timestamp now);

/// Asks for what is due now, writes down what came of it, and leaves an environment that is busy
/// alone. May take as long as verify.retryFor and one check. True when a look would see something
/// new. `stopped`: to end early, with nothing written.
Result<bool> verify_again(const Place& place, const std::function<bool()>& stopped);

}  // namespace tidegate
