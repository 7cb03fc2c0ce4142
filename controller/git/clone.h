#pragma once
// A directory inside a person's clone: where its repository is and what is checked out. For reading
// alone; controller/git/writer.h commits there.

#include <optional>
#include <string>

#include "schemas/site.h"

namespace tidegate {

struct ClonePlace {
  std::string repository;        ///< What GitRepository::open takes.
  std::string below;             ///< The directory in its work tree: "" or "folder/".
  std::string branch;            ///< What is checked out, by its short name; "" when no branch is.
  std::optional<CommitId> head;  ///< Nothing before the first commit.
};

/// Nothing: it lies in no clone that can be read.
std::optional<ClonePlace> clone_around(const std::string& directory);

}  // namespace tidegate
