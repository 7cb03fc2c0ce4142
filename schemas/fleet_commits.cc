// Which commits a site rests on, for rules that ask who signed them.
#include <algorithm>

#include "schemas/fleet_state.h"
#include "schemas/signed_site.h"

namespace tidegate {
void FleetEdit::add_commits(const std::string& file, std::set<CommitId>& commits) const {
  const auto there = state_.files.find(file);
  const auto gone = gone_.find(file);
  if (there)
    commits.insert(there->commits.begin(), there->commits.end());
  else if (gone != gone_.end())
    commits.insert(gone->second.begin(), gone->second.end());
  // Of a file nobody answers for: an id that is no commit's, so that no signature fits.
  if (there && there->commits.empty()) commits.insert(CommitId{});
}

// What was taken out of a file counts as much as what is in it: files that held a document of the
// site until now are asked too.
void FleetEdit::note_files(SiteEntry& entry, const DocumentList& documents) const {
  std::set<std::string> files;
  const auto before = state_.entries.find(entry.documents.front()->key.owner());
  if (before)
    for (const auto& document : before->documents)
      if (std::ranges::binary_search(before->files, document->file)) files.insert(document->file);
  const auto note = [&](const DocumentList& list) {
    for (const auto& document : list) files.insert(document->file);
  };
  note(documents);
  const auto note_shared = [&](const SharedEntries& entries, const std::string& name) {
    const auto found = entries.find(name);
    if (found != entries.end()) note(found->second->documents);
  };
  note_shared(state_.classes, entry.site_class);
  for (const std::string& driver : entry.drivers) note_shared(state_.drivers, driver);
  entry.files.assign(files.begin(), files.end());
}

std::vector<CommitId> FleetEdit::commits_of(const SiteEntry& entry,
                                            const Governance& governance) const {
  if (!asks_for_signed_manifests(governance)) return {};
  std::set<CommitId> commits;
  for (const std::string& file : entry.files) add_commits(file, commits);
  const auto note = [&](DocumentKind kind, const auto& values) {
    for (const auto& value : values) {
      const auto found = rulebook_.book().entries.find({kind, "", value->name});
      if (found == rulebook_.book().entries.end()) continue;
      for (const auto& document : found->second->documents) add_commits(document->file, commits);
    }
  };
  note(DocumentKind::policy, governance.policies);
  note(DocumentKind::freeze, governance.freezes);
  note(DocumentKind::grant, governance.grants);
  return {commits.begin(), commits.end()};
}

}  // namespace tidegate
