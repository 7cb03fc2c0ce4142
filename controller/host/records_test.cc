// Records say after reading what they said before writing.

#include "controller/host/records.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "controller/host/files/durable.h"
#include "controller/host/test_host.h"

namespace tidegate::test {
namespace {

const CommitId one{std::string(40, '1')}, two{std::string(40, '2')};
const Timestamp noon = *parse_rfc3339("2026-11-20T03:00:00Z");

ReleaseRecord full_release(const std::string& id) {
  ReleaseRecord r;
  r.id = id;
  r.commit = two;
  r.inputs = "inputs";
  r.build = "build";
  r.manifest_revision = std::string(40, 'a');
  r.created_at = noon;
  r.content[Part::databases] = {"1",
                                {ContentSource::from("live"), 7, "12", noon},
                                {{"main", "/srv/main.db"}},
                                {{"main", "sqlite"}}};
  r.content[Part::files] = {"2",
                            {ContentSource::empty(), 3, "", {}},
                            {{"uploads", "/srv/uploads"}},
                            {{"uploads", "web/uploads"}}};
  r.healthy = r.updated = true;
  return r;
}

class RecordsTest : public testing::Test {
 protected:
  RecordsTest() {
    EXPECT_TRUE(make_directory(layout.own(), 0700));
    for (const char* id : {"1", "2", "10"}) EXPECT_TRUE(make_directory(layout.release(id), 0755));
  }
  TemporaryDirectory directory;
  EnvironmentLayout layout{directory.path(), "acme", "dev"};
};

TEST_F(RecordsTest, AnEnvironmentsMemoryComesBackWhole) {
  EnvironmentRecord r;
  r.current = "2";
  r.last_release = 9;
  r.launched = r.updated_since = true;
  r.releases = {{"1", full_release("1")}, {"2", full_release("2")}};
  r.kept = {"1"};
  r.retired = {{"0", noon + Duration(7), full_release("0").content}};
  r.proven = {one, two};
  r.proofs = {{one, {noon + Duration(3), {}}}, {two, {noon, noon - Duration(5)}}};
  r.took_over = "test";
  r.grants_used = {{"hotfix-1", two}, {"up-2", {}}};
  r.last_proven = two;
  r.ran_on[one] = {"1", "2"};
  r.highest = {{Part::databases, 7}, {Part::files, 3}};
  r.failures = {{"digest", true, "verify: \"x\"\xC3\xA9", noon + Duration(1), 3}};
  r.failures[0].operation = "20261121-1";
  r.failures[0].actions = {"promote", "sync"};
  r.failures[0].after_switch = true;
  r.failures[0].evidence = {
      {"GET https://a.example/", false, 500, "Fatal error\nmore", Duration(7)}};
  r.verified = {"2", noon + Duration(9), 1};
  r.revoked[{std::string(40, '3')}] = {noon, "GET / answered 500", r.failures[0].evidence};
  r.drift = Drift{noon, 41, {"changed a", "added b"}};
  ASSERT_TRUE(write_record(layout, r));
  auto read = read_record(layout);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(**read, r);
  r.drift.reset();
  r.last_proven.reset();
  ASSERT_TRUE(write_record(layout, r));
  EXPECT_EQ(**read_record(layout), r);
}

TEST_F(RecordsTest, AJournalComesBackWhole) {
  Journal j;
  j.operation = "op-1";
  j.actions = {"promote", "sync"};
  j.phase = "update";
  j.started_at = noon + Duration(3);
  j.owner = "controller, pid 812";
  j.digest = "digest";
  j.revision = "rev";
  j.author = "Ada <ada@example.org>";
  j.creates = j.reuses = j.asked = j.maintenance = j.maintenance_on = j.failure_is_sites = true;
  j.before = "1";
  j.prepared = full_release("2");
  j.done = {{Part::files, 4}};
  j.databases = {{Engine::mariadb, "tg_acme"}, {Engine::sqlite, "/srv/x.db"}};
  j.directories = {"/srv/files-2/uploads"};
  j.saved = {{Engine::mariadb, "tg_acme", "tg_acme_saved"}};
  j.failure = "update failed";
  j.pages = {{"/", "Acme"}, {"/shop", ""}};
  j.evidence = {{"wp core is-installed", false, 1, "no", Duration(3)}};
  j.grants = {"hotfix-1"};
  ASSERT_TRUE(write_journal(layout, j));
  auto read = read_journal(layout);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(**read, j);
  ASSERT_TRUE(remove_journal(layout));
  ASSERT_TRUE(remove_journal(layout)) << "again";
  EXPECT_EQ(*read_journal(layout), std::nullopt);
}

TEST_F(RecordsTest, WhatAnOlderVersionProvedIsProvenSinceItWroteItDown) {
  EnvironmentRecord r;
  r.proven = {one, two};
  ASSERT_TRUE(write_record(layout, r));
  auto json = nlohmann::json::parse(read_file(layout.record()));
  json.erase("proofs");
  json.erase("grantsUsed");
  write_file(layout.record(), json.dump());
  const timespec times[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, layout.record().c_str(), times, 0), 0);
  const auto read = read_record(layout);
  ASSERT_TRUE(read && *read);
  const Proof then{Timestamp(std::chrono::seconds(1'700'000'000)), {}};
  EXPECT_EQ((**read).proofs, (std::map<CommitId, Proof>{{one, then}, {two, then}}));
  EXPECT_EQ((**read).proven, r.proven);
}

TEST_F(RecordsTest, AMessageOfAnyBytesCanBeWritten) {
  EnvironmentRecord r;
  r.failures = {{"digest", false, "not utf-8: \xFF", noon, 1}};
  ASSERT_TRUE(write_record(layout, r));
  EXPECT_EQ((**read_record(layout)).failures[0].message, "not utf-8: \xEF\xBF\xBD");
}

TEST_F(RecordsTest, AReleaseRecordHasTheKeysOthersRelyOn) {
  ASSERT_TRUE(write_release(layout, full_release("2")));
  const auto json = nlohmann::json::parse(read_file(layout.release("2") + "/release.json"));
  EXPECT_EQ(json.at("commit"), two.hex);
  EXPECT_EQ(json.at("createdAt"), "2026-11-20T03:00:00Z");
  EXPECT_EQ(json.at("manifestRevision"), std::string(40, 'a'));
  const auto& databases = json.at("content").at("databases");
  EXPECT_EQ(databases.at("source"), "live");
  EXPECT_EQ(databases.at("generation"), 7);
  EXPECT_EQ(databases.at("takenAt"), "2026-11-20T03:00:00Z");
  EXPECT_TRUE(databases.at("sanitizer").is_null());
  EXPECT_TRUE(json.at("content").at("files").at("takenAt").is_null());
  EXPECT_EQ(**read_release(layout, "2"), full_release("2"));
  EXPECT_EQ(*read_release(layout, "3"), std::nullopt);
  struct stat facts {};
  ASSERT_EQ(::stat((layout.release("2") + "/release.json").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0644u);
}

TEST_F(RecordsTest, IsRebuiltFromTheReleasesThatAreThere) {
  ReleaseRecord first = full_release("1"), tenth = full_release("10"), second = full_release("2");
  first.commit = one;
  first.content[Part::databases].stamp.generation = 30;
  second.healthy = false;
  for (const auto& r : {first, second, tenth}) ASSERT_TRUE(write_release(layout, r));
  ASSERT_TRUE(make_directory(layout.release("11"), 0755));  // Never came to its record.
  EXPECT_EQ(*rebuild_record(layout), std::nullopt) << "without a link nothing was ever there";
  ASSERT_TRUE(point_link(layout.current(), "releases/10"));
  auto rebuilt = rebuild_record(layout);
  ASSERT_TRUE(rebuilt && *rebuilt);
  const EnvironmentRecord& r = **rebuilt;
  EXPECT_EQ(r.current, "10");
  EXPECT_EQ(r.last_release, 10u);
  EXPECT_EQ(r.kept, (std::vector<std::string>{"2", "1"})) << "by number, newest first";
  EXPECT_EQ(std::set(r.proven.begin(), r.proven.end()), (std::set<CommitId>{one, two}));
  EXPECT_EQ(r.last_proven, two);
  EXPECT_EQ(r.highest.at(Part::databases), 30u);
  EXPECT_EQ(r.highest.at(Part::files), 3u);
  EXPECT_EQ(r.ran_on.at(one), std::set<std::string>{"1"});
  EXPECT_FALSE(r.launched);
  ASSERT_TRUE(register_environment(layout, true));
  EXPECT_TRUE((**rebuild_record(layout)).launched);
}

TEST_F(RecordsTest, ANewReleaseNeverTakesTheNameOfWhatIsLeftOfAnother) {
  EnvironmentRecord record;
  EXPECT_EQ(next_release_id(layout, record), "3") << "1 and 2 are there";
  record.last_release = 8;
  EXPECT_EQ(next_release_id(layout, record), "9");
  ASSERT_TRUE(make_directory(layout.content() + "/databases-9", 0755));
  EXPECT_EQ(next_release_id(layout, record), "11") << "10 is there as well";
}

}  // namespace
}  // namespace tidegate::test
