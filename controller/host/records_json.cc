// What an environment says of itself, as JSON.

#include "controller/host/records_json.h"

#include <nlohmann/json.hpp>

namespace tidegate {
namespace {

using Json = nlohmann::json;

std::string millis(Timestamp time) { return std::to_string(time.time_since_epoch().count()); }
Timestamp from_millis(const Json& json) {
  return Timestamp(Duration(std::stoll(json.get<std::string>())));
}
std::optional<Timestamp> time_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return std::nullopt;
  return from_millis(*found);
}

Json to_json(const Stamp& s) {
  return {{"source", to_string(s.source)},
          {"generation", s.generation},
          {"sourceRelease", s.source_release.empty() ? Json() : Json(s.source_release)},
          {"takenAt", s.taken_at ? Json(to_rfc3339(*s.taken_at)) : Json()},
          {"sanitizer", nullptr}};
}
Stamp stamp_from(const Json& j) {
  Stamp s;
  s.source = ContentSource::parse(j.at("source").get<std::string>());
  s.generation = j.at("generation").get<std::uint64_t>();
  if (j.at("sourceRelease").is_string()) s.source_release = j["sourceRelease"].get<std::string>();
  if (j.at("takenAt").is_string()) s.taken_at = parse_rfc3339(j["takenAt"].get<std::string>());
  return s;
}

Json to_json(const ContentSet& c) {
  Json j = to_json(c.stamp);
  j["id"] = c.id;
  j["items"] = c.items;
  j["declared"] = c.declared;
  return j;
}
ContentSet content_from(const Json& j) {
  return {j.at("id").get<std::string>(), stamp_from(j),
          j.at("items").get<std::map<std::string, std::string>>(),
          j.at("declared").get<std::map<std::string, std::string>>()};
}

Json generations(const std::map<Part, std::uint64_t>& numbers) {
  Json j = Json::object();
  for (const auto& [part, number] : numbers) j[to_string(part)] = number;
  return j;
}
std::map<Part, std::uint64_t> generations_from(const Json& j) {
  std::map<Part, std::uint64_t> out;
  for (Part part : parts)
    if (j.contains(to_string(part))) out[part] = j[to_string(part)].get<std::uint64_t>();
  return out;
}

Json to_json(const std::map<Part, ContentSet>& content) {
  Json j = Json::object();
  for (const auto& [part, set] : content) j[to_string(part)] = to_json(set);
  return j;
}
std::map<Part, ContentSet> contents_from(const Json& j) {
  std::map<Part, ContentSet> out;
  for (Part part : parts)
    if (j.contains(to_string(part))) out[part] = content_from(j[to_string(part)]);
  return out;
}

Json to_json(const Evidence& e) {
  return {{"check", e.check},
          {"passed", e.passed},
          {"status", e.status},
          {"said", e.said},
          {"tookMs", e.took.count()}};
}
Evidence evidence_from(const Json& j) {
  return {j.at("check").get<std::string>(), j.at("passed").get<bool>(), j.at("status").get<int>(),
          j.at("said").get<std::string>(), Duration(j.at("tookMs").get<Duration::rep>())};
}
Json to_json(const std::vector<Evidence>& all) {
  Json j = Json::array();
  for (const Evidence& e : all) j.push_back(to_json(e));
  return j;
}
std::vector<Evidence> evidence_in(const Json& holder) {
  std::vector<Evidence> out;
  for (const Json& j : holder.value("evidence", Json::array())) out.push_back(evidence_from(j));
  return out;
}

Json to_json(const Failure& f) {
  return {{"digest", f.digest},
          {"quarantined", f.quarantined},
          {"message", f.message},
          {"endedAt", millis(f.ended_at)},
          {"operation", f.operation},
          {"actions", f.actions},
          {"attempts", f.attempts},
          {"afterSwitch", f.after_switch},
          {"evidence", to_json(f.evidence)}};
}
Failure failure_from(const Json& j) {
  Failure f{j.at("digest").get<std::string>(), j.at("quarantined").get<bool>(),
            j.at("message").get<std::string>(), from_millis(j.at("endedAt")),
            j.at("attempts").get<int>()};
  f.after_switch = j.value("afterSwitch", false);
  f.evidence = evidence_in(j);
  f.operation = j.value("operation", "");
  f.actions = j.value("actions", std::vector<std::string>{});
  return f;
}

Json to_json(const Proof& p) {
  return {{"at", millis(p.at)},
          {"contentTakenAt", p.content_taken_at ? Json(millis(*p.content_taken_at)) : Json()}};
}
Proof proof_from(const Json& j) {
  Proof p;
  p.at = from_millis(j.at("at"));
  if (j.at("contentTakenAt").is_string()) p.content_taken_at = from_millis(j["contentTakenAt"]);
  return p;
}

Json to_json(const Verified& v) {
  return {{"release", v.release}, {"at", millis(v.at)}, {"failed", v.failed}};
}
Verified verified_in(const Json& holder) {
  const auto found = holder.find("verified");
  if (found == holder.end()) return {};
  return {found->at("release").get<std::string>(), from_millis(found->at("at")),
          found->at("failed").get<int>()};
}

Json to_json(const std::map<CommitId, Revocation>& revoked) {
  Json j = Json::object();
  for (const auto& [commit, r] : revoked) {
    j[commit.hex] = {
        {"at", millis(r.at)}, {"message", r.message}, {"evidence", to_json(r.evidence)}};
  }
  return j;
}
std::map<CommitId, Revocation> revoked_in(const Json& holder) {
  std::map<CommitId, Revocation> out;
  const Json revoked = holder.value("revoked", Json::object());
  for (const auto& [hex, j] : revoked.items())
    out[{hex}] = {from_millis(j.at("at")), j.at("message").get<std::string>(), evidence_in(j)};
  return out;
}

Json to_json(const Drift& d) {
  Json j = {{"at", millis(d.at)}, {"changes", d.changes}, {"first", d.first}};
  if (d.by_hand)
    j["byHand"] = {{"summary", d.by_hand->summary},
                   {"digest", d.by_hand->digest},
                   {"committed", d.by_hand->committed.hex},
                   {"base", d.by_hand->base.hex},
                   {"discarded", d.by_hand->discarded}};
  return j;
}
Drift drift_from(const Json& j) {
  Drift d{from_millis(j.at("at")), j.at("changes").get<std::uint64_t>(),
          j.at("first").get<std::vector<std::string>>()};
  if (const auto found = j.find("byHand"); found != j.end())
    d.by_hand = ByHand{found->at("summary").get<std::string>(),
                       found->at("digest").get<std::string>(),
                       {found->at("committed").get<std::string>()},
                       {found->at("base").get<std::string>()},
                       found->at("discarded").get<bool>()};
  return d;
}

const char* name_of(Engine engine) { return engine == Engine::mariadb ? "mariadb" : "sqlite"; }
Engine engine_from(const Json& j) { return engine_named(j.get<std::string>()); }

Json to_json(const ReleaseRecord& r) {
  return {{"id", r.id},
          {"commit", r.commit.hex},
          {"content", to_json(r.content)},
          {"createdAt", to_rfc3339(r.created_at)},
          {"manifestRevision", r.manifest_revision.empty() ? Json() : Json(r.manifest_revision)},
          {"inputs", r.inputs},
          {"build", r.build},
          {"healthy", r.healthy},
          {"updated", r.updated},
          {"writable", r.writable},
          {"highest", generations(r.highest)}};
}

ReleaseRecord release_of(const Json& j) {
  ReleaseRecord r;
  r.id = j.at("id").get<std::string>();
  r.commit.hex = j.at("commit").get<std::string>();
  r.content = contents_from(j.at("content"));
  r.created_at = parse_rfc3339(j.at("createdAt").get<std::string>()).value_or(Timestamp{});
  if (j.at("manifestRevision").is_string())
    r.manifest_revision = j["manifestRevision"].get<std::string>();
  r.inputs = j.at("inputs").get<std::string>();
  r.build = j.at("build").get<std::string>();
  r.healthy = j.at("healthy").get<bool>();
  r.updated = j.at("updated").get<bool>();
  r.writable = j.value("writable", false);
  if (j.contains("highest")) r.highest = generations_from(j["highest"]);
  return r;
}

Json to_json(const EnvironmentRecord& r) {
  Json releases = Json::object(), retired = Json::array(), proven = Json::array(),
       ran = Json::object(), failures = Json::array(), proofs = Json::object(),
       grants = Json::object();
  for (const auto& [id, release] : r.releases) releases[id] = to_json(release);
  for (const auto& x : r.retired)
    retired.push_back({{"id", x.id}, {"at", millis(x.at)}, {"content", to_json(x.content)}});
  for (const auto& c : r.proven) proven.push_back(c.hex);
  for (const auto& [commit, proof] : r.proofs) proofs[commit.hex] = to_json(proof);
  for (const auto& [id, commit] : r.grants_used) grants[id] = commit.hex;
  for (const auto& [commit, ids] : r.ran_on) ran[commit.hex] = ids;
  for (const auto& f : r.failures) failures.push_back(to_json(f));
  Json j = {{"current", r.current},
            {"lastRelease", r.last_release},
            {"launched", r.launched},
            {"releases", releases},
            {"kept", r.kept},
            {"retired", retired},
            {"proven", proven},
            {"lastProven", r.last_proven ? Json(r.last_proven->hex) : Json()},
            {"verified", to_json(r.verified)},
            {"revoked", to_json(r.revoked)},
            {"ranOn", ran},
            {"highest", generations(r.highest)},
            {"failures", failures},
            {"updatedSince", r.updated_since},
            {"proofs", proofs},
            {"grantsUsed", grants},
            {"tookOver", r.took_over},
            {"drift", nullptr}};
  if (r.drift) j["drift"] = to_json(*r.drift);
  return j;
}

EnvironmentRecord record_of(const Json& j) {
  EnvironmentRecord r;
  r.current = j.at("current").get<std::string>();
  r.last_release = j.at("lastRelease").get<std::uint64_t>();
  r.launched = j.at("launched").get<bool>();
  r.took_over = j.value("tookOver", "");
  for (const auto& [id, release] : j.at("releases").items()) r.releases[id] = release_of(release);
  r.kept = j.at("kept").get<std::vector<std::string>>();
  for (const auto& x : j.at("retired"))
    r.retired.push_back({x.at("id").get<std::string>(), from_millis(x.at("at")),
                         contents_from(x.value("content", Json::object()))});
  for (const auto& c : j.at("proven")) r.proven.push_back({c.get<std::string>()});
  const Json proofs = j.value("proofs", Json::object()),
             used = j.value("grantsUsed", Json::object());
  for (const auto& [hex, proof] : proofs.items()) r.proofs[{hex}] = proof_from(proof);
  for (const auto& [id, commit] : used.items()) r.grants_used[id] = {commit.get<std::string>()};
  if (j.at("lastProven").is_string()) r.last_proven = CommitId{j["lastProven"].get<std::string>()};
  r.verified = verified_in(j);
  r.revoked = revoked_in(j);
  for (const auto& [hex, ids] : j.at("ranOn").items())
    r.ran_on[{hex}] = ids.get<std::set<std::string>>();
  r.highest = generations_from(j.at("highest"));
  for (const auto& f : j.at("failures")) r.failures.push_back(failure_from(f));
  r.updated_since = j.at("updatedSince").get<bool>();
  if (const Json& d = j.at("drift"); d.is_object()) r.drift = drift_from(d);
  for (const auto& id : r.kept) r.releases.at(id);
  if (!r.current.empty()) r.releases.at(r.current);
  share_items(r);
  return r;
}

Json to_json(const Journal& r) {
  Json databases = Json::array(), saved = Json::array(), pages = Json::array();
  for (const auto& p : r.pages) pages.push_back({{"path", p.path}, {"title", p.title}});
  for (const auto& d : r.databases)
    databases.push_back({{"engine", name_of(d.engine)}, {"physical", d.physical}});
  for (const auto& s : r.saved) {
    saved.push_back(
        {{"engine", name_of(s.engine)}, {"physical", s.physical}, {"savedAs", s.saved_as}});
  }
  return {{"operation", r.operation},
          {"actions", r.actions},
          {"phase", r.phase},
          {"startedAt", millis(r.started_at)},
          {"owner", r.owner},
          {"digest", r.digest},
          {"revision", r.revision},
          {"author", r.author},
          {"grants", r.grants},
          {"creates", r.creates},
          {"reuses", r.reuses},
          {"asked", r.asked},
          {"before", r.before},
          {"prepared", to_json(r.prepared)},
          {"done", generations(r.done)},
          {"databases", databases},
          {"directories", r.directories},
          {"saved", saved},
          {"maintenance", r.maintenance},
          {"maintenanceOn", r.maintenance_on},
          {"switchedAt", r.switched_at ? Json(millis(*r.switched_at)) : Json()},
          {"closedAt", r.closed_at ? Json(millis(*r.closed_at)) : Json()},
          {"restored", r.restored},
          {"letIn", r.let_in},
          {"pages", pages},
          {"evidence", to_json(r.evidence)},
          {"failure", r.failure},
          {"failureIsSites", r.failure_is_sites}};
}

Journal journal_of(const Json& j) {
  Journal r;
  r.operation = j.at("operation").get<std::string>();
  r.actions = j.at("actions").get<std::vector<std::string>>();
  r.phase = j.at("phase").get<std::string>();
  r.started_at = from_millis(j.at("startedAt"));
  r.owner = j.at("owner").get<std::string>();
  r.digest = j.at("digest").get<std::string>();
  r.revision = j.at("revision").get<std::string>();
  r.author = j.at("author").get<std::string>();
  r.grants = j.value("grants", std::vector<std::string>{});
  r.creates = j.at("creates").get<bool>();
  r.reuses = j.at("reuses").get<bool>();
  r.asked = j.at("asked").get<bool>();
  r.before = j.at("before").get<std::string>();
  r.prepared = release_of(j.at("prepared"));
  r.done = generations_from(j.at("done"));
  for (const auto& d : j.at("databases"))
    r.databases.push_back({engine_from(d.at("engine")), d.at("physical").get<std::string>()});
  r.directories = j.at("directories").get<std::vector<std::string>>();
  for (const auto& s : j.at("saved")) {
    r.saved.push_back({engine_from(s.at("engine")), s.at("physical").get<std::string>(),
                       s.at("savedAs").get<std::string>()});
  }
  r.maintenance = j.at("maintenance").get<bool>();
  r.maintenance_on = j.at("maintenanceOn").get<bool>();
  r.let_in = j.value("letIn", false);
  r.restored = j.value("restored", false);
  r.switched_at = time_at(j, "switchedAt");
  r.closed_at = time_at(j, "closedAt");
  for (const Json& p : j.value("pages", Json::array()))
    r.pages.push_back({p.at("path").get<std::string>(), p.at("title").get<std::string>()});
  r.evidence = evidence_in(j);
  r.failure = j.at("failure").get<std::string>();
  r.failure_is_sites = j.at("failureIsSites").get<bool>();
  return r;
}

std::string dumped(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string to_text(const ReleaseRecord& release) { return dumped(to_json(release)); }
std::string to_text(const EnvironmentRecord& record) { return dumped(to_json(record)); }
std::string to_text(const Journal& journal) { return dumped(to_json(journal)); }

ReleaseRecord release_from(const std::string& text) { return release_of(Json::parse(text)); }
EnvironmentRecord record_from(const std::string& text) { return record_of(Json::parse(text)); }
Journal journal_from(const std::string& text) { return journal_of(Json::parse(text)); }

}  // namespace tidegate
