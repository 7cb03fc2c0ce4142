#include "schemas/policy.h"

#include <algorithm>

namespace tidegate {
namespace {

bool any_matches(const std::vector<std::string>& globs, const std::string& name) {
  return globs.empty() || std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
           return glob_matches(glob, name);
         });
}

template <class T>
bool same_values(const std::vector<std::shared_ptr<const T>>& left,
                 const std::vector<std::shared_ptr<const T>>& right) {
  return std::equal(
      left.begin(), left.end(), right.begin(), right.end(),
      [](const auto& one, const auto& other) { return one == other || *one == *other; });
}

}  // namespace

// After a mismatch only the last '*' seen may take one character more: whatever earlier ones took
// can stay as it is.
bool glob_matches(const std::string& glob, const std::string& text) {
  std::size_t at = 0, star = std::string::npos, resume = 0, i = 0;
  while (i < text.size()) {
    if (at < glob.size() && glob[at] == '*') {
      star = at++;
      resume = i;
    } else if (at < glob.size() && (glob[at] == '?' || glob[at] == text[i])) {
      ++at;
      ++i;
    } else if (star != std::string::npos) {
      at = star + 1;
      i = ++resume;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', at) == std::string::npos;
}

bool Selector::selects(const Site& site) const {
  return any_matches(sites, site.name) &&
         std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
           const auto found = site.labels.find(label.first);
           return found != site.labels.end() && found->second == label.second;
         });
}

bool Selector::selects(const Site& site, const std::string& environment) const {
  const bool staged =
      stages.empty() || std::find(stages.begin(), stages.end(), environment) != stages.end();
  return staged && any_matches(environments, environment) &&
         (!authority || *authority == (environment == site.authority()));
}

bool Governance::operator==(const Governance& other) const {
  return same_values(policies, other.policies) && same_values(freezes, other.freezes) &&
         same_values(grants, other.grants) && unreadable == other.unreadable;
}

}  // namespace tidegate
