#include "controller/service/json.h"

#include <nlohmann/json.hpp>

#include "controller/service/saved_plan.h"

namespace tidegate {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}
Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json or_null(const std::optional<Timestamp>& time) {
  return time ? Json(to_rfc3339(*time)) : Json();
}
Json or_null(const std::optional<CommitId>& commit) { return commit ? Json(commit->hex) : Json(); }

Json content_json(const ContentSpec& c) {
  Json include = Json::array();
  for (Part part : parts)
    if (c.includes(part)) include.push_back(to_string(part));
  return {{"source", to_string(c.source)}, {"generation", c.generation}, {"include", include}};
}

Json stamp_json(const ObservedEnvironment& seen, Part part) {
  auto it = seen.content.find(part);
  if (!seen.exists || it == seen.content.end()) return Json();
  const Stamp& s = it->second.stamp;
  return {{"source", to_string(s.source)},
          {"generation", s.generation},
          {"takenAt", or_null(s.taken_at)},
          {"sanitizer", nullptr}};
}

Json observed_json(const ObservedEnvironment& seen) {
  Json content = Json::object();
  for (Part part : parts) content[to_string(part)] = stamp_json(seen, part);
  return {{"commit", or_null(seen.commit)},
          {"release", or_null(seen.release)},
          {"healthy", seen.exists && seen.healthy},
          {"drifted", seen.drifted},
          {"content", content}};
}

Json conditions_json(const std::vector<Condition>& conditions) {
  Json out = Json::array();
  for (const auto& c : conditions) {
    out.push_back({{"type", c.type},
                   {"status", c.status},
                   {"reason", c.reason},
                   {"message", c.message},
                   {"lastTransitionTime", to_rfc3339(c.last_transition)}});
  }
  return out;
}

Json operation_json(const std::optional<Operation>& operation) {
  if (!operation || operation->as_source) return Json();
  return {{"id", operation->id},
          {"actions", operation->actions},
          {"phase", operation->phase},
          {"startedAt", to_rfc3339(operation->started_at)},
          {"percent", operation->percent ? Json(*operation->percent) : Json()},
          {"owner", operation->owner}};
}

Json hold_json(const Hold& hold) {
  return {{"reason", hold.reason}, {"message", hold.message}, {"opensAt", or_null(hold.opens_at)}};
}

Json environment_json(const EnvironmentStatus& e, const SiteStatus& status) {
  Json holds = Json::array();
  for (const auto& hold : e.holds) holds.push_back(hold_json(hold));
  return {{"name", e.name},
          {"stage", e.stage},
          {"desired",
           {{"commit", or_null(e.desired_commit)}, {"content", content_json(e.desired_content)}}},
          {"observed", observed_json(e.observed)},
          {"conditions", conditions_json(e.conditions)},
          {"operation", operation_json(e.observed.operation)},
          {"holds", holds},
          {"warnings", e.warnings},
          {"triedAgainAt", or_null(e.tried_again_at)},
          {"nextLook", {{"at", to_rfc3339(status.next_look)}, {"because", status.because}}}};
}

/// Parts that share verb, source and generation are told as one action.
Json actions_json(const std::vector<Action>& actions) {
  Json out = Json::array();
  auto add = [&](Json action, Part part) {
    for (Json& there : out) {
      Json bare = there;
      bare.erase("parts");
      if (bare != action) continue;
      there["parts"].push_back(to_string(part));
      return;
    }
    action["parts"] = Json::array({to_string(part)});
    out.push_back(action);
  };
  for (const Action& action : actions) {
    Json j = {{"verb", verb(action)}};
    if (const auto* a = std::get_if<Promote>(&action)) {
      j["commit"] = a->commit.hex;
      out.push_back(j);
    } else if (const auto* a = std::get_if<Sync>(&action)) {
      j["from"] = a->from;
      j["generation"] = a->generation;
      if (a->due) j["refresh"] = true;
      add(j, a->part);
    } else if (const auto* a = std::get_if<Wipe>(&action)) {
      j["generation"] = a->generation;
      add(j, a->part);
    } else if (const auto* a = std::get_if<Activate>(&action)) {
      j["from"] = to_string(a->stamp.source);
      j["generation"] = a->stamp.generation;
      add(j, a->part);
    } else if (const auto* a = std::get_if<Declare>(&action)) {
      j["name"] = a->name;
      add(j, a->part);
    } else if (const auto* a = std::get_if<Recover>(&action)) {
      j["operation"] = a->operation;
      out.push_back(j);
    } else {
      out.push_back(j);
    }
  }
  return out;
}

std::optional<Timestamp> time_from(const Json& j, const char* key) {
  const auto time = j.find(key);
  return time != j.end() && time->is_string() ? parse_rfc3339(time->get<std::string>())
                                              : std::nullopt;
}

Condition condition_from(const Json& j) {
  return {j.at("type").get<std::string>(), j.at("status").get<std::string>(),
          j.at("reason").get<std::string>(), j.at("message").get<std::string>(),
          parse_rfc3339(j.at("lastTransitionTime").get<std::string>()).value_or(Timestamp{})};
}

}  // namespace

std::string site_json(const SiteStatus& status) {
  Json environments = Json::array();
  for (const auto& e : status.environments) environments.push_back(environment_json(e, status));
  return text_of({{"name", status.name},
                  {"revision", or_null(status.revision)},
                  {"launched", status.launched},
                  {"conditions", conditions_json(status.conditions)},
                  {"environments", environments}});
}

std::string site_json_with_conditions(const std::string& text, const SiteStatus& status) {
  Json there = Json::parse(text, nullptr, false);
  if (!there.is_object()) return site_json(status);
  there["conditions"] = conditions_json(status.conditions);
  return text_of(there);
}

std::string status_json(const std::string& revision, const std::vector<std::string>& sites) {
  Json list = Json::array();
  for (const auto& site : sites) {
    Json one = Json::parse(site, nullptr, false);
    if (!one.is_discarded()) list.push_back(std::move(one));
  }
  return text_of({{"revision", or_null(revision)}, {"sites", list}}, 1);
}

std::optional<SiteStatus> conditions_from_json(const std::string& text) {
  try {
    const Json j = Json::parse(text);
    SiteStatus out;
    out.name = j.at("name").get<std::string>();
    for (const Json& c : j.at("conditions")) out.conditions.push_back(condition_from(c));
    for (const Json& e : j.at("environments")) {
      EnvironmentStatus environment;
      environment.name = e.at("name").get<std::string>();
      for (const Json& c : e.at("conditions")) environment.conditions.push_back(condition_from(c));
      if (environment.conditions.empty()) return std::nullopt;
      if (const auto operation = e.find("operation");
          operation != e.end() && operation->is_object()) {
        environment.observed.operation.emplace().id = operation->at("id").get<std::string>();
      }
      for (const Json& hold : e.value("holds", Json::array())) {
        environment.holds.push_back({environment.name, hold.at("reason").get<std::string>(),
                                     hold.at("message").get<std::string>(),
                                     time_from(hold, "opensAt")});
      }
      environment.tried_again_at = time_from(e, "triedAgainAt");
      out.environments.push_back(std::move(environment));
    }
    return out;
  } catch (const std::exception&) {
    return std::nullopt;  // Written by another version: times of transition begin anew.
  }
}

std::optional<bool> failed_in(const std::string& text, const std::string& environment) {
  const Json site = Json::parse(text, nullptr, false);
  if (!site.is_object()) return std::nullopt;
  for (const Json& e : site.value("environments", Json::array())) {
    if (e.value("name", "") != environment) continue;
    for (const Json& hold : e.value("holds", Json::array()))
      if (hold.value("reason", "") == "Quarantined") return true;
    return e.value("triedAgainAt", Json()).is_string();
  }
  return std::nullopt;
}

std::string plan_id(const std::vector<PlannedSite>& sites) { return digest_of(bases_of(sites)); }

std::string plan_json(const std::vector<PlannedSite>& sites,
                      const std::vector<std::string>& of_none) {
  Json ready = Json::array(), waiting = Json::array(), held = Json::array(),
       warnings = Json::array(), problems = Json::array(), policies = Json::array();
  bool converged = of_none.empty();
  for (const auto& problem : of_none) problems.push_back({{"site", nullptr}, {"message", problem}});
  for (const auto& p : sites) {
    converged = converged && p.plan->converged() && p.problem.empty();
    if (!p.problem.empty()) problems.push_back({{"site", p.site->name}, {"message", p.problem}});
    for (const auto& s : p.plan->ready) {
      ready.push_back({{"site", p.site->name},
                       {"environment", s.environment},
                       {"actions", actions_json(s.actions)},
                       {"release", s.reuse.empty() ? Json() : Json(s.reuse)},
                       {"because", s.because}});
    }
    for (const auto& w : p.plan->waiting) {
      waiting.push_back({{"site", p.site->name},
                         {"environment", w.environment},
                         {"actions", actions_json(w.actions)},
                         {"because", w.because},
                         {"until", or_null(w.until)}});
    }
    for (const auto& h : p.plan->held) {
      held.push_back({{"site", p.site->name},
                      {"environment", or_null(h.environment)},
                      {"reason", h.reason},
                      {"message", h.message},
                      {"opensAt", or_null(h.opens_at)}});
    }
    for (const auto& [environment, verdicts] : p.plan->verdicts) {
      for (const Verdict& v : verdicts) {
        policies.push_back({{"site", p.site->name},
                            {"environment", environment},
                            {"policy", or_null(v.policy)},
                            {"rule", or_null(v.rule)},
                            {"holds", v.hold.has_value()},
                            {"said", v.said},
                            {"opensAt", v.hold ? or_null(v.hold->opens_at) : Json()}});
      }
    }
    for (const auto& w : p.plan->warnings)
      warnings.push_back({{"site", p.site->name}, {"message", w}});
  }
  return text_of({{"id", plan_id(sites)},
                  {"converged", converged},
                  {"ready", ready},
                  {"waiting", waiting},
                  {"held", held},
                  {"policies", policies},
                  {"warnings", warnings},
                  {"problems", problems}},
                 1);
}

std::string edit_json(const std::string& commit, const std::string& diff,
                      const std::string& branch) {
  return text_of({{"commit", or_null(commit)}, {"diff", diff}, {"branch", or_null(branch)}}, 1) +
         "\n";
}

std::string commit_json(const std::string& commit, const std::string& branch,
                        const std::vector<ChangedFile>& files,
                        const std::vector<ChangedFile>& left_out) {
  const auto list = [](const std::vector<ChangedFile>& changes) {
    Json out = Json::array();
    for (const ChangedFile& c : changes)
      out.push_back(
          {{"path", c.path}, {"change", std::string(1, c.letter)}, {"lines", c.lines}});
    return out;
  };
  return text_of({{"commit", or_null(commit)},
                  {"branch", branch},
                  {"files", list(files)},
                  {"leftOut", list(left_out)}},
                 1) +
         "\n";
}

std::string lacks_json(const std::vector<Lack>& lacks) {
  Json list = Json::array();
  for (const Lack& lack : lacks)
    list.push_back({{"what", lack.what}, {"missing", lack.missing}, {"mend", or_null(lack.mend)}});
  return text_of(list, 1) + "\n";
}

std::string history_json(const std::vector<OperationRecord>& operations) {
  Json list = Json::array();
  for (const auto& o : operations) {
    list.push_back({{"id", o.id},
                    {"site", o.site},
                    {"environment", o.environment},
                    {"actions", o.actions},
                    {"manifestRevision", or_null(o.manifest_revision)},
                    {"author", or_null(o.author)},
                    {"startedAt", to_rfc3339(o.started_at)},
                    {"endedAt", or_null(o.ended_at)},
                    {"result", or_null(o.result)},
                    {"message", o.message}});
  }
  return text_of({{"operations", list}}, 1);
}

std::string events_json(const std::vector<EventRecord>& events) {
  Json list = Json::array();
  for (const auto& e : events) {
    list.push_back({{"at", to_rfc3339(e.at)},
                    {"site", e.site},
                    {"environment", or_null(e.environment)},
                    {"type", e.type},
                    {"message", e.message}});
  }
  return text_of({{"events", list}}, 1);
}

}  // namespace tidegate
