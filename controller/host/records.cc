#include "controller/host/records.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "controller/host/files/durable.h"

namespace tidegate {
namespace {

using Json = nlohmann::json;
constexpr std::size_t record_bytes_max = 8 << 20;
constexpr unsigned record_mode = 0640;
constexpr unsigned release_mode =
    0644;  // Holds no secret; the site's pages and others' programs read it.
constexpr const char* launched_note = "launched\n";

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
ReleaseRecord release_from(const Json& j) {
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
void share_all_items(EnvironmentRecord& record) {
  for (const auto& [id, release] : record.releases) share_items(record, release.content);
}
EnvironmentRecord record_from(const Json& j) {
  EnvironmentRecord r;
  r.current = j.at("current").get<std::string>();
  r.last_release = j.at("lastRelease").get<std::uint64_t>();
  r.launched = j.at("launched").get<bool>();
  r.took_over = j.value("tookOver", "");
  for (const auto& [id, release] : j.at("releases").items()) r.releases[id] = release_from(release);
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
  share_all_items(r);
  return r;
}

const char* name_of(Engine engine) { return engine == Engine::mariadb ? "mariadb" : "sqlite"; }
Engine engine_from(const Json& j) { return engine_named(j.get<std::string>()); }

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
Journal journal_from(const Json& j) {
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
  r.prepared = release_from(j.at("prepared"));
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

template <class T, class From>
Result<std::optional<T>> read_json(const std::string& path, From from, const char* mend) {
  auto text = read_small(path, record_bytes_max);
  if (!text) return std::move(text.error());
  if (!*text) return std::optional<T>{};
  try {
    return std::optional<T>(from(Json::parse(**text)));
  } catch (const std::exception& e) {
    return Error{ErrorKind::invalid, "damaged record \"" + path + "\": " + e.what() + "; " + mend};
  }
}

template <class T>
Result<void> write_json(const std::string& path, const T& value, unsigned mode = record_mode) {
  return write_durably(
      path, to_json(value).dump(1, ' ', false, Json::error_handler_t::replace) + "\n", mode);
}

}  // namespace

Engine engine_named(const std::string& declared) {
  return declared == "mariadb" ? Engine::mariadb : Engine::sqlite;
}

void share_items(EnvironmentRecord& record, const std::map<Part, ContentSet>& content) {
  for (auto& [id, release] : record.releases) {
    for (auto& [part, set] : release.content) {
      const auto other = content.find(part);
      if (other == content.end() || &other->second == &set || other->second.id != set.id) continue;
      set.items.insert(other->second.items.begin(), other->second.items.end());
      set.declared.insert(other->second.declared.begin(), other->second.declared.end());
    }
  }
}

Result<std::optional<EnvironmentRecord>> read_record(const EnvironmentLayout& layout) {
  auto record = read_json<EnvironmentRecord>(layout.record(), record_from,
                                             "move it away to have it rebuilt from the releases");
  if (!record || !*record || (*record)->proofs.size() >= (*record)->proven.size()) return record;
  struct stat facts {};
  if (::stat(layout.record().c_str(), &facts) != 0) return record;
  for (const CommitId& commit : (*record)->proven)
    (*record)->proofs.try_emplace(commit,
                                  Proof{Timestamp(std::chrono::seconds(facts.st_mtime)), {}});
  return record;
}
Result<void> write_record(const EnvironmentLayout& layout, const EnvironmentRecord& record) {
  return write_json(layout.record(), record);
}
Result<std::optional<Journal>> read_journal(const EnvironmentLayout& layout) {
  return read_json<Journal>(layout.journal(), journal_from,
                            "nothing is done here until it is put back, or removed (with "
                            "\"maintenance\" and \"next\", where they are left) once \"current\" "
                            "shows what it should");
}
Result<void> write_journal(const EnvironmentLayout& layout, const Journal& journal) {
  return write_json(layout.journal(), journal);
}
Result<void> remove_journal(const EnvironmentLayout& layout) {
  if (::unlink(layout.journal().c_str()) != 0 && errno != ENOENT) {
    return Error{ErrorKind::transient,
                 "remove \"" + layout.journal() + "\": " + std::strerror(errno)};
  }
  return {};
}
Result<void> write_release(const EnvironmentLayout& layout, const ReleaseRecord& release) {
  return write_json(layout.release(release.id) + "/release.json", release, release_mode);
}
Result<std::optional<ReleaseRecord>> read_release(const EnvironmentLayout& layout,
                                                  const std::string& id) {
  return read_json<ReleaseRecord>(layout.release(id) + "/release.json", release_from,
                                  "put it back, or remove the release if nobody needs it");
}

Result<std::optional<EnvironmentRecord>> rebuild_record(const EnvironmentLayout& layout) {
  auto link = read_link(layout.current());
  if (!link) return std::move(link.error());
  if (!*link) return std::optional<EnvironmentRecord>{};
  EnvironmentRecord record;
  record.current = std::filesystem::path(**link).filename();
  auto noted =
      read_small(layout.of_root().registered(layout.site, layout.environment), record_bytes_max);
  if (!noted) return std::move(noted.error());
  record.launched = *noted == launched_note;
  std::error_code ignored;
  std::map<std::uint64_t, ReleaseRecord> releases;  // As they were made.
  for (const auto& entry : std::filesystem::directory_iterator(layout.releases(), ignored)) {
    auto release = read_release(layout, entry.path().filename());
    if (!release) return std::move(release.error());
    if (*release) releases[std::strtoull((*release)->id.c_str(), nullptr, 10)] = **release;
  }
  for (const auto& [number, r] : releases) {
    record.last_release = number;
    for (const auto& [part, set] : r.content)
      record.highest[part] = std::max(record.highest[part], set.stamp.generation);
    for (const auto& [part, generation] : r.highest)
      record.highest[part] = std::max(record.highest[part], generation);
    if (r.healthy) {
      const auto databases = r.content.find(Part::databases);
      if (record.proofs.try_emplace(r.commit, Proof{r.created_at, {}}).second)
        record.proven.push_back(r.commit);
      record.ran_on[r.commit].insert(databases == r.content.end() ? "" : databases->second.id);
      if (r.id == record.current) record.last_proven = r.commit;
    }
    if (r.id != record.current) record.kept.insert(record.kept.begin(), r.id);
    record.releases[r.id] = r;
  }
  share_all_items(record);
  return std::optional<EnvironmentRecord>(record);
}

Result<void> register_environment(const EnvironmentLayout& layout, bool launched) {
  const std::string path = layout.of_root().registered(layout.site, layout.environment);
  const std::string text = launched ? launched_note : "";
  auto noted = read_small(path, record_bytes_max);
  if (!noted) return std::move(noted.error());
  if (*noted == text) return {};
  if (auto made = make_directory(path.substr(0, path.rfind('/')), 0755); !made) return made;
  return write_durably(path, text, 0644);
}

std::string next_release_id(const EnvironmentLayout& layout, const EnvironmentRecord& record) {
  std::error_code ignored;
  for (std::uint64_t number = record.last_release + 1;; ++number) {
    const std::string id = std::to_string(number);
    const bool left = std::filesystem::exists(layout.release(id), ignored) ||
                      std::filesystem::exists(layout.content() + "/databases-" + id, ignored) ||
                      std::filesystem::exists(layout.content() + "/files-" + id, ignored);
    if (!left) return id;
  }
}

}  // namespace tidegate
