#pragma once
// How commands print to people: aligned, coloured when wanted, one line a fact.

#include <ostream>
#include <string>
#include <vector>

#include "controller/service/json.h"

namespace tidegate {

/// Paints text; plain when colours are off.
class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}
  std::string good(const std::string& t) const { return wrap("32", t); }
  std::string bad(const std::string& t) const { return wrap("31", t); }
  std::string change(const std::string& t) const { return wrap("33", t); }
  std::string faint(const std::string& t) const { return wrap("2", t); }
  std::string strong(const std::string& t) const { return wrap("1", t); }

 private:
  std::string wrap(const char* code, const std::string& t) const {
    return on_ ? "\033[" + std::string(code) + "m" + t + "\033[0m" : t;
  }
  bool on_;
};

/// Columns as wide as their widest cell; the last one is not padded, one that is empty in every row
/// is left out.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

/// "gold-live/office-hours holds: …; opens 2026-11-23T08:00:00Z", "gold-live/soaked allows: …".
std::string verdict_line(const Verdict& verdict);

/// A site's plan, a line a step: "+" creates, "~" replaces, "-" empties, "·" waits, "!" is held.
void print_plan(std::ostream& out, const PlannedSite& site, const Paint& paint);

/// "3m ago", "in 2h", for people.
std::string ago(Timestamp then, Timestamp now);
/// How long something took, to two digits or more: "0.4s", "12s", "3m 12s", "2h 05m".
std::string lasting(Duration length);

/// "promote, sync".
std::string actions_text(const OperationRecord& operation);
/// "waits until dev has proven 2222222".
std::string waiting_text(const Waiting& waiting);

}  // namespace tidegate
