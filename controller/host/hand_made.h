#pragma once
// What people changed in the code of an environment with `code.writable`, for those who commit it
// or give it up.

#include <string>
#include <vector>

#include "controller/host/files/hand_changes.h"
#include "controller/host/place.h"

namespace tidegate {

struct HandMade {
  std::string release;
  CommitId commit;   ///< What the release was made of.
  CommitId base;     ///< The last that is known to have all there was then; "" for none.
  std::string code;  ///< Its directory, absolute.
  std::vector<HandChange> changes;  ///< All that differ from what was built.
  std::string uncommitted;          ///< Of those that no commit is known to have; "" for none.
};

/// What was changed up to now, which is recorded as looking the environment over does, so that it
/// is held or let go by it. invalid: it runs nothing, or what is not writable; transient: it is
/// busy.
Result<HandMade> hand_made_in(const Place& place);

/// Lets what `shown` has be replaced by the next step. transient: it is not what is there any more,
/// or the environment is busy.
Result<void> discard_in(const Place& place, const HandMade& shown);

}  // namespace tidegate
