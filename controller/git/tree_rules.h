#pragma once
// Which paths and links of a commit's tree may be written to a disk. Pure.

#include <map>
#include <optional>
#include <string>

namespace tidegate {

/// A path as a tree knows it: without "./", trailing or double slashes; "" for the whole tree ("."
/// and
/// "" alike). Nothing when it is absolute or holds "..".
std::optional<std::string> tree_path(const std::string& written);

/// Why a file must not be written at this path of a tree; "" when it may. Refused are empty, "."
/// and
/// ".." components, every spelling of ".git", components over 255 bytes and control characters.
std::string path_problem(const std::string& path);

/// Why the symbolic link at `path` must not be written, knowing all links of the tree by path with
/// their targets; "" when it may. Links are followed as the kernel does, through each other.
std::string link_problem(const std::string& path,
                         const std::map<std::string, std::string>& targets);

}  // namespace tidegate
