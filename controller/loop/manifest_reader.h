#pragma once
// The fleet as its sources say it: reads the source that is due, keeps the last good state of each,
// and what is withheld of it.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "controller/loop/ports.h"
#include "controller/loop/workqueue.h"
#include "reconcilers/blast_radius.h"
#include "reconcilers/status.h"

namespace tidegate {

/// The condition of a site one of whose sources cannot be read.
inline constexpr const char* source_unreadable = "SourceUnreadable";

struct ManifestSettings {
  std::vector<Duration> intervals;  ///< One for each source, jittered by ±10 %.
  std::vector<SourceRole> roles{};  ///< One for each source; empty: all are the platform team's.
  Fleet fleet{};                    ///< What the first manifests are added to: an empty one.
};

/// Any thread may call anything.
class ManifestReader {
 public:
  /// Calls `wake` for each site whose manifests changed, and `jitter`, which gives numbers in
  /// [0, 1), from several threads at once. Everything outlives the reader.
  ManifestReader(const std::vector<ManifestSource*>& sources, const Clock& clock,
                 Chronicle& chronicle, std::function<double()> jitter,
                 std::function<void(const std::string& site, Lane)> wake,
                 ManifestSettings settings);

  /// Reads one source that is due. False: none is.
  bool read_one(Timestamp now);
  /// When read_one() next has something to do, as things stand.
  Timestamp next_due() const;
  /// Read every source again as soon as possible.
  void read_soon();
  /// Goes on from what another one knows; see Controller::take_over. Before read_one().
  void take_over(const ManifestReader& old);

  std::shared_ptr<const Fleet> fleet() const;
  /// What is in force of a site, with who vouches for its manifests where a rule asks; null for
  /// none.
  std::shared_ptr<const Site> find(const std::string& site) const;
  /// Whether every source was read once at least: until then a site may lack what another one says.
  bool all_read() const { return all_read_; }
  std::vector<Condition> unreadable_sources_of(const std::string& site) const;
  /// Where the document stands that `site` was made of. Nothing when other manifests came
  /// meanwhile: they are looked at anew.
  std::optional<DocumentPlace> place_of(const Site& site, const std::string& environment) const;

 private:
  struct Source {
    ManifestSource* source;
    Duration interval;
    SourceRole role;
    Timestamp due{};
    std::string revision{};         // Read last.
    std::set<std::string> files{};  // With the source's prefix.
    SignatureQuestion signature{};  // Of what was read last.
    std::set<std::string> sites{};  // That its files concern, or once did.
    std::string problem{};          // Told last.
    Timestamp since{};              // Of `problem`.
    bool busy = false;
    bool asked = false;  // Once, whatever came of it.
    bool begun = false;  // What was in force before this process is known, or that nothing was.
    bool waits = false;  // For the platform's other sources.
  };

  Source* due_source(Timestamp now);
  void poll(Source& source);
  bool begin(Source& source, const std::string& revision);
  void begin_anew(Source& source, const ManifestChanges& newest);
  void note_begun(Source& source);
  std::set<std::string> roots_with(const Source& source, const ManifestChanges& newest) const;
  bool waits_for_others(const Source& source) const;
  bool must_wait(const Source& source) const;
  void note_problem(Source& source, const std::string& problem);
  void apply(Source& source, ManifestChanges changes);
  std::set<std::string> renamed(const Source& source, ManifestChanges& changes) const;
  std::set<std::string> bound(const Fleet& before, const Fleet& after,
                              const ManifestChanges& changes);
  void note_in_force();
  void tell_changes(const Source& source, const ManifestChanges& changes, const Fleet& after,
                    std::size_t sites);

  const Clock& clock_;
  Chronicle& chronicle_;
  const std::function<double()> jitter_;
  const std::function<void(const std::string& site, Lane)> wake_;

  std::mutex applying_;       // One source's changes after the other's. Taken before mutex_.
  mutable std::mutex mutex_;  // For everything below.
  std::vector<Source> sources_;
  std::shared_ptr<const Fleet> fleet_;
  WithheldSites withheld_;
  std::atomic<bool> all_read_{false};
};

}  // namespace tidegate
