#pragma once
// What people write: the manifests of a few sites as values, and the YAML they become.

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidegate {

struct WrittenEnvironment {
  std::string code = "branch: main";     ///< Of `code: {…}`.
  std::string content = "source: keep";  ///< Of `content: {…}`.
  std::string variable = "1";
  bool rollback = true, reverts = true, secret = false;
  std::string suspend;  ///< Of `suspend: {…}`; "" for none.
};

struct WrittenSite {
  std::vector<std::string> stages;
  bool launched = true, broken = false, removed = false;
  std::vector<std::string> databases{"main"};
  std::string engine = "sqlite";  ///< Of "main".
  std::map<std::string, WrittenEnvironment> environments;
};

/// What the platform team writes: the spec of each document, by name.
struct WrittenRules {
  std::map<std::string, std::string> policies, freezes, grants;
};

struct People {
  std::map<std::string, WrittenSite> sites;
  std::map<std::string, std::vector<WrittenSite>>
      past;  ///< As each site was committed, to revert to.
  std::map<std::string, std::vector<std::string>> stages;  ///< As they were meant, lowest first.
  WrittenRules rules;
  /// Every file of the manifests' tree: path → text.
  std::map<std::string, std::string> files() const;
};

class World;
/// One commit of a person who means well, is mistaken, or is in a hurry.
void commit_something(World& world);
/// One commit of the platform team: a policy, a freeze or a Grant comes or goes.
void commit_a_rule(World& world);
/// The spec of a policy: commits go up in a site once they have been proven for a while in a stage.
std::string soak_rule(const std::string& site, const std::string& stage);
/// What a person would write at last: everything declared, one new commit for all stages, content
/// from the authority at a generation not used yet.
void align(World& world);

}  // namespace tidegate
