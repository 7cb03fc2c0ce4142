#pragma once
// What a Fleet is made of, and how the next one comes from it. For fleet.cc and fleet_edit.cc
// alone.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "schemas/effective.h"
#include "schemas/fleet.h"
#include "schemas/manifest.h"
#include "schemas/shards.h"

namespace tidegate {

using DocumentList = std::vector<std::shared_ptr<const Document>>;  // by file, then position

/// All that documents say of one site, known or not.
struct SiteEntry {
  DocumentList documents;            ///< Never empty.
  std::shared_ptr<const Site> good;  ///< Its newest good value; absent when there never was one.
  std::vector<Problem> problems;     ///< Everything that keeps it from its documents, and warnings.
  std::string site_class;            ///< What it names: a change there concerns it.
  std::set<std::string> drivers;
};

/// A class or a driver, with the sites that name it, whether it exists or not.
struct SharedEntry {
  DocumentList documents;
  std::set<std::string> users;
};
using SharedEntries = std::map<std::string, std::shared_ptr<const SharedEntry>>;

struct FleetState {
  KnowsZone knows_zone = nullptr;
  std::string revision{};
  Shards<ManifestFile> files{};
  Shards<SiteEntry> entries{};
  SharedEntries classes{}, drivers{};
  Drivers driver_specs{};  ///< Of `drivers`, those that have a document.
  std::map<std::string, std::shared_ptr<const Site>> sites{};
};

/// Duplicates among documents: told at the later one.
std::vector<Problem> duplicates(const DocumentList& documents);
/// The first error of a list and how many more there are; "" when there is none.
std::string summary(const std::vector<Problem>& problems);
/// The document, when there is exactly one and it is good.
const Document* only_good(const DocumentList& documents);

/// One change of files in the making: replace files, then settle.
class FleetEdit {
 public:
  FleetEdit(const FleetState& before, const std::string& revision, const std::string& author);

  void replace(const FileChange& change);
  /// Works out every site that the replaced files concern.
  FleetState settle();

 private:
  void drop(const Document& document);
  void add(const std::shared_ptr<const Document>& document);
  void keep_owners(ManifestFile& file, const ManifestFile* before) const;
  DocumentList& documents_of(const DocumentKey& key);
  SharedEntry& shared(DocumentKind kind, const std::string& name);
  void settle_shared();
  std::set<std::string> concerned_sites() const;
  void settle_site(const std::string& name);
  void judge(SiteEntry& entry, const std::string& name);
  void merge(SiteEntry& entry, const Document& site, std::vector<Effective>& result);
  void tell_unknown_site(SiteEntry& entry, const std::string& name);
  void note_uses(const std::string& site, const SiteEntry* before, const SiteEntry* after);
  std::shared_ptr<const Site> next_good(const SiteEntry& entry,
                                        std::vector<Effective>& merged) const;

  FleetState state_;
  std::string author_;
  bool had_drivers_;
  int suggestions_left_;
  std::map<std::string, std::shared_ptr<SiteEntry>> touched_sites_;
  // Copies that this edit owns, by kind and name.
  std::map<std::pair<DocumentKind, std::string>, std::shared_ptr<SharedEntry>> touched_shared_;
  std::set<std::pair<DocumentKind, std::string>> changed_shared_;
};

}  // namespace tidegate
