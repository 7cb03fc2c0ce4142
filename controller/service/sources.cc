#include "controller/service/sources.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "controller/calendar/clock.h"
#include "controller/git/clone.h"
#include "controller/git/tree_rules.h"
#include "controller/signatures/signatures.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration transfer_deadline = 2min;  // Manifests are small.

ManifestChanges to_changes(Snapshot snapshot) {
  return {snapshot.commit.hex, snapshot.author,    std::move(snapshot.changes),
          snapshot.complete,   snapshot.rewritten, {}};
}

}  // namespace

/// Lives as long as anybody who asks.
struct GitSource::Verdicts {
  SystemClock clock;
  Signatures signatures{clock};
};

GitSource::GitSource(SourceSettings settings, Secrets secrets, std::string mirrors)
    : settings_(std::move(settings)),
      secrets_(std::move(secrets)),
      mirrors_(std::move(mirrors)),
      verdicts_(std::make_shared<Verdicts>()) {}

Result<Mirror> GitSource::mirror() const {
  auto credentials = credentials_for(settings_.url, settings_.credentials, secrets_, "");
  if (!credentials) return std::move(credentials.error());
  return Mirror(mirrors_, settings_.url, *credentials, transfer_deadline);
}

Result<std::optional<ManifestChanges>> GitSource::changed_since(const std::string& revision) {
  auto mirror = this->mirror();
  if (!mirror) return std::move(mirror.error());
  GitManifests manifests(*mirror, settings_.ref, settings_.path);
  auto snapshot =
      manifests.changed_since(revision.empty() ? std::nullopt : std::optional(CommitId{revision}));
  if (!snapshot) return std::move(snapshot.error());
  if (!*snapshot) return std::optional<ManifestChanges>{};
  if ((*snapshot)->complete) first_ = (*snapshot)->commit;
  auto answer = question(*mirror, (*snapshot)->commit);
  auto changes = to_changes(std::move(**snapshot));
  changes.signature = std::move(answer);
  return std::optional(std::move(changes));
}

Result<ManifestChanges> GitSource::as_of(const std::string& revision) {
  auto mirror = this->mirror();
  if (!mirror) return std::move(mirror.error());
  auto repository = mirror->open();
  if (!repository) return std::move(repository.error());
  const auto folder = tree_path(settings_.path);
  if (!folder || !repository->has({revision}))
    return Error{ErrorKind::invalid, "commit \"" + CommitId{revision}.brief() + "\" is not there"};
  auto snapshot = manifests_at(*repository, settings_.url, {revision}, *folder);
  if (!snapshot) return std::move(snapshot.error());
  first_ = snapshot->commit;
  auto changes = to_changes(std::move(*snapshot));
  changes.signature = question(*mirror, CommitId{revision});
  return changes;
}

SignatureQuestion GitSource::question(const Mirror& mirror, const CommitId& head) const {
  return [mirror, head, first = first_, secrets = secrets_, verdicts = verdicts_](
             const CommitId& commit, const SecretRef& list) -> std::optional<SignatureFact> {
    auto repository = mirror.open();
    if (!repository || !repository->has(commit)) return std::nullopt;
    const auto allowed = secrets.read(list, "");
    if (!allowed) return SignatureFact{false, "", allowed.error().message};
    const SignatureFact fact = verdicts->signatures.of(*repository, commit, *allowed);
    if (fact.valid || commit != first || !repository->is_ancestor(commit, head)) return fact;
    const SignatureFact tip = verdicts->signatures.of(*repository, head, *allowed);
    return tip.valid ? tip : fact;
  };
}

Result<std::optional<SourceSettings>> remote_manifests(const std::string& directory_or_url) {
  const std::string& text = directory_or_url;
  struct stat facts {};
  if (::stat(text.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode))
    return std::optional<SourceSettings>();
  // A user's name may stand before the host: only what follows the path is a REF.
  const auto scheme = text.find("://");
  const auto path = text.find('/', scheme == text.npos ? 0 : scheme + 3);
  const auto at = text.rfind('@');
  const bool names_ref = at != text.npos && path < at && text.find(':', at) == text.npos;
  if (names_ref) {
    SourceSettings settings;
    settings.name = "manifests";
    settings.url = text.substr(0, at);
    settings.ref = text.substr(at + 1);
    return std::optional(std::move(settings));
  }
  if (scheme != text.npos || (at != text.npos && text.find(':', at) < path))
    return Error{ErrorKind::invalid, "\"" + text +
                                         "\" names no branch, tag or commit; add one after an @, "
                                         "as in \"" +
                                         text + "@main\""};
  return std::optional<SourceSettings>();
}

std::string absolute_manifests(const std::string& directory_or_url) {
  const auto remote = remote_manifests(directory_or_url);
  if (!remote || *remote) return directory_or_url;
  return std::filesystem::absolute(directory_or_url).lexically_normal();
}

namespace {

/// The commit that a directory's work tree is at, when these are its manifests.
ManifestChanges at_head(const std::string& directory, std::vector<FileChange> files) {
  ManifestChanges out{"", "", std::move(files), true, false, {}};
  const auto place = clone_around(directory);
  if (!place || !place->head) return out;
  auto repository = GitRepository::open(place->repository);
  const auto folder = tree_path(place->below);
  if (!repository || !folder) return out;
  auto committed = manifests_at(*repository, place->repository, *place->head, *folder);
  const auto same = [](const FileChange& a, const FileChange& b) {
    return a.path == b.path && a.text == b.text;
  };
  if (!committed || !std::ranges::equal(committed->changes, out.changes, same)) return out;
  out.revision = committed->commit.hex;
  out.author = committed->author;
  return out;
}

}  // namespace

Result<ManifestChanges> read_manifests(const std::string& directory_or_url, const Secrets& secrets,
                                       const std::string& mirrors) {
  auto remote = remote_manifests(directory_or_url);
  if (!remote) return std::move(remote.error());
  if (*remote) {
    auto changes = GitSource(std::move(**remote), secrets, mirrors).changed_since("");
    if (!changes) return std::move(changes.error()).within(directory_or_url);
    return std::move(**changes);
  }
  auto files = read_directory(directory_or_url);
  if (!files) return std::move(files.error());
  if (files->empty())
    return Error{ErrorKind::invalid, "no manifest (*.yaml, *.yml) lies below \"" +
                                         directory_or_url + "\"; nothing is changed"};
  return at_head(directory_or_url, std::move(*files));
}

namespace {

constexpr std::pair<const char*, std::string ManifestsOrigin::*> origin_keys[] = {
    {"config", &ManifestsOrigin::config},
    {"manifests", &ManifestsOrigin::manifests},
    {"secrets", &ManifestsOrigin::secrets}};

}  // namespace

void remember_origin(Store& store, const ManifestsOrigin& origin) {
  // A mere convenience: a store that cannot be written is told of with the history.
  for (const auto& [key, field] : origin_keys)
    static_cast<void>(store.remember(key, origin.*field));
}

ManifestsOrigin recall_origin(Store& store) {
  ManifestsOrigin out;
  for (const auto& [key, field] : origin_keys)
    if (auto value = store.recall(key); value && *value) out.*field = **value;
  return out;
}

}  // namespace tidegate
