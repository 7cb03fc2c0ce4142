#include "reconcilers/reverts.h"

#include <algorithm>

#include "reconcilers/diff.h"
#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

constexpr std::size_t evidence_lines_max = 5;
constexpr std::size_t line_bytes_max = 200;

std::string long_id(const CommitId& commit) { return commit.hex.substr(0, 12); }

bool is_pinned(const CodeTarget& code) {
  return std::holds_alternative<CommitId>(code) || std::holds_alternative<TagName>(code);
}

/// The failure behind the switch of what the document asks for now.
const Failure* failure_asked_for(const Site& site, const Environment& e,
                                 const ObservedEnvironment& seen, const CommitId& want) {
  for (const std::string& digest :
       {step_digest(site, e, seen, want), content_digest(site, e, seen, want, {})}) {
    const auto found = std::ranges::find(seen.failures, digest, &Failure::digest);
    if (found != seen.failures.end() && found->quarantined && found->after_switch) return &*found;
  }
  return nullptr;
}

/// Lines of a text as they may stand in a commit's message: indented, so that none is taken for
/// anything else, without control characters, and cut.
std::string indented(const std::string& text) {
  std::string out;
  std::size_t lines = 0;
  for (std::size_t at = 0; at < text.size() && lines < evidence_lines_max; ++lines) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, std::min(end - at, line_bytes_max));
    // Not half a character.
    while (end - at > line_bytes_max && !line.empty() && (line.back() & 0xC0) == 0x80)
      line.pop_back();
    if (end - at > line_bytes_max && !line.empty() && (line.back() & 0x80) != 0) line.pop_back();
    std::erase_if(line, [](unsigned char c) { return c < ' ' || c == 0x7F; });
    if (!line.empty()) out += "    " + line + "\n";
    at = end + 1;
  }
  return out;
}

std::string evidence_text(const std::vector<Evidence>& evidence) {
  std::string out;
  for (const Evidence& e : evidence) {
    if (e.passed) continue;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(e.took).count();
    out += "- " + e.check + ": " +
           (e.status == 0 ? "no answer" : "status " + std::to_string(e.status)) + ", " +
           std::to_string(took) + " ms\n" + indented(e.said);
  }
  return out.empty() ? "" : "Evidence:\n" + out + "\n";
}

}  // namespace

std::vector<Revert> reverts_of(const Site& site, const ObservedSite& observed, Timestamp now,
                               const std::set<std::string>& retries) {
  std::vector<Revert> out;
  if (!site.invalid.empty()) return out;
  for (const auto& [name, e] : site.environments) {
    if (!e.revert_manifest.wanted || !e.rollback || !is_pinned(e.code) || retries.contains(name))
      continue;
    if (e.suspend && (!e.suspend->until || *e.suspend->until > now)) continue;
    const ObservedEnvironment& seen = observed_of(observed, name);
    const auto want = resolve(e, site, observed, now).commit;
    if (!seen.gone.empty() || seen.operation || !want) continue;
    const Failure* failure = failure_asked_for(site, e, seen, *want);
    if (!failure) continue;
    out.push_back({site.name, name, seen.commit.value_or(CommitId{}), *want, *failure,
                   seen.manifest_revision, e.revert_manifest.branch});
  }
  return out;
}

std::string revert_message(const Revert& revert, const Asked& asked) {
  const Failure& failure = revert.failure;
  const std::string where = revert.site + "/" + revert.environment;
  const std::string what = failure.actions.empty() ? "step" : join(failure.actions, ", ");
  std::string text =
      "Revert " + where + " to " + long_id(revert.runs) + ": verification failed\n\n" +
      asked.author + " asked for " + long_id(revert.failed) + " in manifest commit " +
      long_id(asked.commit) + ":\n" + indented(asked.subject) + "\n" + "Operation " +
      failure.operation + " (" + what + ") failed where visitors look, at " +
      to_rfc3339(failure.ended_at) + ",\nand " + where + " went back to " + long_id(revert.runs) +
      ":\n" + indented(failure.message) + "\n" + evidence_text(failure.evidence);
  return text + "Tidegate-Operation: " + failure.operation + "\n";
}

}  // namespace tidegate
