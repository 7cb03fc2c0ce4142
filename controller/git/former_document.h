#pragma once
// What an Environment document said before the commit that made it say what it says: looked up in
// the history of the branch it is read from.

#include <optional>
#include <string>

#include "controller/git/repository.h"
#include "schemas/result.h"

namespace tidegate {

struct FormerDocument {
  CommitId asked;  ///< The newest commit that made the document say what it says.
  CommitFacts facts;
  std::optional<std::string> text;  ///< Before it; nothing when it was not there.
};

/// A manifest's text in a commit; nothing when there is no such file, or none of a manifest's size.
std::optional<std::string> manifest_in(const GitRepository& repository, const CommitId& commit,
                                       const std::string& path);

/// Goes back from `from`, where the file at `path` holds the document, along what the branch was
/// (each commit's first parent): to the newest commit that changed what the document says, however
/// it was written since, and whichever file had it. invalid: the document is not there, or none of
/// the last 10 000 commits changed it.
Result<FormerDocument> former_document(const GitRepository& repository, const CommitId& from,
                                       const std::string& path, const std::string& site,
                                       const std::string& environment);

}  // namespace tidegate
