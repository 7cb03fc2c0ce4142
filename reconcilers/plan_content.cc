// What becomes of each part of an environment's content: the rows of DESIGN § 3.1, and what stands
// in the way of carrying one out.

#include <algorithm>

#include "reconcilers/planner.h"

namespace tidegate {
namespace {

bool copies(const Environment& e) {
  return e.content.source.kind == ContentSource::Kind::environment;
}

}  // namespace

Outcome Planner::plan_part(const Environment& e, Part part, const Outcome& code) const {
  if (!seen(e.name).exists) return first_content(e, part);
  const auto& row = diffs_.at(e.name).content.at(part);
  const ObservedPart& have = part_of(seen(e.name), part);
  switch (row.row) {
    case ContentRow::satisfied:
      if (refreshes_on_promote(e, part, code)) {
        const Timestamp taken = have.stamp.taken_at.value_or(Timestamp{});
        return bring(e, part, taken + e.content.refresh->if_older_than,
                     {"its content is taken anew with new code"});
      }
      return declare(e, part);
    case ContentRow::used:
      return Outcome::hold(
          {e.name, "GenerationUsed", used_text(e.content.generation, have.stamp), {}});
    case ContentRow::lost:
      if (is_protected(e.name)) return protect(e.name, "replaced");
      return Outcome::hold({e.name, "ContentGone", gone(e), {}});
    case ContentRow::refresh:
      return bring(e, part, row.due, {"its refresh is due"});
    case ContentRow::bring:
      return bring(e, part, {}, {stamp_text(have.stamp), part});
    case ContentRow::come_back:
      if (is_protected(e.name)) return protect(e.name, "replaced");
      return Outcome::act(Activate{part, row.kept->id, row.kept->stamp},
                          {stamp_text(have.stamp), part});
  }
  return {};
}

/// A new environment does not wait for what may take long to come, lest those above it, which wait
/// for its proof, wait as well: it is created empty, and its sync follows. Only a source that is
/// busy right now is worth the wait.
Outcome Planner::first_content(const Environment& e, Part part) const {
  const auto& spec = e.content;
  const Action nothing = Wipe{part, 0};
  if (!spec.includes(part) || spec.source == ContentSource::keep()) {
    return Outcome::act(nothing, {"it is new"});
  }
  if (spec.source == ContentSource::empty()) {
    return Outcome::act(Wipe{part, spec.generation}, {"it is new"});
  }
  const std::string& from = spec.source.environment;
  if (!site_.find(from) || flows_up(e) || (source_waits(e) && !is_busy(from))) {
    return Outcome::act(nothing, {from + " has no content to copy yet"});
  }
  return bring(e, part, {}, {"it is new"});
}

/// For all parts at once: the generation to raise to is one for both.
std::string Planner::gone(const Environment& e) const {
  std::vector<std::string> names;
  std::uint64_t highest = 0;
  for (Part part : parts) {
    if (!e.content.includes(part)) continue;
    highest = std::max(highest, part_of(seen(e.name), part).highest_generation);
    if (diffs_.at(e.name).content.at(part).row == ContentRow::lost)
      names.emplace_back(to_string(part));
  }
  return gone_text(e.content, enumerate(names), highest);
}

bool Planner::flows_up(const Environment& e) const {
  return copies(e) && launched() &&
         site_.stage_of(e.content.source.environment) < site_.stage_of(e.name);
}

Outcome Planner::protect(const std::string& e, const std::string& what) const {
  return Outcome::hold({e,
                        "AuthorityProtected",
                        e + " is the authority of a launched site; its content is never " + what +
                            ": write content: {source: keep}",
                        {}});
}

Outcome Planner::bring(const Environment& e, Part part, std::optional<Timestamp> due,
                       Reason because) const {
  const auto& spec = e.content;
  const bool wipes = spec.source == ContentSource::empty();
  const std::string& from = spec.source.environment;
  const Action wipe = Wipe{part, spec.generation}, sync = Sync{part, from, spec.generation, due};
  const bool up = flows_up(e);
  const bool by_grant = (up || is_protected(e.name)) && allowed(e.name, wipes ? wipe : sync);
  if (is_protected(e.name) && !by_grant) return protect(e.name, wipes ? "wiped" : "replaced");
  if (wipes) return Outcome::act(wipe, std::move(because));
  if (up && !by_grant) {
    return Outcome::hold({e.name,
                          "AuthorityProtected",
                          "content only flows down once a site is launched, and " + from +
                              " is below " + e.name + ": name a stage above, or keep",
                          {}});
  }
  if (!site_.find(from)) {
    return Outcome::hold(
        {e.name,
         "Invalid",
         "its source " + from + " has no document; declare " + from + ", or name another source",
         {}});
  }
  if (auto why = source_waits(e)) return Outcome::wait({sync}, *why);
  return Outcome::act(sync, std::move(because));
}

/// Why the source of an environment cannot be copied from now.
std::optional<std::string> Planner::source_waits(const Environment& e) const {
  const std::string& from = e.content.source.environment;
  const ObservedEnvironment& source = seen(from);
  if (!source.gone.empty()) return "until " + from + " is back: " + source.gone;
  if (recovering_.contains(from)) return "until an operation on " + from + " is recovered";
  if (is_busy(from)) return "until the operation on " + from + " has ended";
  if (!source.exists) return "until " + from + " exists";
  if (!source.healthy) return "until " + from + " is healthy";
  if (auto changed = changed_declaration(source))
    return "until " + from + " is settled: " + *changed;
  if (waits_for_content_of(e, from)) return "until " + from + " has its own content";
  return std::nullopt;
}

/// Whether content here is going to be replaced by what a plan can do as things stand.
bool Planner::content_moves(const Environment& e) const {
  const ObservedEnvironment& s = seen(e.name);
  auto d = diffs_.find(e.name);
  if (d == diffs_.end() || !s.exists || is_protected(e.name) || flows_up(e)) return false;
  if (suspended(e) || !s.missing_secret.empty()) return false;
  const CommitId here = s.commit.value_or(CommitId{});
  const CommitId commit = d->second.code.want.commit.value_or(here);
  std::optional<Timestamp> due;
  bool asked = false, refresh = false;
  for (const auto& [part, row] : d->second.content) {
    asked |= row.row == ContentRow::bring;
    asked |= row.row == ContentRow::come_back && (commit == here || !not_proven(e, commit));
    refresh |= row.row == ContentRow::refresh;
    if (row.row == ContentRow::refresh) due = std::max(due, row.due);
  }
  if (!asked && !refresh) return false;
  if (asked) due.reset();
  if (quarantined(e, content_digest(site_, e, s, here, due))) return false;
  if (!s.healthy && code_quarantined(e, commit)) return false;
  if (!copies(e)) return true;
  const std::string& from = e.content.source.environment;
  const ObservedEnvironment& source = seen(from);
  return site_.find(from) && source.exists && source.healthy && source.gone.empty();
}

/// Whether to copy from `source` only once it has the content it is going to have itself. Where
/// environments copy from each other in a circle, nobody waits.
bool Planner::waits_for_content_of(const Environment& e, const std::string& source) const {
  std::set<std::string> met;
  const Environment* next = site_.find(source);
  if (!next || !content_moves(*next)) return false;
  while (next && copies(*next) && content_moves(*next) && met.insert(next->name).second) {
    if (next->content.source.environment == e.name) return false;
    next = site_.find(next->content.source.environment);
  }
  return true;
}

/// A commit that is new here brings fresh content along; healing, going back and a retry that a
/// person asked for do not.
bool Planner::refreshes_on_promote(const Environment& e, Part part, const Outcome& code) const {
  const auto& spec = e.content;
  const CodeDifference& d = diffs_.at(e.name).code;
  if (!spec.refresh || !spec.refresh->on_promote || !spec.includes(part) || !copies(e))
    return false;
  if (code.kind != Kind::act || d.cause != CodeCause::commit || d.rollback) return false;
  const ObservedEnvironment& s = seen(e.name);
  if (retries_.contains(e.name) && !s.failures.empty()) return false;
  // Content of unknown age is no older than anything.
  const auto& taken = part_of(s, part).stamp.taken_at;
  const Duration age = spec.refresh->if_older_than;
  return taken ? *taken + age <= now_ : age == Duration::zero();
}

Outcome Planner::declare(const Environment& e, Part part) const {
  Outcome out;
  const auto& declared = part_of(seen(e.name), part).declared;
  std::vector<std::string> names;
  auto add = [&](const std::string& name) {
    if (declared.contains(name)) return;
    out.kind = Kind::act;
    out.actions.push_back(Declare{part, name});
    names.push_back("\"" + name + "\"");
  };
  if (part == Part::databases) {
    for (const auto& d : site_.databases) add(d.name);
  } else {
    for (const auto& f : site_.files) add(f.name);
  }
  if (names.empty()) return out;
  const char* what = part == Part::files ? "files " : names.size() > 1 ? "databases " : "database ";
  out.because = {std::string("the Site declares ") + what + enumerate(names)};
  if (part == Part::files) {
    const CodeDifference& d = diffs_.at(e.name).code;
    const auto commit = d.want.commit ? d.want.commit : seen(e.name).commit;
    if (auto held = tracked(e, commit.value_or(CommitId{}))) return Outcome::hold(*held);
  }
  return out;
}

}  // namespace tidegate
