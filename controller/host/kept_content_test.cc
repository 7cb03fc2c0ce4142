// Whose content is whose: what was declared once stays where it is, in use again when it is
// declared again; what an operation found it never removes.

#include <gtest/gtest.h>

#include "controller/host/databases/mariadb_test_support.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

namespace fs = std::filesystem;

class KeptContentTest : public testing::Test {
 protected:
  KeptContentTest() {
    host.environments["dev"] = code;
    host.succeed("dev");
  }
  void declare_more() { host.content = more; }
  void declare_less() { host.content = less; }
  std::string set(const std::string& part) const { return layout.content() + "/" + part + "-1"; }
  std::string database() const { return set("databases") + "/more/database.sqlite"; }
  std::string directory() const { return set("files") + "/private"; }
  /// Both are declared and hold something.
  void fill_more() {
    declare_more();
    host.succeed("dev");
    ASSERT_EQ(sql(database(), "create table precious(a); insert into precious values('kept')"), "");
    write_file(directory() + "/photo", "bytes");
  }
  void expect_kept() {
    EXPECT_EQ(sql(database(), "select a from precious"), "kept");
    EXPECT_EQ(read_file(directory() + "/photo"), "bytes");
  }
  void expect_in_use() {
    expect_kept();
    const auto content = host.release("dev").content;
    EXPECT_EQ(content.at(Part::databases).items.at("more"), database());
    EXPECT_EQ(content.at(Part::files).items.at("private"), directory());
    EXPECT_EQ(read_file(layout.current() + "/code/private/photo"), "bytes");
    EXPECT_NE(read_file(layout.current() + "/environment").find("MORE_DATABASE_URL"),
              std::string::npos);
  }
  /// All that was retired is due.
  void tend() {
    host.clock.pass(1h);
    auto tended = host.driver->tend(*host.site());
    EXPECT_TRUE(tended) << tended.error().message;
    EXPECT_TRUE(host.record("dev").retired.empty());
  }
  const std::string code = "code: {branch: main}";
  TestHost host;
  const EnvironmentLayout layout = host.layout("dev");
  const std::string less = host.content;
  const std::string more =
      "databases: [{name: main, engine: sqlite}, {name: more, engine: sqlite}], "
      "files: [{name: uploads, path: web/uploads}, {name: private, path: private}]";
};

TEST_F(KeptContentTest, IsInUseAgainWhenItIsDeclaredAgain) {
  fill_more();
  declare_less();
  host.succeed("dev");
  expect_kept();
  EXPECT_FALSE(fs::exists(layout.current() + "/code/private"));
  declare_more();
  host.succeed("dev");
  expect_in_use();
  EXPECT_TRUE(host.plan().converged());
}

TEST_F(KeptContentTest, OutlivesTheReleasesThatDeclaredItAndIsInUseAgain) {
  host.keep_releases = 1;
  fill_more();
  declare_less();
  for (const char* page : {"second\n", "third\n", "fourth\n"}) {
    host.push(page);
    host.succeed("dev");
  }
  tend();
  expect_kept();
  declare_more();
  host.succeed("dev");
  expect_in_use();
}

TEST_F(KeptContentTest, OutlivesAWipeOfWhatIsDeclared) {
  host.keep_releases = 1;
  fill_more();
  declare_less();
  for (int generation : {1, 2, 3}) {
    host.environments["dev"] =
        code + ", content: {source: empty, generation: " + std::to_string(generation) + "}";
    host.succeed("dev");
  }
  tend();
  EXPECT_FALSE(fs::exists(set("databases") + "/main"));
  EXPECT_FALSE(fs::exists(set("files") + "/uploads"));
  declare_more();
  host.succeed("dev");
  expect_in_use();
}

TEST_F(KeptContentTest, StaysWhenDeclaringItAgainFails) {
  fill_more();
  declare_less();
  host.succeed("dev");
  declare_more();
  host.environments["dev"] = code + ", verify: {commands: [\"false\"]}";
  host.push("second\n");
  EXPECT_EQ(host.run("dev").message, "verify: \"false\": exit code 1");
  expect_kept();
}

TEST_F(KeptContentTest, OfADeclarationThatWentBackIsInUseAgain) {
  declare_more();
  host.commands = "clearCache: [" + sh("test $TIDEGATE_RELEASE = 1") + "]";
  EXPECT_EQ(host.run("dev").result, "failed");
  EXPECT_EQ(host.record("dev").current, "1");
  sql(database(), "create table precious(a); insert into precious values('kept')");
  write_file(directory() + "/photo", "bytes");
  tend();
  host.commands = "";
  host.succeed("dev");
  expect_in_use();
}

TEST_F(KeptContentTest, ThatIsNotDeclaredMayBeTakenAway) {
  fill_more();
  declare_less();
  host.succeed("dev");
  fs::remove_all(set("databases") + "/more");
  fs::remove_all(directory());
  host.commands = "update: [\"true\"]";
  host.push("second\n");
  host.succeed("dev");
  declare_more();
  EXPECT_EQ(host.seen("dev").gone,
            "database \"more\" at \"" + database() + "\" is not there; bring it back");
}

TEST_F(KeptContentTest, FilesFoundInPlaceAreNeitherUsedNorRemoved) {
  fs::create_directories(directory());
  write_file(directory() + "/photo", "bytes");
  declare_more();
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "files \"private\": \"" + directory() +
                              "\" is there already and no release names it; move it away, or "
                              "declare the new one by another name");
  EXPECT_EQ(read_file(directory() + "/photo"), "bytes");
  EXPECT_FALSE(fs::exists(database())) << "made by the operation that failed";
  EXPECT_FALSE(host.has_journal("dev"));
}

TEST_F(KeptContentTest, ADatabaseFoundInPlaceIsNeitherUsedNorRemoved) {
  fill_more();
  // A memory that never heard of it.
  const auto forget = [](EnvironmentRecord& record) {
    for (auto& [id, release] : record.releases) {
      release.content.at(Part::databases).items.erase("more");
      release.content.at(Part::databases).declared.erase("more");
    }
  };
  auto record = host.record("dev");
  forget(record);
  ASSERT_TRUE(write_record(layout, record));
  const Told told = host.run("dev");
  EXPECT_EQ(told.result, "failed");
  EXPECT_EQ(told.message, "database \"more\": \"" + database() +
                              "\" is there already and no release names it; move it away, or "
                              "declare the new one by another name");
  expect_kept();
  EXPECT_FALSE(host.has_journal("dev"));
}

TEST_F(KeptContentTest, IsDroppedOnlyWithTheEnvironmentsOwnMark) {
  host.environments["test"] = code;
  host.succeed("test");
  const std::string others = host.database("test"), uploads = host.uploads("test");
  auto record = host.record("dev");
  record.retired.push_back({"7", host.clock.now(), host.release("test").content});
  ASSERT_TRUE(write_record(layout, record));
  tend();
  EXPECT_TRUE(fs::exists(others));
  EXPECT_TRUE(fs::exists(uploads));
}

TEST_F(KeptContentTest, WhatTidegateDidNotMakeIsNotClearedAway) {
  host.keep_releases = 1;
  const std::vector<std::string> theirs{
      layout.content() + "/files-before-move/old/photo", layout.content() + "/mine/a",
      layout.releases() + "/by-hand/a", layout.content() + "/files-2/uploads/photo",
      set("databases") + "/extra/database.sqlite"};
  for (const auto& path : theirs) {
    fs::create_directories(fs::path(path).parent_path());
    write_file(path, "x");
  }
  for (const char* page : {"second\n", "third\n", "fourth\n"}) {
    host.push(page);
    host.succeed("dev");
  }
  tend();
  EXPECT_FALSE(fs::exists(layout.release("1")));
  for (const auto& path : theirs) EXPECT_TRUE(fs::exists(path)) << path;
}

// ---- content whose memory is lost ----

TEST_F(KeptContentTest, ThatOutlivedItsMemoryHoldsTheEnvironment) {
  sql(host.database("dev"), "create table precious(a)");
  for (const auto& lost : {layout.releases(), layout.own(), layout.current()}) fs::remove_all(lost);
  const std::string mark = layout.of_root().registered("acme", "dev");
  const std::string holds = "\"" + layout.directory() + "\" runs nothing, but holds content: \"" +
                            set("databases") + "/main\", \"" + set("files") +
                            "/uploads\"; bring back its releases, .tidegate and current, or move "
                            "that content away";
  EXPECT_EQ(host.seen("dev").gone, holds + " and remove \"" + mark + "\" to have it created anew");
  fs::remove(mark);
  EXPECT_EQ(host.seen("dev").gone, holds + " to have it created anew");
  EXPECT_TRUE(host.plan().ready.empty());
  fs::rename(layout.content(), host.directory / "away");
  host.succeed("dev");
}

TEST_F(KeptContentTest, OfACreationThatWentBackHoldsNothing) {
  host.environments["test"] = code;
  host.commands = "clearCache: [\"false\"]";
  EXPECT_EQ(host.run("test").result, "failed");
  EXPECT_EQ(host.seen("test").gone, "");
  host.commands = "";
  host.succeed("test");
}

TEST_F(KeptContentTest, InMariaDbThatOutlivedItsMemoryHoldsTheEnvironment) {
  auto* server = MariaDbTestServer::get();
  ASSERT_NE(server, nullptr) << "mariadbd did not start: is mariadb-server installed?";
  host.driver_settings =
      ", mariadb: {socket: " + server->settings("root").socket + ", user: root, prefix: kept}";
  host.content = "databases: [{name: main, engine: mariadb}]";
  host.environments["test"] = code;
  host.succeed("test");
  const auto test = host.layout("test");
  fs::remove_all(test.directory());
  fs::remove(test.of_root().registered("acme", "test"));
  EXPECT_EQ(host.seen("test").gone,
            "\"" + test.directory() +
                "\" runs nothing, but holds content: \"kept_acme_test_main_1\"; bring back "
                "its releases, .tidegate and current, or move that content away to have it created "
                "anew");
}

}  // namespace
}  // namespace tidegate::test
