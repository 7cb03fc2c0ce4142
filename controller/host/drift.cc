#include "controller/host/drift.h"

#include <sys/stat.h>

#include <algorithm>

#include "controller/host/builds.h"
#include "controller/host/files/durable.h"
#include "schemas/digest.h"

namespace tidegate {
namespace {

constexpr std::size_t environment_bytes_max = 1 << 20;
constexpr std::size_t told_max = 20;

std::vector<ContentPlaces::Link> links_of(const ReleaseRecord& release) {
  std::vector<ContentPlaces::Link> links;
  const auto set = release.content.find(Part::files);
  if (set == release.content.end()) return links;
  for (const auto& [name, directory] : set->second.items)
    links.push_back({set->second.declared.at(name), directory});
  return links;
}

/// The file of variables, whose text is no part of any message: it holds secrets.
Result<std::vector<Change>> changes_in_variables(const Place& place, const ReleaseRecord& release) {
  auto variables = place.variables(release);
  if (!variables) return std::vector<Change>{};  // What is missing is told where it is declared.
  const std::string path = place.layout.release(release.id) + "/environment";
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0)
    return std::vector<Change>{{"../environment", ChangeKind::removed}};
  if (!S_ISREG(found.st_mode)) return std::vector<Change>{{"../environment", ChangeKind::type}};
  if ((found.st_mode & 07777) != environment_mode)
    return std::vector<Change>{{"../environment", ChangeKind::mode}};
  auto text = read_small(path, environment_bytes_max);
  if (!text) return std::move(text.error());
  if (*text == environment_text(*variables)) return std::vector<Change>{};
  return std::vector<Change>{{"../environment", ChangeKind::changed}};
}

/// Whether a commit has at a path what is there now.
bool has_now(const GitRepository& repository, const CommitId& commit, const HandChange& change) {
  auto files = repository.list(commit, change.path);
  const auto entry = files ? std::ranges::find(*files, change.path, &TrackedFile::path)
                           : std::vector<TrackedFile>::iterator{};
  if (!files) return change.mode == 0 && !repository.has_path(commit, change.path);
  if (entry == files->end()) return change.mode == 0;
  if (entry->mode != change.mode) return false;
  auto bytes = repository.read_blob(entry->blob, hand_bytes_max);
  return bytes && sha256_hex(*bytes) == change.sha256;
}

/// The commit that a branch points at, where it is another than what the release was made of.
std::optional<CommitId> followed(const Place& place, const ReleaseRecord& release) {
  const auto* branch = std::get_if<BranchName>(&place.environment.code);
  if (!branch) return std::nullopt;
  const auto known = place.services.repositories.known(place.site, mirrors_of(place.site));
  const auto head = known.refs->find("refs/heads/" + branch->text);
  if (head == known.refs->end() || head->second == release.commit) return std::nullopt;
  return head->second;
}

ByHand record_of(const Place& place, const ReleaseRecord& release, std::vector<HandChange> changes,
                 const std::optional<Drift>& before) {
  ByHand out{summary_of(changes), digest_of(changes), {}, {}, false};
  if (before && before->by_hand) {
    const bool same = before->by_hand->digest == out.digest;
    out.base = before->by_hand->base;
    out.discarded = same && before->by_hand->discarded;
    if (same) out.committed = before->by_hand->committed;
  }
  const auto head = followed(place, release);
  if (!out.committed.hex.empty() || !head) return out;
  auto repository = place.services.repositories.open(place.site, mirrors_of(place.site));
  if (!repository || !repository->has(*head)) return out;
  std::erase_if(changes, [&](const HandChange& c) { return has_now(*repository, *head, c); });
  if (changes.empty())
    out.committed = out.base = *head;
  else
    out.summary = summary_of(changes);
  return out;
}

}  // namespace

ContentPlaces places_of(const Place& place, const ReleaseRecord& release) {
  ContentPlaces places;
  places.writable = place.site.application.writable;
  places.owner = place.user;
  const auto set = release.content.find(Part::files);
  if (set == release.content.end()) return places;
  for (const auto& declared : place.site.files) {
    auto item = set->second.items.find(declared.name);
    if (item != set->second.items.end()) places.files.push_back({declared.path, item->second});
  }
  return places;
}

Result<std::optional<TreeManifest>> manifest_of(const EnvironmentLayout& layout,
                                                const ReleaseRecord& release) {
  if (release.writable) {
    auto own = load_manifest(layout.code_manifest(release.id));
    if (own && *own) return own;
  }
  auto manifest = load_manifest(build_manifest(layout, release.build));
  if (!release.writable || !manifest) return manifest;
  if (*manifest) return std::optional(as_writable(std::move(**manifest)));
  return Error{ErrorKind::invalid, "what was changed by hand in release " + release.id +
                                       " cannot be told: its build \"" +
                                       build_directory(layout, release.build) +
                                       "\" is gone; bring it back"};
}

Result<ReleaseChanges> changes_in(const Place& place, const ReleaseRecord& release, bool renew) {
  ReleaseChanges out;
  auto manifest = manifest_of(place.layout, release);
  if (!manifest) return std::move(manifest.error());
  out.known = manifest->has_value();
  const std::string code = place.layout.code(release.id);
  struct stat found {};
  if (::lstat(code.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
    out.rest.push_back({".", ChangeKind::removed});
    return out;
  }
  const auto inputs = inputs_digest(place.site, place.environment, place.services.secrets);
  const bool as_declared = inputs && *inputs == release.inputs;
  ContentPlaces places = places_of(place, release);
  if (as_declared) {
    auto moved = scan_places(code, places);
    if (!moved) return std::move(moved.error());
    out.rest = std::move(*moved);
    auto variables = changes_in_variables(place, release);
    if (!variables) return std::move(variables.error());
    std::ranges::copy(*variables, std::back_inserter(out.rest));
  } else {
    places.files = links_of(release);
  }
  if (!out.known) return out;
  auto changes = scan(code, **manifest, excluded_paths(places), false);
  if (!changes) return std::move(changes.error());
  out.code = std::move(*changes);
  if (renew && (*manifest)->renewed && (out.code.empty() || release.writable)) {
    const std::string path = release.writable ? place.layout.code_manifest(release.id)
                                              : build_manifest(place.layout, release.build);
    if (auto saved = save(**manifest, path); !saved) return std::move(saved.error());
  }
  return out;
}

Result<std::vector<HandChange>> hand_changes_in(const Place& place, const ReleaseRecord& release,
                                                const ReleaseChanges& changes) {
  if (!release.writable || changes.code.empty()) return std::vector<HandChange>{};
  auto manifest = manifest_of(place.layout, release);
  if (!manifest) return std::move(manifest.error());
  const std::string build = build_directory(place.layout, release.build);
  return hand_changes(place.layout.code(release.id), **manifest, changes.code,
                      originals_in(build, **manifest));
}

Result<std::optional<Drift>> look_for_drift(const Place& place, const ReleaseRecord& release,
                                            const std::optional<Drift>& before, bool renew) {
  auto changes = changes_in(place, release, renew);
  if (!changes) return std::move(changes.error());
  auto by_hand = hand_changes_in(place, release, *changes);
  if (!by_hand) return std::move(by_hand.error());
  if (release.writable) {  // What no commit can have is nothing that is kept or healed.
    std::erase_if(changes->code, [&](const Change& change) {
      return std::ranges::find(*by_hand, change.path, &HandChange::path) == by_hand->end();
    });
  }
  if (changes->none()) return std::optional<Drift>{};
  Drift drift{place.services.clock.now(), changes->rest.size() + changes->code.size(), {}};
  for (const auto* part : {&changes->rest, &changes->code}) {
    for (const Change& change : *part) {
      if (drift.first.size() < told_max)
        drift.first.push_back(std::string(to_string(change.kind)) + " " + change.path);
    }
  }
  if (!by_hand->empty()) drift.by_hand = record_of(place, release, *by_hand, before);
  return std::optional(std::move(drift));
}

bool same_drift(const std::optional<Drift>& one, const std::optional<Drift>& other) {
  return one.has_value() == other.has_value() &&
         (!one || (one->first == other->first && one->by_hand == other->by_hand));
}

Result<std::vector<std::string>> keep_aside(const EnvironmentLayout& layout,
                                            const ReleaseRecord& release) {
  std::vector<std::string> kept;
  for (const auto& link : links_of(release)) {
    auto replaced = is_replaced(layout.code(release.id), link.path);
    if (!replaced) return std::move(replaced.error());
    if (!*replaced) continue;
    // What is no content of this release, its code may have there.
    auto manifest = load_manifest(build_manifest(layout, release.build));
    if (manifest && *manifest && has_below(**manifest, link.path)) continue;
    const std::string aside = layout.aside(release.id) + "/" + link.path;
    if (auto made = make_directory(aside.substr(0, aside.rfind('/')), 0755); !made)
      return std::move(made.error());
    if (auto moved = put_link_back(layout.code(release.id), link, aside); !moved)
      return std::move(moved.error());
    kept.push_back(aside);
  }
  return kept;
}

}  // namespace tidegate
