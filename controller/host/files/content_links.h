#pragma once
// Gives a release's code directory its places for content.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/host/files/tree.h"
#include "schemas/result.h"

namespace tidegate {

struct ContentPlaces {
  struct Link {
    std::string path;    ///< Where the code expects it, relative to the code directory.
    std::string target;  ///< The content directory, absolute.
  };
  std::vector<Link> files;
  std::vector<std::string> writable;  ///< Relative; a real directory each, the release's own.
  std::optional<std::pair<unsigned, unsigned>> owner;  ///< User and group of writable directories.
};

/// The paths that link_tree() leaves out and scan() does not look at.
std::vector<std::string> excluded_paths(const ContentPlaces& places);

/// Whether content fits the code: nothing the build made may lie where content goes, and no file or
/// link on the way there. Empty directories may. `site` names the path in the way; `invalid` says
/// when two places lie in each other (files inside a writable directory are fine).
Result<void> check_content_places(const TreeManifest& manifest, const ContentPlaces& places);

/// After link_tree() without excluded_paths(): makes writable directories (with what the build has
/// there, as files of their own, writable for their owner), then the links. Checks first. Links are
/// absolute, so the release directory may be renamed. Called once, before anybody but the caller
/// may write to `code_directory`. Not durable: sync_tree_filesystem() before the switch.
Result<void> make_content_places(const std::string& build_directory, const TreeManifest& manifest,
                                 const std::string& code_directory, const ContentPlaces& places);

/// Which places are not as make_content_places() made them: links that lead elsewhere, are gone or
/// became something else; writable directories that are gone or became something else. Those in
/// another writable one are the site's own to remove.
Result<std::vector<Change>> scan_places(const std::string& code_directory,
                                        const ContentPlaces& places);

/// Whether anything but a link or an empty directory is where a link was.
Result<bool> is_replaced(const std::string& code_directory, const std::string& path);

/// Whether the build has anything at or below a path but empty directories.
bool has_below(const TreeManifest& manifest, const std::string& path);

/// Moves what replaced a link to `aside`, an absolute path on the same file system where nothing
/// is yet, and makes the link again. Never follows a link below the code.
Result<void> put_link_back(const std::string& code_directory, const ContentPlaces::Link& link,
                           const std::string& aside);

}  // namespace tidegate
