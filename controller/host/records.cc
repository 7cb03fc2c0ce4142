#include "controller/host/records.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "controller/host/files/durable.h"
#include "controller/host/records_json.h"

namespace tidegate {
namespace {

constexpr std::size_t record_bytes_max = 8 << 20;
constexpr unsigned record_mode = 0640;
constexpr unsigned release_mode =
    0644;  // Holds no secret; the site's pages and others' programs read it.
constexpr const char* launched_note = "launched\n";

template <class T>
Result<std::optional<T>> read(const std::string& path, T (*from)(const std::string&),
                              const char* mend) {
  auto text = read_small(path, record_bytes_max);
  if (!text) return std::move(text.error());
  if (!*text) return std::optional<T>{};
  try {
    return std::optional<T>(from(**text));
  } catch (const std::exception& e) {
    return Error{ErrorKind::invalid, "damaged record \"" + path + "\": " + e.what() + "; " + mend};
  }
}

template <class T>
Result<void> write(const std::string& path, const T& value, unsigned mode = record_mode) {
  return write_durably(path, to_text(value), mode);
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

void share_items(EnvironmentRecord& record) {
  for (const auto& [id, release] : record.releases) share_items(record, release.content);
}

Result<std::optional<EnvironmentRecord>> read_record(const EnvironmentLayout& layout) {
  auto record =
      read(layout.record(), record_from, "move it away to have it rebuilt from the releases");
  if (!record || !*record || (*record)->proofs.size() >= (*record)->proven.size()) return record;
  struct stat facts {};
  if (::stat(layout.record().c_str(), &facts) != 0) return record;
  for (const CommitId& commit : (*record)->proven)
    (*record)->proofs.try_emplace(commit,
                                  Proof{Timestamp(std::chrono::seconds(facts.st_mtime)), {}});
  return record;
}
Result<void> write_record(const EnvironmentLayout& layout, const EnvironmentRecord& record) {
  return write(layout.record(), record);
}
Result<std::optional<Journal>> read_journal(const EnvironmentLayout& layout) {
  return read(layout.journal(), journal_from,
              "nothing is done here until it is put back, or removed (with "
              "\"maintenance\" and \"next\", where they are left) once \"current\" "
              "shows what it should");
}
Result<void> write_journal(const EnvironmentLayout& layout, const Journal& journal) {
  return write(layout.journal(), journal);
}
Result<void> remove_journal(const EnvironmentLayout& layout) {
  if (::unlink(layout.journal().c_str()) != 0 && errno != ENOENT) {
    return Error{ErrorKind::transient,
                 "remove \"" + layout.journal() + "\": " + std::strerror(errno)};
  }
  return {};
}
Result<void> write_release(const EnvironmentLayout& layout, const ReleaseRecord& release) {
  return write(layout.release(release.id) + "/release.json", release, release_mode);
}
Result<std::optional<ReleaseRecord>> read_release(const EnvironmentLayout& layout,
                                                  const std::string& id) {
  return read(layout.release(id) + "/release.json", release_from,
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
  share_items(record);
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
