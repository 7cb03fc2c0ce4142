#include "controller/host/files/walk.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "controller/host/files/handle.h"

namespace tidegate::files {
namespace {

constexpr int depth_limit = 128;  // Each level keeps a descriptor open.
constexpr int link_limit = 40;    // The kernel's: more of them and nobody can follow.

class Walk {
 public:
  Walk(const std::string& shown, bool skip_unreadable,
       const std::function<Result<bool>(const Found&)>& visit)
      : shown_(shown), skip_unreadable_(skip_unreadable), visit_(visit) {}

  Result<void> directory(int descriptor, const std::string& path, int depth) {
    const Listing listing = list(descriptor);
    if (listing.error != 0) return failure("list", joined(shown_, path), listing.error);
    for (const std::string& name : listing.names) {
      const std::string child = joined(path, name);
      struct stat status {};
      if (!status_of(descriptor, name, status)) {
        if (errno == ENOENT) continue;
        return failure("look at", joined(shown_, child), errno);
      }
      auto descend = visit_({descriptor, name, child, status});
      if (!descend) return descend.error();
      if (!*descend || !S_ISDIR(status.st_mode)) continue;
      if (auto done = into(descriptor, name, child, depth); !done) return done;
    }
    return {};
  }

 private:
  Result<void> into(int parent, const std::string& name, const std::string& path, int depth) {
    if (depth == depth_limit) {
      return Error{ErrorKind::site, quoted(joined(shown_, path)) + " lies more than " +
                                        std::to_string(depth_limit) + " directories deep"};
    }
    const Handle handle(
        openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (handle) return directory(handle.get(), path, depth + 1);
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return {};
    if (errno == EACCES && skip_unreadable_) return {};
    return failure("open directory", joined(shown_, path), errno);
  }

  const std::string& shown_;
  const bool skip_unreadable_;
  const std::function<Result<bool>(const Found&)>& visit_;
};

/// Puts the names of `target` in front of what is still to be walked, which is kept backwards.
void push_names(std::vector<std::string>& remaining, const std::string& target) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin < target.size();) {
    const std::size_t end = std::min(target.find('/', begin), target.size());
    if (end > begin) names.push_back(target.substr(begin, end - begin));
    begin = end + 1;
  }
  remaining.insert(remaining.end(), names.rbegin(), names.rend());
}

/// Follows a link by the names alone. Nothing when it stays inside; else the absolute path at which
/// it goes on outside, "" when that is up from the root.
std::optional<std::string> way_out(const Links& links, const std::string& path) {
  std::vector<std::string> at, remaining;
  push_names(remaining, path);
  for (int followed = 0; !remaining.empty();) {
    const std::string name = std::move(remaining.back());
    remaining.pop_back();
    if (name == ".") continue;
    if (name == "..") {
      if (at.empty()) return "";
      at.pop_back();
      continue;
    }
    at.push_back(name);
    std::string here;
    for (const std::string& part : at) here = joined(here, part);
    const auto link = links.find(here);
    if (link == links.end()) continue;
    if (++followed > link_limit) return std::nullopt;
    at.pop_back();
    push_names(remaining, link->second);
    if (!link->second.starts_with('/')) continue;
    std::string outside;
    for (; !remaining.empty(); remaining.pop_back()) outside += '/' + remaining.back();
    return outside.empty() ? "/" : outside;
  }
  return std::nullopt;
}

}  // namespace

Result<void> walk(int root, const std::string& shown, bool skip_unreadable,
                  const std::function<Result<bool>(const Found&)>& visit) {
  return Walk(shown, skip_unreadable, visit).directory(root, "", 0);
}

bool leads_out(const Links& links, const std::string& path) {
  return way_out(links, path).has_value();
}

bool leads_below(const Links& links, const std::string& path,
                 const std::vector<std::string>& allowed) {
  const auto outside = way_out(links, path);
  if (!outside || outside->empty()) return false;
  // A ".." in there could climb out of the allowed directory again.
  if ((*outside + '/').find("/../") != std::string::npos) return false;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& directory) {
    return directory.starts_with('/') && at_or_below(*outside, directory);
  });
}

}  // namespace tidegate::files
