#pragma once
// What a Fleet is made of, and how the next one comes from it. For fleet.cc and fleet_edit.cc
// alone.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "schemas/documents.h"
#include "schemas/effective.h"
#include "schemas/fleet.h"
#include "schemas/rulebook.h"
#include "schemas/shards.h"

namespace tidegate {

/// All that documents say of one site, known or not.
struct SiteEntry {
  DocumentList documents;            ///< Never empty.
  std::string owner;                 ///< Name of the source that gives it, among several.
  std::vector<Problem> strangers;    ///< Documents of other sources: told of, and no more.
  std::shared_ptr<const Site> good;  ///< Its newest good value; absent when there never was one.
  std::vector<Problem> problems;     ///< Everything that keeps it from its documents, and warnings.
  std::string site_class;            ///< What it names: a change there concerns it.
  std::set<std::string> drivers;
  std::vector<std::string> files;  ///< Of its own documents, its class and its drivers; sorted,
                                   ///< with those that were so until the last change.
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
  Rulebook rulebook{};

  std::vector<SourceRole> sources{};  ///< Platform sources first; empty: all is the platform's.
  std::set<std::string> read{};       ///< Names of those that were read.
  std::map<std::string, std::vector<Problem>>
      refused{};  ///< By file: what its source may not give.
};

bool has_site_document(const SiteEntry& entry);
/// The first error of a list and how many more there are; "" when there is none.
std::string summary(const std::vector<Problem>& problems);

/// One change of files in the making: replace files, then settle.
class FleetEdit {
 public:
  FleetEdit(const FleetState& before, const std::string& revision, const std::string& author);

  /// This source is being read.
  void arrive(const std::string& source);
  /// Every file is judged anew as one of these sources'.
  void redistribute(std::vector<SourceRole> sources);
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
  void merge(SiteEntry& entry, const DocumentList& documents, const Document& site,
             std::vector<Effective>& result);
  void tell_unknown_site(SiteEntry& entry, const std::string& name);
  void note_uses(const std::string& site, const SiteEntry* before, const SiteEntry* after);
  std::shared_ptr<const Site> next_good(const SiteEntry& entry, std::vector<Effective>& merged);
  std::vector<std::string_view> given_sites() const;
  bool any_site() const;
  std::string site_near(const std::string& name);

  // Sources and rules: fleet_rules.cc.
  std::optional<Problem> refusal(const Document& document) const;
  std::optional<std::size_t> owner_of(const SiteEntry& entry) const;
  DocumentList own_documents(SiteEntry& entry, const std::string& name);
  void judge_names(SiteEntry& entry, const Document& document) const;
  std::vector<std::string> waits_for(const std::string& site, const std::string& owner) const;
  std::shared_ptr<const Governance> govern(const SiteEntry& entry, const Site& site);
  void govern_others(const std::set<std::string>& settled);
  void check_grants(const std::set<std::string>& settled);
  std::vector<Problem> unknown_names(const GrantManifest& manifest, const std::string& file);

  // Commits: fleet_commits.cc.
  void add_commits(const std::string& file, std::set<CommitId>& commits) const;
  void note_files(SiteEntry& entry, const DocumentList& documents) const;
  std::vector<CommitId> commits_of(const SiteEntry& entry, const Governance& governance) const;

  FleetState state_;
  RulebookEdit rulebook_;
  std::string author_;
  std::string first_read_;  // The source that is read for the first time.
  std::map<std::string, std::vector<CommitId>> gone_;  // Who took files away.
  bool had_drivers_, had_sites_;
  int suggestions_left_;
  std::map<std::string, std::shared_ptr<SiteEntry>> touched_sites_;
  // Copies that this edit owns, by kind and name.
  std::map<std::pair<DocumentKind, std::string>, std::shared_ptr<SharedEntry>> touched_shared_;
  std::set<std::pair<DocumentKind, std::string>> changed_shared_;
};

}  // namespace tidegate
