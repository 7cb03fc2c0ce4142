#include "controller/host/hand_made.h"

#include <filesystem>
#include <thread>

#include "controller/host/drift.h"
#include "controller/host/files/locks.h"
#include "controller/host/observe.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr int turns_max = 30;

/// An environment at rest, locked, with what is changed in it now.
struct Looked {
  EnvironmentLock lock;
  EnvironmentRecord record;
  HandMade found;
};

Result<Looked> look_under_lock(const Place& place) {
  const auto& layout = place.layout;
  const std::string name = layout.site + "/" + layout.environment;
  if (!std::filesystem::exists(layout.own()))
    return Error{ErrorKind::invalid, name + " runs no release"};
  auto lock = EnvironmentLock::try_exclusive(layout.lock(), place.services.owner);
  // Who only looks it over lets go soon.
  for (int turn = 0; lock && !*lock && turn < turns_max; ++turn) {
    std::this_thread::sleep_for(100ms);
    lock = EnvironmentLock::try_exclusive(layout.lock(), place.services.owner);
  }
  if (!lock) return std::move(lock.error());
  if (!*lock || std::filesystem::exists(layout.journal()))
    return Error{ErrorKind::transient, name + " is busy; repeat when its operation has ended"};
  auto record = known_record(layout);
  if (!record) return std::move(record.error());
  if (!*record || !(*record)->releases.contains((*record)->current))
    return Error{ErrorKind::invalid, name + " runs no release"};
  if (auto followed = follow_link(layout, **record); !followed) return std::move(followed.error());
  const ReleaseRecord& release = (*record)->releases.at((*record)->current);
  if (!release.writable)
    return Error{ErrorKind::invalid, name +
                                         " is not writable: what is changed by hand there is put "
                                         "back; write code: {branch: …, writable: true}"};
  auto changes = changes_in(place, release, false);
  if (!changes) return std::move(changes.error());
  auto by_hand = hand_changes_in(place, release, *changes);
  if (!by_hand) return std::move(by_hand.error());
  HandMade found{release.id, release.commit, {}, layout.code(release.id), std::move(*by_hand), ""};
  return Looked{std::move(**lock), std::move(**record), std::move(found)};
}

}  // namespace

Result<HandMade> hand_made_in(const Place& place) {
  auto looked = look_under_lock(place);
  if (!looked) return std::move(looked.error());
  auto& record = looked->record;
  auto drift = look_for_drift(place, record.releases.at(record.current), record.drift, false);
  if (!drift) return std::move(drift.error());
  if (*drift && (*drift)->by_hand) {
    const ByHand& by_hand = *(*drift)->by_hand;
    looked->found.base = by_hand.base;
    if (by_hand.committed.hex.empty()) looked->found.uncommitted = by_hand.summary;
  }
  if (!same_drift(*drift, record.drift)) {
    record.drift = std::move(*drift);
    if (auto written = write_record(place.layout, record); !written)
      return std::move(written.error());
  }
  return std::move(looked->found);
}

Result<void> discard_in(const Place& place, const HandMade& shown) {
  auto looked = look_under_lock(place);
  if (!looked) return std::move(looked.error());
  auto& record = looked->record;
  const std::string digest = digest_of(shown.changes);
  const auto& drift = record.drift;
  if (looked->found.release != shown.release || digest_of(looked->found.changes) != digest ||
      !drift || !drift->by_hand || drift->by_hand->digest != digest)
    return Error{ErrorKind::transient, "something was changed just now; look at it again: repeat"};
  record.drift->by_hand->discarded = true;
  return write_record(place.layout, record);
}

}  // namespace tidegate
