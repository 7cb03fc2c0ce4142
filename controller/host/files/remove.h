#pragma once
// Deleting trees that hostile hands may still be rearranging.

#include <string>

#include "schemas/result.h"

namespace tidegate {

/// Deletes what is at `path`, recursively. Absent is success; a call that was cut short is simply
/// made again. Both paths are absolute and plain (no ".", "..", "//").
///
/// Never follows a symbolic link below `inside`, whoever swaps what meanwhile; never enters a
/// mount point (invalid, what was deleted before stays deleted); copes with directories without
/// permissions and with any depth. Refuses (invalid) when `path` is not strictly below `inside`.
/// Somebody who keeps creating files in there makes it `transient`. Not fsynced: what must be
/// forgotten durably is forgotten in a record first.
Result<void> remove_tree(const std::string& path, const std::string& inside);

}  // namespace tidegate
