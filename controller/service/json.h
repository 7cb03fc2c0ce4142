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
/// `tidegate status -o json`, from elements as site_json wrote them. "" for no revision.
std::string status_json(const std::string& revision, const std::vector<std::string>& sites);
/// The conditions of a site_json text, for times of transition; nothing when it is not one.
std::optional<SiteStatus> conditions_from_json(const std::string& text);

/// One site's plan with what it rests on.
struct PlannedSite {
  const Site* site;
  const ObservedSite* observed;
  const Plan* plan;
  std::string problem;  ///< It could not be observed.
};
/// "sha256:…" of desired, observed and actions of these sites.
std::string plan_id(const std::vector<PlannedSite>& sites);
std::string plan_json(const std::vector<PlannedSite>& sites);

std::string history_json(const std::vector<OperationRecord>& operations);
std::string events_json(const std::vector<EventRecord>& events);

}  // namespace tidegate
