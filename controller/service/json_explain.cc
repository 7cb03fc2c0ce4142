// What `explain -o json` tells beyond the plan: what failed in one environment, and what was seen.

#include <nlohmann/json.hpp>

#include "controller/notify/message.h"
#include "controller/service/json.h"
#include "reconcilers/diff.h"

namespace tidegate {
namespace {

using Json = nlohmann::ordered_json;

Json evidence(const std::vector<Evidence>& seen) { return Json::parse(evidence_json(seen)); }

}  // namespace

std::string explain_json(const PlannedSite& site, const std::string& environment) {
  const ObservedEnvironment& seen = observed_of(*site.observed, environment);
  Json out = Json::parse(plan_json({site}));
  Json& failures = out["failures"] = Json::array();
  for (const Failure& f : seen.failures) {
    failures.push_back({{"message", f.message},
                        {"endedAt", to_rfc3339(f.ended_at)},
                        {"attempts", f.attempts},
                        {"quarantined", f.quarantined},
                        {"afterSwitch", f.after_switch},
                        {"evidence", evidence(f.evidence)}});
  }
  out["verification"] = nullptr;
  if (const Revocation* revoked = revocation_of(seen)) {
    out["verification"] = {{"failedAgainAt", to_rfc3339(revoked->at)},
                           {"message", revoked->message},
                           {"evidence", evidence(revoked->evidence)}};
  }
  return out.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tidegate
