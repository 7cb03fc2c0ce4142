#pragma once
// The loop's own doors to the world: where manifests come from, and who is told.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reconcilers/reconciler.h"
#include "reconcilers/reverts.h"
#include "schemas/fleet.h"
#include "schemas/result.h"
#include "schemas/signed_site.h"

namespace tidegate {

/// What changed in a source since a revision.
struct ManifestChanges {
  std::string revision, author;
  std::vector<FileChange> changes;  ///< Paths relative to the source.
  bool complete = false;            ///< Names every file there is; what it does not name is gone.
  bool rewritten = false;           ///< The branch was rewritten since.
  /// Who vouches for commits of this source, as of this revision. Empty: nobody can. Any thread.
  SignatureQuestion signature{};
};

class ManifestSource {
 public:
  virtual ~ManifestSource() = default;
  virtual std::string name() const = 0;
  /// Changes since `revision` ("": since ever); nothing when there are none. An unreadable or empty
  /// source is an error, never "everything is gone".
  virtual Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) = 0;
  /// All that the source held at a revision it had once, complete; an error when that is not there
  /// any more.
  virtual Result<ManifestChanges> as_of(const std::string& revision) = 0;
};

/// Where a document was read.
struct DocumentPlace {
  std::string source;    ///< The source's name.
  std::string file;      ///< Relative to the source.
  std::string revision;  ///< Of the source, where it says what was looked at.
};

/// Writes what the controller itself has to say into the manifests.
class ManifestWriter {
 public:
  virtual ~ManifestWriter() = default;
  /// Has this written, unless it was done or is under way; waits for nothing. Any thread. How it
  /// ends is told as an event.
  virtual void revert(const Revert& revert, const DocumentPlace& place) = 0;
};

/// Who is told what was seen, from any thread. Failing to keep it is its own business.
class Chronicle {
 public:
  virtual ~Chronicle() = default;
  virtual void told(const SiteStatus& status, const Plan& plan) = 0;
  virtual void happened(const Event& event) = 0;
  virtual void let_go(const std::string& site) = 0;
  /// The conditions of the last status told, by this or an earlier process; for times of
  /// transition.
  virtual std::optional<SiteStatus> last(const std::string& site) = 0;
  /// Environments for which `tidegate retry` was asked.
  virtual std::set<std::string> retries(const std::string& site) = 0;
  /// The request was carried out: its step started.
  virtual void retried(const std::string& site, const std::string& environment) = 0;
  /// The revision of a source that was last in force as a whole; "" when none is known. What a
  /// later one strikes is judged against it.
  virtual std::string in_force(const std::string& source) = 0;
  /// The same as these roots remember it, when the memory above is lost.
  virtual std::string in_force_below(const std::set<std::string>& roots,
                                     const std::string& source) = 0;
  virtual void now_in_force(const std::string& source, const std::string& revision) = 0;
  /// For operators: constant message, then key and value in turn.
  virtual void log(const char* level, const std::string& message,
                   const std::vector<std::pair<std::string, std::string>>& facts) = 0;
};

}  // namespace tidegate
