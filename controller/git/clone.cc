// Finds the clone around a directory.

#include "controller/git/clone.h"

#include <git2.h>

#include <filesystem>

#include "controller/git/handles.h"

namespace tidegate {

std::optional<ClonePlace> clone_around(const std::string& directory) {
  namespace fs = std::filesystem;
  use_libgit2();
  std::error_code failure;
  const fs::path real = fs::canonical(directory, failure);
  if (failure) return std::nullopt;
  fs::path top = real;
  while (!fs::exists(top / ".git", failure) && top != top.root_path()) top = top.parent_path();
  // The second way reads another user's clone too; the first one knows linked work trees.
  GitHandle<git_repository> repository;
  if (git_repository_open_ext(repository.out(), top.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH,
                              nullptr) < 0 &&
      git_repository_open_bare(repository.out(), (top / ".git").c_str()) < 0)
    return std::nullopt;
  ClonePlace place;
  place.repository = git_repository_commondir(repository.get());
  if (real != top) place.below = real.lexically_relative(top).string() + "/";
  GitHandle<git_reference> head;
  if (git_repository_head(head.out(), repository.get()) < 0) return place;
  place.head = CommitId{to_hex(*git_reference_target(head.get()))};
  if (git_repository_head_detached(repository.get()) != 1)
    place.branch = git_reference_shorthand(head.get());
  return place;
}

}  // namespace tidegate
