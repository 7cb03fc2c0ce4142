#pragma once
// Which commits answer for which files.

#include <map>
#include <string>
#include <vector>

#include "controller/git/repository.h"

namespace tidegate {

/// For every file at or below `under` (by its path in the repository) that a commit between
/// `before` and `after` touched: those commits, newest first. Touched is a file that differs from
/// any of the commit's parents, so that a merge answers for what it chose as well. invalid: more
/// than 10 000 commits.
Result<std::map<std::string, std::vector<CommitId>>> touched_between(
    const GitRepository& repository, const CommitId& before, const CommitId& after,
    const std::string& under);

}  // namespace tidegate
