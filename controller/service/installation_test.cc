// What is asked before every switch, with everything wired together.

#include "controller/service/installation.h"

#include <gtest/gtest.h>

#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

TEST(InstallationTest, WhatBreaksARuleByNowIsUndoneAndNobodysFailure) {
  TestHost host;
  host.environments["dev"] = "code: {branch: main}";
  host.succeed("dev");
  const auto wipe_of = [&](int generation) {
    host.environments["dev"] =
        "code: {branch: main}, content: {source: empty, generation: " + std::to_string(generation) +
        "}";
    return host.site();
  };
  const auto asked = wipe_of(3);
  const Step step = host.step("dev");
  const auto newest = wipe_of(4);

  OperationRecord told;
  std::mutex mutex;
  std::condition_variable ended;
  InstallationSettings settings;
  settings.state = host.directory / "other.db";
  settings.secrets = host.secrets();
  settings.owner = "another controller";
  settings.log = [](const char*, const std::string&, const auto&) {};
  settings.watcher.changed = [&](const OperationRecord& operation) {
    std::lock_guard lock(mutex);
    told = operation;
    ended.notify_all();
  };
  auto installation = Installation::open(settings);
  ASSERT_TRUE(installation) << installation.error().message;
  (*installation)->latest = [&](const std::string&) { return newest; };
  const auto started = (*installation)->driver->start(*asked, step);
  ASSERT_TRUE(started) << started.error().message;
  std::unique_lock lock(mutex);
  ASSERT_TRUE(ended.wait_for(lock, 60s, [&] { return told.ended_at.has_value(); }));
  EXPECT_EQ(told.result, "undone");
  EXPECT_EQ(told.message, "not allowed any more: the manifest does not ask for this wipe");
  EXPECT_TRUE(host.record("dev").failures.empty());
  EXPECT_EQ(host.record("dev").current, "1");
}

}  // namespace
}  // namespace tidegate::test
