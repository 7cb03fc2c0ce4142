#pragma once
// What the host driver remembers, all of it in the environment itself: the release record
// (CONTRACT), the environment's memory (state.json), and the journal of the operation that runs.
// JSON, written durably and whole. Unknown keys are kept out; a damaged file is an error that names
// it.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/host/layout.h"
#include "controller/http/check.h"
#include "reconcilers/state.h"
#include "schemas/result.h"

namespace tidegate {

/// One part's content: a set of databases or of directories that share a stamp.
struct ContentSet {
  std::string id;  ///< The release it was made for.
  Stamp stamp;
  std::map<std::string, std::string> items;  ///< Declared name → physical database, or directory.
  std::map<std::string, std::string> declared;  ///< Declared name → engine, or path.
  bool operator==(const ContentSet&) const = default;
};

/// The engine that `declared` names.
Engine engine_named(const std::string& declared);

struct ReleaseRecord {
  std::string id;
  CommitId commit;
  std::string inputs;  ///< Digest of variables, secrets and what shapes the tree.
  std::string build;   ///< Key of the build its code is linked from.
  std::string manifest_revision;
  Timestamp created_at{};
  std::map<Part, ContentSet> content;
  bool healthy = false;
  bool updated = false;   ///< `update` changed kept databases on the way to it.
  bool writable = false;  ///< Its code is its own, for people to change.
  /// The highest generations done in the environment by then: what a lost state.json must not make
  /// us forget.
  std::map<Part, std::uint64_t> highest;
  bool operator==(const ReleaseRecord&) const = default;
};

/// A release nothing names any more, waiting to be cleared away with what it alone is made of.
struct Retired {
  std::string id;
  Timestamp at{};
  std::map<Part, ContentSet> content;
  bool operator==(const Retired&) const = default;
};

/// What people changed in the code of a writable release.
struct ByHand {
  std::string summary;  ///< As ObservedEnvironment::uncommitted.
  std::string digest;   ///< Of exactly these changes.
  CommitId committed;   ///< Has them all; "" while none is known to.
  CommitId base;  ///< The last that had all there was then: what came later is committed onto it.
  bool discarded = false;  ///< A person gave them up.
  bool operator==(const ByHand&) const = default;
};

struct Drift {
  Timestamp at{};
  std::uint64_t changes = 0;
  std::vector<std::string> first;  ///< "changed web/index.php", at most 20.
  std::optional<ByHand> by_hand{};
  bool operator==(const Drift&) const = default;
};

/// The last verification of a release that runs.
struct Verified {
  std::string release;  ///< "" for none.
  Timestamp at{};
  int failed = 0;  ///< How often in a row it has failed since it passed.
  bool operator==(const Verified&) const = default;
};

/// state.json: the memory of one environment.
struct EnvironmentRecord {
  std::string current;  ///< "" while it does not exist.
  std::uint64_t last_release = 0;
  bool launched = false;
  std::string took_over;                          ///< See ObservedEnvironment.
  std::map<std::string, ReleaseRecord> releases;  ///< Current and kept.
  std::vector<std::string> kept;                  ///< Of `releases`, newest first, without current.
  std::vector<Retired> retired;
  std::vector<CommitId> proven;      ///< Oldest first, at most `proven_max`.
  std::map<CommitId, Proof> proofs;  ///< Of each of them, `turn` apart: that is its place.
  std::optional<CommitId> last_proven;
  Verified verified;
  std::map<CommitId, Revocation> revoked;            ///< At most `revoked_max`.
  std::map<CommitId, std::set<std::string>> ran_on;  ///< Content ids of databases.
  std::map<Part, std::uint64_t> highest;
  std::vector<Failure> failures;  ///< Oldest first, at most `failures_max`.
  std::optional<Drift> drift;
  bool updated_since = false;
  std::map<std::string, CommitId> grants_used;  ///< See ObservedEnvironment.
  bool operator==(const EnvironmentRecord&) const = default;
};
inline constexpr std::size_t proven_max = 500;
inline constexpr std::size_t failures_max = 100;
inline constexpr std::size_t evidenced_failures_max = 3;  ///< The last ones: with their evidence.
inline constexpr std::size_t revoked_max = 20;

struct SavedDatabase {
  Engine engine = Engine::sqlite;
  std::string physical, saved_as;
  bool operator==(const SavedDatabase&) const = default;
};
struct CreatedDatabase {
  Engine engine = Engine::sqlite;
  std::string physical;
  bool operator==(const CreatedDatabase&) const = default;
};

/// What an operation has done and is about to do: written before it does it.
struct Journal {
  std::string operation;
  std::vector<std::string> actions;  ///< Verbs.
  std::string phase = "queued";
  Timestamp started_at{};
  std::string owner, digest, revision, author;
  std::vector<std::string> grants;  ///< Ids of the Grants that it uses up.
  bool creates = false, reuses = false, asked = false;
  std::string before;  ///< Release that ran; "" when none did.
  ReleaseRecord prepared;
  std::map<Part, std::uint64_t> done;      ///< Generations that count as done once it stays.
  std::vector<CreatedDatabase> databases;  ///< Made by it.
  std::vector<std::string> directories;    ///< Content directories made by it.
  std::vector<SavedDatabase> saved;        ///< To put back when it fails before the switch.
  bool maintenance = false;                ///< The maintenance file is its doing.
  bool maintenance_on = false;             ///< commands.maintenanceOn ran.
  std::optional<Timestamp> switched_at;    ///< Visitors write into what it prepared from then on.
  std::optional<Timestamp> closed_at;  ///< Until then, where it goes back and puts `saved` back.
  bool restored = false;               ///< After the switch `saved` was put back.
  bool let_in = false;  ///< Visitors saw what it prepared: going back puts no databases back.
  std::vector<PageBefore> pages;   ///< What to compare with after the switch.
  std::vector<Evidence> evidence;  ///< Of the verification that failed.
  std::string failure;             ///< Why it is being undone; "" while it goes on.
  bool failure_is_sites = false;
  bool operator==(const Journal&) const = default;
};

/// Releases that share a content set all know what was ever recorded of it: an item that only a
/// later one declared stays named, whichever of them runs.
void share_items(EnvironmentRecord& record, const std::map<Part, ContentSet>& content);
/// The same among all its releases.
void share_items(EnvironmentRecord& record);

/// What was recorded, its releases' shared sets made one. Commits that an older version wrote
/// down as proven, without a time, count from the file's time.
Result<std::optional<EnvironmentRecord>> read_record(const EnvironmentLayout& layout);
Result<void> write_record(const EnvironmentLayout& layout, const EnvironmentRecord& record);

Result<std::optional<Journal>> read_journal(const EnvironmentLayout& layout);
Result<void> write_journal(const EnvironmentLayout& layout, const Journal& journal);
Result<void> remove_journal(const EnvironmentLayout& layout);

/// releases/ID/release.json: CONTRACT's keys first.
Result<void> write_release(const EnvironmentLayout& layout, const ReleaseRecord& release);
Result<std::optional<ReleaseRecord>> read_release(const EnvironmentLayout& layout,
                                                  const std::string& id);

/// The memory as far as the releases themselves can tell it, for when state.json is lost: nothing
/// is proven but what is healthy, and every generation seen counts as done. `invalid` when a
/// release's own record is damaged: what it is made of must not be taken for nobody's.
Result<std::optional<EnvironmentRecord>> rebuild_record(const EnvironmentLayout& layout);

/// Notes outside of the environment that it was created, and whether it was launched: what a lost
/// directory or memory must not make us forget. Nothing is written when it says so already.
Result<void> register_environment(const EnvironmentLayout& layout, bool launched);

/// The id of the next release: after every one the record knows, and none that left anything
/// behind.
std::string next_release_id(const EnvironmentLayout& layout, const EnvironmentRecord& record);

}  // namespace tidegate
