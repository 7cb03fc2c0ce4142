#include "controller/service/sources.h"

#include <sys/stat.h>

#include <filesystem>

#include "controller/calendar/clock.h"
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

DirectoryRevision revision_of(const std::string& directory) {
  std::error_code error;
  auto at = std::filesystem::absolute(directory, error).lexically_normal();
  for (; !error && at.has_relative_path(); at = at.parent_path()) {
    if (std::filesystem::exists(at / ".git", error)) break;
  }
  if (error || !at.has_relative_path()) return {};
  auto repository = GitRepository::open(at);
  if (!repository) return {};
  const auto head = repository->resolve("HEAD");
  if (!head) return {};
  auto facts = repository->facts(*head);
  return {head->hex, facts ? facts->author : ""};
}

Result<ManifestChanges> read_manifests(const std::string& directory_or_url, const Secrets& secrets,
                                       const std::string& mirrors) {
  struct stat facts {};
  const bool is_directory = ::stat(directory_or_url.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
  const auto at = directory_or_url.rfind('@');
  if (!is_directory && at != std::string::npos && directory_or_url.find('/') != std::string::npos) {
    SourceSettings settings;
    settings.name = "manifests";
    settings.url = directory_or_url.substr(0, at);
    settings.ref = directory_or_url.substr(at + 1);
    auto changes = GitSource(settings, secrets, mirrors).changed_since("");
    if (!changes) return std::move(changes.error()).within(directory_or_url);
    return std::move(**changes);
  }
  auto files = read_directory(directory_or_url);
  if (!files) return std::move(files.error());
  const auto revision = revision_of(directory_or_url);
  return ManifestChanges{revision.revision, revision.author, std::move(*files), true, false, {}};
}

}  // namespace tidegate
