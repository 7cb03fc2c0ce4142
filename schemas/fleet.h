#pragma once
// From the texts of one manifests tree to a Fleet: every site as it should be, and every problem.
// Immutable. The next commit's Fleet is made from the last one and the files that changed, so its
// cost follows what changed.

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schemas/signed_site.h"
#include "schemas/site.h"

namespace tidegate {

/// Something wrong (or doubtful) in a manifest. `file:line:column: path: text`.
struct Problem {
  std::string file;
  int line = 1, column = 1;  ///< Both count from 1.
  std::string
      path;  ///< JSON-like path of the field, e.g. "spec.content.source"; "" for the document.
  std::string text;
  bool warning = false;
  auto operator<=>(const Problem&) const = default;
};
std::string to_string(const Problem& problem);

/// One file of the tree that is new, changed, or (no text) gone.
struct FileChange {
  std::string path;  ///< Relative to the manifests tree; decides the order of documents.
  std::optional<std::string> text;
  /// Who brought this change, where the source can tell: what a rule about signed manifests asks
  /// the signatures of. Empty: nobody can answer for the file.
  std::vector<CommitId> commits{};
};

/// What one source of manifests may say. A platform source says everything; what is below `prefix`
/// bounds a source of site teams, which brings Site and Environment documents alone.
struct SourceRole {
  std::string name;
  bool platform = true;
  std::string prefix;                         ///< Of its files' paths, e.g. "fleet/".
  std::vector<std::string> sites;             ///< Globs of the sites' names.
  std::vector<std::string> classes, drivers;  ///< That its own documents may name.
  bool local_repositories = false;  ///< Its sites' code may come from this machine's own files.
  std::set<std::string> files{};    ///< That it gave wherever they lie, until they come anew.
  bool operator==(const SourceRole&) const = default;
};

/// Whether a time zone of good form is one: known to whoever has a data base of them.
using KnowsZone = bool (*)(const std::string& zone);

class Fleet {
 public:
  /// An empty fleet: no file, no site. All that comes is the platform's. Without `knows_zone` the
  /// form of time zones alone counts.
  explicit Fleet(KnowsZone knows_zone = nullptr);

  /// The same files as these sources', each under its role. Where two of them give one site, the
  /// one that had it keeps it, and the other's documents are errors; on a source's first reading
  /// platform sources come first, then the order here. Until a platform source was read, and one
  /// that would come before a site's own, nothing may start there (`Governance::unreadable`).
  Fleet with_sources(std::vector<SourceRole> sources) const;

  /// The fleet after `changes`, stamped with the commit and author that brought them. Sites whose
  /// effective value is unchanged keep the very same pointer. A site whose documents, class or
  /// driver became broken keeps its last good value, with `invalid` set; one that never was good is
  /// absent, and is told of in problems(). `source` is the one that was read, when there are
  /// several.
  Fleet with(const std::vector<FileChange>& changes, const std::string& revision,
             const std::string& author, const std::string& source = "") const;

  const std::map<std::string, std::shared_ptr<const Site>>& sites() const;
  std::shared_ptr<const Site> find(const std::string& site) const;
  /// The same, each site with who vouches for its manifests where a rule asks.
  Fleet with_signatures(const SignatureQuestion& ask) const;

  /// Every problem and warning, ordered by file, line, column.
  std::vector<Problem> problems() const;
  /// Problems that keep this site (known or not) from its newest documents.
  std::vector<Problem> problems_of(const std::string& site) const;
  /// The first of them and how many more there are, as Site::invalid says it; "" when there is
  /// none.
  std::string invalid(const std::string& site) const;
  /// Problems and warnings of this site, of the class and drivers it names, and of its files where
  /// they belong to no site.
  std::vector<Problem> problems_concerning(const std::string& site) const;
  /// Errors that belong to no site: of files, and of documents that cannot be told apart.
  std::vector<Problem> problems_of_none() const;
  /// Names of all sites that documents speak of, good or broken.
  std::set<std::string> named_sites() const;

  /// Of documents that say something of this site, its class and its drivers, now or until the last
  /// change of it; sorted.
  std::vector<std::string> files_of(const std::string& site) const;
  /// Manifest commits that policies acknowledge, whatever they strike; 40 hex digits each.
  std::set<std::string> acknowledged_commits() const;
  /// Of Policies with a rule about what one commit may strike.
  std::set<std::string> files_of_blast_radius() const;
  /// What the platform team says of a site, be it declared here or no more. Never null.
  std::shared_ptr<const Governance> governance_of(const Site& site) const;

  /// Of the drivers that documents declare.
  std::set<std::string> roots() const;

  const std::string& revision() const;  ///< "" before the first commit.
  /// The file that holds the document of that environment; "" for none.
  std::string file_of(const std::string& site, const std::string& environment) const;
  /// Paths of the files it was made from.
  std::set<std::string> files() const;

  /// Names of the sites whose effective value, governance or problems differ between two fleets.
  static std::set<std::string> changed(const Fleet& before, const Fleet& after);

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// The effective value of a site with its environments as YAML: defaults, class and presets merged.
std::string effective_yaml(const Site& site);

/// File names read as manifests: *.yaml, *.yml; hidden files and folders (".git") are not, nor are
/// examples of policies.
bool is_manifest_path(const std::string& path);
/// File names of examples of policies: *.case.yaml, *.case.yml. See schemas/policy_case.h.
bool is_policy_case_path(const std::string& path);

}  // namespace tidegate
