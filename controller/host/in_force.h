#pragma once
// Which revision of a source of manifests is in force, noted below a root beside the records of its
// environments: so that what a later one strikes is known without the store too.

#include <optional>
#include <string>

#include "schemas/result.h"
#include "schemas/time.h"

namespace tidegate {

struct InForce {
  std::string revision;
  Timestamp at{};  ///< When it was noted.
  bool operator==(const InForce&) const = default;
};

/// Nothing is written below a root that is not marked as Tidegate's, or is not there: false then.
Result<bool> note_in_force(const std::string& root, const std::string& source,
                           const InForce& in_force);

/// Nothing when none was noted, or when it cannot be read.
std::optional<InForce> noted_in_force(const std::string& root, const std::string& source);

}  // namespace tidegate
