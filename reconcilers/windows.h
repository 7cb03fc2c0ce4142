#pragma once
// Whether steps may begin now, by the windows of a policy, and when that changes.

#include "reconcilers/driver.h"
#include "schemas/policy.h"

namespace tidegate {

struct WindowState {
  bool open = false;
  std::optional<Timestamp>
      changes;          ///< When it closes, or opens; absent: not within what is known.
  std::string because;  ///< The windows that make it so, in words.
  /// No window begins or ends from then on until here: all of this stays as it is.
  Timestamp same_until = Timestamp::max();
};

/// Open: inside an `allow` window, when there is one, and outside every `deny` window. A window
/// whose times cannot be worked out keeps it closed. Slow where windows follow each other for
/// years; Calendar::windows may know the answer already.
WindowState window_state(const WindowsRule& rule, const Calendar& calendar, Timestamp now);

}  // namespace tidegate
