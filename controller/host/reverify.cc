#include "controller/host/reverify.h"

#include <algorithm>
#include <filesystem>

#include "controller/host/files/locks.h"
#include "controller/host/observe.h"
#include "controller/host/verification.h"
#include "reconcilers/policies.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
/// A page may fail for a moment; it is not taken for broken before it was seen so twice.
constexpr Duration between_failures = 30s;
constexpr int failures_needed = 2;
/// A command that hangs keeps other sites from being looked over.
constexpr Duration command_limit = 2min;

/// The release was healthy until it was verified again.
bool is_revoked(const EnvironmentRecord& record) {
  const ReleaseRecord& release = record.releases.at(record.current);
  return !release.healthy && record.revoked.contains(release.commit);
}

bool is_due(const EnvironmentRecord& record, const std::optional<Duration>& again, Timestamp now) {
  if (record.current.empty() || !record.releases.contains(record.current)) return false;
  if (record.drift && record.drift->by_hand) return false;  // It would say nothing of the commit.
  const Verified& last = record.verified;
  const bool revoked = is_revoked(record);
  if (!revoked && (!again || !record.releases.at(record.current).healthy)) return false;
  if (last.release != record.current) return true;
  const Duration pause = again.value_or(between_failures);
  return last.at + (last.failed > 0 ? std::min(between_failures, pause) : pause) <= now;
}

/// What one verification came to; nothing when it was stopped.
struct Outcome {
  bool passed = false;
  std::string message;
  std::vector<Evidence> evidence;
};

Result<Outcome> verify(const Place& place, const EnvironmentRecord& record,
                       const std::function<bool()>& stopped) {
  const ReleaseRecord& release = record.releases.at(record.current);
  auto variables = place.variables(release);
  if (!variables) return std::move(variables.error());
  const Mask mask(variables->secrets);
  CommandRun run = run_in_release(place, release, *variables);
  const Duration limit = std::min(command_limit, place.environment.deploy.timeout);
  run.deadline = std::chrono::steady_clock::now() + limit;
  run.limit = "verify.again waits " + to_string(limit);
  run.stop = stopped;
  run.mask = &mask;
  Verification verification(place, run, [](const std::string&) {});
  // What is known to fail is only looked at, to see whether it still does.
  const Duration patience = is_revoked(record) ? Duration{} : place.environment.verify.retry_for;
  auto result = verification.again(patience);
  if (!result && result.error().kind != ErrorKind::site) return std::move(result.error());
  return Outcome{static_cast<bool>(result), result ? "" : result.error().message,
                 verification.evidence()};
}

void revoke(EnvironmentRecord& record, Outcome outcome, Timestamp now) {
  ReleaseRecord& release = record.releases.at(record.current);
  release.healthy = false;
  std::erase(record.proven, release.commit);
  record.proofs.erase(release.commit);
  for (auto& [commit, older] : record.revoked) older.evidence.clear();
  record.revoked[release.commit] = {now, std::move(outcome.message), std::move(outcome.evidence)};
  if (record.revoked.size() <= revoked_max) return;
  record.revoked.erase(
      std::ranges::min_element(record.revoked, {}, [](const auto& r) { return r.second.at; }));
}

/// What the outcome changes in the memory. True when a look would see it.
bool take_in(EnvironmentRecord& record, const Place& place, Outcome outcome) {
  const Timestamp now = place.services.clock.now();
  ReleaseRecord& release = record.releases.at(record.current);
  const bool same = record.verified.release == record.current;
  if (outcome.passed) {
    const bool comes_back = !release.healthy;
    record.verified = {record.current, now, 0};
    release.healthy = true;
    if (comes_back) note_proof(record, place, now);
    return comes_back;
  }
  record.verified = {record.current, now, (same ? record.verified.failed : 0) + 1};
  if (record.verified.failed < failures_needed) return false;
  revoke(record, std::move(outcome), now);
  return true;
}

}  // namespace

void note_proof(EnvironmentRecord& record, const Place& place, Timestamp now) {
  const ReleaseRecord& release = record.releases.at(record.current);
  record.verified = {release.id, now, 0};
  record.revoked.erase(release.commit);
  std::erase(record.proven, release.commit);
  record.proven.push_back(release.commit);
  std::map<Part, Stamp> stamps;
  for (const auto& [part, set] : release.content) stamps[part] = set.stamp;
  record.proofs.try_emplace(release.commit, Proof{now, {}}).first->second.content_taken_at =
      taken_from_above(place.site, place.environment.name, stamps);
  if (record.proven.size() > proven_max) {
    record.proofs.erase(record.proven.front());
    record.proven.erase(record.proven.begin());
  }
  record.last_proven = release.commit;
}

Result<bool> verify_again(const Place& place, const std::function<bool()>& stopped) {
  const auto& layout = place.layout;
  const auto& again = place.environment.verify.again;
  const auto readable = [&]() -> Result<std::optional<EnvironmentRecord>> {
    auto record = read_record(layout);
    if (!record || !*record) return record;
    auto followed = follow_link(layout, **record);
    if (!followed) return std::move(followed.error());
    const bool quiet = !std::filesystem::exists(layout.journal()) &&
                       is_due(**record, again, place.services.clock.now());
    return quiet ? std::move(record) : std::optional<EnvironmentRecord>{};
  };
  auto record = readable();
  if (!record) return std::move(record.error());
  if (!*record) return false;
  const bool was_revoked = is_revoked(**record);
  auto outcome = verify(place, **record, stopped);
  if (!outcome) return stopped && stopped() ? Result<bool>(false) : std::move(outcome.error());
  if (was_revoked && !outcome->passed) return false;  // Said already.
  auto lock =
      EnvironmentLock::try_exclusive(layout.lock(), place.services.owner + ", verifying it again");
  if (!lock) return std::move(lock.error());
  if (!*lock) return false;
  const std::string verified = (*record)->current;
  record = readable();  // It may have moved on before the lock was taken.
  if (!record) return std::move(record.error());
  if (!*record || (*record)->current != verified) return false;
  const bool news = take_in(**record, place, std::move(*outcome));
  if (news)
    if (auto r = write_release(layout, (*record)->releases.at(verified)); !r)
      return std::move(r.error());
  if (auto r = write_record(layout, **record); !r) return std::move(r.error());
  return news;
}

}  // namespace tidegate
