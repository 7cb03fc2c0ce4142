// Manifests of several sources become one fleet, each under its role, and a reload goes on from it.

#include "controller/loop/controller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "controller/loop/test_ports.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

std::string site_text(const std::string& name) {
  return "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: " + name +
         "}\nspec: {driver: host, repository: {url: \"https://git.example.org/" + name +
         ".git\"}, stages: [live]}\n";
}

SourceRole team_of(const std::vector<std::string>& sites) {
  return {"", false, "", sites, {}, {"host"}, false};
}

class StillClock : public Clock {
 public:
  Timestamp now() const override { return Timestamp(1h); }
};

class EmptyWorld : public Driver {
 public:
  Result<ObservedSite> observe(const Site&) override { return ObservedSite{}; }
  Result<void> start(const Site&, const Step&) override { return {}; }
};

/// Any thread, as those of the program.
class Told : public SilentChronicle {
 public:
  void told(const SiteStatus& status, const Plan&) override {
    std::lock_guard lock(mutex);
    statuses[status.name] = status;
  }
  void happened(const Event& event) override {
    std::lock_guard lock(mutex);
    events.push_back(event.site + " " + event.type);
  }
  void let_go(const std::string& site) override {
    std::lock_guard lock(mutex);
    gone.insert(site);
  }
  std::string in_force(const std::string& source) override {
    std::lock_guard lock(mutex);
    return known[source];
  }
  std::string in_force_below(const std::set<std::string>& roots,
                             const std::string& source) override {
    std::lock_guard lock(mutex);
    return roots.contains("/srv") ? below_root[source] : "";
  }
  void now_in_force(const std::string& source, const std::string& revision) override {
    std::lock_guard lock(mutex);
    known[source] = revision;
  }
  std::mutex mutex;
  std::map<std::string, std::string> known, below_root;
  std::set<std::string> gone;
  std::map<std::string, SiteStatus> statuses;
  std::vector<std::string> events;
};

/// A source whose files are the test's; it may be made to wait while it is read.
class Files : public ManifestSource {
 public:
  Files(std::string name, std::map<std::string, std::string> files)
      : name_(std::move(name)), files_(std::move(files)) {}
  std::string name() const override { return name_; }
  Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) override {
    if (on_read) on_read();
    if (!readable) return Error{ErrorKind::transient, "no route to host"};
    if (!revision.empty()) return std::optional<ManifestChanges>{};
    return std::optional(all("r1"));
  }
  Result<ManifestChanges> as_of(const std::string& revision) override { return all(revision); }
  std::function<void()> on_read;
  bool readable = true;

 private:
  ManifestChanges all(const std::string& revision) const {
    ManifestChanges out{revision, "Ada", {}, true, false, {}};
    for (const auto& [path, text] : files_) out.changes.push_back({path, text});
    return out;
  }
  const std::string name_;
  const std::map<std::string, std::string> files_;
};

class ControllerTest : public testing::Test {
 protected:
  ControllerTest() {
    const std::string driver =
        "apiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: host}\nspec: {host: {root: "
        "/srv}}\n";
    platform = std::make_unique<Files>(
        "platform", std::map<std::string, std::string>{{"driver.yaml", driver},
                                                       {"acme.yaml", site_text("acme")}});
    shops = std::make_unique<Files>(
        "shops", std::map<std::string, std::string>{{"bolt.yaml", site_text("bolt")}});
  }
  std::unique_ptr<Controller> controller(std::vector<ManifestSource*> sources,
                                         std::vector<SourceRole> roles = {}) {
    LoopSettings settings;
    settings.sources.intervals.assign(sources.size(), 15s);
    settings.sources.roles = std::move(roles);
    return std::make_unique<Controller>(
        std::move(sources), world, clock, calendar, told, [] { return 0.5; }, settings);
  }
  static void settle(Controller& controller) {
    while (controller.run_one()) {
    }
  }
  static std::set<std::string> sites(const Controller& controller) {
    std::set<std::string> out;
    for (const auto& [name, site] : controller.fleet()->sites()) out.insert(name);
    return out;
  }
  std::unique_ptr<Files> platform, shops;
  EmptyWorld world;
  StillClock clock;
  NoCalendar calendar;
  Told told;
};

const std::set<std::string> acme{"acme"}, both{"acme", "bolt"};

TEST_F(ControllerTest, ASiteThatIsBrokenFromTheStartIsTold) {
  Files odd("odd", {{"odd.yaml",
                     "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: odd}\n"
                     "spec: {stagez: []}\n"}});
  auto loop = controller({platform.get(), &odd});
  settle(*loop);
  ASSERT_TRUE(told.statuses.contains("odd"));
  const SiteStatus& status = told.statuses.at("odd");
  EXPECT_TRUE(status.broken);
  ASSERT_EQ(status.conditions.size(), 1u);
  EXPECT_EQ(status.conditions[0].reason, "Invalid");
  EXPECT_EQ(status.conditions[0].message, loop->fleet()->invalid("odd"));
  EXPECT_TRUE(status.conditions[0].message.starts_with("odd/odd.yaml:4:8: spec.stagez: "))
      << status.conditions[0].message;
  EXPECT_EQ(std::ranges::count(told.events, "odd Invalid"), 1);
  EXPECT_FALSE(told.statuses.at("acme").broken);
}

TEST_F(ControllerTest, WhatAnotherSourceMayStillDeclareIsNotMissed) {
  auto loop = controller({shops.get(), platform.get()});
  settle(*loop);
  EXPECT_EQ(std::ranges::count(told.events, "bolt Invalid"), 0);
  EXPECT_EQ(std::ranges::count(told.events, "bolt Recovered"), 0);
  EXPECT_FALSE(told.statuses.at("bolt").broken);
}

TEST_F(ControllerTest, AReloadGoesOnFromWhatIsKnownWhateverTheSourcesWere) {
  auto one = controller({platform.get()});
  settle(*one);
  one->shut_down();
  auto two = controller({platform.get(), shops.get()});
  two->take_over(*one);
  EXPECT_EQ(sites(*two), acme) << "nothing is undeclared before it was read";
  settle(*two);
  EXPECT_EQ(sites(*two), both);
  EXPECT_EQ(
      two->fleet()->files(),
      (std::set<std::string>{"platform/acme.yaml", "platform/driver.yaml", "shops/bolt.yaml"}));
  for (const Problem& problem : two->fleet()->problems())
    EXPECT_TRUE(problem.warning) << to_string(problem);
  two->shut_down();
  auto again = controller({platform.get()});
  again->take_over(*two);
  EXPECT_EQ(sites(*again), acme);
  settle(*again);
  EXPECT_EQ(again->fleet()->files(), (std::set<std::string>{"acme.yaml", "driver.yaml"}));
  EXPECT_EQ(told.gone, std::set<std::string>{"bolt"});
}

TEST_F(ControllerTest, AReloadGoesOnFromWhatIsKnownWhileASourceIsRead) {
  auto old = controller({platform.get()});
  settle(*old);
  std::mutex gate;
  std::condition_variable changed;
  bool reading = false, go_on = false;
  platform->on_read = [&] {
    std::unique_lock lock(gate);
    reading = true;
    changed.notify_all();
    changed.wait(lock, [&] { return go_on; });
  };
  old->poll_soon();
  std::thread reader([&] { old->run_one(); });
  {
    std::unique_lock lock(gate);
    changed.wait(lock, [&] { return reading; });
  }
  old->shut_down();
  auto next = controller({platform.get()});
  next->take_over(*old);
  EXPECT_EQ(sites(*next), acme);
  {
    std::lock_guard lock(gate);
    go_on = true;
  }
  changed.notify_all();
  reader.join();
}

TEST_F(ControllerTest, AFolderNamedLikeANewSourceLosesNothing) {
  Files folder("platform", {{"shops/bolt.yaml", site_text("acme")},
                            {"driver.yaml",
                             "apiVersion: tidegate/v1\nkind: Driver\nmetadata: "
                             "{name: host}\nspec: {host: {root: /srv}}\n"}});
  auto one = controller({&folder});
  settle(*one);
  one->shut_down();
  auto two = controller({shops.get(), &folder});
  two->take_over(*one);
  settle(*two);
  EXPECT_EQ(sites(*two), both);
}

TEST_F(ControllerTest, SourcesThatAreReadAtOnceLoseNothingOfEachOther) {
  std::map<std::string, std::string> many, more;
  for (int i = 0; i < 200; ++i) {
    many["a" + std::to_string(i) + ".yaml"] = site_text("a" + std::to_string(i));
    more["b" + std::to_string(i) + ".yaml"] = site_text("b" + std::to_string(i));
  }
  for (int round = 0; round < 5; ++round) {
    Files first("first", many), second("second", more);
    std::atomic<int> reading{0};
    first.on_read = second.on_read = [&] {
      for (++reading; reading < 2;) std::this_thread::yield();
    };
    auto loop = controller({&first, &second});
    std::thread other([&] { settle(*loop); });
    settle(*loop);
    other.join();
    EXPECT_EQ(loop->fleet()->files().size(), 400u);
  }
}

TEST_F(ControllerTest, ReadsEachSourceUnderItsRole) {
  Files team("team", {{"x.yaml", site_text("a-shop") + "---\n" + site_text("b-shop")}});
  auto loop = controller({platform.get(), &team}, {{}, team_of({"a-*"})});
  settle(*loop);
  EXPECT_EQ(sites(*loop), (std::set<std::string>{"a-shop", "acme"}));
  std::vector<std::string> told_of;
  for (const Problem& problem : loop->fleet()->problems())
    if (!problem.warning) told_of.push_back(to_string(problem));
  EXPECT_EQ(told_of, std::vector<std::string>{
                         "team/x.yaml:8:18: metadata.name: source \"team\" may not speak of site "
                         "\"b-shop\": it is allowed a-*"});
}

TEST_F(ControllerTest, HoldsSitesUntilThePlatformWasRead) {
  platform->readable = false;
  auto loop = controller({shops.get(), platform.get()}, {team_of({"*"}), {}});
  settle(*loop);
  ASSERT_TRUE(loop->fleet()->find("bolt"));
  EXPECT_EQ(loop->fleet()->find("bolt")->governance->unreadable.size(), 1U);
  platform->readable = true;
  loop->poll_soon();
  settle(*loop);
  EXPECT_TRUE(loop->fleet()->find("bolt")->governance->unreadable.empty());
}

TEST_F(ControllerTest, TakesOverWithOtherRoles) {
  Files team("team", {{"x.yaml", site_text("a-shop") + "---\n" + site_text("a-blog")}});
  auto before = controller({platform.get(), &team}, {{}, team_of({"a-*"})});
  settle(*before);
  before->shut_down();
  auto after = controller({platform.get(), &team}, {{}, team_of({"a-blog"})});
  after->take_over(*before);
  EXPECT_FALSE(after->fleet()->find("a-shop")) << "at once, whether the source can be read or not";
  ASSERT_TRUE(after->fleet()->find("a-blog"));
  EXPECT_TRUE(after->fleet()->find("a-blog")->governance->unreadable.empty());
}

TEST_F(ControllerTest, AFolderNamedLikeThePlatformGivesNoRights) {
  Files team("team", {{"platform/x.yaml", site_text("acme")}});
  auto one = controller({&team}, {team_of({"a-*", "acme"})});
  settle(*one);
  one->shut_down();
  platform->readable = team.readable = false;
  auto two = controller({platform.get(), &team}, {{}, team_of({"a-*"})});
  two->take_over(*one);
  settle(*two);
  EXPECT_EQ(sites(*two), std::set<std::string>{}) << "the file is the team's, wherever it lies";
}

/// A source at its newest version, with the one before.
class Versions : public ManifestSource {
 public:
  explicit Versions(std::string name, std::map<std::string, std::map<std::string, std::string>> all)
      : name_(std::move(name)), all_(std::move(all)) {}
  std::string name() const override { return name_; }
  Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) override {
    const std::string& newest = all_.rbegin()->first;
    if (revision == newest) return std::optional<ManifestChanges>{};
    return std::optional(*as_of(newest));
  }
  Result<ManifestChanges> as_of(const std::string& revision) override {
    const auto found = all_.find(revision);
    if (found == all_.end()) return Error{ErrorKind::invalid, "no such commit"};
    ManifestChanges out{revision, "Ada", {}, true, false, {}};
    for (const auto& [path, text] : found->second) out.changes.push_back({path, text});
    return out;
  }

 private:
  const std::string name_;
  const std::map<std::string, std::map<std::string, std::string>> all_;
};

/// A commit strikes acme, and a rule allows none: the store is lost before it was acknowledged.
class LostStoreTest : public ControllerTest {
 protected:
  LostStoreTest() {
    told.below_root["shops"] = "r1";
    std::string moved = site_text("acme");
    moved.replace(moved.find("acme.git"), 8, "other.git");
    struck = std::make_unique<Versions>(
        "shops", std::map<std::string, std::map<std::string, std::string>>{
                     {"r1", {{"acme.yaml", site_text("acme")}}}, {"r2", {{"acme.yaml", moved}}}});
    ruled = std::make_unique<Files>(
        "platform",
        std::map<std::string, std::string>{
            {"driver.yaml",
             "apiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: host}\nspec: {host: {root: "
             "/srv}}\n"},
            {"policy.yaml",
             "apiVersion: tidegate/v1\nkind: Policy\nmetadata: {name: calm}\nspec: {rules: [{name: "
             "few, blastRadius: {maxSites: 0}}]}\n"}});
  }
  std::string withheld(const std::vector<ManifestSource*>& sources) {
    auto loop = controller(sources);
    settle(*loop);
    const auto site = loop->find("acme");
    return site ? site->withheld : "no such site";
  }
  std::unique_ptr<Versions> struck;
  std::unique_ptr<Files> ruled;
};

TEST_F(LostStoreTest, ARootKnowsWhatWasInForceAndWhatIsWithheldStaysSo) {
  const std::string why =
      "calm/few: manifest commit r2 removes, wipes or moves 1 site, more than 0: take it back, or "
      "let the platform team add it to the rule's acknowledge";
  EXPECT_EQ(withheld({ruled.get(), struck.get()}), why);
  EXPECT_EQ(told.known["shops"], "r1") << "a withheld commit is not in force";
  told.known.clear();
  EXPECT_EQ(withheld({struck.get(), ruled.get()}), why) << "whichever source is asked first";
  told.known.clear();
  told.below_root.clear();
  EXPECT_EQ(withheld({struck.get(), ruled.get()}), "") << "nothing is known of what was";
  EXPECT_EQ(told.known["shops"], "r2");
}

TEST_F(LostStoreTest, WhatARootKnowsAndItsSourceDoesNotIsNotWaitedFor) {
  told.below_root["shops"] = "r0";
  EXPECT_EQ(withheld({ruled.get(), struck.get()}), "");
}

TEST_F(LostStoreTest, WithTheStoreNewsAreJudgedByRulesThatAreReadAfterThemToo) {
  told.below_root.clear();
  told.known = {{"shops", "r1"}, {"platform", "r1"}};
  EXPECT_NE(withheld({struck.get(), ruled.get()}), "");
  told.known = {{"shops", "r1"}};
  EXPECT_NE(withheld({struck.get(), ruled.get()}), "");
  told.known = {{"shops", "r1"}};
  ruled->readable = false;
  auto loop = controller({struck.get(), ruled.get()});
  settle(*loop);
  EXPECT_EQ(loop->fleet()->revision(), "r1") << "no news before its rules are known";
  ruled->readable = true;
  loop->poll_soon();
  settle(*loop);
  EXPECT_NE(loop->find("acme")->withheld, "");
}

}  // namespace
}  // namespace tidegate
