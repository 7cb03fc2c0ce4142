#include "controller/git/touched.h"

#include <set>

namespace tidegate {
namespace {

constexpr std::size_t commits_max = 10'000;

/// Differences of a commit from each parent; from nothing, when it has none.
Result<std::set<std::string>> touched_by(const GitRepository& repository,
                                         const CommitAndParents& commit, const std::string& under) {
  std::set<std::string> paths;
  const auto take = [&](const std::vector<TrackedFile>& files) {
    for (const TrackedFile& file : files) paths.insert(file.path);
  };
  if (commit.parents.empty() && repository.has_path(commit.id, under)) {
    auto files = repository.list(commit.id, under);
    if (!files) return std::move(files.error());
    take(*files);
  }
  for (const CommitId& parent : commit.parents) {
    auto files = repository.changed(parent, commit.id, under);
    if (!files) return std::move(files.error());
    take(*files);
  }
  return paths;
}

}  // namespace

Result<std::map<std::string, std::vector<CommitId>>> touched_between(
    const GitRepository& repository, const CommitId& before, const CommitId& after,
    const std::string& under) {
  auto commits = repository.between(before, after, commits_max);
  if (!commits) return std::move(commits.error());
  std::map<std::string, std::vector<CommitId>> touched;
  for (const CommitAndParents& commit : *commits) {
    auto paths = touched_by(repository, commit, under);
    if (!paths) return std::move(paths.error());
    for (const std::string& path : *paths) touched[path].push_back(commit.id);
  }
  return touched;
}

}  // namespace tidegate
