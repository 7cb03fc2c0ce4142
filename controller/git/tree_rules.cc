// Which paths and links of a commit's tree may be written to a disk.

#include "controller/git/tree_rules.h"

#include <algorithm>
#include <deque>
#include <string_view>
#include <vector>

namespace tidegate {

namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> components;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    components.emplace_back(path.substr(start, end - start));
    start = end + 1;
  }
  return components;
}

std::string join(const std::vector<std::string>& components) {
  std::string path;
  for (const std::string& component : components) path += (path.empty() ? "" : "/") + component;
  return path;
}

/// ".git" as case-folding file systems read it: ".GIT", ".git. ", "GIT~1".
bool spells_git(std::string_view component) {
  while (!component.empty() && (component.back() == '.' || component.back() == ' '))
    component.remove_suffix(1);
  std::string lower(component);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower == ".git" || lower == "git~1";
}

}  // namespace

std::optional<std::string> tree_path(const std::string& written) {
  if (!written.empty() && written.front() == '/') return std::nullopt;
  if (written.find('\0') != std::string::npos) return std::nullopt;
  std::vector<std::string> kept;
  for (std::string& component : split(written)) {
    if (component.empty() || component == ".") continue;
    if (component == "..") return std::nullopt;
    kept.push_back(std::move(component));
  }
  return join(kept);
}

std::string path_problem(const std::string& path) {
  for (const std::string& component : split(path)) {
    if (component.empty()) return "has an empty component";
    if (component == "." || component == "..") return "has a component \"" + component + "\"";
    if (spells_git(component)) return "has a component that spells \".git\"";
    if (component.size() > 255) return "has a component of more than 255 bytes";
    for (const char c : component)
      if (static_cast<unsigned char>(c) < 0x20) return "has a control character";
  }
  return "";
}

std::string link_problem(const std::string& path,
                         const std::map<std::string, std::string>& targets) {
  constexpr int links_max = 40;  // The kernel gives up there too.
  const std::vector<std::string> start = split(path);
  std::deque<std::string> rest(start.begin(), start.end());
  std::vector<std::string> at;
  for (int followed = 0; !rest.empty();) {
    const std::string component = rest.front();
    rest.pop_front();
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      if (at.empty()) return "leads out of the tree";
      at.pop_back();
      continue;
    }
    at.push_back(component);
    const auto link = targets.find(join(at));
    if (link == targets.end()) continue;
    if (link->second.empty()) return "has no target";
    if (link->second.front() == '/') return "has an absolute target";
    if (++followed > links_max) return "leads through too many links";
    at.pop_back();
    const std::vector<std::string> target = split(link->second);
    rest.insert(rest.begin(), target.begin(), target.end());
  }
  return "";
}

}  // namespace tidegate
