#pragma once
// Five cron fields as sets. Which time zone they are read in is the caller's affair.

#include <bitset>
#include <string>

#include "schemas/result.h"

namespace tidegate {

/// When a schedule fires: at every minute whose minute, hour, month and day are in the sets.
struct Cron {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days_of_month;  ///< 1–31; bit 0 is never set.
  std::bitset<13> months;         ///< 1–12; bit 0 is never set.
  std::bitset<7> days_of_week;    ///< 0 is Sunday.
  bool any_day_of_month = false;  ///< The field was written with `*` (or `*/n`).
  bool any_day_of_week = false;
  bool operator==(const Cron&) const = default;
};

/// Reads "minute hour day-of-month month day-of-week": numbers, ranges a-b, lists, steps */n and
/// a-b/n, names jan–dec and sun–sat, 7 for Sunday. A schedule that can never fire (31 February) is
/// an error too. Error{invalid} says which field is wrong, and how.
Result<Cron> parse_cron(const std::string& text);

/// Whether the schedule fires on that day. Both day fields restricted: one of them fits (cron's
/// rule); else all that are written do. month 1–12, day 1–31, weekday 0–6 from Sunday.
bool fires_on(const Cron& cron, unsigned month, unsigned day, unsigned weekday);

}  // namespace tidegate
