#include "controller/store/audit.h"

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "schemas/digest.h"

namespace tidegate {
namespace {

using Json = nlohmann::json;  // Keeps keys sorted: the same facts are the same bytes.

constexpr std::size_t hash_digits = 64;
const std::string nothing_before(hash_digits, '0');

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string hash_of(const std::string& previous, const std::string& entry) {
  return sha256_hex(previous + entry);
}

Json parsed(const std::string& entry) {
  Json json = Json::parse(entry, nullptr, false);
  return json.is_object() ? json : Json::object();
}

std::string text_in(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string numbered(std::int64_t seq) { return "entry " + std::to_string(seq); }

struct AuditRow {
  std::int64_t seq = 0;
  std::string previous, hash, entry;
};
AuditRow as_row(const Row& row) { return {row.integer(0), row.text(1), row.text(2), row.text(3)}; }

/// What is wrong with a row, coming after `before` (its hash, and its number); "" when nothing is.
std::string problem_of(const AuditRow& row, const AuditAnchor& before) {
  if (row.seq != before.seq + 1)
    return numbered(before.seq + 1) + " is missing: the next one is " + numbered(row.seq);
  if (hash_of(row.previous, row.entry) != row.hash)
    return numbered(row.seq) + " was changed: its hash is not that of what it says";
  if (row.previous != before.hash)
    return numbered(row.seq) +
           " does not follow from the one before it: one of them was changed, "
           "put in or exchanged";
  const Json entry = parsed(row.entry);
  const auto seq = entry.find("seq");
  if (seq == entry.end() || !seq->is_number_integer() || seq->get<std::int64_t>() != row.seq)
    return numbered(row.seq) + " was moved: it says that it is another";
  return "";
}

std::string lost_anchor(const AuditAnchor& anchor, const AuditWalk& walk) {
  if (anchor.seq <= walk.entries) return "";
  return numbered(anchor.seq) + " is missing: the chain was cut short, it ends with " +
         numbered(walk.entries);
}

Result<void> add(Connection& connection, AuditAnchor& last, Json facts, Timestamp at) {
  facts["seq"] = ++last.seq;
  facts["at"] = to_rfc3339(at);
  const std::string entry = text_of(facts);
  const std::string previous = std::exchange(last.hash, hash_of(last.hash, entry));
  return connection.run("INSERT INTO audit (seq, previous, hash, entry) VALUES (?, ?, ?, ?)",
                        {last.seq, previous, last.hash, entry});
}

Result<AuditAnchor> last_of(Connection& connection) {
  AuditAnchor last{nothing_before, 0};
  auto read = connection.each("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", {},
                              [&](const Row& row) {
                                last = {row.text(1), row.integer(0)};
                              });
  if (!read) return std::move(read.error());
  return last;
}

}  // namespace

std::optional<AuditAnchor> parse_anchor(const std::string& text) {
  const std::size_t at = text.find('@');
  if (at != hash_digits || text.find_first_not_of("0123456789abcdef") != at) return std::nullopt;
  AuditAnchor out{text.substr(0, at), 0};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + at + 1, end, out.seq);
  if (error != std::errc() || stop != end || out.seq < 1) return std::nullopt;
  return out;
}

std::string to_string(const AuditAnchor& anchor) {
  return anchor.hash + "@" + std::to_string(anchor.seq);
}

Result<std::unique_ptr<AuditTrail>> AuditTrail::open(const std::string& path, StoreMode mode) {
  std::error_code ignored;
  std::unique_ptr<AuditTrail> trail(
      new AuditTrail(std::filesystem::absolute(path, ignored).lexically_normal(), mode));
  auto opened = trail->file_.use([](Connection&) -> Result<void> { return {}; });
  if (!opened) return std::move(opened.error());
  return trail;
}

Result<void> AuditTrail::append(Timestamp at, const std::string& facts) {
  if (mode_ == StoreMode::read_only)
    return Error{ErrorKind::invalid, "the state file was opened for reading only"};
  return file_.use([&](Connection& connection) -> Result<void> {
    // What is about to be done outlasts a power cut, and so must its entry.
    if (auto set = connection.run("PRAGMA synchronous = FULL"); !set) return set;
    return connection.transaction([&]() -> Result<void> {
      auto last = last_of(connection);
      if (!last) return std::move(last.error());
      if (last->seq == 0) {
        const Json first{{"kind", "begin"},
                         {"because", "a chain begins: the store held no entry before this one"}};
        if (auto begun = add(connection, *last, first, at); !begun) return begun;
      }
      return add(connection, *last, parsed(facts), at);
    });
  });
}

Result<AuditWalk> AuditTrail::walk(const std::optional<AuditAnchor>& anchor) {
  return file_.use([&](Connection& connection) -> Result<AuditWalk> {
    AuditWalk out;
    out.head.hash = nothing_before;
    auto read = connection.each(
        "SELECT seq, previous, hash, entry FROM audit ORDER BY seq", {}, [&](const Row& found) {
          if (!out.problem.empty()) return;
          const AuditRow row = as_row(found);
          out.problem = problem_of(row, out.head);
          if (out.problem.empty() && anchor && anchor->seq == row.seq && anchor->hash != row.hash)
            out.problem = numbered(row.seq) +
                          " is not the one of the anchor: the chain was "
                          "written anew";
          if (!out.problem.empty()) return;
          const Json entry = parsed(row.entry);
          out.to = text_in(entry, "at");
          if (out.entries++ == 0) out.from = out.to;
          out.head = {row.hash, row.seq};
        });
    if (!read) return std::move(read.error());
    if (anchor && out.problem.empty()) out.problem = lost_anchor(*anchor, out);
    return out;
  });
}

Result<AuditAnchor> AuditTrail::each(const AuditFilter& filter,
                                     const std::function<void(const std::string& line)>& take) {
  return file_.use([&](Connection& connection) -> Result<AuditAnchor> {
    AuditAnchor head{nothing_before, 0};
    auto read = connection.each("SELECT seq, previous, hash, entry FROM audit ORDER BY seq", {},
                                [&](const Row& found) {
                                  const AuditRow row = as_row(found);
                                  head = {row.hash, row.seq};
                                  Json entry = parsed(row.entry);
                                  const auto at = parse_rfc3339(text_in(entry, "at"));
                                  if (filter.since && at && *at < *filter.since) return;
                                  if (!filter.site.empty() && text_in(entry, "site") != filter.site)
                                    return;
                                  if (entry.empty()) return take(row.entry);
                                  entry["previous"] = row.previous;
                                  entry["hash"] = row.hash;
                                  take(text_of(entry));
                                });
    if (!read) return std::move(read.error());
    return head;
  });
}

}  // namespace tidegate
