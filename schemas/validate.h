#pragma once
// Manifests checked on their own, as `tidegate validate` does.

#include <vector>

#include "schemas/fleet.h"

namespace tidegate {

struct ValidationReport {
  std::vector<Problem> problems;  ///< Errors and warnings, ordered by file, line, column.
  bool ok = true;                 ///< No error among them; warnings alone are well.
};

/// Checks these files together, as the whole of a manifests tree.
ValidationReport validate(const std::vector<FileChange>& files);

}  // namespace tidegate
