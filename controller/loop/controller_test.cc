// Several sources read by several threads, each under its role.

#include "controller/loop/controller.h"

#include <gtest/gtest.h>

#include <thread>

#include "schemas/policy.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

/// A source whose files change when a test says so.
class Files : public ManifestSource {
 public:
  explicit Files(std::string name) : name_(std::move(name)) {}
  std::vector<FileChange> files;
  bool readable = true;

  std::string name() const override { return name_; }
  Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) override {
    if (!readable) return Error{ErrorKind::transient, "no route to host"};
    if (!revision.empty()) return std::optional<ManifestChanges>();
    ManifestChanges changes;
    changes.revision = std::string(40, 'a');
    changes.changes = files;
    changes.complete = true;
    return std::optional(std::move(changes));
  }

 private:
  const std::string name_;
};

/// A world in which no site can be observed: what is looked at here are the manifests.
class Nowhere : public Driver, public Clock, public Calendar, public Chronicle {
 public:
  std::atomic<int> started = 0;
  Timestamp now() const override { return Timestamp(24h * 365 * 50); }
  Result<ObservedSite> observe(const Site&) override {
    return Error{ErrorKind::invalid, "nothing is here"};
  }
  Result<void> start(const Site&, const Step&) override {
    ++started;
    return {};
  }
  std::optional<Timestamp> next(const std::string&, const std::string&, Timestamp) const override {
    return std::nullopt;
  }
  void told(const SiteStatus&, const Plan&) override {}
  void happened(const Event&) override {}
  void let_go(const std::string&) override {}
  std::optional<SiteStatus> last(const std::string&) override { return std::nullopt; }
  std::set<std::string> retries(const std::string&) override { return {}; }
  void retried(const std::string&, const std::string&) override {}
  void log(const char*, const std::string&,
           const std::vector<std::pair<std::string, std::string>>&) override {}
};

std::string document(const std::string& kind, const std::string& metadata,
                     const std::string& spec) {
  return "---\napiVersion: tidegate/v1\nkind: " + kind + "\nmetadata: {" + metadata + "}\nspec: {" +
         spec + "}\n";
}
std::string driver() { return document("Driver", "name: hosts", "host: {root: /srv/sites}"); }
std::string site(const std::string& name) {
  return document("Site", "name: " + name,
                  "driver: hosts, repository: {url: \"https://h/r\"}, stages: [live]") +
         document("Environment", "name: live, site: " + name, "code: {branch: main}");
}
SourceRole team(const std::vector<std::string>& sites) {
  return {"", false, "", sites, {}, {"hosts"}, false};
}

class ControllerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Controller> controller(std::vector<ManifestSource*> sources,
                                         std::vector<SourceRole> roles) {
    LoopSettings settings;
    settings.intervals.assign(sources.size(), 1h);
    settings.roles = std::move(roles);
    return std::make_unique<Controller>(
        std::move(sources), world, world, world, world, [] { return 0.5; }, settings);
  }
  static void run(Controller& controller) {
    while (controller.run_one()) {
    }
  }

  Nowhere world;
  Files platform{"platform"}, a{"team-a"}, b{"team-b"};
};

TEST_F(ControllerTest, ReadsEachSourceUnderItsRole) {
  platform.files = {{"x.yaml", driver()}};
  a.files = {{"x.yaml", site("a-shop") + site("b-shop")}};
  const auto it = controller({&platform, &a}, {{}, team({"a-*"})});
  run(*it);
  EXPECT_TRUE(it->fleet()->find("a-shop"));
  EXPECT_FALSE(it->fleet()->find("b-shop"));
  ASSERT_EQ(it->fleet()->problems().size(), 2U);
  EXPECT_EQ(to_string(it->fleet()->problems()[0]),
            "team-a/x.yaml:14:18: metadata.name: source \"team-a\" may not speak of site "
            "\"b-shop\": it is allowed a-*");
}

TEST_F(ControllerTest, HoldsSitesUntilThePlatformWasRead) {
  platform.readable = false;
  a.files = {{"x.yaml", site("a-shop")}};
  const auto it = controller({&a, &platform}, {team({"*"}), {}});
  run(*it);
  ASSERT_TRUE(it->fleet()->find("a-shop"));
  EXPECT_EQ(it->fleet()->find("a-shop")->governance->unreadable.size(), 1U);
  platform.readable = true;
  platform.files = {{"x.yaml", driver()}};
  it->poll_soon();
  run(*it);
  EXPECT_TRUE(it->fleet()->find("a-shop")->governance->unreadable.empty());
}

TEST_F(ControllerTest, TakesOverWithOtherRoles) {
  platform.files = {{"x.yaml", driver()}};
  a.files = {{"x.yaml", site("a-shop") + site("a-blog")}};
  const auto before = controller({&platform, &a}, {{}, team({"a-*"})});
  run(*before);
  before->shut_down();
  a.readable = false;
  const auto after = controller({&platform, &a}, {{}, team({"a-blog"})});
  after->take_over(*before);
  EXPECT_FALSE(after->fleet()->find("a-shop")) << "at once, whether the source can be read or not";
  ASSERT_TRUE(after->fleet()->find("a-blog"));
  EXPECT_TRUE(after->fleet()->find("a-blog")->governance->unreadable.empty());
}

// Each fleet is made from the last one: none of those read at once may be lost.
TEST_F(ControllerTest, SourcesReadAtOnceAreAllThere) {
  std::vector<std::unique_ptr<Files>> sources;
  std::vector<ManifestSource*> all;
  for (int i = 0; i < 16; ++i) {
    sources.push_back(std::make_unique<Files>("source-" + std::to_string(i)));
    all.push_back(sources.back().get());
    sources.back()->files = {{"x.yaml", (i == 0 ? driver() : "") + site("s-" + std::to_string(i))}};
  }
  const auto it = controller(all, {});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { run(*it); });
  threads.clear();
  EXPECT_EQ(it->fleet()->sites().size(), 16U);
}

}  // namespace
}  // namespace tidegate
