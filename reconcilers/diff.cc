#include "reconcilers/diff.h"

#include <algorithm>

#include "reconcilers/policies.h"
#include "schemas/digest.h"
#include "schemas/match.h"

namespace tidegate {
namespace {

constexpr const char* of_content = "content ";  // How digests of content begin.

Resolved named_ref(const char* what, const std::string& name, const std::string& ref,
                   const Site& site, const ObservedSite& observed) {
  if (auto it = observed.refs.find(ref); it != observed.refs.end()) return {it->second, {}, false};
  if (!observed.repository_problem.empty()) return {{}, observed.repository_problem, true};
  if (observed.unread_refs.contains(ref)) return {{}, looked_for(what, "\"" + name + "\""), true};
  return {{},
          std::string(what) + " \"" + name + "\" is not in " + site.repository.url +
              "; push it, or name another",
          false};
}

/// What was proven there, the last proof first: going back to a commit takes those it leaves out of
/// the way.
std::vector<CommitId> newest_first(const ObservedEnvironment& seen) {
  std::vector<CommitId> commits;
  for (const auto& [commit, proof] : seen.proven) commits.push_back(commit);
  auto key = [&](const CommitId& c) {
    return std::pair(c == seen.last_proven, seen.proven.at(c).turn);
  };
  std::ranges::stable_sort(commits, std::ranges::greater(), key);
  return commits;
}

Resolved follow(const Environment& environment, const std::string& from, const Site& site,
                const ObservedSite& observed, Timestamp now) {
  const ObservedEnvironment& below = observed_of(observed, from);
  if (!below.last_proven) return {{}, from + " has proven no commit yet", true};
  Resolved out{below.last_proven, {}, false};
  // Where a proof is lost nothing older takes its place: what follows goes back by no failure.
  if (!site.governance || !below.proven.contains(*below.last_proven)) return out;
  const ObservedEnvironment& here = observed_of(observed, environment.name);
  const auto lost = below.revoked.find(here.commit.value_or(CommitId{}));
  std::optional<CommitId> next;
  for (const CommitId& commit : newest_first(below)) {
    const bool older = lost != below.revoked.end() && commit != below.last_proven &&
                       below.proven.at(commit).at < lost->second.at;
    if (older) continue;
    auto verdicts = judge_proofs(site, observed, environment, commit, now);
    const auto held = strictest(verdicts);
    if (!held) {
      out.commit = commit;
      return out;
    }
    if (!held->opens_at || (out.next_at && *out.next_at <= *held->opens_at)) continue;
    next = commit;
    out.next_at = held->opens_at;
    out.soaking = std::move(verdicts);
  }
  if (lost != below.revoked.end()) next = here.commit;
  if (next) out.commit = next;
  return out;
}

bool same_origin(const Stamp& stamp, const ContentSpec& want) {
  return stamp.source == want.source || stamp.source.kind == ContentSource::Kind::adopted;
}

ContentDifference refresh_of(const ContentSpec& want, const Stamp& stamp, const Calendar& calendar,
                             Timestamp now) {
  ContentDifference out;
  if (!want.refresh || !stamp.taken_at) return out;
  out.due = last_due(*want.refresh, *stamp.taken_at, calendar, now, &out.next_due);
  if (out.due) out.row = ContentRow::refresh;
  return out;
}

ContentDifference content_difference(const Environment& environment, Part part,
                                     const ObservedPart& have, const Calendar& calendar,
                                     Timestamp now) {
  const ContentSpec& want = environment.content;
  if (!want.includes(part) || want.source == ContentSource::keep()) return {};
  if (have.stamp.generation == want.generation) {
    if (same_origin(have.stamp, want)) return refresh_of(want, have.stamp, calendar, now);
    return {ContentRow::used, {}, {}, {}};
  }
  if (want.generation > have.highest_generation) return {ContentRow::bring, {}, {}, {}};
  auto kept = std::ranges::find_if(have.kept, [&](const KeptContent& k) {
    return k.stamp.generation == want.generation && same_origin(k.stamp, want);
  });
  if (kept == have.kept.end()) return {ContentRow::lost, {}, {}, {}};
  return {ContentRow::come_back, *kept, {}, {}};
}

/// The latest time ≤ now that a schedule names after `taken_at`: looked for in windows that grow,
/// so that a minutely schedule of long ago does not walk through every minute since.
std::optional<Timestamp> last_scheduled(const Refresh& refresh, Timestamp taken_at,
                                        const Calendar& calendar, Timestamp now) {
  using namespace std::chrono;
  for (Duration window :
       {Duration(1h), Duration(24h), Duration(24h * 32), Duration(24h * 366 * 5)}) {
    Timestamp from = std::max(taken_at, now - window);
    std::optional<Timestamp> last;
    for (auto at = calendar.next(refresh.schedule, refresh.time_zone, from); at && *at <= now;
         at = calendar.next(refresh.schedule, refresh.time_zone, *at)) {
      last = at;
    }
    if (last || from == taken_at) return last;
  }
  return std::nullopt;
}

}  // namespace

const ObservedEnvironment& observed_of(const ObservedSite& observed,
                                       const std::string& environment) {
  static const ObservedEnvironment nothing;
  auto it = observed.environments.find(environment);
  return it == observed.environments.end() ? nothing : it->second;
}

const ObservedPart& part_of(const ObservedEnvironment& seen, Part part) {
  static const ObservedPart nothing;
  auto it = seen.content.find(part);
  return it == seen.content.end() ? nothing : it->second;
}

const Revocation* revocation_of(const ObservedEnvironment& seen) {
  if (!seen.commit) return nullptr;
  const auto found = seen.revoked.find(*seen.commit);
  return found == seen.revoked.end() || seen.healthy ? nullptr : &found->second;
}

std::string looked_for(const char* what, const std::string& name) {
  return std::string(what) + " " + name + " is not known yet, and is being looked for";
}

Resolved resolve(const Environment& environment, const Site& site, const ObservedSite& observed,
                 Timestamp now) {
  return std::visit(
      Match{[&](const CommitId& commit) -> Resolved {
              if (!observed.missing_commits.contains(commit)) return {commit, {}, false};
              if (!observed.repository_problem.empty())
                return {{}, observed.repository_problem, true};
              return {{},
                      "commit " + commit.hex + " is not in " + site.repository.url +
                          "; push it, or name another",
                      false};
            },
            [&](const TagName& tag) {
              return named_ref("tag", tag.text, "refs/tags/" + tag.text, site, observed);
            },
            [&](const BranchName& branch) {
              return named_ref("branch", branch.text, "refs/heads/" + branch.text, site, observed);
            },
            [&](const ProvenIn& from) {
              return follow(environment, from.environment, site, observed, now);
            }},
      environment.code);
}

std::optional<Timestamp> last_due(const Refresh& refresh, Timestamp taken_at,
                                  const Calendar& calendar, Timestamp now,
                                  std::optional<Timestamp>* next) {
  std::optional<Timestamp> due;
  if (next) next->reset();
  auto later = [&](std::optional<Timestamp> at) {
    if (next && at && (!*next || *at < **next)) *next = at;
  };
  if (refresh.every) {
    const auto turns = now < taken_at ? 0 : (now - taken_at) / *refresh.every;
    if (turns > 0) due = taken_at + turns * *refresh.every;
    later(taken_at + (turns + 1) * *refresh.every);
  }
  if (!refresh.schedule.empty()) {
    if (auto at = last_scheduled(refresh, taken_at, calendar, now); at && (!due || *at > *due))
      due = at;
    later(calendar.next(refresh.schedule, refresh.time_zone, std::max(now, taken_at)));
  }
  return due;
}

EnvironmentDiff diff(const Site& site, const Environment& environment, const ObservedSite& observed,
                     const Calendar& calendar, Timestamp now) {
  EnvironmentDiff out;
  const ObservedEnvironment& seen = observed_of(observed, environment.name);
  out.code.want = resolve(environment, site, observed, now);
  if (!seen.exists) {
    out.code.cause = CodeCause::created;
    return out;
  }
  if (const auto& want = out.code.want.commit) {
    out.code.rollback = want != seen.commit && seen.proven.contains(*want);
    if (want != seen.commit)
      out.code.cause = CodeCause::commit;
    else if (seen.inputs != seen.wanted_inputs)
      out.code.cause = CodeCause::inputs;
    else if (seen.drifted)
      out.code.cause = CodeCause::drift;
    else if (!seen.healthy && !revocation_of(seen))
      out.code.cause = CodeCause::unhealthy;
  }
  for (Part part : parts) {
    out.content[part] = content_difference(environment, part, part_of(seen, part), calendar, now);
  }
  return out;
}

std::string step_digest(const Site& site, const Environment& environment,
                        const ObservedEnvironment& seen, const CommitId& commit) {
  return sha256_hex(site.digest + "\n" + environment.digest + "\n" + seen.wanted_inputs + "\n" +
                    commit.hex);
}

std::string content_digest(const Site& site, const Environment& environment,
                           const ObservedEnvironment& seen, const CommitId& commit,
                           std::optional<Timestamp> refresh_due) {
  std::string text = step_digest(site, environment, seen, commit);
  if (refresh_due) text += "\nrefresh " + to_rfc3339(*refresh_due);
  return of_content + sha256_hex(text);
}

bool is_of_content(const Failure& failure) { return failure.digest.starts_with(of_content); }

}  // namespace tidegate
