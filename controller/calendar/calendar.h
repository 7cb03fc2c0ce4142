#pragma once
// Cron in IANA time zones, by the zones of this machine (/usr/share/zoneinfo).

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "reconcilers/driver.h"
#include "reconcilers/windows.h"

namespace tidegate {

/// Any call from any thread. A local time that a zone skips (clocks go forward) is no time: the
/// next day that has it is taken. One that occurs twice (clocks go back) fires once, the first
/// time. Day of month and day of week: both must fit; where both are restricted, either suffices.
class SystemCalendar : public Calendar {
 public:
  std::optional<Timestamp> next(const std::string& cron, const std::string& zone,
                                Timestamp after) const override;
  /// Worked out once for all sites, until a window begins or ends.
  WindowState windows(const WindowsRule& rule, Timestamp now) const override;

 private:
  struct Known {
    Timestamp from;
    WindowState state;
  };
  mutable std::mutex mutex_;
  mutable std::map<std::string, Known> known_;  // By what the rule says.
};

/// Whether this machine knows an IANA zone or link ("Europe/Berlin", "UTC"). Case counts.
bool known_zone(const std::string& name);

}  // namespace tidegate
