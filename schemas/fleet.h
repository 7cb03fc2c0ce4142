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
};

/// Whether a time zone of good form is one: known to whoever has a data base of them.
using KnowsZone = bool (*)(const std::string& zone);

class Fleet {
 public:
  /// An empty fleet: no file, no site. Without `knows_zone` the form of time zones alone counts.
  explicit Fleet(KnowsZone knows_zone = nullptr);

  /// The fleet after `changes`, stamped with the commit and author that brought them. Sites whose
  /// effective value is unchanged keep the very same pointer. A site whose documents, class or
  /// driver became broken keeps its last good value, with `invalid` set; one that never was good is
  /// absent, and is told of in problems().
  Fleet with(const std::vector<FileChange>& changes, const std::string& revision,
             const std::string& author) const;

  const std::map<std::string, std::shared_ptr<const Site>>& sites() const;
  std::shared_ptr<const Site> find(const std::string& site) const;

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

  const std::string& revision() const;  ///< "" before the first commit.
  /// Paths of the files it was made from.
  std::set<std::string> files() const;

  /// Names of the sites whose effective value, or whose problems, differ between two fleets.
  static std::set<std::string> changed(const Fleet& before, const Fleet& after);

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// The effective value of a site with its environments as YAML: defaults, class and presets merged.
std::string effective_yaml(const Site& site);

/// File names read as manifests: *.yaml, *.yml; hidden files and folders (".git") are not.
bool is_manifest_path(const std::string& path);

}  // namespace tidegate
