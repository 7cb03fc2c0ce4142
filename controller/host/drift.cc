#include "controller/host/drift.h"

#include <sys/stat.h>

#include <algorithm>

#include "controller/host/builds.h"
#include "controller/host/files/durable.h"

namespace tidegate {
namespace {

constexpr std::size_t environment_bytes_max = 1 << 20;

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

Result<ReleaseChanges> changes_in(const Place& place, const ReleaseRecord& release, bool renew) {
  ReleaseChanges out;
  const std::string path = build_manifest(place.layout, release.build);
  auto manifest = load_manifest(path);
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
  if (renew && (*manifest)->renewed && out.code.empty()) {
    if (auto saved = save(**manifest, path); !saved) return std::move(saved.error());
  }
  return out;
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
