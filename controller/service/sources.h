#pragma once
// Manifest sources as the loop wants them: a git repository, or a plain directory.

#include <memory>
#include <string>

#include "controller/git/source.h"
#include "controller/loop/ports.h"
#include "controller/secrets/credentials.h"
#include "controller/service/configuration.h"
#include "controller/store/store.h"

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
  Result<ManifestChanges> as_of(const std::string& revision) override;
  /// The mirror as last refreshed.
  Result<Mirror> mirror() const;
  const SourceSettings& settings() const { return settings_; }

 private:
  SignatureQuestion question(const Mirror& mirror, const CommitId& head) const;

  const SourceSettings settings_;
  const Secrets secrets_;
  const std::string mirrors_;
  struct Verdicts;
  const std::shared_ptr<Verdicts> verdicts_;
  std::optional<CommitId> first_;  // Read as a whole.
};

/// "URL@REF" taken apart; nothing for a directory. `invalid`: a URL that names no REF.
Result<std::optional<SourceSettings>> remote_manifests(const std::string& directory_or_url);

/// The same wherever a later command is started.
std::string absolute_manifests(const std::string& directory_or_url);

/// A directory or "URL@REF" of manifests, read once. `mirrors`: where a git URL is fetched to.
/// Revision and author are "" for a directory that lies in no clone, or whose manifests are not
/// what the commit there holds. None at all are an error, never "everything is gone".
Result<ManifestChanges> read_manifests(const std::string& directory_or_url, const Secrets& secrets,
                                       const std::string& mirrors);

/// Where the manifests of the last `apply` or controller came from, kept in its store so that later
/// commands need no word of it: a configuration file, or a directory or URL@REF with its secrets.
struct ManifestsOrigin {
  std::string config, manifests, secrets;  ///< Absolute; "" where there is none.
};
void remember_origin(Store& store, const ManifestsOrigin& origin);
ManifestsOrigin recall_origin(Store& store);

}  // namespace tidegate
