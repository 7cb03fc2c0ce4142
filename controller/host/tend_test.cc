// What is changed by hand is found and healed with its patch in the log; what nothing names is
// cleared away, not before its time.

#include "controller/host/tend.h"

#include <gtest/gtest.h>

#include <thread>

#include "controller/host/builds.h"
#include "controller/host/files/durable.h"
#include "controller/host/files/locks.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

class TendTest : public testing::Test {
 protected:
  TendTest() {
    host.environments["dev"] = "code: {branch: main}";
    host.succeed("dev");
  }
  bool tend() {
    auto news = host.driver->tend(*host.site());
    EXPECT_TRUE(news) << news.error().message;
    return news && *news;
  }
  /// As an editor does it: a new file in the old one's place.
  void edit(const std::string& name, const std::string& text) {
    const std::string path = host.layout("dev").code(host.record("dev").current) + "/" + name;
    std::filesystem::remove(path);
    write_file(path, text);
  }
  std::string patch_told(const Told& told) { return told.all(); }
  TestHost host;
};

TEST_F(TendTest, WritesNothingWhereNothingIsNew) {
  // What changed within the last tick of the clock is renewed once more when that is over.
  std::this_thread::sleep_for(50ms);
  tend();  // Stat records are renewed once.
  const auto before = state_of(host.root());
  EXPECT_FALSE(tend());
  EXPECT_EQ(state_of(host.root()), before);
}

TEST_F(TendTest, WritesNothingAtAllForACommandThatRunsOnce) {
  const auto site = host.site();
  Engines engines{Secrets(host.secrets())};
  HostServices services = host.services(false);
  auto place = Place::make(services, engines, *site, site->environments.at("dev"));
  ASSERT_TRUE(place);
  const auto before = state_of(host.root());
  auto news = tend_environment(*place, false);
  ASSERT_TRUE(news) << news.error().message;
  EXPECT_FALSE(news->news);
  EXPECT_EQ(state_of(host.root()), before);
}

TEST_F(TendTest, FindsWhatWasChangedByHandAndHealsItWithThePatchInTheLog) {
  edit("web/index.html", "defaced\n");
  edit("web/new.php", "<?php evil();\n");
  EXPECT_TRUE(tend());
  EXPECT_FALSE(tend()) << "told once";
  const auto record = host.record("dev");
  ASSERT_TRUE(record.drift);
  EXPECT_EQ(record.drift->first,
            (std::vector<std::string>{"changed web/index.html", "added web/new.php"}));
  EXPECT_EQ(record.drift->changes, 2u);
  EXPECT_TRUE(host.seen("dev").drifted);
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("changed by hand in release 1, kept here before it is healed:"))
      << told.all();
  EXPECT_TRUE(told.has("-first")) << told.all();
  EXPECT_TRUE(told.has("+defaced")) << told.all();
  EXPECT_TRUE(told.has("+<?php evil();")) << told.all();
  EXPECT_EQ(host.page("dev"), "first\n");
  EXPECT_FALSE(std::filesystem::exists(host.layout("dev").current() + "/code/web/new.php"));
  EXPECT_FALSE(host.seen("dev").drifted);
  EXPECT_FALSE(tend());
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(TendTest, HealsFromAFreshBuildWhenALinkedFileWasChangedInPlace) {
  const std::string page = host.layout("dev").code("1") + "/web/index.html";
  ::chmod(page.c_str(), 0644);
  write_file(page, "in place\n");
  EXPECT_TRUE(tend());
  const Told told = host.succeed("dev");
  EXPECT_TRUE(told.has("the build was changed by hand: changed web/index.html")) << told.all();
  EXPECT_TRUE(told.has("the build is made anew")) << told.all();
  EXPECT_EQ(host.page("dev"), "first\n");
}

TEST_F(TendTest, ForgetsDriftThatWasPutBack) {
  edit("web/new.php", "x");
  EXPECT_TRUE(tend());
  std::filesystem::remove(host.layout("dev").code("1") + "/web/new.php");
  EXPECT_TRUE(tend());
  EXPECT_FALSE(host.seen("dev").drifted);
}

TEST_F(TendTest, LooksAtNoContentAndNothingWritable) {
  host.writable = "cache";
  host.succeed("dev");
  write_file(host.uploads("dev") + "/photo", "bytes");
  write_file(host.layout("dev").current() + "/code/cache/page", "cached");
  EXPECT_FALSE(tend());
}

TEST_F(TendTest, ClearsAwayWhatIsRetiredFiveMinutesAfterItsSwitch) {
  host.keep_releases = 1;
  host.environments["test"] = "code: {commit: " + host.first.hex + "}";
  host.succeed("test");
  for (int generation : {1, 2, 3}) {
    host.environments["dev"] =
        "code: {branch: main}, content: {source: test, generation: " + std::to_string(generation) +
        "}";
    host.succeed("dev");
  }
  // 4 runs, 3 is kept, 1 and 2 are retired.
  const auto layout = host.layout("dev");
  host.clock.pass(5min - 1ms);
  const auto before = state_of(layout.content());
  tend();
  EXPECT_EQ(state_of(layout.content()), before);
  EXPECT_TRUE(std::filesystem::exists(layout.release("1")));
  host.clock.pass(1ms);
  EXPECT_FALSE(tend()) << "nothing that a look would see";
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(layout.releases()))
    left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{"3", "4"}));
  left.clear();
  for (const auto& entry : std::filesystem::directory_iterator(layout.content()))
    left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{"databases-3", "databases-4", "files-3", "files-4"}));
  EXPECT_TRUE(host.record("dev").retired.empty());
  EXPECT_EQ(sql(host.database("dev"), "select count(*) from sqlite_master"), "0");
  // Stat records that were too fresh to count may be renewed beside the build; nothing else.
  const auto after = state_of(host.root() + "/acme");
  EXPECT_FALSE(tend());
  EXPECT_EQ(state_of(host.root() + "/acme"), after);
}

TEST_F(TendTest, WhatIsDueGoesThoughSomethingElseWasRetiredSince) {
  host.keep_releases = 1;
  host.environments["test"] = "code: {commit: " + host.first.hex + "}";
  host.succeed("test");
  auto sync = [&](int generation) {
    host.environments["dev"] =
        "code: {branch: main}, content: {source: test, generation: " + std::to_string(generation) +
        "}";
    host.succeed("dev");
  };
  sync(1);
  sync(2);  // Retires 1.
  host.clock.pass(4min);
  sync(3);  // Retires 2.
  host.clock.pass(1min);
  tend();
  const auto layout = host.layout("dev");
  EXPECT_FALSE(std::filesystem::exists(layout.release("1")));
  EXPECT_FALSE(std::filesystem::exists(layout.content() + "/databases-1"));
  EXPECT_TRUE(std::filesystem::exists(layout.release("2"))) << "visitors may still be in it";
  EXPECT_TRUE(std::filesystem::exists(layout.content() + "/databases-2"));
  ASSERT_EQ(host.record("dev").retired.size(), 1u);
  EXPECT_EQ(host.record("dev").retired[0].id, "2");
  host.clock.pass(4min);
  tend();
  EXPECT_FALSE(std::filesystem::exists(layout.release("2")));
}

TEST_F(TendTest, EndsAClearingThatWasKilled) {
  host.keep_releases = 1;
  for (int generation = 1; generation <= 3; ++generation) {
    host.environments["dev"] =
        "code: {branch: main}, content: {source: empty, generation: " + std::to_string(generation) +
        "}";
    host.succeed("dev");
  }
  const std::string content = host.layout("dev").content();
  ASSERT_EQ(host.record("dev").retired.size(), 2u);
  std::filesystem::remove_all(content + "/databases-1/main");
  for (const auto& each : std::filesystem::directory_iterator(content + "/databases-2/main"))
    std::filesystem::remove(each);
  host.clock.pass(5min);
  tend();
  EXPECT_TRUE(host.record("dev").retired.empty());
  EXPECT_FALSE(std::filesystem::exists(content + "/databases-1"));
  EXPECT_FALSE(std::filesystem::exists(content + "/databases-2"));
  EXPECT_TRUE(std::filesystem::exists(content + "/databases-3"));
}

TEST_F(TendTest, ClearsBuildsThatNoReleaseNames) {
  host.keep_releases = 1;
  const std::string key = build_key(*host.site(), host.first);
  for (const char* page : {"second\n", "third\n"}) {
    host.push(page);
    host.succeed("dev");
  }
  const std::string build = build_directory(host.layout("dev"), key);
  tend();
  EXPECT_TRUE(std::filesystem::exists(build)) << "what was retired may still be looked at";
  host.clock.pass(5min);
  tend();
  EXPECT_FALSE(std::filesystem::exists(build));
  EXPECT_FALSE(std::filesystem::exists(build_manifest(host.layout("dev"), key)));
  int builds = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(host.layout("dev").of_root().builds("acme")))
    builds += entry.is_directory();
  EXPECT_EQ(builds, 2);
}

TEST_F(TendTest, LeavesAReleaseAloneThatSomebodyPointedTheLinkAt) {
  host.keep_releases = 1;
  for (const char* page : {"second\n", "third\n"}) {
    host.push(page);
    host.succeed("dev");
  }
  const auto layout = host.layout("dev");
  ASSERT_EQ(host.record("dev").retired.size(), 1u);
  ASSERT_TRUE(point_link(layout.current(), "releases/1"));
  host.clock.pass(1h);
  EXPECT_FALSE(tend());
  EXPECT_EQ(host.page("dev"), "first\n");
  ASSERT_TRUE(point_link(layout.current(), "releases/3"));
  EXPECT_FALSE(tend());
  EXPECT_FALSE(std::filesystem::exists(layout.release("1")));
}

TEST_F(TendTest, ADamagedMemoryKeepsNoOtherEnvironmentFromBeingTended) {
  host.environments["test"] = "code: {from: dev}";
  host.environments["live"] = "code: {from: test}";
  host.converge();
  write_file(host.layout("dev").record(), "{");
  write_file(host.layout("live").code("1") + "/web/new.php", "x");
  const auto tended = host.driver->tend(*host.site());
  ASSERT_FALSE(tended);
  EXPECT_TRUE(tended.error().message.starts_with("dev: damaged record ")) << tended.error().message;
  EXPECT_TRUE(host.seen("live").drifted);
}

TEST_F(TendTest, LeavesABusyEnvironmentAlone) {
  edit("web/new.php", "x");
  auto lock = EnvironmentLock::try_exclusive(host.layout("dev").lock(), "somebody");
  ASSERT_TRUE(lock && *lock);
  EXPECT_FALSE(tend());
  lock->reset();
  Journal journal;
  journal.operation = "op-1";
  ASSERT_TRUE(write_journal(host.layout("dev"), journal));
  EXPECT_FALSE(tend());
  ASSERT_TRUE(remove_journal(host.layout("dev")));
  EXPECT_TRUE(tend());
}

}  // namespace
}  // namespace tidegate::test
