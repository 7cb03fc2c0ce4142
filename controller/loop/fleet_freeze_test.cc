// A freeze of a large fleet, and its end: by the loop itself, on a clock that is pushed by hand.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "controller/loop/controller.h"
#include "controller/loop/test_ports.h"
#include "schemas/test_document.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

constexpr int sites = 1'000;
const CommitId old_code{std::string(40, '1')}, new_code{std::string(40, '2')};

/// Sites whose Live follows a branch. Their operations last ten seconds.
class World : public Driver,
              public ManifestSource,
              public Clock,
              public NoCalendar,
              public SilentChronicle {
 public:
  World() {
    files["driver.yaml"] = document("Driver", "name: host", "host: {root: /srv}");
    for (int i = 0; i < sites; ++i) {
      const std::string name = "s" + std::to_string(i);
      files[name + ".yaml"] =
          document("Site", "name: " + name,
                   "driver: host, repository: {url: \"https://x/y.git\"}, stages: [live]") +
          document("Environment", "name: live, site: " + name, "code: {branch: main}");
    }
  }
  void write(const std::string& file, const std::string& text) {
    files[file] = text;
    ++revision;
    now_ += 20s;  // Its source is due.
  }
  void remove(const std::string& file) {
    files.erase(file);
    ++revision;
    now_ += 20s;
  }

  Result<ObservedSite> observe(const Site& site) override {
    ++looks;
    ObservedSite out;
    out.refs["refs/heads/main"] = head;
    ObservedEnvironment& live = out.environments["live"];
    live.exists = live.launched = true;
    live.release = "1";
    live.commit = runs(site.name);
    live.inputs = live.wanted_inputs = "inputs";
    live.proven[*live.commit];
    if (running.contains(site.name))
      live.operation = Operation{"op", {"promote"}, "build", now_, {}, "controller", false, false};
    return out;
  }
  Result<void> start(const Site& site, const Step&) override {
    running[site.name] = now_ + 10s;
    ++started;
    most = std::max(most, running.size());
    return {};
  }
  CommitId runs(const std::string& site) const {
    return updated.contains(site) ? new_code : old_code;
  }
  std::string name() const override { return "fleet"; }
  Result<std::optional<ManifestChanges>> changed_since(const std::string& known) override {
    if (known == std::to_string(revision)) return std::optional<ManifestChanges>{};
    return std::optional(all());
  }
  Result<ManifestChanges> as_of(const std::string&) override { return all(); }
  Timestamp now() const override { return now_; }
  void told(const SiteStatus& status, const Plan& plan) override {
    if (std::ranges::any_of(plan.held, [](const Hold& h) { return h.reason == "Frozen"; }))
      frozen.insert(status.name);
    else
      frozen.erase(status.name);
  }

  CommitId head = old_code;
  std::map<std::string, Timestamp> running;  // By site: until when.
  std::set<std::string> updated, frozen;
  int looks = 0, started = 0;
  std::size_t most = 0;
  Timestamp now_{1'000'000h};

 private:
  ManifestChanges all() const {
    ManifestChanges out{std::to_string(revision), "Ada", {}, true, false, {}};
    for (const auto& [path, text] : files) out.changes.push_back({path, text});
    return out;
  }
  std::map<std::string, std::string> files;
  int revision = 1;
};

class FleetFreezeTest : public testing::Test {
 protected:
  FleetFreezeTest() {
    LoopSettings settings;
    settings.sources.intervals = {15s};
    controller = std::make_unique<Controller>(
        std::vector<ManifestSource*>{&world}, world, world, world, world, [] { return 0.5; },
        settings);
    settle();
  }
  void settle() {
    while (controller->run_one()) continue;
  }
  /// Whoever has run long enough has ended, and its site is looked at.
  void pass(Duration length) {
    world.now_ += length;
    for (auto it = world.running.begin(); it != world.running.end();) {
      const auto [site, until] = *it;
      if (until > world.now_) {
        ++it;
        continue;
      }
      it = world.running.erase(it);
      world.updated.insert(site);
      controller->look_soon(site);
    }
    settle();
  }
  void freeze() { world.write("stop.yaml", document("Freeze", "name: stop", "reason: incident")); }
  void new_code_for_all() {
    world.head = new_code;
    for (int i = 0; i < sites; ++i) controller->look_soon("s" + std::to_string(i));
  }

  World world;
  std::unique_ptr<Controller> controller;
};

TEST_F(FleetFreezeTest, AFreezeStopsAllWithinOneLookAtEach) {
  new_code_for_all();
  while (world.started < 100) ASSERT_TRUE(controller->run_one());
  freeze();
  world.looks = 0;
  ASSERT_TRUE(controller->run_one()) << "manifests are read before anybody is looked at";
  EXPECT_EQ(world.looks, 0);
  settle();
  EXPECT_EQ(world.started, 100) << "nobody starts any more";
  EXPECT_LE(world.looks, sites + 100) << "one look at each; who runs is looked at again";
  EXPECT_EQ(world.frozen.size(), static_cast<std::size_t>(sites - 100)) << "all others say so";
  for (int i = 0; i < 20; ++i) pass(1min);
  EXPECT_EQ(world.started, 100);
}

TEST_F(FleetFreezeTest, ItsEndLetsNoMoreInAtOnceThanALimitDoes) {
  world.write("calm.yaml", document("Policy", "name: calm",
                                    "rules: [{name: few, limits: {operations: {inFleet: 20}}}]"));
  freeze();
  settle();
  new_code_for_all();
  settle();
  EXPECT_EQ(world.started, 0);
  EXPECT_EQ(world.frozen.size(), static_cast<std::size_t>(sites));
  world.remove("stop.yaml");
  world.looks = 0;
  settle();
  EXPECT_EQ(world.started, 20);
  EXPECT_EQ(world.looks, sites) << "each once, and it waits for its turn";
  EXPECT_TRUE(world.frozen.empty());
  int rounds = 1;
  for (; world.started < sites && rounds < sites; ++rounds) {
    pass(10s);
    EXPECT_EQ(world.running.size(), 20U) << "room that came free is taken at once";
  }
  EXPECT_EQ(world.most, 20U);
  EXPECT_EQ(rounds, sites / 20) << "no time is lost";
}

}  // namespace
}  // namespace tidegate
