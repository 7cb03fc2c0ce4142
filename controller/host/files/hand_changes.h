#pragma once
// What people changed in a code tree that is theirs to write to, as a commit would have it: files
// and symbolic links, with the modes that git knows.

#include <string>
#include <vector>

#include "controller/host/files/tree.h"
#include "schemas/result.h"

namespace tidegate {

struct HandChange {
  std::string path;    ///< Relative to the code.
  char letter = 'M';   ///< A added, M changed, D gone.
  unsigned mode = 0;   ///< Git's: 0100644, 0100755 or 0120000; 0 for what is gone.
  std::string sha256;  ///< Hex, of a file's bytes or a link's target; "" for what is gone.
  std::string lines;   ///< "+4 -1", or "binary".
  std::string parent;  ///< The nearest directory above it that the build made; "" for the tree.
  bool operator==(const HandChange&) const = default;
};

/// A larger file is kept in no commit.
inline constexpr std::size_t hand_bytes_max = std::size_t{100} << 20;

/// What of these changes a commit can have, ordered by path: no directories, and of modes only
/// whether a file can be executed. `manifest`: of the tree as it was made.
Result<std::vector<HandChange>> hand_changes(const std::string& code, const TreeManifest& manifest,
                                             const std::vector<Change>& changes,
                                             const Original& original);

/// "3 files changed by hand: M web/index.php (+4 -1), A new.php (+2 -0) and 1 more"; "" for none.
std::string summary_of(const std::vector<HandChange>& changes);
/// Equal for equal changes alone.
std::string digest_of(const std::vector<HandChange>& changes);

/// A changed file's bytes, or a link's target, following no link. transient: it has changed again;
/// invalid: more than hand_bytes_max.
Result<std::string> bytes_of(const std::string& code, const HandChange& change);

}  // namespace tidegate
