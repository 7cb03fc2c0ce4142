#include "reconcilers/plan.h"

#include <algorithm>
#include <set>

#include "reconcilers/diff.h"
#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration backoff_first = 30s;
constexpr Duration backoff_max = 10min;  // A full disk is somebody's to empty, not ours to know when.

/// Doubles with each failure, for ever, less up to a quarter: drawn from the digest, so that the
/// same failure always waits the same time and a thousand sites do not come back at once.
Duration backoff(const Failure& failure) {
  const Duration full =
      std::min<Duration>(backoff_first * (1 << std::clamp(failure.attempts - 1, 0, 10)), backoff_max);
  unsigned hash = static_cast<unsigned>(failure.attempts);
  for (unsigned char c : failure.digest) hash = hash * 31 + c;
  return full - full * (hash % 256) / 1024;
}

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

/// What became of one part, or of the code, of one environment.
struct Outcome {
  enum class Kind { nothing, act, wait, hold } kind = Kind::nothing;
  std::optional<Action> action;
  std::string because;                  // Of act and wait.
  std::optional<Timestamp> until;
  Hold hold{};
  static Outcome act(Action a, std::string why) { return {Kind::act, std::move(a), std::move(why), {}, {}}; }
  static Outcome wait(std::optional<Action> a, std::string why) {
    return {Kind::wait, std::move(a), std::move(why), {}, {}};
  }
  static Outcome held(Hold hold) { return {Kind::hold, {}, {}, {}, std::move(hold)}; }
};
using Kind = Outcome::Kind;

/// Builds one Plan. Environments are planned in the order of the stages, so that each knows what
/// becomes of the ones below it.
class Planner {
 public:
  Planner(const Site& site, const ObservedSite& observed, const Calendar& calendar, Timestamp now,
          const std::set<std::string>& retries)
      : site_(site), observed_(observed), calendar_(calendar), now_(now), retries_(retries) {}

  Plan run() && {
    for (const auto& [name, seen] : observed_.environments) {
      if (!seen.operation) continue;
      if (seen.operation->as_source) claims_.read(name);
      else if (!seen.operation->interrupted) claims_.write(name);
    }
    if (!site_.invalid.empty()) plan_.held.push_back({"", "Invalid", site_.invalid, {}});
    recover_interrupted();
    if (authority_moved()) return std::move(plan_);
    for (const auto& stage : site_.stages) {
      if (const Environment* environment = site_.find(stage)) compare(*environment);
    }
    for (const auto& stage : site_.stages) {
      const Environment* environment = site_.find(stage);
      if (environment && diffs_.contains(stage)) plan_environment(*environment);
    }
    return std::move(plan_);
  }

 private:
  const ObservedEnvironment& seen(const std::string& e) const { return observed_of(observed_, e); }
  bool launched() const { return site_.launched || seen(site_.authority()).launched; }
  void hold(const std::string& e, const char* reason, std::string message,
            std::optional<Timestamp> opens_at = {}) {
    if (opens_at) look_again(*opens_at);
    plan_.held.push_back({e, reason, std::move(message), opens_at});
  }
  void wait(const std::string& e, std::vector<Action> actions, std::string because,
            std::optional<Timestamp> until = {}) {
    if (until) look_again(*until);
    plan_.waiting.push_back({e, std::move(actions), std::move(because), until});
  }
  void look_again(Timestamp at) {
    if (!plan_.look_again_at || at < *plan_.look_again_at) plan_.look_again_at = at;
  }
  const Failure* failure(const ObservedEnvironment& s, const std::string& digest) const {
    auto it = std::ranges::find(s.failures, digest, &Failure::digest);
    return it == s.failures.end() ? nullptr : &*it;
  }

  // An operation that lost its process comes before everything, also on what is suspended, let go
  // or moved: until it is finished or undone nobody knows what the environment is.
  void recover_interrupted() {
    for (const auto& [name, s] : observed_.environments) {
      if (!s.operation || !s.operation->interrupted) continue;
      recovering_.insert(name);
      const std::vector<Action> actions{Recover{s.operation->id}};
      const std::string digest = "recover " + s.operation->id;
      const Failure* failed = failure(s, digest);
      if (failed && failed->ended_at + backoff(*failed) > now_) {
        wait(name, actions, "undoing failed and is tried again: " + failed->message,
             failed->ended_at + backoff(*failed));
      } else if (!claims_.can_write(name)) {
        wait(name, actions, "another operation reads " + name);
      } else {
        claims_.write(name);
        plan_.ready.push_back({name, actions,
                               "operation " + s.operation->id + " was interrupted in phase " +
                                   s.operation->phase + "; it is finished or undone",
                               s.commit.value_or(CommitId{}), false, {}, false, digest, false});
      }
    }
  }

  bool authority_moved() {
    for (const auto& [name, s] : observed_.environments) {
      if (!s.launched || name == site_.authority()) continue;
      hold(name, "LaunchedOnce",
           name + " is the content authority of a launched site; the manifest makes it " +
               site_.authority() + ": put " + name + " last in stages again");
      return true;
    }
    if (seen(site_.authority()).launched && !site_.launched) {
      hold(site_.authority(), "LaunchedOnce",
           site_.name + " was launched and stays so; set launched: true again");
    }
    return false;
  }

  /// Notes what differs; an environment that cannot be acted upon at all is told of and left out.
  void compare(const Environment& environment) {
    const std::string& name = environment.name;
    const ObservedEnvironment& s = seen(name);
    if (recovering_.contains(name)) return;
    if (!s.gone.empty()) return hold(name, "EnvironmentGone", s.gone);
    if (!environment.driver) return hold(name, "Invalid", "its driver is not defined by any document");
    if (!s.exists && name == site_.authority() && launched()) {
      return hold(name, "AuthorityMissing",
                  name + " is the authority of a launched site and is not there; it is never created "
                  "empty: bring it back, or set launched: false while a new site is built");
    }
    if (s.exists) {
      if (auto changed = changed_declaration(s)) return hold(name, "ContentChanged", *changed);
    }
    if (s.operation && !s.operation->as_source) {
      coming_[name] = site_.find(name) ? resolve(environment.code, site_, observed_).commit : std::nullopt;
      content_moves_.insert(name);
      return wait(name, {}, "operation " + s.operation->id + " is running: " + s.operation->phase);
    }
    diffs_[name] = diff(site_, environment, observed_, calendar_, now_);
    for (const auto& [part, d] : diffs_[name].content) {
      if (d.next_due) look_again(*d.next_due);
    }
    if (moves_content(environment)) content_moves_.insert(name);
  }

  std::optional<std::string> changed_declaration(const ObservedEnvironment& s) const {
    auto differs = [&](Part part, const std::string& name, const std::string& now_is,
                       const char* what) -> std::optional<std::string> {
      const auto& declared = part_of(s, part).declared;
      auto it = declared.find(name);
      if (it == declared.end() || it->second == now_is) return std::nullopt;
      return std::string(what) + " \"" + name + "\" is " + it->second + " here and is declared " + now_is +
             " now; declare it as it was, or give the new one another name";
    };
    for (const auto& d : site_.databases) {
      if (auto text = differs(Part::databases, d.name, engine_text(d.engine), "database")) return text;
    }
    for (const auto& f : site_.files) {
      if (auto text = differs(Part::files, f.name, f.path, "files")) return text;
    }
    return std::nullopt;
  }

  /// Whether content here is going to be replaced by what this plan can do: copies from it wait.
  bool moves_content(const Environment& e) const {
    const ObservedEnvironment& s = seen(e.name);
    if (is_protected(e.name)) return false;
    if (suspended(e)) return false;
    const auto& d = diffs_.at(e.name);
    return std::ranges::any_of(d.content, [&](const auto& row) {
      const bool replaced = row.second.row == ContentRow::bring || row.second.row == ContentRow::come_back ||
                            row.second.row == ContentRow::refresh;
      return replaced && s.exists && !quarantined(e, d) &&
             (e.content.source.kind != ContentSource::Kind::environment ||
              seen(e.content.source.environment).exists);
    });
  }
  bool quarantined(const Environment& e, const EnvironmentDiff& d) const {
    const ObservedEnvironment& s = seen(e.name);
    const CommitId commit = d.code.want.commit.value_or(s.commit.value_or(CommitId{}));
    const Failure* f = failure(s, step_digest(site_, e, s, commit, {}));
    return f && f->quarantined;
  }
  bool is_protected(const std::string& name) const { return launched() && name == site_.authority(); }
  bool suspended(const Environment& e) const {
    return e.suspend && (!e.suspend->until || *e.suspend->until > now_);
  }

  void plan_environment(const Environment& e) {
    const EnvironmentDiff& d = diffs_[e.name];
    Outcome code = plan_code(e, d.code);
    if (code.kind == Kind::act || code.kind == Kind::wait) coming_[e.name] = d.code.want.commit;
    std::map<Part, Outcome> content;
    for (Part part : parts) content[part] = plan_part(e, part, d, code);
    if (launch(e)) return;
    if (suspended(e)) return hold_suspended(e, code, content);
    combine(e, code, content);
  }

  // ---- code ----

  Outcome plan_code(const Environment& e, const CodeDifference& d) {
    const ObservedEnvironment& s = seen(e.name);
    if (!d.want.problem.empty()) {
      if (d.want.comes_by_itself) return Outcome::wait({}, d.want.problem);
      return Outcome::held({e.name, "Invalid", d.want.problem, {}});
    }
    if (d.cause == CodeCause::none) return {};
    const CommitId& want = *d.want.commit;
    if (!s.missing_secret.empty()) return Outcome::held({e.name, "Invalid", s.missing_secret, {}});
    if (auto it = observed_.tracked_content.find(want); it != observed_.tracked_content.end()) {
      return Outcome::held({e.name, "Invalid",
                            "commit " + want.brief() + " has tracked files under \"" + it->second +
                                "\", which the Site declares as content; remove them from the code, or "
                                "declare another path", {}});
    }
    if (auto refused = not_proven(e, want)) return *refused;
    return Outcome::act(Promote{want}, code_text(d, s));
  }

  std::optional<Outcome> not_proven(const Environment& e, const CommitId& want) {
    const std::size_t stage = site_.stage_of(e.name);
    if (stage == 0 || seen(e.name).proven.contains(want)) return std::nullopt;
    const std::string& below = site_.stages[stage - 1];
    if (seen(below).proven.contains(want)) return std::nullopt;
    auto coming = coming_.find(below);
    if (coming != coming_.end() && coming->second == want) {
      return Outcome::wait(Promote{want}, "until " + below + " has proven " + want.brief());
    }
    return Outcome::held({e.name, "NotProven",
                          want.brief() + " has not been proven in " + below +
                              "; let " + below + " run it first", {}});
  }

  // ---- content ----

  Outcome plan_part(const Environment& e, Part part, const EnvironmentDiff& d, const Outcome& code) {
    const ObservedEnvironment& s = seen(e.name);
    if (!s.exists) return first_content(e, part);
    const auto& row = d.content.at(part);
    const auto& spec = e.content;
    const ObservedPart& have = part_of(s, part);
    switch (row.row) {
      case ContentRow::satisfied:
        if (refreshes_on_promote(e, have, part, d.code, code)) {
          return bring(e, part, refresh_after(have, *spec.refresh), "refreshed with the new code");
        }
        return declare(part, have);
      case ContentRow::used:
        return Outcome::held({e.name, "GenerationUsed", used_text(spec.generation, have.stamp), {}});
      case ContentRow::lost:
        return Outcome::held({e.name, "ContentGone",
                              gone_text(spec, part, have.highest_generation), {}});
      case ContentRow::refresh: return bring(e, part, row.due, "its refresh is due");
      case ContentRow::bring: return bring(e, part, {}, stamp_text(part, have.stamp));
      case ContentRow::come_back:
        if (is_protected(e.name)) return protect(e.name, "replaced");
        return Outcome::act(Activate{part, row.kept->id, row.kept->stamp}, stamp_text(part, have.stamp));
    }
    return {};
  }

  Outcome first_content(const Environment& e, Part part) {
    const auto& spec = e.content;
    const Action nothing = Wipe{part, 0};
    if (!spec.includes(part) || spec.source == ContentSource::keep()) return Outcome::act(nothing, "is new");
    if (spec.source == ContentSource::empty()) return Outcome::act(Wipe{part, spec.generation}, "is new");
    const ObservedEnvironment& source = seen(spec.source.environment);
    if (!source.exists || !source.gone.empty() || !source.healthy || flows_up(e)) {
      return Outcome::act(nothing, "is new; " + spec.source.environment + " has no content to copy yet");
    }
    return bring(e, part, {}, "is new");
  }

  bool flows_up(const Environment& e) const {
    return e.content.source.kind == ContentSource::Kind::environment && launched() &&
           site_.stage_of(e.content.source.environment) < site_.stage_of(e.name);
  }
  Outcome protect(const std::string& name, const std::string& what) const {
    return Outcome::held({name, "AuthorityProtected",
                          name + " is the authority of a launched site; its content is never " + what +
                              ": write content: {source: keep}", {}});
  }

  Outcome bring(const Environment& e, Part part, std::optional<Timestamp> due, const std::string& because) {
    const auto& spec = e.content;
    if (is_protected(e.name)) {
      return protect(e.name, spec.source == ContentSource::empty() ? "wiped" : "replaced");
    }
    if (spec.source == ContentSource::empty()) return Outcome::act(Wipe{part, spec.generation}, because);
    const std::string& from = spec.source.environment;
    if (flows_up(e)) {
      return Outcome::held({e.name, "AuthorityProtected",
                            "content only flows down once a site is launched, and " + from + " is below " +
                                e.name + ": name a stage above, or keep", {}});
    }
    const Action sync = Sync{part, from, spec.generation, due};
    const ObservedEnvironment& source = seen(from);
    if (!source.gone.empty()) return Outcome::wait(sync, "until " + from + " is back: " + source.gone);
    if (!source.exists) return Outcome::wait(sync, "until " + from + " exists");
    if (recovering_.contains(from)) return Outcome::wait(sync, "until an operation on " + from + " is recovered");
    if (!source.healthy) return Outcome::wait(sync, "until " + from + " is healthy");
    if (content_moves_.contains(from)) return Outcome::wait(sync, "until " + from + " has its own content");
    return Outcome::act(sync, because);
  }

  bool refreshes_on_promote(const Environment& e, const ObservedPart& have, Part part,
                            const CodeDifference& d, const Outcome& code) const {
    const auto& spec = e.content;
    if (!spec.refresh || !spec.refresh->on_promote || !spec.includes(part)) return false;
    if (code.kind != Kind::act || d.cause != CodeCause::commit || d.rollback) return false;
    if (spec.source.kind != ContentSource::Kind::environment) return false;
    return !have.stamp.taken_at || *have.stamp.taken_at + spec.refresh->if_older_than <= now_;
  }
  static std::optional<Timestamp> refresh_after(const ObservedPart& have, const Refresh& refresh) {
    return have.stamp.taken_at.value_or(Timestamp{}) + refresh.if_older_than;
  }

  Outcome declare(Part part, const ObservedPart& have) const {
    auto missing = [&](const std::string& name) { return !have.declared.contains(name); };
    if (part == Part::databases) {
      for (const auto& d : site_.databases) {
        if (missing(d.name)) return Outcome::act(Declare{part, d.name}, "declares database \"" + d.name + "\"");
      }
    } else {
      for (const auto& f : site_.files) {
        if (missing(f.name)) return Outcome::act(Declare{part, f.name}, "declares files \"" + f.name + "\"");
      }
    }
    return {};
  }

  // ---- one step ----

  void hold_suspended(const Environment& e, const Outcome& code, const std::map<Part, Outcome>& content) {
    bool differs = code.kind != Kind::nothing;
    for (const auto& [part, outcome] : content) differs |= outcome.kind != Kind::nothing;
    if (!differs) return;
    hold(e.name, "Suspended", suspend_text(*e.suspend), e.suspend->until);
  }

  void combine(const Environment& e, const Outcome& code, const std::map<Part, Outcome>& content) {
    const ObservedEnvironment& s = seen(e.name);
    Step step;
    step.environment = e.name;
    step.creates = !s.exists;
    std::vector<std::string> reasons;
    auto take = [&](const Outcome& o) {
      if (o.kind == Kind::hold) plan_.held.push_back(o.hold);
      if (o.kind != Kind::act) return;
      step.actions.push_back(*o.action);
      if (std::ranges::find(reasons, o.because) == reasons.end()) reasons.push_back(o.because);
    };
    take(code);
    dedupe_holds(content, take);
    const bool comes_back = std::ranges::any_of(content, [](const auto& c) {
      return c.second.kind == Kind::act && std::holds_alternative<Activate>(*c.second.action);
    });
    if (code.kind == Kind::hold && (step.creates || comes_back)) return;
    if (code.kind == Kind::wait && (code.action || step.creates || comes_back)) {
      return wait(e.name, all_actions(code, content), code.because, code.until);
    }
    if (code.kind == Kind::wait) wait(e.name, {}, code.because, code.until);
    if (const Outcome* late = wait_for_content(content)) {
      if (step.actions.empty() || step.creates || source_is_busy(e)) {
        return wait(e.name, all_actions(code, content), late->because, late->until);
      }
      wait(e.name, waiting_actions(content), late->because, late->until);
    }
    if (step.actions.empty()) return;
    step.because = join(reasons, "; ");
    finish(e, std::move(step));
  }

  template <class Take>
  void dedupe_holds(const std::map<Part, Outcome>& content, Take take) {
    const Hold* told = nullptr;
    for (const auto& [part, outcome] : content) {
      if (outcome.kind == Kind::hold && told && *told == outcome.hold) continue;
      if (outcome.kind == Kind::hold) told = &outcome.hold;
      take(outcome);
    }
  }
  static const Outcome* wait_for_content(const std::map<Part, Outcome>& content) {
    for (const auto& [part, o] : content) if (o.kind == Kind::wait) return &o;
    return nullptr;
  }
  /// Busy right now, which ends by itself: worth waiting for, to switch code and content together.
  bool source_is_busy(const Environment& e) const {
    const auto& from = e.content.source;
    if (from.kind != ContentSource::Kind::environment) return false;
    const auto& operation = seen(from.environment).operation;
    return operation && !operation->as_source && !operation->interrupted;
  }
  static std::vector<Action> waiting_actions(const std::map<Part, Outcome>& content) {
    std::vector<Action> out;
    for (const auto& [part, o] : content) if (o.kind == Kind::wait && o.action) out.push_back(*o.action);
    return out;
  }
  static std::vector<Action> all_actions(const Outcome& code, const std::map<Part, Outcome>& content) {
    std::vector<Action> out;
    if (code.action) out.push_back(*code.action);
    for (const auto& [part, o] : content) if (o.action) out.push_back(*o.action);
    return out;
  }

  /// Its own step, before any other: whatever becomes of the rest, a launched site stays launched.
  bool launch(const Environment& e) {
    const ObservedEnvironment& s = seen(e.name);
    if (e.name != site_.authority() || !site_.launched || s.launched || !s.exists) return false;
    if (!claims_.can_write(e.name)) return false;
    claims_.write(e.name);
    plan_.ready.push_back({e.name, {Launch{}},
                           "the site is launched; " + e.name + " is its content authority from now on",
                           s.commit.value_or(CommitId{}), false, {}, false, "launch", false});
    return true;
  }

  void finish(const Environment& e, Step step) {
    const ObservedEnvironment& s = seen(e.name);
    const Promote* promote = nullptr;
    for (const Action& a : step.actions) if (auto* p = std::get_if<Promote>(&a)) promote = p;
    step.commit = promote ? promote->commit : s.commit.value_or(CommitId{});
    step.digest = step_digest(site_, e, s, step.commit, refresh_only(step));
    const auto ids = content_after(s, step);
    step.update = e.deploy.update && !ran_here(s, step.commit, ids);
    step.reuse = promote ? reusable(s, step.commit, ids) : "";
    if (promote && diffs_[e.name].code.rollback && s.updated_since && !replaces(step, Part::databases)) {
      plan_.warnings.push_back(e.name + ": update changed the databases since " + step.commit.brief() +
                               " ran here; only the code goes back");
    }
    offer(e, s, std::move(step));
  }

  void offer(const Environment& e, const ObservedEnvironment& s, Step step) {
    if (const Failure* failed = failure(s, step.digest)) {
      step.asked = retries_.contains(e.name);
      if (failed->quarantined && !step.asked) {
        return hold(e.name, "Quarantined", quarantine_text(site_.name, e.name, *failed));
      }
      const Timestamp until = failed->ended_at + backoff(*failed);
      if (!failed->quarantined && !step.asked && until > now_) {
        return wait(e.name, step.actions, "tried again after " + failed->message, until);
      }
    }
    if (!claims_.can_write(e.name)) return wait(e.name, step.actions, "until nothing copies from " + e.name + " any more");
    for (const Action& a : step.actions) {
      auto* sync = std::get_if<Sync>(&a);
      if (sync && !claims_.can_read(sync->from)) {
        return wait(e.name, step.actions, "until the operation on " + sync->from + " has ended");
      }
    }
    claims_.write(e.name);
    for (const Action& a : step.actions) if (auto* sync = std::get_if<Sync>(&a)) claims_.read(sync->from);
    plan_.ready.push_back(std::move(step));
  }

  static std::optional<Timestamp> refresh_only(const Step& step) {
    std::optional<Timestamp> due;
    for (const Action& a : step.actions) {
      auto* sync = std::get_if<Sync>(&a);
      if (!sync || !sync->due) return std::nullopt;
      if (!due || *sync->due > *due) due = sync->due;
    }
    return due;
  }
  static bool replaces(const Step& step, Part part) {
    return std::ranges::any_of(step.actions, [&](const Action& a) {
      if (auto* x = std::get_if<Sync>(&a)) return x->part == part;
      if (auto* x = std::get_if<Wipe>(&a)) return x->part == part;
      if (auto* x = std::get_if<Activate>(&a)) return x->part == part;
      return false;
    });
  }
  /// Ids of the content after the step; "" for content that does not exist yet.
  static std::map<Part, std::string> content_after(const ObservedEnvironment& s, const Step& step) {
    std::map<Part, std::string> ids;
    for (Part part : parts) ids[part] = replaces(step, part) ? "" : part_of(s, part).id;
    for (const Action& a : step.actions) {
      if (auto* x = std::get_if<Activate>(&a)) ids[x->part] = x->content;
    }
    return ids;
  }
  static bool ran_here(const ObservedEnvironment& s, const CommitId& commit,
                       const std::map<Part, std::string>& ids) {
    auto it = s.ran_on.find(commit);
    const std::string& databases = ids.at(Part::databases);
    return !databases.empty() && it != s.ran_on.end() && it->second.contains(databases);
  }
  static std::string reusable(const ObservedEnvironment& s, const CommitId& commit,
                              const std::map<Part, std::string>& ids) {
    for (const KeptRelease& k : s.kept) {
      if (k.commit == commit && k.inputs == s.wanted_inputs && k.healthy && k.content == ids) return k.id;
    }
    return "";
  }

  const Site& site_;
  const ObservedSite& observed_;
  const Calendar& calendar_;
  const Timestamp now_;
  const std::set<std::string>& retries_;
  Claims claims_;
  std::set<std::string> recovering_;
  std::map<std::string, EnvironmentDiff> diffs_;             // Of environments that can be acted upon.
  std::map<std::string, std::optional<CommitId>> coming_;    // What an environment is on its way to.
  std::set<std::string> content_moves_;                      // Whose content is about to be replaced.
  Plan plan_;
};

}  // namespace

Plan make_plan(const Site& site, const ObservedSite& observed, const Calendar& calendar, Timestamp now,
               const std::set<std::string>& retries) {
  return Planner(site, observed, calendar, now, retries).run();
}

}  // namespace tidegate
