#include "schemas/cron.h"

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "schemas/text.h"

namespace tidegate {
namespace {

struct FieldRule {
  const char* name;
  unsigned first, last;
  std::vector<std::string_view> words;  // words[i] stands for first + i
};

const std::array<FieldRule, 5>& field_rules() {
  static const std::array<FieldRule, 5> rules{
      {{"minute", 0, 59, {}},
       {"hour", 0, 23, {}},
       {"day of month", 1, 31, {}},
       {"month",
        1,
        12,
        {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
       {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}}};
  return rules;
}

Error invalid(std::string message) { return {ErrorKind::invalid, std::move(message)}; }

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> result;
  for (std::size_t start = 0;;) {
    const std::size_t end = text.find(separator, start);
    result.push_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return result;
    start = end + 1;
  }
}

std::optional<unsigned> number(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

std::optional<unsigned> value_of(std::string_view text, const FieldRule& rule) {
  std::string lower(text);
  for (char& c : lower) c = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  for (std::size_t i = 0; i < rule.words.size(); ++i)
    if (lower == rule.words[i]) return rule.first + static_cast<unsigned>(i);
  const auto value = number(text);
  return value && *value >= rule.first && *value <= rule.last ? value : std::nullopt;
}

std::string said(const FieldRule& rule, std::string_view part) {
  return std::string(rule.name) + " " + quote(part) + " ";
}

// Adds one item of a field's list ("1-5/2", "*", "mon") to `set`.
std::optional<Error> add_item(std::string_view item, const FieldRule& rule, std::bitset<60>& set) {
  const auto slash = item.find('/');
  const std::string_view span = item.substr(0, slash);
  const auto dash = span.find('-');
  unsigned first = rule.first, last = rule.last, step = 1;
  if (span != "*") {
    const auto from = value_of(span.substr(0, dash), rule);
    const auto to = dash == std::string_view::npos ? from : value_of(span.substr(dash + 1), rule);
    if (!from || !to)
      return invalid(said(rule, item) + "is not between " + std::to_string(rule.first) + " and " +
                     std::to_string(rule.last));
    first = *from;
    last = *to;
    if (first > last) return invalid(said(rule, item) + "runs backwards: write two ranges");
  }
  if (slash != std::string_view::npos) {
    const auto every = number(item.substr(slash + 1));
    if (!every || *every == 0 || *every > rule.last)
      return invalid(said(rule, item) + "has a step that is not between 1 and " +
                     std::to_string(rule.last));
    if (span != "*" && dash == std::string_view::npos)
      return invalid(said(rule, item) + "has a step without a range: write */n or a-b/n");
    step = *every;
  }
  for (unsigned value = first; value <= last; value += step) set.set(value);
  return std::nullopt;
}

Result<std::bitset<60>> parse_field(std::string_view text, const FieldRule& rule) {
  std::bitset<60> set;
  for (const std::string_view item : split(text, ','))
    if (auto error = add_item(item, rule, set)) return std::move(*error);
  return set;
}

// `*` in either day field makes both apply, so only then can a day of month starve a schedule.
bool can_fire(const Cron& cron) {
  constexpr unsigned longest[]{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (!cron.any_day_of_month && !cron.any_day_of_week) return true;
  for (unsigned month = 1; month <= 12; ++month)
    for (unsigned day = 1; cron.months[month] && day <= longest[month]; ++day)
      if (cron.days_of_month[day]) return true;
  return false;
}

}  // namespace

Result<Cron> parse_cron(const std::string& text) {
  if (text.size() > 256) return invalid("is longer than 256 characters");
  std::vector<std::string_view> fields;
  for (const std::string_view field : split(text, ' '))
    if (!field.empty()) fields.push_back(field);
  if (fields.size() != 5)
    return invalid(
        "has " + std::to_string(fields.size()) +
        " fields instead of five: minute, hour, day of month, month, day of week (\"0 3 * * *\" "
        "is every night at three)");
  std::array<std::bitset<60>, 5> sets;
  for (std::size_t i = 0; i < 5; ++i) {
    auto set = parse_field(fields[i], field_rules()[i]);
    if (!set) return std::move(set.error());
    sets[i] = *set;
  }
  Cron cron;
  cron.minutes = sets[0];
  for (std::size_t i = 0; i < 24; ++i) cron.hours[i] = sets[1][i];
  for (std::size_t i = 1; i < 32; ++i) cron.days_of_month[i] = sets[2][i];
  for (std::size_t i = 1; i < 13; ++i) cron.months[i] = sets[3][i];
  for (std::size_t i = 0; i < 8; ++i)
    if (sets[4][i]) cron.days_of_week.set(i % 7);
  cron.any_day_of_month = fields[2].front() == '*';
  cron.any_day_of_week = fields[4].front() == '*';
  if (!can_fire(cron)) return invalid("never comes: no month in it has that day");
  return cron;
}

bool fires_on(const Cron& cron, unsigned month, unsigned day, unsigned weekday) {
  if (month > 12 || day > 31 || weekday > 6 || !cron.months[month]) return false;
  const bool by_month = cron.days_of_month[day], by_week = cron.days_of_week[weekday];
  const bool both_restricted = !cron.any_day_of_month && !cron.any_day_of_week;
  return both_restricted ? by_month || by_week : by_month && by_week;
}

}  // namespace tidegate
