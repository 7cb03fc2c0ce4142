#include "controller/service/saved_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/host/files/durable.h"
#include "reconcilers/plan_text.h"
#include "schemas/digest.h"

namespace tidegate {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* version_text = "tidegate/v1";
constexpr const char* kind_text = "SavedPlan";
constexpr std::size_t bytes_max = 256 << 20;  // Of 100 000 environments, each with its steps.
constexpr std::size_t moved_shown = 3;

std::string text_of(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}
Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
std::string text_at(const Json& json, const char* key) {
  const Json& value = json.at(key);
  return value.is_null() ? "" : value.get<std::string>();
}

/// Tells a file that was cut, edited or mixed up from one that was written here.
std::string digest_of_file(Json json) {
  json.erase("digest");
  return "sha256:" + sha256_hex(text_of(json));
}

Json basis_json(const Basis& b) {
  return {{"site", b.site},
          {"environment", or_null(b.environment)},
          {"desired", or_null(b.desired)},
          {"observed", b.observed},
          {"steps", b.steps}};
}

Basis basis_from(const Json& j) {
  return {text_at(j, "site"), text_at(j, "environment"), text_at(j, "desired"),
          text_at(j, "observed"), j.at("steps").get<std::vector<std::string>>()};
}

SavedPlan plan_from(const Json& j) {
  SavedPlan out;
  out.id = text_at(j, "id");
  out.origin = {text_at(j, "config"), text_at(j, "manifests"), text_at(j, "secrets")};
  out.revision = text_at(j, "revision");
  out.state = text_at(j, "state");
  for (const Json& basis : j.at("covers")) out.covers.push_back(basis_from(basis));
  return out;
}

Result<SavedPlan> parse(const std::string& text) {
  const auto wrong = [](const std::string& why) { return Error{ErrorKind::invalid, why}; };
  const Json j = Json::parse(text, nullptr, false);
  if (!j.is_object() || j.value("kind", Json()) != kind_text)
    return wrong("is no saved plan; write one with: tidegate plan --manifests DIR --out FILE");
  if (j.value("apiVersion", Json()) != version_text)
    return wrong("was saved by another version of tidegate; plan again");
  try {
    SavedPlan plan = plan_from(j);
    if (text_at(j, "digest") == digest_of_file(j) && plan.id == digest_of(plan.covers)) return plan;
  } catch (const Json::exception&) {
    // Told as any other damage.
  }
  return wrong("is damaged: it is not as tidegate plan --out wrote it; plan again");
}

std::string now_text(const std::vector<std::string>& steps) {
  return steps.empty() ? "nothing to do" : join(steps, " and ");
}

std::string moved(const Basis& then, const Basis& now) {
  const bool desired = then.desired != now.desired, observed = then.observed != now.observed;
  const std::string manifests =
      "its manifest, a secret of it, a rule for it or the branch it follows is another";
  if (desired && observed) return "desired and observed moved (" + manifests + ", and so is it)";
  if (desired) return "desired moved (" + manifests + ")";
  if (observed) return "observed moved (it is not as it was found then)";
  return "its steps moved (" + now_text(then.steps) + " then, " + now_text(now.steps) + " now)";
}

}  // namespace

std::map<std::string, std::vector<Basis>> SavedPlan::by_site() const {
  std::map<std::string, std::vector<Basis>> out;
  for (const Basis& basis : covers) out[basis.site].push_back(basis);
  return out;
}

std::vector<Basis> bases_of(const std::vector<PlannedSite>& sites) {
  std::vector<Basis> out;
  for (const bool everything : {false, true}) {
    for (const auto& p : sites) {
      const bool unknown = !p.problem.empty();
      auto bases = bases_of(*p.site, *p.observed, *p.plan, everything || unknown);
      std::ranges::move(bases, std::back_inserter(out));
    }
    if (!out.empty()) break;
  }
  return out;
}

Result<void> save_plan(const std::string& file, const SavedPlan& plan, const std::string& json) {
  Json out = {{"apiVersion", version_text},
              {"kind", kind_text},
              {"manifests", or_null(plan.origin.manifests)},
              {"config", or_null(plan.origin.config)},
              {"revision", or_null(plan.revision)},
              {"secrets", or_null(plan.origin.secrets)},
              {"state", or_null(plan.state)}};
  out.update(Json::parse(json));
  out["covers"] = Json::array();
  for (const Basis& basis : plan.covers) out["covers"].push_back(basis_json(basis));
  // What a message may have held is text from here on: digested as it is read again.
  out = Json::parse(text_of(out));
  out["digest"] = digest_of_file(out);
  return write_durably(file, text_of(out) + "\n", 0600);
}

Result<SavedPlan> read_plan(const std::string& file) {
  auto text = read_small(file, bytes_max);
  if (!text) return std::move(text.error());
  if (!*text)
    return Error{ErrorKind::invalid, "there is no file \"" + file +
                                         "\"; write one with: tidegate plan --manifests DIR --out "
                                         "FILE"};
  auto plan = parse(**text);
  if (!plan) return Error{ErrorKind::invalid, "\"" + file + "\" " + plan.error().message};
  return plan;
}

std::string moved_since(const SavedPlan& saved, const std::vector<PlannedSite>& now) {
  std::map<std::string, const PlannedSite*> there;
  for (const PlannedSite& site : now) there[site.site->name] = &site;
  std::vector<std::string> texts;
  for (const Basis& then : saved.covers) {
    const std::string name = then.site + (then.environment.empty() ? "" : "/" + then.environment);
    const auto found = there.find(then.site);
    if (found == there.end()) {
      texts.push_back(name + ": desired moved (no manifest declares " + then.site + " any more)");
      continue;
    }
    const PlannedSite& p = *found->second;
    const Basis is = basis_now(then, *p.site, *p.observed, *p.plan);
    if (is != then)
      texts.push_back(name + ": " + (p.problem.empty() ? moved(then, is) : p.problem));
  }
  const std::size_t more = texts.size() > moved_shown ? texts.size() - moved_shown : 0;
  texts.resize(texts.size() - more);
  return join(texts, "; ") + (more ? "; and " + std::to_string(more) + " more" : "");
}

}  // namespace tidegate
