#include "controller/calendar/calendar.h"

#include <chrono>

#include "controller/calendar/zone.h"
#include "schemas/cron.h"

namespace tidegate {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// 8 years with their leap days: 29 February 2104 is the one after that of 2096.
constexpr date::days horizon{8 * 365 + 2};

constexpr std::size_t known_max = 10'000;  // Rules; of those that were changed since, too.

std::string key_of(const WindowsRule& rule) {
  std::string key;
  for (const auto* windows : {&rule.allow, &rule.deny}) {
    key += windows == &rule.allow ? "allow\n" : "deny\n";
    for (const Window& window : *windows)
      key += window.cron + "\n" + std::to_string(window.duration.count()) + "\n" +
             window.time_zone + "\n";
  }
  return key;
}

bool fires_on(const Cron& cron, date::local_days day) {
  const date::year_month_day parts(day);
  return fires_on(cron, unsigned{parts.month()}, unsigned{parts.day()},
                  date::weekday(day).c_encoding());
}

/// The first time of a day that is after both; `local_after` spares looking up what cannot be.
std::optional<Instant> first_of_day(const Cron& cron, const Zone& zone, date::local_days day,
                                    LocalSeconds local_after, Timestamp after) {
  for (std::size_t hour = 0; hour < cron.hours.size(); ++hour) {
    if (!cron.hours[hour] || day + hours(hour + 1) <= local_after) continue;
    for (std::size_t minute = 0; minute < cron.minutes.size(); ++minute) {
      const LocalSeconds local = day + hours(hour) + minutes(minute);
      if (!cron.minutes[minute] || local <= local_after) continue;
      const auto instant = zone.first(local);
      // In an hour that comes twice, what already fired lies before.
      if (instant && *instant > after) return instant;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Timestamp> SystemCalendar::next(const std::string& cron, const std::string& zone,
                                              Timestamp after) const {
  // Beyond what RFC 3339 can write there is no schedule, and arithmetic with days ends somewhere.
  constexpr Timestamp last = date::sys_days(date::year(9990) / 1 / 1);
  constexpr Timestamp first = date::sys_days(date::year(1900) / 1 / 1);
  if (after < first || after > last) return std::nullopt;
  const auto schedule = parse_cron(cron);
  if (!schedule) return std::nullopt;
  const auto place = Zone::find(zone);
  if (!place) return std::nullopt;
  const LocalSeconds local_after = place->local(std::chrono::floor<std::chrono::seconds>(after));
  const date::local_days today = date::floor<date::days>(local_after);
  for (date::local_days day = today; day <= today + horizon; day += date::days(1)) {
    if (!fires_on(*schedule, day)) continue;
    if (const auto instant = first_of_day(*schedule, *place, day, local_after, after)) {
      return Timestamp(*instant);
    }
  }
  return std::nullopt;
}

WindowState SystemCalendar::windows(const WindowsRule& rule, Timestamp now) const {
  const std::string key = key_of(rule);
  {
    std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    if (found != known_.end() && found->second.from <= now && now < found->second.state.same_until)
      return found->second.state;
  }
  WindowState state = window_state(rule, *this, now);
  std::lock_guard lock(mutex_);
  if (known_.size() >= known_max) known_.clear();
  known_[key] = {now, state};
  return state;
}

bool known_zone(const std::string& name) { return Zone::find(name).has_value(); }

}  // namespace tidegate
