#include "reconcilers/windows.h"

#include <algorithm>

#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

// Windows that follow each other without a gap, and windows that deny what others allow, are walked
// through; beyond so many nobody waits for the answer.
constexpr int walk_max = 2000;

std::string text_of(const Window& window) {
  return "\"" + window.cron + "\" (" + window.time_zone + ") for " + to_string(window.duration);
}

std::string text_of(const std::vector<Window>& windows) {
  std::vector<std::string> texts;
  for (const Window& window : windows) texts.push_back(text_of(window));
  return join(texts, ", ");
}

class Walk {
 public:
  Walk(const WindowsRule& rule, const Calendar& calendar) : rule_(rule), calendar_(calendar) {}

  /// The start of the first window still open at `at`, or of the next one to open.
  std::optional<Timestamp> start(const Window& window, Timestamp at) const {
    return calendar_.next(window.cron, window.time_zone, at - window.duration);
  }
  bool inside(const Window& window, Timestamp at) const {
    const auto begun = start(window, at);
    return begun && *begun <= at;
  }
  bool inside_any(const std::vector<Window>& windows, Timestamp at) const {
    return std::ranges::any_of(windows, [&](const Window& w) { return inside(w, at); });
  }
  bool open(Timestamp at) const {
    return (rule_.allow.empty() || inside_any(rule_.allow, at)) && !inside_any(rule_.deny, at);
  }
  /// The first time after `at` at which any window begins or ends.
  std::optional<Timestamp> edge(Timestamp at) const {
    std::optional<Timestamp> first;
    auto note = [&](std::optional<Timestamp> t) {
      if (t && *t > at && (!first || *t < *first)) first = t;
    };
    for (const auto* windows : {&rule_.allow, &rule_.deny}) {
      for (const Window& window : *windows) {
        if (const auto begun = start(window, at); begun && *begun <= at)
          note(*begun + window.duration);
        note(calendar_.next(window.cron, window.time_zone, at));
      }
    }
    return first;
  }
  /// The first time after `at` at which it is otherwise than it is now.
  std::optional<Timestamp> change(Timestamp at, bool is_open) const {
    for (int i = 0; i < walk_max; ++i) {
      const auto next = edge(at);
      if (!next) return std::nullopt;
      if (open(*next) != is_open) return next;
      at = *next;
    }
    return std::nullopt;
  }

 private:
  const WindowsRule& rule_;
  const Calendar& calendar_;
};

}  // namespace

WindowState window_state(const WindowsRule& rule, const Calendar& calendar, Timestamp now) {
  const Walk walk(rule, calendar);
  for (const auto* windows : {&rule.allow, &rule.deny}) {
    for (const Window& window : *windows) {
      if (!walk.start(window, now))
        return {
            false, {}, "the times of " + text_of(window) + " are not known on this machine", now};
    }
  }
  const bool open = walk.open(now);
  const bool denied = walk.inside_any(rule.deny, now);
  std::string because = open || !denied ? "steps begin from " + text_of(rule.allow)
                                        : "no step begins from " + text_of(rule.deny);
  if (open && rule.allow.empty()) because = "no window denies it";
  return {open, walk.change(now, open), because, walk.edge(now).value_or(Timestamp::max())};
}

WindowState Calendar::windows(const WindowsRule& rule, Timestamp now) const {
  return window_state(rule, *this, now);
}

}  // namespace tidegate
