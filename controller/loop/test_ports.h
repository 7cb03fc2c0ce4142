#pragma once
// Doors to a world where nothing happens; the tests of this folder open those they are about.

#include "controller/loop/ports.h"
#include "reconcilers/driver.h"

namespace tidegate {

class NoCalendar : public Calendar {
 public:
  std::optional<Timestamp> next(const std::string&, const std::string&, Timestamp) const override {
    return std::nullopt;
  }
};

class SilentChronicle : public Chronicle {
 public:
  void told(const SiteStatus&, const Plan&) override {}
  void happened(const Event&) override {}
  void let_go(const std::string&) override {}
  std::optional<SiteStatus> last(const std::string&) override { return std::nullopt; }
  std::set<std::string> retries(const std::string&) override { return {}; }
  void retried(const std::string&, const std::string&) override {}
  std::string in_force(const std::string&) override { return ""; }
  std::string in_force_below(const std::set<std::string>&, const std::string&) override {
    return "";
  }
  void now_in_force(const std::string&, const std::string&) override {}
  void log(const char*, const std::string&,
           const std::vector<std::pair<std::string, std::string>>&) override {}
};

}  // namespace tidegate
