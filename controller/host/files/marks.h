#pragma once
// The mark that makes a directory Tidegate's, and tells it from the empty directory beneath a
// file system that is not mounted.

#include <optional>
#include <string>

#include "schemas/result.h"

namespace tidegate {

/// Marks an existing, empty directory (lost+found apart) as Tidegate's, durably, with an id of its
/// own: ROOT/.tidegate/root.json. Success, and nothing written, when it has a mark. Refuses
/// (invalid) a root that does not exist and one that holds anything else.
///
/// Whoever remembers an id for this root asks root_id() first: an empty directory whose id is known
/// lost what it held, and must not be claimed.
Result<void> claim_root(const std::string& root);

/// The id in a root's mark, 32 hex digits; nothing when there is no mark or no root. Writes
/// nothing. A damaged mark is `invalid`.
Result<std::optional<std::string>> root_id(const std::string& root);

/// Whether a root has a mark.
Result<bool> is_ours(const std::string& root);

}  // namespace tidegate
