#pragma once
// One time zone of this machine: local times to instants and back. For the calendar alone.

#include <date/tz.h>

#include <memory>
#include <optional>
#include <string>

namespace tidegate {

/// What a zone's clocks show, counted as if it were UTC.
using LocalSeconds = date::local_seconds;
using Instant = date::sys_seconds;

class Zone {
 public:
  /// Nothing when this machine does not know the zone.
  static std::optional<Zone> find(const std::string& name);
  ~Zone();
  Zone(Zone&&) noexcept;

  LocalSeconds local(Instant instant) const;
  /// The first instant at which clocks show `local`; nothing when they skip it.
  std::optional<Instant> first(LocalSeconds local) const;

 private:
  struct Rule;

  explicit Zone(const date::time_zone* zone);
  const Rule* rule() const;

  const date::time_zone* zone_;
  mutable std::unique_ptr<Rule> rule_;  // Read when the zone's table ends.
};

}  // namespace tidegate
