#pragma once
// For tests: a launched site at rest, of which a test changes one thing, and plans as text.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "reconcilers/plan.h"

namespace tidegate {

inline CommitId commit(char digit) { return {std::string(40, digit)}; }
inline const CommitId c1 = commit('1'), c2 = commit('2'), c3 = commit('3');
inline const Timestamp noon = *parse_rfc3339("2026-11-20T12:00:00Z");

/// Knows every full hour ("0 * * * *") and 3 o'clock ("0 3 * * *"), in UTC.
class SmallCalendar : public Calendar {
 public:
  std::optional<Timestamp> next(const std::string& cron, const std::string&,
                                Timestamp after) const override {
    using namespace std::chrono;
    if (cron == "0 * * * *") return floor<hours>(after) + 1h;
    if (cron != "0 3 * * *") return std::nullopt;
    const Timestamp at = floor<days>(after) + 3h;
    return at > after ? at : at + 24h;
  }
};

/// Dev, Test and Live run c1, healthily, with content of their own; Live is launched.
class SiteAtRest : public testing::Test {
 protected:
  SiteAtRest() {
    site.name = "acme";
    site.repository.url = "acme.git";
    site.stages = {"dev", "test", "live"};
    site.databases = {{"main", Engine::sqlite}};
    site.files = {{"uploads", "web/uploads"}};
    site.digest = "site";
    for (const auto& stage : site.stages) {
      Environment e;
      e.name = stage;
      e.driver = std::make_shared<HostDriverSpec>();
      e.code = c1;
      e.digest = stage;
      site.environments[stage] = e;
      observed.environments[stage] = at_rest();
    }
    seen("live").launched = true;
  }

  static ObservedEnvironment at_rest() {
    ObservedEnvironment s;
    s.exists = true;
    s.release = "1";
    s.commit = c1;
    s.inputs = s.wanted_inputs = "inputs";
    s.content[Part::databases] = {"1", {{}, 0, {}, noon}, 0, {}, {{"main", "sqlite"}}};
    s.content[Part::files] = {"1", {{}, 0, {}, noon}, 0, {}, {{"uploads", "web/uploads"}}};
    s.proven = {{c1, {}}};
    s.last_proven = c1;
    s.ran_on[c1] = {"1"};
    return s;
  }

  Environment& want(const std::string& e) { return site.environments.at(e); }
  ObservedEnvironment& seen(const std::string& e) { return observed.environments[e]; }
  ObservedPart& part(const std::string& e, Part p) { return seen(e).content[p]; }

  /// Declares a source and a generation.
  void want_content(const std::string& e, ContentSource source, std::uint64_t generation) {
    want(e).content.source = std::move(source);
    want(e).content.generation = generation;
  }
  /// Both parts of an environment are from there, at that generation.
  void has_content(const std::string& e, const ContentSource& source, std::uint64_t generation,
                   Timestamp taken_at = noon) {
    for (Part p : parts) {
      part(e, p).stamp = {source, generation, {}, taken_at};
      part(e, p).highest_generation = std::max(part(e, p).highest_generation, generation);
    }
  }
  void is_missing(const std::string& e) { seen(e) = {}, seen(e).wanted_inputs = "inputs"; }
  void is_busy(const std::string& e, bool as_source = false) {
    seen(e).operation =
        Operation{"op1", {"promote"}, "build", noon, {}, "controller", as_source, false};
  }
  void is_interrupted(const std::string& e) {
    is_busy(e);
    seen(e).operation->interrupted = true;
  }
  /// The step that is planned for an environment now failed before.
  void failed(const std::string& e, bool quarantined, int attempts = 1, Timestamp at = noon) {
    const Plan now_is = make_plan(site, observed, calendar, now, retries);
    for (const Step& step : now_is.ready) {
      if (step.environment != e) continue;
      seen(e).failures.push_back({step.digest, quarantined, "update: exit code 1", at, attempts});
    }
  }
  /// It failed while its content was brought.
  void failed_content(const std::string& e, bool quarantined) {
    const Plan now_is = make_plan(site, observed, calendar, now, retries);
    for (const Step& step : now_is.ready) {
      if (step.environment != e) continue;
      seen(e).failures.push_back(
          {step.content_digest, quarantined, "afterCopy: exit code 1", now, 1});
    }
  }

  Plan plan() const { return make_plan(site, observed, calendar, now, retries); }

  /// The plan as lines; and no step of it breaks a rule.
  std::string planned() const {
    const Plan made = plan();
    for (const Step& step : made.ready) {
      EXPECT_EQ(broken_rule(site, observed, step, calendar, now).value_or(""), "")
          << step.environment;
      EXPECT_FALSE(held_now(site, observed, step, calendar, now)) << step.environment;
    }
    return text(made);
  }

  static std::string text(const Plan& plan) {
    std::string out;
    for (const Step& s : plan.ready) {
      out += "ready " + s.environment + ": " + describe(s.actions) + " | " + s.because;
      if (s.creates) out += " | creates";
      if (!s.reuse.empty()) out += " | release " + s.reuse;
      if (!s.update) out += " | no update";
      if (s.asked) out += " | asked";
      out += "\n";
    }
    for (const Waiting& w : plan.waiting) {
      out += "waiting " + w.environment + ": " + describe(w.actions) + " | " + w.because;
      if (w.until) out += " | until " + to_rfc3339(*w.until);
      out += "\n";
    }
    for (const Hold& h : plan.held) {
      out += "held " + h.environment + " " + h.reason + ": " + h.message;
      if (h.opens_at) out += " | opens " + to_rfc3339(*h.opens_at);
      out += "\n";
    }
    for (const auto& warning : plan.warnings) out += "warning " + warning + "\n";
    if (plan.look_again_at) out += "look again at " + to_rfc3339(*plan.look_again_at) + "\n";
    return out;
  }

  Site site;
  ObservedSite observed;
  SmallCalendar calendar;
  Timestamp now = noon;
  std::set<std::string> retries;
};

}  // namespace tidegate
