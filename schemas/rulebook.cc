#include "schemas/rulebook.h"

#include <algorithm>

#include "schemas/text.h"

namespace tidegate {
namespace {

// The selector of a document that is broken elsewhere; everything when it cannot be told.
Selector would_select(const DocumentList& documents) {
  const Document& document = *documents.front();
  const bool readable =
      documents.size() == 1 && (document.policy || document.freeze) &&
      std::none_of(document.problems.begin(), document.problems.end(), [](const Problem& problem) {
        return problem.path.empty() || problem.path.starts_with("spec.select");
      });
  if (!readable) return {};
  return document.policy ? document.policy->select : document.freeze->select;
}

// The same pointer while the value is the same, whatever was written around it.
template <class T>
void take_value(std::shared_ptr<const T>& value, const std::shared_ptr<const T>& next) {
  if (!value || !next || !(*value == *next)) value = next;
}

std::vector<Problem> problems_of(const DocumentList& documents) {
  std::vector<Problem> problems = duplicates(documents);
  for (const auto& document : documents)
    problems.insert(problems.end(), document->problems.begin(), document->problems.end());
  tidy(problems);
  return problems;
}

bool same_value(const RuleEntry* left, const RuleEntry* right) {
  return left && right && left->policy == right->policy && left->freeze == right->freeze &&
         left->grant == right->grant && left->unreadable == right->unreadable &&
         left->would_select == right->would_select;
}

}  // namespace

bool RuleEntry::selects(const Site& site) const {
  if (policy) return policy->select.selects(site);
  if (freeze) return freeze->select.selects(site);
  if (grant) return grant->site == site.name;
  return !unreadable.empty() && would_select.selects(site);
}

DocumentList& RulebookEdit::documents_of(const DocumentKey& key) {
  auto& copy = touched_[key];
  if (!copy) {
    const auto found = book_.entries.find(key);
    copy = found == book_.entries.end() ? std::make_shared<RuleEntry>()
                                        : std::make_shared<RuleEntry>(*found->second);
  }
  return copy->documents;
}

void RulebookEdit::choose(RuleEntry& entry) {
  entry.problems = problems_of(entry.documents);
  entry.unreadable.clear();
  entry.would_select = {};
  const DocumentKey& key = entry.documents.front()->key;
  const Document* good = only_good(entry.documents);
  if (key.kind == DocumentKind::grant) {
    const auto grant =
        good ? std::shared_ptr<const Grant>(good->grant, &good->grant->grant) : nullptr;
    return take_value(entry.grant, grant);
  }
  if (good) {
    take_value(entry.policy, good->policy);
    take_value(entry.freeze, good->freeze);
  } else if (!entry.policy && !entry.freeze) {
    const Problem* error = first_error(entry.problems);
    entry.unreadable = std::string(to_string(key.kind)) + " " + quote(key.name) + " is broken" +
                       (error ? ": " + to_string(*error) : "");
    entry.would_select = would_select(entry.documents);
  }
}

void RulebookEdit::settle() {
  for (const auto& [key, entry] : touched_) {
    const auto found = book_.entries.find(key);
    const auto before = found == book_.entries.end() ? nullptr : found->second;
    const std::shared_ptr<const RuleEntry> after = entry->documents.empty() ? nullptr : entry;
    if (after) choose(*entry);
    if (key.kind == DocumentKind::grant) index_grant(key.name, before.get(), after.get());
    if ((before || after) && !same_value(before.get(), after.get()))
      for (const auto& one : {before, after})
        if (one) changed_.push_back(one);
    if (after)
      book_.entries[key] = after;
    else
      book_.entries.erase(key);
  }
}

void RulebookEdit::index_grant(const std::string& name, const RuleEntry* before,
                               const RuleEntry* after) {
  if (before && before->grant) {
    const auto found = book_.grants_of.find(before->grant->site);
    found->second.erase(name);
    if (found->second.empty()) book_.grants_of.erase(found);
  }
  if (after && after->grant) book_.grants_of[after->grant->site].insert(name);
}

bool RulebookEdit::changed_for(const Site& site) const {
  return std::any_of(changed_.begin(), changed_.end(),
                     [&](const auto& entry) { return entry->selects(site); });
}

std::set<std::string> RulebookEdit::touched_grants() const {
  std::set<std::string> names;
  for (const auto& [key, entry] : touched_)
    if (key.kind == DocumentKind::grant) names.insert(key.name);
  return names;
}

void RulebookEdit::tell(const std::string& grant, const std::vector<Problem>& problems) {
  const auto found = book_.entries.find({DocumentKind::grant, "", grant});
  if (found == book_.entries.end()) return;
  auto told = std::make_shared<RuleEntry>(*found->second);
  told->problems = problems_of(told->documents);
  told->problems.insert(told->problems.end(), problems.begin(), problems.end());
  tidy(told->problems);
  if (told->problems != found->second->problems) found->second = std::move(told);
}

std::vector<const RuleEntry*> Rulebook::concerning(const Site& site) const {
  std::vector<const RuleEntry*> out;
  for (const auto& [name, entry] : entries) {
    if (name.kind == DocumentKind::grant) break;  // The last kind, and found by its site.
    if (entry->selects(site)) out.push_back(entry.get());
  }
  if (const auto found = grants_of.find(site.name); found != grants_of.end())
    for (const std::string& grant : found->second)
      out.push_back(entries.at({DocumentKind::grant, "", grant}).get());
  return out;
}

std::shared_ptr<const Governance> governance(const std::vector<const RuleEntry*>& entries,
                                             const std::vector<std::string>& waits_for) {
  Governance out;
  for (const RuleEntry* entry : entries) {
    if (entry->policy) out.policies.push_back(entry->policy);
    if (entry->freeze) out.freezes.push_back(entry->freeze);
    if (entry->grant) out.grants.push_back(entry->grant);
    if (!entry->unreadable.empty()) out.unreadable.push_back(entry->unreadable);
  }
  out.unreadable.insert(out.unreadable.end(), waits_for.begin(), waits_for.end());
  return std::make_shared<const Governance>(std::move(out));
}

std::shared_ptr<const Governance> RulebookEdit::govern(
    const Site& site, const std::shared_ptr<const Governance>& previous,
    const std::vector<std::string>& waits_for) {
  const Key key{book_.concerning(site), waits_for};
  auto& made = made_[key];
  if (!made) made = governance(key.first, key.second);
  return previous && *previous == *made ? previous : made;
}

}  // namespace tidegate
