// A build is made once for a commit and its commands, and used again only while it is what it was.

#include "controller/host/builds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "controller/host/files/locks.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

class BuildsTest : public testing::Test {
 protected:
  BuildsTest() {
    host.commands =
        "build: [" + sh("echo made by $TIDEGATE_SITE > built; echo once >> /dev/stderr") + "]";
  }

  Result<Build> build(Duration time = 60s) {
    site = host.site();
    host.repositories->look_now(*site, mirrors_of(*site));
    auto place = Place::make(services, engines, *site, site->environments.at("dev"));
    EXPECT_TRUE(place);
    lines.clear();
    CommandRun run;
    run.deadline = std::chrono::steady_clock::now() + time;
    run.on_line = [this](std::string_view line) { lines.emplace_back(line); };
    return ensure_build(*place, host.first, run);
  }
  bool ran() const { return std::count(lines.begin(), lines.end(), "once") > 0; }

  TestHost host;
  Engines engines{Secrets(host.secrets())};
  HostServices services = host.services();
  std::shared_ptr<const Site> site;
  std::vector<std::string> lines;
};

TEST_F(BuildsTest, IsMadeOnceAndSealed) {
  auto first = build();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(ran());
  EXPECT_EQ(lines.front(), "checked out " + host.first.hex + ": 2 files");
  EXPECT_EQ(read_file(first->directory + "/built"), "made by acme\n");
  struct stat facts {};
  ASSERT_EQ(::stat((first->directory + "/built").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0222, 0u);
  EXPECT_EQ(facts.st_uid, ::geteuid()) << "the environment's user could change it for all others";
  auto second = build();
  ASSERT_TRUE(second);
  EXPECT_FALSE(ran());
  EXPECT_EQ(second->manifest.digest, first->manifest.digest);
  EXPECT_FALSE(std::filesystem::exists(first->directory + ".partial"));
}

TEST_F(BuildsTest, HasAnotherNameForOtherCommandsOrAnotherCommit) {
  const std::string key = build_key(*host.site(), host.first);
  EXPECT_TRUE(key.starts_with(host.first.hex + "-"));
  EXPECT_NE(build_key(*host.site(), host.push("second\n")), key);
  host.commands = "";
  EXPECT_NE(build_key(*host.site(), host.first), key);
}

TEST_F(BuildsTest, IsMadeAnewWhenItWasChangedOrItsManifestIsDamaged) {
  auto made = build();
  ASSERT_TRUE(made);
  const std::string file = made->directory + "/lib/a.txt";
  std::filesystem::remove(file);
  write_file(file, "by hand\n");
  ASSERT_TRUE(build());
  EXPECT_EQ(lines[0], "the build was changed by hand: changed lib/a.txt");
  EXPECT_EQ(lines[1], "the build is made anew");
  EXPECT_TRUE(ran());
  EXPECT_EQ(read_file(file), "a\n");
  write_file(build_manifest(host.layout("dev"), made->key), "damaged");
  ASSERT_TRUE(build());
  EXPECT_TRUE(ran());
  std::filesystem::remove(build_manifest(host.layout("dev"), made->key));
  ASSERT_TRUE(build());
  EXPECT_TRUE(ran()) << "a build without its manifest was cut short";
}

TEST_F(BuildsTest, LeavesNoBuildBehindThatFailed) {
  host.commands = "build: [" + sh("echo half > built; echo broken; exit 4") + "]";
  auto failed = build();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::site);
  EXPECT_EQ(failed.error().message,
            "build: \"sh -c 'echo half > built; echo broken; exit 4'\": exit code 4: broken");
  const std::string key = build_key(*site, host.first);
  EXPECT_FALSE(std::filesystem::exists(build_directory(host.layout("dev"), key)));
  EXPECT_FALSE(std::filesystem::exists(build_manifest(host.layout("dev"), key)));
  ASSERT_TRUE(clear_builds(host.layout("dev"), {}));
  EXPECT_TRUE(std::filesystem::is_empty(host.layout("dev").of_root().builds("acme")));
}

TEST_F(BuildsTest, SeesItsOwnSecretsAloneAndMasksThem) {
  host.environments["dev"] += ", variables: {GREETING: hello}, secrets: {SMTP: smtp}";
  host.build_secrets = "COMPOSER_AUTH: composer";
  write_file(host.secrets() + "/sites/acme/composer", "token-of-composer\n");
  host.commands = "build: [env]";
  ASSERT_TRUE(build());
  std::set<std::string> names;
  for (const auto& line : lines)
    if (line.find('=') != std::string::npos) names.insert(line.substr(0, line.find('=')));
  names.erase("PWD");
  EXPECT_EQ(names, (std::set<std::string>{"COMPOSER_AUTH", "HOME", "LANG", "PATH",
                                          "TIDEGATE_COMMIT", "TIDEGATE_SITE"}));
  for (const auto& line : lines)
    EXPECT_EQ(line.find("token-of-composer"), std::string::npos) << line;
  std::filesystem::remove(host.secrets() + "/sites/acme/composer");
  ASSERT_TRUE(clear_builds(host.layout("dev"), {}));
  auto missing = build();
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().message.starts_with("build: secret \"composer\": "))
      << missing.error().message;
}

TEST_F(BuildsTest, WaitsForAnotherThatMakesTheSame) {
  const std::string builds = host.layout("dev").of_root().builds("acme");
  host.observe();
  std::filesystem::create_directories(builds);
  auto lock = EnvironmentLock::try_exclusive(
      builds + "/" + build_key(*host.site(), host.first) + ".lock", "other");
  ASSERT_TRUE(lock && *lock);
  auto late = build(1ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::transient);
  EXPECT_EQ(late.error().message, "build: another environment is still building this commit");
  std::thread other([&] { lock->reset(); });
  auto made = build();
  other.join();
  EXPECT_TRUE(made) << made.error().message;
}

TEST_F(BuildsTest, ClearsAwayWhatIsNotNamedAndNotInUse) {
  auto made = build();
  ASSERT_TRUE(made);
  const auto layout = host.layout("dev");
  ASSERT_TRUE(clear_builds(layout, {made->key}));
  EXPECT_TRUE(std::filesystem::exists(made->directory));
  {
    auto lock = EnvironmentLock::try_exclusive(made->directory + ".lock", "building");
    ASSERT_TRUE(lock && *lock);
    ASSERT_TRUE(clear_builds(layout, {}));
    EXPECT_TRUE(std::filesystem::exists(made->directory));
  }
  ASSERT_TRUE(clear_builds(layout, {}));
  EXPECT_TRUE(std::filesystem::is_empty(layout.of_root().builds("acme")));
}

}  // namespace
}  // namespace tidegate::test
