#include "controller/host/builds.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "controller/host/files/durable.h"
#include "controller/host/files/locks.h"
#include "controller/host/files/remove.h"
#include "schemas/digest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

Result<EnvironmentLock> wait_for(const std::string& path, const std::string& owner,
                                 const CommandRun& run) {
  for (;;) {
    auto lock = EnvironmentLock::try_exclusive(path, owner);
    if (!lock) return std::move(lock.error());
    if (*lock) return std::move(**lock);
    if (run.stop && run.stop())
      return Error{ErrorKind::transient, "build: stopped with the controller"};
    if (std::chrono::steady_clock::now() > run.deadline) {
      return Error{ErrorKind::transient,
                   "build: another environment is still building this commit"};
    }
    std::this_thread::sleep_for(100ms);
  }
}

/// The build that is there, when it can be used.
Result<std::optional<Build>> reusable(const Place& place, const std::string& key,
                                      const CommandRun& run) {
  Build build{key, build_directory(place.layout, key), {}};
  const std::string path = build_manifest(place.layout, key);
  auto manifest = load_manifest(path);
  if (!manifest || !*manifest) return std::optional<Build>{};  // Damaged: made anew.
  build.manifest = std::move(**manifest);
  auto changes = verify_build(build.directory, build.manifest);
  if (!changes) return std::optional<Build>{};
  for (std::size_t i = 0; i < changes->size() && i < 20; ++i) {
    run.on_line("the build was changed by hand: " + std::string(to_string((*changes)[i].kind)) +
                " " + (*changes)[i].path);
  }
  if (!changes->empty()) {
    run.on_line("the build is made anew");
    return std::optional<Build>{};
  }
  if (build.manifest.renewed) {
    if (auto saved = save(build.manifest, path); !saved) return std::move(saved.error());
  }
  return std::optional<Build>(std::move(build));
}

Result<std::map<std::string, std::string>> build_variables(const Place& place,
                                                           const CommitId& commit,
                                                           std::vector<std::string>& secrets) {
  std::map<std::string, std::string> out{{"TIDEGATE_SITE", place.site.name},
                                         {"TIDEGATE_COMMIT", commit.hex}};
  for (const auto& [name, secret] : place.site.application.build_secrets) {
    auto value = place.services.secrets.read(secret, place.site.name);
    if (!value) return std::move(value.error()).within("build");
    out[name] = *value;
    secrets.push_back(*value);
  }
  return out;
}

Result<void> give_tree(const std::string& directory, unsigned uid, unsigned gid) {
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(directory, error);
       it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    if (error || ::lchown(it->path().c_str(), uid, gid) != 0) {
      return Error{ErrorKind::transient, "chown \"" + it->path().string() + "\" failed"};
    }
  }
  // Its group stays ours: the sandbox enters it before it becomes that user.
  if (::lchown(directory.c_str(), uid, ::getegid()) != 0) {
    return Error{ErrorKind::transient, "chown \"" + directory + "\" failed"};
  }
  return {};
}

/// Checks out and builds in a directory of its own; nothing is under the build's name until it is
/// sealed.
Result<Build> make(const Place& place, const CommitId& commit, const std::string& key,
                   CommandRun run) {
  const std::string directory = build_directory(place.layout, key);
  const std::string partial = directory + ".partial";
  const std::string builds = place.layout.of_root().builds(place.site.name);
  for (const auto& old : {partial, directory}) {
    if (auto removed = remove_tree(old, builds); !removed) return std::move(removed.error());
  }
  auto repository = place.services.repositories.open(place.site, mirrors_of(place.site));
  if (!repository) return std::move(repository.error());
  if (auto made = make_directory(partial, 0750); !made) return std::move(made.error());
  auto checkout = repository->check_out(commit, partial);
  if (!checkout) return std::move(checkout.error()).within("check out " + commit.brief());
  run.on_line("checked out " + commit.hex + ": " + std::to_string(checkout->files) + " files");
  const auto& commands = place.site.application.commands.build;
  if (!commands.empty()) {
    std::vector<std::string> secrets;
    auto variables = build_variables(place, commit, secrets);
    if (!variables) return std::move(variables.error());
    const Mask mask(secrets);
    run.mask = &mask;
    run.what = "build";
    run.directory = partial;
    run.environment = *variables;
    run.read_only.clear();
    run.writable = {partial};
    run.sockets.clear();
    if (place.user) {
      if (auto given = give_tree(partial, place.user->first, place.user->second); !given)
        return std::move(given.error());
    }
    if (auto built = run_site_commands(place, commands, run); !built)
      return std::move(built.error());
  }
  SealOptions options;
  options.owner = {{::geteuid(), ::getegid()}};
  auto manifest = seal_tree(partial, options);
  if (!manifest) return std::move(manifest.error()).within("build");
  if (auto synced = sync_tree_filesystem(partial); !synced) return std::move(synced.error());
  // The manifest counts only beside a tree under its final name; it is written last.
  if (std::rename(partial.c_str(), directory.c_str()) != 0) {
    return Error{ErrorKind::transient, "rename \"" + partial + "\" failed"};
  }
  if (auto saved = save(*manifest, build_manifest(place.layout, key)); !saved)
    return std::move(saved.error());
  return Build{key, directory, std::move(*manifest)};
}

}  // namespace

std::string build_key(const Site& site, const CommitId& commit) {
  std::string text;
  for (const auto& line : site.application.commands.build) text += line + "\n";
  return commit.hex + "-" + sha256_hex(text).substr(0, 12);
}

std::string build_directory(const EnvironmentLayout& layout, const std::string& key) {
  return layout.of_root().builds(layout.site) + "/" + key;
}
std::string build_manifest(const EnvironmentLayout& layout, const std::string& key) {
  return build_directory(layout, key) + ".manifest";
}

Result<Build> ensure_build(const Place& place, const CommitId& commit, CommandRun run) {
  const std::string key = build_key(place.site, commit);
  const std::string builds = place.layout.of_root().builds(place.site.name);
  if (auto made = make_directory(builds, 0755); !made) return std::move(made.error());
  auto lock = wait_for(builds + "/" + key + ".lock", place.services.owner, run);
  if (!lock) return std::move(lock.error());
  auto there = reusable(place, key, run);
  if (!there) return std::move(there.error());
  if (*there) return std::move(**there);
  // Without its manifest nobody takes what is there for a build.
  if (::unlink(build_manifest(place.layout, key).c_str()) != 0 && errno != ENOENT) {
    return Error{ErrorKind::transient,
                 "remove \"" + build_manifest(place.layout, key) + "\" failed"};
  }
  return make(place, commit, key, std::move(run));
}

std::set<std::string> builds_there(const EnvironmentLayout& layout) {
  std::error_code error;
  std::set<std::string> keys;
  for (const auto& entry :
       std::filesystem::directory_iterator(layout.of_root().builds(layout.site), error)) {
    const std::string name = entry.path().filename();
    keys.insert(name.substr(0, name.find('.')));
  }
  return keys;
}

Result<void> clear_builds(const EnvironmentLayout& layout, const std::set<std::string>& named) {
  const std::string builds = layout.of_root().builds(layout.site);
  for (const auto& key : builds_there(layout)) {
    if (named.contains(key)) continue;
    auto lock = EnvironmentLock::try_exclusive(builds + "/" + key + ".lock", "clearing away");
    if (!lock || !*lock) continue;  // It is being made or used.
    ::unlink((builds + "/" + key + ".manifest").c_str());
    for (const auto& path : {builds + "/" + key, builds + "/" + key + ".partial"}) {
      if (auto removed = remove_tree(path, builds); !removed) return removed;
    }
    lock->reset();
    ::unlink((builds + "/" + key + ".lock").c_str());
    ::unlink((builds + "/" + key + ".lock.owner").c_str());
  }
  return {};
}

}  // namespace tidegate
