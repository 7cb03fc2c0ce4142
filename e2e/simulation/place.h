#pragma once
// The truth about one environment of the simulated world, and how an operation changes it: the
// memory, the releases and the journal that the host driver keeps in the environment itself.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/state.h"

namespace tidegate {

struct Content {
  std::string id;
  Stamp stamp;
  std::map<std::string, std::string> declared;
  bool operator==(const Content&) const = default;
};

struct Release {
  std::string id;
  CommitId commit;
  std::string inputs;
  std::map<Part, Content> content;
  bool healthy = false, updated = false;
};

/// What is going to become of an operation, drawn when it starts.
enum class Fate : std::uint8_t { succeeds, site_fails, host_fails, unhealthy, host_fails_late };

/// An operation and its journal.
struct Running {
  std::string id;
  std::shared_ptr<const Site> site;  ///< The manifest it was started with.
  Step step;
  Timestamp started{}, switches{}, ends{};
  Fate fate = Fate::succeeds;
  Release prepared;
  std::string made, content_made;  ///< What it is remembered by when it fails (see oracle.h).
  bool content_fails = false;      ///< When it fails before the switch, then on its content.
  std::map<Part, std::uint64_t> done;
  bool switched = false, interrupted = false, recovering = false, undo_fails = false;
  std::optional<Failure> failure;              ///< Why it is being undone.
  std::map<Part, std::string> content_before;  ///< The authority's, to go back to.
};

struct Place {
  bool exists = false;
  Release current;
  std::map<std::string, Release> kept_releases;
  std::vector<std::string> kept;  ///< Newest first.
  std::uint64_t last_release = 0;
  bool launched = false, drifted = false, updated_since = false;
  std::string gone, took_over;
  std::map<CommitId, Proof> proven;
  std::map<CommitId, Revocation> revoked;
  std::map<std::string, CommitId> grants_used;
  std::optional<CommitId> last_proven;
  std::map<CommitId, std::set<std::string>> ran_on;
  std::map<Part, std::uint64_t> highest;
  std::vector<Failure> failures;
  std::optional<Running> running;

  /// The release that visitors see.
  const Release& visible() const {
    return running && running->switched ? running->prepared : current;
  }
  /// What it runs was healthy until it was verified again.
  bool fails_again() const { return !current.healthy && revoked.contains(current.commit); }
  void lose_proof(Timestamp now);
  void prove(const Site& site, const std::string& environment, Timestamp now);
  /// The operation's release becomes the recorded one.
  void finish(bool healthy, Timestamp now);
  /// Back to the release before; the failure, if it is one, is recorded.
  void undo(const std::optional<Failure>& failure);
  void record(const Failure& failure, const Step& step);
  /// Which content a commit ran on is known only of content that is still there.
  void forget_content();
};

/// One site: its environments, its code, its secrets.
struct Estate {
  std::map<std::string, Place> places;
  std::map<std::string, CommitId> refs;        ///< In the repository.
  std::map<std::string, CommitId> known_refs;  ///< In the mirror.
  std::vector<CommitId> commits;
  std::set<CommitId> mirrored;
  std::set<CommitId> bad;  ///< Commits that fail wherever they are tried.
  bool repository_reachable = true;
  int secret = 1;             ///< Content of the one secret; 0: it is not there.
  std::string was_authority;  ///< Launched once, whatever manifests say.
  /// The ids it had when it was, or has since a Grant replaced them.
  std::map<Part, std::string> its_content;
  std::set<std::string> failed_for_good;  ///< What must not be tried again (see oracle.h).
};

/// An empty one where there is none of that name.
inline const Place& place_of(const Estate& estate, const std::string& e) {
  static const Place none;
  auto it = estate.places.find(e);
  return it == estate.places.end() ? none : it->second;
}

}  // namespace tidegate
