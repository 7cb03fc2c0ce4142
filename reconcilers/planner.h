#pragma once
// The inside of make_plan, for plan*.cc alone: plan.cc has the sequence, plan_code.cc and
// plan_content.cc say what becomes of the code and of each part, plan_policies.cc what keeps them
// back, plan_step.cc makes one step of it.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/diff.h"
#include "reconcilers/plan.h"
#include "reconcilers/plan_text.h"

namespace tidegate {

/// What became of one part, or of the code, of one environment.
struct Outcome {
  enum class Kind : std::uint8_t { nothing, act, wait, hold };
  Kind kind = Kind::nothing;
  std::vector<Action> actions;  ///< Of act; of wait: what waits, as far as it is known.
  Reason because{};             ///< Of act and wait.
  Hold held{};                  ///< Of hold.

  static Outcome act(Action action, Reason why) {
    return {Kind::act, {std::move(action)}, std::move(why), {}};
  }
  static Outcome wait(std::vector<Action> actions, std::string why) {
    return {Kind::wait, std::move(actions), {std::move(why)}, {}};
  }
  static Outcome hold(Hold held) { return {Kind::hold, {}, {}, std::move(held)}; }
};

/// Content that is not brought with a commit; none without a failure.
struct LeftOut {
  const Failure* failure = nullptr;
  std::vector<Action> actions{};
};

/// Who needs an environment in this plan: one target, or any number of readers.
class Claims {
 public:
  bool can_write(const std::string& e) const { return !written_.contains(e) && !read_.contains(e); }
  bool can_read(const std::string& e) const { return !written_.contains(e); }
  void write(const std::string& e) { written_.insert(e); }
  void read(const std::string& e) { read_.insert(e); }

 private:
  std::set<std::string> written_, read_;
};

/// Builds one Plan. Environments are planned in the order of the stages, so that each knows what
/// becomes of the ones below it.
class Planner {
 public:
  Planner(const Site& site, const ObservedSite& observed, const Calendar& calendar, Timestamp now,
          const std::set<std::string>& retries)
      : site_(site), observed_(observed), calendar_(calendar), now_(now), retries_(retries) {}

  Plan run() &&;

 private:
  using Kind = Outcome::Kind;
  using Content = std::map<Part, Outcome>;

  // plan.cc
  void claim_what_runs();
  void recover_interrupted();
  bool authority_moved();
  bool hands_over(const std::string& from, const std::string& to);
  void launch();
  void record(const std::string& e, const Action& action, const std::string& because);
  void compare(const Environment& e);
  void plan_environment(const Environment& e);
  std::optional<std::string> changed_declaration(const ObservedEnvironment& s) const;

  const ObservedEnvironment& seen(const std::string& e) const { return observed_of(observed_, e); }
  bool something_is_gone() const;
  bool launched() const;
  bool is_protected(const std::string& e) const { return launched() && e == site_.authority(); }
  bool suspended(const Environment& e) const {
    return e.suspend && (!e.suspend->until || *e.suspend->until > now_);
  }
  bool is_busy(const std::string& e) const;
  void hold(Hold held);
  void wait(const std::string& e, std::vector<Action> actions, std::string because,
            std::optional<Timestamp> until = {});
  void look_again(Timestamp at);
  void note_coming(const std::string& e, const Resolved& code);
  void note_coming(const std::string& e, const std::vector<Action>& actions);
  void follow(const Environment& e);
  bool is_coming(const std::string& e, const std::optional<CommitId>& commit) const;
  bool quarantined(const Environment& e, const std::string& digest) const;
  bool code_quarantined(const Environment& e, const CommitId& commit) const;

  // plan_policies.cc
  void ask_policies(const Environment& e, Outcome& code, Content& content);
  std::optional<Hold> ask(const Environment& e, const Outcome& outcome,
                          const std::vector<Action>& step, std::vector<Verdict>& verdicts) const;
  void ask_content(const Environment& e, const Outcome& code, Content& content,
                   std::vector<Verdict>& verdicts) const;
  Outcome held_by(const Environment& e, const Hold& held, const std::vector<Action>& step) const;
  bool allowed(const std::string& e, const Action& action) const;
  void warn_of_hotfix(const Environment& e);

  // plan_code.cc
  Outcome plan_code(const Environment& e, const CodeDifference& d) const;
  Outcome unknown_code(const Environment& e, const Resolved& want) const;
  std::optional<Outcome> not_proven(const Environment& e, const CommitId& want) const;
  std::optional<Hold> tracked(const Environment& e, const CommitId& commit) const;
  void hold_uncommitted(const Environment& e, Outcome& code, Content& content);

  // plan_content.cc
  Outcome plan_part(const Environment& e, Part part, const Outcome& code) const;
  Outcome first_content(const Environment& e, Part part) const;
  Outcome bring(const Environment& e, Part part, std::optional<Timestamp> due,
                Reason because) const;
  std::string gone(const Environment& e) const;
  std::optional<std::string> source_waits(const Environment& e) const;
  Outcome protect(const std::string& e, const std::string& what) const;
  bool flows_up(const Environment& e) const;
  bool refreshes_on_promote(const Environment& e, Part part, const Outcome& code) const;
  Outcome declare(const Environment& e, Part part) const;
  bool content_moves(const Environment& e) const;
  bool waits_for_content_of(const Environment& e, const std::string& source) const;

  // plan_step.cc
  void combine(const Environment& e, Outcome code, Content content);
  LeftOut leave_out_failed(const Environment& e, const Outcome& code, Content& content) const;
  bool keeps_back(const Failure* failure) const;
  void tell(const Environment& e, const Failure& failure, std::vector<Action> actions);
  void file(const Environment& e, Step& step) const;
  void finish(const Environment& e, Step step);
  void offer(const Environment& e, Step step);
  std::optional<Step> content_alone(const Environment& e, const Step& step) const;
  void tell_suspended(const Environment& e, const Outcome& code, const Content& content);

  const Site& site_;
  const ObservedSite& observed_;
  const Calendar& calendar_;
  const Timestamp now_;
  const std::set<std::string>& retries_;
  Claims claims_;
  std::set<std::string> recovering_;
  std::map<std::string, EnvironmentDiff> diffs_;  // Of what can be acted upon.
  /// Which code an environment is on its way to; nothing stands for what is not known yet.
  std::map<std::string, std::set<std::optional<CommitId>>> coming_;
  Plan plan_;
};

const Failure* failure_of(const ObservedEnvironment& seen, const std::string& digest);
/// When a step that infrastructure failed may be tried again.
Timestamp retry_at(const Failure& failure);
const Promote* promote_in(const std::vector<Action>& actions);

}  // namespace tidegate
