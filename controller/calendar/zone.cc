#include "controller/calendar/zone.h"

#include <exception>
#include <fstream>
#include <iterator>

// This header says hh_mm_ss where C++20 has one too; date knows its own by an older name as well.
#define hh_mm_ss time_of_day
#include <date/ptz.h>
#undef hh_mm_ss

namespace tidegate {
namespace {

constexpr const char* zone_directory = "/usr/share/zoneinfo/";

/// The last line of a zone's file says how it goes on after its table, in the manner of TZ:
/// "CET-1CEST,M3.5.0,M10.5.0/3". Empty when there is no such line.
std::string last_line(const std::string& zone) {
  std::ifstream file(zone_directory + zone, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty() || bytes.back() != '\n') return {};
  const std::size_t begin = bytes.rfind('\n', bytes.size() - 2);
  if (begin == std::string::npos) return {};
  return bytes.substr(begin + 1, bytes.size() - begin - 2);
}

bool is_last_of_table(const date::sys_info& info) {
  return info.end >= date::sys_days(date::year(9999) / 1 / 1);
}

}  // namespace

struct Zone::Rule {
  /// Absent when clocks do not change any more.
  std::optional<Posix::time_zone> zone;
};

Zone::Zone(const date::time_zone* zone) : zone_(zone) {}
Zone::~Zone() = default;
Zone::Zone(Zone&&) noexcept = default;

std::optional<Zone> Zone::find(const std::string& name) {
  // Lies among the zones, but is whichever one this machine is set to.
  if (name == "localtime") return std::nullopt;
  try {
    return Zone(date::locate_zone(name));
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

LocalSeconds Zone::local(Instant instant) const {
  auto info = zone_->get_info(instant);
  if (is_last_of_table(info) && rule()->zone) info = rule()->zone->get_info(instant);
  return LocalSeconds(instant.time_since_epoch() + info.offset);
}

std::optional<Instant> Zone::first(LocalSeconds local) const {
  auto info = zone_->get_info(local);
  if (is_last_of_table(info.first) && rule()->zone) info = rule()->zone->get_info(local);
  if (info.result == date::local_info::nonexistent) return std::nullopt;
  return Instant(local.time_since_epoch() - info.first.offset);
}

const Zone::Rule* Zone::rule() const {
  if (rule_) return rule_.get();
  rule_ = std::make_unique<Rule>();
  const std::string text = last_line(zone_->name());
  if (text.find(',') == std::string::npos) return rule_.get();
  try {
    rule_->zone.emplace(text);
  } catch (const std::exception&) {
    // A rule with hours below zero, which <date/ptz.h> does not read (Greenland's alone): the
    // table's last offset is the best that is known, from 2038 on.
  }
  return rule_.get();
}

}  // namespace tidegate
