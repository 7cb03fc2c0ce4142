#pragma once
// The doors of the decisions to the world.

#include <functional>
#include <optional>
#include <string>

#include "reconcilers/state.h"
#include "schemas/result.h"

namespace tidegate {

/// The only way to the outside world of sites. Both calls may be made from several threads, but
/// never two at once for one site.
class Driver {
 public:
  virtual ~Driver() = default;
  /// Reads everything about a site and changes nothing.
  virtual Result<ObservedSite> observe(const Site& site) = 0;
  /// Starts a step and does not wait for it. Idempotent: success also when that very step already
  /// runs. Refuses when the environment is busy. An error says nothing about whether it started;
  /// the next observe() does.
  virtual Result<void> start(const Site& site, const Step& step) = 0;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
};

struct WindowState;  // See reconcilers/windows.h.
struct WindowsRule;

/// Cron in time zones, which needs a data base of zones and so lives outside.
class Calendar {
 public:
  virtual ~Calendar() = default;
  /// The first time strictly after `after` that five cron fields name in an IANA zone; nothing when
  /// there is none within 8 years, or either text is not valid.
  virtual std::optional<Timestamp> next(const std::string& cron, const std::string& zone,
                                        Timestamp after) const = 0;
  /// As window_state() says, from memory where it was asked before.
  virtual WindowState windows(const WindowsRule& rule, Timestamp now) const;
};

}  // namespace tidegate
