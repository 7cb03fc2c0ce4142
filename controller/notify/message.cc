#include "controller/notify/message.h"

#include <nlohmann/json.hpp>

#include "schemas/digest.h"

namespace tidegate {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t id_digits = 32;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}
Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json evidence_list(const std::vector<Evidence>& evidence) {
  Json out = Json::array();
  for (const Evidence& e : evidence) {
    out.push_back({{"check", e.check},
                   {"passed", e.passed},
                   {"status", e.status == 0 && !e.passed ? Json() : Json(e.status)},
                   {"said", or_null(e.said)},
                   {"took", to_string(e.took)}});
  }
  return out;
}

Unrest one_from(const Json& json) {
  Unrest out;
  for (const Json& reason : json.at("holds")) out.holds.insert(reason.get<std::string>());
  for (const auto& [digest, time] : json.at("failures").items())
    out.failures[digest] = time.get<std::string>();
  out.called = json.at("called").get<bool>();
  return out;
}

}  // namespace

std::string evidence_json(const std::vector<Evidence>& evidence) {
  return text_of(evidence_list(evidence));
}

OutboxMessage message_of(const Transition& t, const Origin& origin, Timestamp at) {
  OutboxMessage out;
  out.at = at;
  Json body = {{"id", nullptr},
               {"at", to_rfc3339(at)},
               {"type", to_string(t.type)},
               {"site", t.site},
               {"environment", or_null(t.environment)},
               {"reason", t.reason},
               {"message", or_null(t.message)},
               {"manifestRevision", or_null(origin.revision)},
               {"author", or_null(origin.author)},
               {"operation", or_null(t.operation)},
               {"evidence", evidence_list(t.evidence)}};
  const std::string exactly = std::to_string(at.time_since_epoch().count());
  out.id = sha256_hex(exactly + text_of(body)).substr(0, id_digits);
  body["id"] = out.id;
  out.body = text_of(body);
  return out;
}

UnrestTexts to_texts(const SiteUnrest& unrest) {
  UnrestTexts out;
  for (const auto& [environment, u] : unrest)
    out[environment] =
        text_of({{"holds", u.holds}, {"failures", Json(u.failures)}, {"called", u.called}});
  return out;
}

SiteUnrest unrest_from(const UnrestTexts& texts) {
  SiteUnrest out;
  for (const auto& [environment, text] : texts) {
    try {
      out[environment] = one_from(Json::parse(text));
    } catch (const std::exception&) {
      out.erase(environment);
    }
  }
  return out;
}

}  // namespace tidegate
