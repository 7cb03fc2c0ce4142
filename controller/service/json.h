#pragma once
// The JSON of CONTRACT: status, plan, history. Texts, so that nlohmann stays in one file.

#include <map>
#include <string>
#include <vector>

#include "controller/store/store.h"
#include "reconcilers/status.h"

namespace tidegate {

/// One element of `sites`.
std::string site_json(const SiteStatus& status);
/// An element as site_json wrote it ("" or another version's: a fresh one), with the conditions of
/// this status and all else as it was.
std::string site_json_with_conditions(const std::string& text, const SiteStatus& status);
/// `tidegate status -o json`, from elements as site_json wrote them. "" for no revision.
std::string status_json(const std::string& revision, const std::vector<std::string>& sites);
/// What the next look compares with, of a site_json text: conditions, which operation runs, holds,
/// and when a step is tried again; nothing when it is not one.
std::optional<SiteStatus> conditions_from_json(const std::string& text);
/// Whether an environment of a site_json text has a step in quarantine, or one that backs off;
/// nothing when the environment is not in it.
std::optional<bool> failed_in(const std::string& text, const std::string& environment);

/// One site's plan with what it rests on.
struct PlannedSite {
  const Site* site;
  const ObservedSite* observed;
  const Plan* plan;
  std::string problem;  ///< It could not be observed.
};
/// "sha256:…" of desired, observed and actions of these sites.
std::string plan_id(const std::vector<PlannedSite>& sites);
/// `problems`: what is wrong with manifests that belong to no site.
std::string plan_json(const std::vector<PlannedSite>& sites,
                      const std::vector<std::string>& problems = {});

/// `explain -o json`: the site's plan; and of one environment its failures, and why what it runs is
/// not healthy any more.
std::string explain_json(const PlannedSite& site, const std::string& environment);

/// What `promote` and the like wrote: "" for no commit (a dry run), no branch.
std::string edit_json(const std::string& commit, const std::string& diff,
                      const std::string& branch);

/// What `commit` took in and left; "" for no commit.
struct ChangedFile {
  std::string path;
  char letter = 'M';
  std::string lines;
};
std::string commit_json(const std::string& commit, const std::string& branch,
                        const std::vector<ChangedFile>& files,
                        const std::vector<ChangedFile>& left_out);

/// What `doctor` tells.
struct Lack {
  std::string what, missing, mend;  ///< "" for no mend.
};
std::string lacks_json(const std::vector<Lack>& lacks);

std::string history_json(const std::vector<OperationRecord>& operations);
std::string events_json(const std::vector<EventRecord>& events);

}  // namespace tidegate
