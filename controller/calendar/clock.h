#pragma once
// The one real now().

#include "reconcilers/driver.h"

namespace tidegate {

/// The machine's clock, cut to whole milliseconds. Any thread. It may step back when the machine's
/// is set.
class SystemClock : public Clock {
 public:
  Timestamp now() const override;
};

}  // namespace tidegate
