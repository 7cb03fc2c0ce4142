#include "controller/calendar/clock.h"

#include <chrono>

namespace tidegate {

Timestamp SystemClock::now() const {
  return std::chrono::floor<Duration>(std::chrono::system_clock::now());
}

}  // namespace tidegate
