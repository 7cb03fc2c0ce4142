// The loop asks for a manifest commit to be taken back, and says where the document is.

#include <gtest/gtest.h>

#include "controller/loop/controller.h"
#include "controller/loop/test_ports.h"
#include "reconcilers/diff.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

const CommitId good{std::string(40, '1')}, bad{std::string(40, '2')};

/// Live went back from what visitors saw of whatever its manifest pins.
class WentBack : public Driver, public Clock {
 public:
  Result<ObservedSite> observe(const Site& site) override {
    ObservedSite out;
    ObservedEnvironment& seen = out.environments["live"];
    seen.exists = true;
    seen.commit = good;
    Failure failure{step_digest(site, *site.find("live"), seen, bad), true, "500", {}, 1};
    failure.after_switch = true;
    failure.operation = "op-7";
    seen.failures.push_back(failure);
    return out;
  }
  Result<void> start(const Site&, const Step&) override { return {}; }
  Timestamp now() const override { return Timestamp(1h); }
};

class Retrying : public SilentChronicle {
 public:
  std::set<std::string> retries(const std::string&) override { return asked; }
  std::set<std::string> asked;
};

class Files : public ManifestSource {
 public:
  Files(std::string name, std::string path, std::string text)
      : name_(std::move(name)), change_{std::move(path), std::move(text)} {}
  std::string name() const override { return name_; }
  Result<std::optional<ManifestChanges>> changed_since(const std::string& revision) override {
    if (!revision.empty()) return std::optional<ManifestChanges>{};
    return std::optional(*as_of("r-" + name_));
  }
  Result<ManifestChanges> as_of(const std::string& revision) override {
    return ManifestChanges{revision, "Ada", {change_}, true, false, {}};
  }

 private:
  const std::string name_;
  const FileChange change_;
};

class Asked : public ManifestWriter {
 public:
  void revert(const Revert& revert, const DocumentPlace& place) override {
    all.push_back(revert.site + "/" + revert.environment + " to " + revert.runs.brief() + " for " +
                  revert.failure.operation + " in " + place.source + " " + place.file + " at " +
                  place.revision);
  }
  std::vector<std::string> all;
};

std::string head(const std::string& kind, const std::string& metadata) {
  return "---\napiVersion: tidegate/v1\nkind: " + kind + "\nmetadata: {" + metadata + "}\nspec: ";
}

TEST(TakeBackTest, AsksWithThePlaceOfTheDocumentAndLeavesPeoplesRetriesAlone) {
  Files platform("platform", "driver.yaml",
                 head("Driver", "name: host") + "{host: {root: /srv}}\n");
  Files shops("shops", "sites/acme.yaml",
              head("Site", "name: acme") +
                  "{driver: host, repository: {url: \"https://git.example.org/a.git\"}, stages: "
                  "[live]}\n" +
                  head("Environment", "name: live, site: acme") + "{code: {commit: " + bad.hex +
                  "}, onFailure: {revertManifest: true}}\n");
  for (const bool retried : {false, true}) {
    WentBack world;
    Retrying told;
    NoCalendar calendar;
    Asked asked;
    if (retried) told.asked = {"live"};
    LoopSettings settings;
    settings.sources.intervals = {15s, 15s};
    settings.writer = &asked;
    Controller loop(
        {&platform, &shops}, world, world, calendar, told, [] { return 0.5; }, settings);
    while (loop.run_one() && asked.all.size() < 3) {
    }
    if (retried) {
      EXPECT_TRUE(asked.all.empty());
    } else {
      ASSERT_FALSE(asked.all.empty());
      EXPECT_EQ(asked.all[0], "acme/live to 1111111 for op-7 in shops sites/acme.yaml at r-shops");
    }
  }
}

}  // namespace
}  // namespace tidegate
