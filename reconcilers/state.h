#pragma once
// What a driver can see of a site, and what it can be asked to do to it. Plain values: they cross
// the Driver, whoever is on its other side.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "schemas/site.h"

namespace tidegate {

/// How present content of one part got there.
struct Stamp {
  ContentSource source = ContentSource::keep();
  std::uint64_t generation = 0;
  std::string source_release;  ///< Release it was copied from; "" when not copied.
  std::optional<Timestamp> taken_at;
  bool operator==(const Stamp&) const = default;
};

/// Content that lies beside the running one, named by a release that is kept.
struct KeptContent {
  std::string id;  ///< Unique within the environment and part.
  Stamp stamp;
  bool operator==(const KeptContent&) const = default;
};

struct ObservedPart {
  std::string id;  ///< Of the content in use.
  Stamp stamp;
  std::uint64_t highest_generation = 0;  ///< The highest one done here, ever.
  std::vector<KeptContent> kept;
  /// Recorded declarations: databases name → engine, files name → path.
  std::map<std::string, std::string> declared;
  bool operator==(const ObservedPart&) const = default;
};

struct KeptRelease {
  std::string id;
  CommitId commit;
  std::string inputs;                   ///< See ObservedEnvironment::inputs.
  std::map<Part, std::string> content;  ///< Ids of the content it is made of.
  bool healthy = false;                 ///< It passed its verification.
  bool operator==(const KeptRelease&) const = default;
};

// ---- actions -------------------------------------------------------------------------------

/// Run this commit; also again, with other variables or to heal what was changed by hand.
struct Promote {
  CommitId commit;
  bool operator==(const Promote&) const = default;
};
/// Copy a part from another environment. `due`: the refresh this is, absent for a generation.
struct Sync {
  Part part = Part::databases;
  std::string from;
  std::uint64_t generation = 0;
  std::optional<Timestamp> due;
  bool operator==(const Sync&) const = default;
};
/// Create a part empty. With generation 0 it is the first content of a new environment: (keep, 0).
struct Wipe {
  Part part = Part::databases;
  std::uint64_t generation = 0;
  bool operator==(const Wipe&) const = default;
};
/// Take kept content of a part into use again.
struct Activate {
  Part part = Part::databases;
  std::string content;  ///< KeptContent::id.
  Stamp stamp;
  bool operator==(const Activate&) const = default;
};
/// Content that the Site started to declare: created empty beside what is there.
struct Declare {
  Part part = Part::databases;
  std::string name;
  bool operator==(const Declare&) const = default;
};
/// Record in the environment that it is the authority of a launched site.
struct Launch {
  std::string took_over{};  ///< The environment that a Grant moves the authority from.
  bool operator==(const Launch&) const = default;
};
/// Record in the environment that it is that no more: a Grant said so.
struct Unlaunch {
  bool operator==(const Unlaunch&) const = default;
};
/// Finish or undo an operation that lost its process.
struct Recover {
  std::string operation;
  bool operator==(const Recover&) const = default;
};
using Action = std::variant<Promote, Sync, Wipe, Activate, Declare, Launch, Unlaunch, Recover>;

/// The word of CONTRACT for an action: promote, sync, wipe, activate, create, launch, unlaunch,
/// recover.
const char* verb(const Action& action);

/// What one rule of a policy, or a freeze, said when a step was decided on.
struct PolicyWord {
  std::string name;  ///< "gold-live/office-hours".
  bool holds = false;
  std::string said;
  bool operator==(const PolicyWord&) const = default;
};

/// The actions one environment needs now, run as one operation with one switch.
struct Step {
  std::string environment;
  std::vector<Action> actions;
  std::string because;   ///< One sentence: "it is new, and live has no content to copy yet".
  CommitId commit;       ///< What the environment runs afterwards.
  bool creates = false;  ///< The environment does not exist yet.
  std::string reuse;     ///< The kept release to switch back to; "" to prepare one.
  bool update = true;  ///< commands.update may run: this code never ran healthily on this content.
  std::string digest;  ///< What a quarantine of this step is filed under.
  bool asked = false;  ///< `tidegate retry` lifted a quarantine for it.
  std::string content_digest{};       ///< The same of its content alone; "" when it brings none.
  std::vector<std::string> grants{};  ///< Ids of the Grants that name what it does.
  std::vector<PolicyWord> policies{};  ///< Of all that looked, for the audit alone.
  bool operator==(const Step&) const = default;
};

// ---- observation ---------------------------------------------------------------------------

/// An operation that touches the environment now.
struct Operation {
  std::string id;
  std::vector<std::string> actions;  ///< Verbs, in order.
  std::string phase;
  Timestamp started_at{};
  std::optional<int> percent;
  std::string owner;         ///< Who runs it, for people: "controller, pid 812".
  bool as_source = false;    ///< This environment is only read.
  bool interrupted = false;  ///< Its process is gone: needs Recover.
  bool operator==(const Operation&) const = default;
};

/// What one check of a verification saw.
struct Evidence {
  std::string check;  ///< "GET https://acme.example/", "wp core is-installed".
  bool passed = false;
  int status = 0;    ///< HTTP status or exit code; 0: there was no answer.
  std::string said;  ///< Why it failed, and the first lines of the answer: at most 1 KiB, masked.
  Duration took{};
  bool operator==(const Evidence&) const = default;
};

/// A step that failed here.
struct Failure {
  std::string digest;        ///< Step::digest, or Step::content_digest.
  bool quarantined = false;  ///< The site's own doing; else infrastructure: backs off.
  std::string message;
  Timestamp ended_at{};
  int attempts = 1;
  /// Visitors had been let in: it went back from what they saw.
  bool after_switch = false;
  std::vector<Evidence> evidence{};  ///< Of the verification that failed; at most 20.
  std::string operation{};             ///< The last one that failed so.
  std::vector<std::string> actions{};  ///< Its verbs.
  bool operator==(const Failure&) const = default;
};

/// A commit that ran in an environment and passed its verification there.
struct Proof {
  Timestamp at{};  ///< The first time: what soaks, soaks from here.
  /// When the content was taken that it was proven on last, where that came from a stage above:
  /// of its oldest part.
  std::optional<Timestamp> content_taken_at;
  std::uint64_t turn = 0;  ///< Rises with each proof: going back to a commit counts as a new one.
  bool operator==(const Proof&) const = default;
};

/// A commit that was proven in an environment until its verification failed again there.
struct Revocation {
  Timestamp at{};
  std::string message;  ///< What failed.
  std::vector<Evidence> evidence{};
  bool operator==(const Revocation&) const = default;
};

struct ObservedEnvironment {
  bool exists = false;  ///< It runs a release.
  std::string release;
  std::optional<CommitId> commit;
  std::string inputs;  ///< Digest of the variables and secrets' contents the release was made with.
  std::string wanted_inputs;   ///< The same digest of what they are now.
  std::string manifest_revision;  ///< That its release was prepared by; "" when unknown.
  bool healthy = true;            ///< The release passed its verification.
  bool drifted = false;        ///< The last scan found code changed by hand.
  /// What people changed in a writable release, if a switch would lose it: neither in the commit
  /// that is wanted nor given up. "2 files changed by hand: M web/index.php (+4 -1), …"
  std::string uncommitted{};
  bool updated_since = false;  ///< `update` changed kept databases since the release before it.
  std::map<Part, ObservedPart> content;
  std::map<CommitId, Proof> proven;
  std::map<CommitId, Revocation> revoked;  ///< None of them is proven.
  std::optional<CommitId> last_proven;               ///< What `code.from` follows.
  std::map<CommitId, std::set<std::string>> ran_on;  ///< Content ids each commit ran healthily on.
  std::vector<KeptRelease> kept;
  std::optional<Operation> operation;
  std::vector<Failure> failures;  ///< All in quarantine; of infrastructure the last of each kind.
  bool launched = false;          ///< Recorded: authority of a launched site.
  std::string took_over;          ///< Recorded with it: Launch::took_over.
  /// Ids of the Grants of steps that were done here, with the commit they brought, if any.
  std::map<std::string, CommitId> grants_used;
  std::string gone;            ///< Why recorded things are not there; "" when they are.
  std::string missing_secret;  ///< A named secret that is not there; "" when all are.
  bool operator==(const ObservedEnvironment&) const = default;
};

struct ObservedSite {
  std::map<std::string, ObservedEnvironment>
      environments;  ///< One for each stage that has a document, and each that exists.
  /// What declared branches and tags point at, by "refs/heads/…", "refs/tags/…" (peeled to the
  /// commit).
  std::map<std::string, CommitId> refs;
  std::set<CommitId> missing_commits;  ///< Pinned, and known not to be in the repository.
  std::set<CommitId> unread_commits;   ///< Pinned, and not here before it is read again.
  std::set<std::string> unread_refs;   ///< Named, in full, and the same.
  std::string repository_problem;      ///< Why refs may be old; "" when they are fresh.
  bool repository_pending =
      false;  ///< Its first look is still under way: `repository_problem` is no news.
  std::map<CommitId, std::string>
      tracked_content;  ///< Commits with tracked files under a declared files path → the path.
  /// Who vouches for commits that environments want, by the name of the list of allowed signers.
  std::map<CommitId, std::map<std::string, SignatureFact>> signatures;
  std::set<CommitId> contained;  ///< Known to be in the history of what the lowest stage runs.
  bool operator==(const ObservedSite&) const = default;
};

}  // namespace tidegate
