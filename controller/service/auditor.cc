#include "controller/service/auditor.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/commands/version.h"
#include "reconcilers/plan.h"

namespace tidegate {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}
Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

Json program(const std::string& as) {
  return {{"as", as},
          {"version", version},
          {"host", or_null(host_name())},
          {"pid", static_cast<std::int64_t>(::getpid())}};
}

Json verbs(const Step& step) {
  std::vector<std::string> out;
  for (const Action& action : step.actions)
    if (std::ranges::find(out, verb(action)) == out.end()) out.push_back(verb(action));
  return out;
}

/// Who vouches for the manifests, as far as a rule asked.
Json signatures(const Site& site) {
  Json out = Json::object();
  for (const auto& [signers, fact] : site.manifest_signature)
    out[signers] = {{"valid", fact.valid},
                    {"signer", or_null(fact.signer)},
                    {"problem", or_null(fact.problem)}};
  return out;
}

Json manifest(const Site& site) {
  Json commits = Json::array();
  for (const CommitId& commit : site.manifest_commits) commits.push_back(commit.hex);
  return {{"revision", or_null(site.revision)},
          {"author", or_null(site.author)},
          {"commits", commits},
          {"signatures", signatures(site)}};
}

Json policies(const Step& step) {
  Json out = Json::array();
  for (const PolicyWord& word : step.policies)
    out.push_back({{"name", word.name}, {"holds", word.holds}, {"said", word.said}});
  return out;
}

}  // namespace

Auditor::Auditor(std::unique_ptr<AuditTrail> trail, std::string as, const Clock& clock,
                 LogLineWriter log)
    : trail_(std::move(trail)), as_(std::move(as)), clock_(clock), log_(std::move(log)) {}

void Auditor::append(const std::string& facts, const std::string& site,
                     const std::string& environment) {
  const auto written = trail_->append(clock_.now(), facts);
  if (written || !log_) return;
  log_("error", "an act is not in the audit",
       {{"site", site}, {"environment", environment}, {"problem", written.error().message}});
}

void Auditor::begins(const Site& site, const Step& step, const std::string& operation) {
  const Json facts{{"kind", "step"},
                   {"site", site.name},
                   {"environment", step.environment},
                   {"operation", or_null(operation)},
                   {"actions", verbs(step)},
                   {"does", describe(step.actions)},
                   {"commit", or_null(step.commit.hex)},
                   {"because", step.because},
                   {"retried", step.asked},
                   {"manifest", manifest(site)},
                   {"policies", policies(step)},
                   {"grants", step.grants},
                   {"who", program(as_)}};
  append(text_of(facts), site.name, step.environment);
}

void Auditor::takes_back(const Revert& revert, const Asked& asked, const CommitId& commit,
                         const std::string& reference) {
  const Json facts{
      {"kind", "revert"},
      {"site", revert.site},
      {"environment", revert.environment},
      {"operation", or_null(revert.failure.operation)},
      {"does", "take back manifest commit " + asked.commit.brief()},
      {"commit", commit.hex},
      {"reference", reference},
      {"because", revert.failure.message},
      {"manifest", {{"revision", asked.commit.hex}, {"author", asked.author}}},
      {"who", program(as_)}};
  append(text_of(facts), revert.site, revert.environment);
}

void Auditor::told(const Revert& revert, const std::string& type, const std::string& message) {
  const Json facts{{"kind", "revert"},
                   {"site", revert.site},
                   {"environment", revert.environment},
                   {"operation", or_null(revert.failure.operation)},
                   {"outcome", type},
                   {"said", message},
                   {"who", program(as_)}};
  append(text_of(facts), revert.site, revert.environment);
}

void Auditor::did(const std::string& act, const std::string& site, const std::string& environment,
                  const std::string& who, const std::string& said) {
  Json by = program(as_);
  by["person"] = who;
  const Json facts{{"kind", act},
                   {"site", site},
                   {"environment", environment},
                   {"said", or_null(said)},
                   {"who", by}};
  append(text_of(facts), site, environment);
}

std::string audit_json(const AuditWalk& walk) {
  return text_of({{"entries", walk.entries},
                  {"unbroken", walk.problem.empty()},
                  {"from", or_null(walk.from)},
                  {"to", or_null(walk.to)},
                  {"head", walk.entries > 0 ? Json(to_string(walk.head)) : Json()},
                  {"problem", or_null(walk.problem)}},
                 1);
}

}  // namespace tidegate
