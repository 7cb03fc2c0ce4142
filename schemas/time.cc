#include "schemas/time.h"

#include <cstdio>

#include "schemas/text.h"

namespace tidegate {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration duration_max = days(3650);

// Reads exactly `count` digits at `at`; -1 when they are not there.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (text.size() < at + count) return -1;
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool between(int value, int first, int last) { return value >= first && value <= last; }

// "Z", or an offset such as "+02:00", as what must be taken off the local time.
std::optional<minutes> read_offset(std::string_view text) {
  if (text == "Z" || text == "z") return minutes(0);
  if (text.size() != 6 || text[3] != ':' || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int hour = digits(text, 1, 2), minute = digits(text, 4, 2);
  if (!between(hour, 0, 23) || !between(minute, 0, 59)) return std::nullopt;
  return (text[0] == '-' ? -1 : 1) * (hours(hour) + minutes(minute));
}

struct Unit {
  const char* name;
  Duration length;
};
constexpr Unit units[]{
    {"d", days(1)}, {"h", hours(1)}, {"m", minutes(1)}, {"s", seconds(1)}, {"ms", Duration(1)}};

}  // namespace

std::string to_rfc3339(Timestamp time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<seconds>(time - day));
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!between(hour, 0, 23) || !between(minute, 0, 59) || !between(second, 0, 59))
    return std::nullopt;
  if (year < 0 || month < 0 || day < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  std::size_t at = 19;
  Duration fraction{};
  if (text[at] == '.') {
    int place = 100;
    const std::size_t first = ++at;
    for (; at < text.size() && is_digit(text[at]); ++at, place /= 10)
      fraction += Duration((text[at] - '0') * place);
    if (at == first || at - first > 9) return std::nullopt;
  }
  const auto offset = read_offset(text.substr(at));
  if (!offset) return std::nullopt;
  const Timestamp time = std::chrono::sys_days(date) + hours(hour) + minutes(minute) +
                         seconds(second) + fraction - *offset;
  const Timestamp end = std::chrono::sys_days(std::chrono::year(10000) / 1 / 1);
  if (time < Timestamp{} || time >= end) return std::nullopt;
  return time;
}

std::optional<Duration> parse_duration(std::string_view text) {
  std::size_t end = 0;
  std::int64_t count = 0;
  for (; end < text.size() && is_digit(text[end]); ++end) {
    if (end == 12) return std::nullopt;
    count = count * 10 + (text[end] - '0');
  }
  if (end == 0 || (end > 1 && text[0] == '0')) return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(end) != unit.name) continue;
    if (count > duration_max / unit.length) return std::nullopt;
    return count * unit.length;
  }
  return std::nullopt;
}

std::string to_string(Duration length) {
  if (length == Duration{}) return "0s";
  for (const Unit& unit : units)
    if (length % unit.length == Duration{}) return std::to_string(length / unit.length) + unit.name;
  return "";
}

}  // namespace tidegate
