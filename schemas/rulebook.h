#pragma once
// The platform team's Policies, Freezes and Grants, and which of them concern a site. For fleet.cc
// and fleet_edit.cc alone.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "schemas/documents.h"
#include "schemas/policy.h"

namespace tidegate {

/// All that documents say of one Policy, Freeze or Grant.
struct RuleEntry {
  DocumentList documents;  ///< Never empty.
  // Its newest good value, one of these by kind. A broken Grant allows nothing.
  std::shared_ptr<const Policy> policy;
  std::shared_ptr<const Freeze> freeze;
  std::shared_ptr<const Grant> grant;
  std::string unreadable;         ///< Why a Policy or Freeze never had one; "" when it had.
  Selector would_select;          ///< What it holds then.
  std::vector<Problem> problems;  ///< Of its documents, and names in it that are not there.

  bool selects(const Site& site) const;
};

struct Rulebook {
  std::map<DocumentKey, std::shared_ptr<const RuleEntry>> entries;
  std::map<std::string, std::set<std::string>> grants_of;  ///< Names, by site.

  /// Those that select a site, by kind and name.
  std::vector<const RuleEntry*> concerning(const Site& site) const;
};

/// What they say together. `waits_for`: what else keeps rules from being known.
std::shared_ptr<const Governance> governance(const std::vector<const RuleEntry*>& entries,
                                             const std::vector<std::string>& waits_for);

/// One change of a Rulebook in the making: documents first, then settle(), then the questions.
class RulebookEdit {
 public:
  explicit RulebookEdit(const Rulebook& before) : book_(before) {}

  DocumentList& documents_of(const DocumentKey& key);
  void settle();

  /// Whether a value changed, and whether one that concerns this site did.
  bool changed() const { return !changed_.empty(); }
  bool changed_for(const Site& site) const;
  /// `previous` itself when it says the same. `waits_for`: what else keeps rules from being known.
  std::shared_ptr<const Governance> govern(const Site& site,
                                           const std::shared_ptr<const Governance>& previous,
                                           const std::vector<std::string>& waits_for);
  /// Names of the Grants that documents of this edit gave or took.
  std::set<std::string> touched_grants() const;
  /// Adds what is wrong with a Grant among the sites there are. After the last govern().
  void tell(const std::string& grant, const std::vector<Problem>& problems);

  const Rulebook& book() const { return book_; }
  Rulebook take() { return std::move(book_); }

 private:
  using Key = std::pair<std::vector<const RuleEntry*>, std::vector<std::string>>;
  static void choose(RuleEntry& entry);
  void index_grant(const std::string& name, const RuleEntry* before, const RuleEntry* after);

  Rulebook book_;
  std::map<DocumentKey, std::shared_ptr<RuleEntry>> touched_;
  // As they were and as they are. Keeps alive what made_ tells apart by address.
  std::vector<std::shared_ptr<const RuleEntry>> changed_;
  std::map<Key, std::shared_ptr<const Governance>> made_;
};

}  // namespace tidegate
