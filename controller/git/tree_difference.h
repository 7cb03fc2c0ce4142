#pragma once
// Compares two trees of a repository, folder by folder, and goes down only where they differ.
// Internal to the folder.

#include <string>
#include <vector>

#include "controller/git/repository.h"
#include "schemas/result.h"

struct git_tree;

namespace tidegate {

/// What differs between two trees, sorted by path, each path after `prefix` ("" or "folder/"), as
/// it is in `after`; either tree may be null, an empty one. Safe on hostile trees: neither its
/// depth nor folders that repeat themselves make it go on without end (invalid).
Result<std::vector<TrackedFile>> tree_difference(git_repository* repository, const git_tree* before,
                                                 const git_tree* after, const std::string& prefix);

}  // namespace tidegate
