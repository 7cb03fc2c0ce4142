#pragma once
// Takes manifest commits back in git: one Environment document gets back what it said before, as a
// commit on the branch it is read from, or on one to be merged there.

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "controller/git/mirror.h"
#include "controller/loop/ports.h"
#include "controller/loop/workqueue.h"
#include "controller/store/store.h"

namespace tidegate {

/// A source of manifests that may be written to.
struct WritableSource {
  std::string ref;     ///< As its settings have it; only a branch is written to.
  std::string folder;  ///< The source's path in the repository: "" or "folder/".
  std::function<Result<Mirror>()> mirror;
};

/// Remembers in the store, by environment, the operation that was dealt with last: what was written
/// once is not written again, whatever people make of it. What git holds decides all the same:
/// without that memory, a document that says again what it said before is left as it is.
class Reverter : public ManifestWriter {
 public:
  /// What it wants of others. Any may be empty.
  struct Wishes {
    std::function<void()> read;                         ///< The sources: they changed.
    std::function<void(const std::string& site)> look;  ///< At a site: it may ask anew.
    /// Told before a commit is pushed to a reference.
    std::function<void(const Revert&, const Asked&, const CommitId&, const std::string& reference)>
        pushes{};
    /// Told what became of it, with the event's type and message.
    std::function<void(const Revert&, const std::string& type, const std::string& message)> told{};
  };

  /// Everything outlives it. `jitter` gives numbers in [0, 1).
  Reverter(std::map<std::string, WritableSource> sources, const Clock& clock, Store& store,
           Chronicle& chronicle, std::function<double()> jitter, Wishes wishes);

  void revert(const Revert& revert, const DocumentPlace& place) override;

  /// Writes one that is due, waiting for the network. False: none is. A branch that moved meanwhile
  /// is read again, five times at once. Then, and after any other failure, nothing is written for a
  /// while, longer each time; the site is looked at then, for by that time it may be well.
  bool run_one();

 private:
  struct Wanted {
    Revert revert;
    DocumentPlace place;
  };
  struct Outcome;
  class Attempt;

  Outcome write(const Wanted& wanted);
  void settle(const std::string& key, const Wanted& wanted, const Outcome& outcome);
  void tell(const Revert& revert, const std::string& type, const std::string& message);

  const std::map<std::string, WritableSource> sources_;
  const Clock& clock_;
  Store& store_;
  Chronicle& chronicle_;
  const Wishes wishes_;
  Workqueue queue_;
  std::mutex mutex_;                         // For everything below.
  std::map<std::string, Wanted> wanted_;     // By "site/environment".
  std::set<std::string> resting_;            // The same, after a failure.
  std::map<std::string, std::string> told_;  // What was told last.
};

}  // namespace tidegate
