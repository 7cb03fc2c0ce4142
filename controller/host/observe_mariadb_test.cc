// A database that was dropped by hand though Tidegate's mark of it is still there.

#include <gtest/gtest.h>

#include "controller/host/databases/mariadb_test_support.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

class ObserveMariaDbTest : public testing::Test {
 protected:
  void SetUp() override {
    server = MariaDbTestServer::get();
    ASSERT_NE(server, nullptr) << "mariadbd did not start: is mariadb-server installed?";
    host.driver_settings = ", mariadb: {socket: " + server->settings("root").socket +
                           ", user: root, prefix: " + prefix + "}";
    host.content = "databases: [{name: main, engine: mariadb}]";
    host.environments["dev"] = "code: {branch: main}";
    host.succeed("dev");
  }
  void run(const std::string& statement) {
    auto connection = server->connect();
    auto done = connection.run(statement);
    ASSERT_TRUE(done) << done.error().message;
  }
  void expect_gone(const std::string& database) {
    host.restart();  // What was there a moment ago is believed to be for some seconds.
    EXPECT_EQ(host.seen("dev").gone,
              "database \"main\" at \"" + database + "\" is not there; bring it back");
    const Plan plan = host.plan();
    EXPECT_TRUE(plan.ready.empty());
    ASSERT_EQ(plan.held.size(), 1u);
    EXPECT_EQ(plan.held[0].reason, "EnvironmentGone");
  }
  static inline int tests = 0;
  const std::string prefix = "gone" + std::to_string(++tests);  // Of users that outlive a test.
  TestHost host;
  MariaDbTestServer* server = nullptr;
};

TEST_F(ObserveMariaDbTest, IsHeldAndNeverCreatedAnew) {
  const std::string database = host.database("dev");
  EXPECT_EQ(host.seen("dev").gone, "");
  run("DROP DATABASE " + database);
  host.push("second\n");
  expect_gone(database);
  run("CREATE DATABASE " + database);
  host.succeed("dev");
  EXPECT_EQ(host.database("dev"), database);
}

TEST_F(ObserveMariaDbTest, IsNotSwitchedBackTo) {
  const std::string database = host.database("dev");
  const auto content = [&](const char* spec) {
    host.environments["dev"] = std::string("code: {branch: main}, content: {") + spec + "}";
  };
  content("source: empty, generation: 1");
  host.succeed("dev");
  content("source: empty, generation: 2");
  host.succeed("dev");
  const std::string current = host.database("dev");
  const std::string kept =
      host.record("dev").releases.at("2").content.at(Part::databases).items.at("main");
  run("DROP DATABASE " + kept);
  content("source: empty, generation: 1");
  host.restart();
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "database \"main\" at \"" + kept + "\" is not there; bring it back");
  EXPECT_EQ(host.database("dev"), current);
}

TEST_F(ObserveMariaDbTest, AServerThatDoesNotAnswerSaysNothing) {
  host.driver_settings =
      ", mariadb: {socket: " + (host.directory / "none") + ", user: root, prefix: " + prefix + "}";
  host.restart();
  EXPECT_EQ(host.seen("dev").gone, "");
  EXPECT_TRUE(host.seen("dev").exists);
}

}  // namespace
}  // namespace tidegate::test
