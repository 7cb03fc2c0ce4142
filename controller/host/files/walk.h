#pragma once
// Looking through a whole tree without following a link, and where its links lead. For the files of
// this folder only.

#include <sys/stat.h>

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "schemas/result.h"

namespace tidegate::files {

/// One thing found: `name` in the open directory `directory`, at `path` below the root.
struct Found {
  int directory;
  const std::string& name;
  const std::string& path;
  const struct stat& status;
};

/// Calls `visit` for everything below `root` but the root itself, parents first, names sorted.
/// `visit` says whether to go into a directory. What vanishes or is swapped for a link meanwhile is
/// passed over; so are, with
/// `skip_unreadable`, directories that may not be read. `shown` names the root in messages. Trees
/// deeper than 128 directories are refused (site).
Result<void> walk(int root, const std::string& shown, bool skip_unreadable,
                  const std::function<Result<bool>(const Found&)>& visit);

/// Symbolic links of one tree: path → target as written.
using Links = std::unordered_map<std::string, std::string>;

/// Whether following the link at `path` can leave the tree, by way of other links of it too. What
/// an absolute target points at counts as outside. Rings of links lead nowhere.
bool leads_out(const Links& links, const std::string& path);

/// Whether it leaves the tree for a place at or below one of these absolute directories.
bool leads_below(const Links& links, const std::string& path,
                 const std::vector<std::string>& allowed);

}  // namespace tidegate::files
