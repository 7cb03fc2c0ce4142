// A clock that is set back does not keep the loop from reading and looking.

#include <gtest/gtest.h>

#include "controller/loop/controller.h"
#include "controller/loop/test_ports.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class SetClock : public Clock {
 public:
  Timestamp now() const override { return time; }
  Timestamp time{1'000'000h};
};

class CountedWorld : public Driver {
 public:
  Result<ObservedSite> observe(const Site&) override {
    ++looks;
    return ObservedSite{};
  }
  Result<void> start(const Site&, const Step&) override { return {}; }
  int looks = 0;
};

class OneSite : public ManifestSource {
 public:
  std::string name() const override { return "fleet"; }
  Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) override {
    ++reads;
    if (!revision.empty()) return std::optional<ManifestChanges>{};
    const std::string text =
        "apiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: host}\nspec: {host: {root: "
        "/srv}}\n---\napiVersion: tidegate/v1\nkind: Site\nmetadata: {name: acme}\nspec: {driver: "
        "host, repository: {url: \"https://git.example.org/acme.git\"}, stages: [live]}\n";
    return std::optional(ManifestChanges{"r1", "Ada", {{"x.yaml", text}}, true, false, {}});
  }
  Result<ManifestChanges> as_of(const std::string&) override {
    return Error{ErrorKind::invalid, "not there"};
  }
  int reads = 0;
};

TEST(ClockBackTest, TheLoopGoesOnReadingAndLooking) {
  SetClock clock;
  NoCalendar calendar;
  CountedWorld world;
  SilentChronicle told;
  OneSite source;
  LoopSettings settings;
  settings.sources.intervals = {15s};
  Controller controller(
      {&source}, world, clock, calendar, told, [] { return 0.5; }, settings);
  const auto run = [&] {
    while (controller.run_one()) continue;
    return std::pair(std::exchange(source.reads, 0), std::exchange(world.looks, 0));
  };
  EXPECT_EQ(run(), std::pair(1, 1));
  clock.time -= 2h;
  EXPECT_EQ(run(), std::pair(1, 0)) << "manifests are read at once, and no look is hurried";
  clock.time += 15s;
  EXPECT_EQ(run(), std::pair(1, 0));
  clock.time += settings.cadence.resync;
  EXPECT_EQ(run(), std::pair(1, 1));
}

}  // namespace
}  // namespace tidegate
