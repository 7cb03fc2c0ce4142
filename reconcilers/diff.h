#pragma once
// What differs between the declared and the observed environment. Facts only; plan.h decides.

#include <map>
#include <optional>
#include <string>

#include "reconcilers/driver.h"
#include "reconcilers/plan.h"
#include "reconcilers/state.h"

namespace tidegate {

/// What a code target stands for now, or why it stands for nothing.
struct Resolved {
  std::optional<CommitId> commit;
  std::string problem;           ///< "" with a commit.
  bool comes_by_itself = false;  ///< The problem may end without a person.
  /// Of `from`: what rules about proofs say of the newer commit that they let in next, and when.
  std::vector<Verdict> soaking{};
  std::optional<Timestamp> next_at{};
};
/// Why code that was named a moment ago stands for nothing yet.
std::string looked_for(const char* what, const std::string& name);
/// `from` stands for the newest commit that the rules about proofs let in; when they let none in,
/// for the one that they will let in first.
Resolved resolve(const Environment& environment, const Site& site, const ObservedSite& observed,
                 Timestamp now);

enum class CodeCause : std::uint8_t { none, created, commit, inputs, drift, unhealthy };
struct CodeDifference {
  CodeCause cause = CodeCause::none;
  Resolved want;
  bool rollback = false;  ///< The wanted commit ran healthily here before.
};

/// The rows of DESIGN § 3.1, for one part.
enum class ContentRow : std::uint8_t {
  satisfied,  ///< Nothing to do.
  refresh,    ///< As declared, and due to be taken anew.
  used,       ///< Held GenerationUsed.
  bring,      ///< Sync or wipe, once.
  come_back,  ///< Kept content of that generation.
  lost,       ///< Held ContentGone.
};
struct ContentDifference {
  ContentRow row = ContentRow::satisfied;
  std::optional<KeptContent> kept;    ///< With come_back.
  std::optional<Timestamp> due;       ///< With refresh: the time it was due.
  std::optional<Timestamp> next_due;  ///< When time alone changes this row.
};

struct EnvironmentDiff {
  CodeDifference code;
  std::map<Part, ContentDifference> content;
};

EnvironmentDiff diff(const Site& site, const Environment& environment, const ObservedSite& observed,
                     const Calendar& calendar, Timestamp now);

/// The latest time at or before `now` at which a refresh of content taken at `taken_at` fell due,
/// by `every` and `schedule`; and in `next` the first one after `now`.
std::optional<Timestamp> last_due(const Refresh& refresh, Timestamp taken_at,
                                  const Calendar& calendar, Timestamp now,
                                  std::optional<Timestamp>* next);

/// What is observed of an environment; an empty one when nothing is.
const ObservedEnvironment& observed_of(const ObservedSite& observed,
                                       const std::string& environment);
/// Why what runs there is not healthy any more, where it once was; null where that is not so.
const Revocation* revocation_of(const ObservedEnvironment& seen);
const ObservedPart& part_of(const ObservedEnvironment& seen, Part part);

/// What a quarantine of a step is filed under: it is lifted by any change of the Site, its class,
/// the Environment, a secret's content or the commit.
std::string step_digest(const Site& site, const Environment& environment,
                        const ObservedEnvironment& seen, const CommitId& commit);
/// The same of bringing content on that commit, apart from the code; a mere refresh's is lifted by
/// its next due time as well.
std::string content_digest(const Site& site, const Environment& environment,
                           const ObservedEnvironment& seen, const CommitId& commit,
                           std::optional<Timestamp> refresh_due);
bool is_of_content(const Failure& failure);

}  // namespace tidegate
