#pragma once
// Examples of what policies should say: a described situation, and the verdict that is expected of
// each action in it. `kind: PolicyTest` in files named *.case.yaml, which are no manifests.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schemas/fleet.h"
#include "schemas/site.h"

namespace tidegate {

/// "SITE/ENV" and where it is written.
struct CaseTarget {
  std::string site, environment;
  int line = 1, column = 1;
  std::string path;  ///< Of the field.
};
struct CaseProof {
  CommitId commit;
  std::optional<Timestamp> since, content_taken_at;
};
/// What is the case in an environment, as far as it differs from one at rest on what it declares.
struct CaseEnvironment {
  CaseTarget target;
  bool exists = true;
  std::optional<CommitId> commit;
  std::vector<CaseProof> proven;  ///< Besides the commit that runs, unless it names that too.
  std::optional<ContentSource> source;
  std::optional<std::uint64_t> generation;
  std::optional<Timestamp> taken_at;
  std::vector<std::string> used_grants;
};
/// A manifest commit that removes, wipes or moves sites.
struct CaseStrike {
  CommitId commit;
  std::vector<std::string> sites;
  bool acknowledged = false;
};
struct Expectation {
  CaseTarget target;
  std::string verb;  ///< promote, sync, wipe, create or activate.
  std::optional<CommitId> commit;
  std::optional<std::string> source;
  std::optional<std::uint64_t> generation;
  bool held = false;
  std::string reason;  ///< "": any.
  std::string rule;  ///< "POLICY/RULE" or a Freeze: its word alone counts. "": what stands of all.
  std::optional<Timestamp> opens_at;
};
struct PolicyCase {
  std::string file, name;
  std::vector<std::string> manifests;  ///< Paths from the file's folder; empty: all beside it.
  Timestamp now{};
  std::vector<CaseEnvironment> observed;
  std::vector<std::string> unsigned_sites;  ///< Whose manifest commits nobody vouches for.
  std::vector<CommitId> unsigned_commits;
  std::vector<CaseTarget> running;                      ///< In which an operation runs.
  std::map<std::string, std::vector<Timestamp>> wiped;  ///< By site.
  std::optional<CaseStrike> struck;
  std::vector<Expectation> expect;
};

/// Reads a file with everything wrong in it. With a problem its cases must not be used.
struct PolicyCaseFile {
  std::vector<PolicyCase> cases;
  std::vector<Problem> problems;
};
PolicyCaseFile read_policy_cases(const std::string& file, const std::string& text);

}  // namespace tidegate
