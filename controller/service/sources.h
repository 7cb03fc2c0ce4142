#pragma once
// Manifest sources as the loop wants them: a git repository, or a plain directory.

#include <memory>
#include <string>

#include "controller/git/source.h"
#include "controller/loop/ports.h"
#include "controller/secrets/credentials.h"
#include "controller/service/configuration.h"

namespace tidegate {

class GitSource : public ManifestSource {
 public:
  /// Mirrors are kept below `mirrors`. Secrets are read at each look, so that a changed token
  /// works.
  GitSource(SourceSettings settings, Secrets secrets, std::string mirrors);
  std::string name() const override { return settings_.name; }
  /// `changes.signature` answers for commits of the mirror as it is then. Of what was read as a
  /// whole (the first time, and after a restart) the tip alone is asked for, whoever wrote what is
  /// below it; so a later tip that is signed vouches for that as well. From then on each file is
  /// answered for by every commit that touched it since.
  Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) override;
  /// The mirror as last refreshed.
  Result<Mirror> mirror() const;

 private:
  SignatureQuestion question(const Mirror& mirror, const CommitId& head) const;

  const SourceSettings settings_;
  const Secrets secrets_;
  const std::string mirrors_;
  struct Verdicts;
  const std::shared_ptr<Verdicts> verdicts_;
  std::optional<CommitId> first_;  // Read as a whole.
};

/// The revision and author of the commit that a directory's work tree is at; "" outside of one.
struct DirectoryRevision {
  std::string revision, author;
};
DirectoryRevision revision_of(const std::string& directory);

/// A directory or "URL@REF" of manifests, read once. `mirrors`: where a git URL is fetched to.
Result<ManifestChanges> read_manifests(const std::string& directory_or_url, const Secrets& secrets,
                                       const std::string& mirrors);

}  // namespace tidegate
