#pragma once
// Builds: the code of one commit after the site's build commands, made once and linked into the
// releases of all its environments.

#include <set>
#include <string>

#include "controller/host/files/tree.h"
#include "controller/host/place.h"

namespace tidegate {

struct Build {
  std::string key, directory;  ///< `directory` holds the tree.
  TreeManifest manifest;
};

/// Names a build: commit and build commands.
std::string build_key(const Site& site, const CommitId& commit);
std::string build_directory(const EnvironmentLayout& layout, const std::string& key);
std::string build_manifest(const EnvironmentLayout& layout, const std::string& key);

/// The sealed build of a commit: the one that is there, when it still is what was sealed (one that
/// was changed is told of in the log, and made anew), or a new one. `run` says how long, and where
/// lines go; its environment is replaced. One at a time makes the same build; others wait for it.
Result<Build> ensure_build(const Place& place, const CommitId& commit, CommandRun run);

/// The keys of everything there is of builds of the site, half-made ones too.
std::set<std::string> builds_there(const EnvironmentLayout& layout);

/// Removes builds of the site that are not in `named`, and what half-made ones left.
Result<void> clear_builds(const EnvironmentLayout& layout, const std::set<std::string>& named);

}  // namespace tidegate
