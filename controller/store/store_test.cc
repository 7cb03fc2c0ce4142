#include "controller/store/store.h"

#include <limits>

#include "controller/store/sqlite.h"
#include "controller/store/store_fixture.h"

namespace tidegate {
namespace {

using std::chrono::seconds;

class StoreTest : public StoreFixture {
 protected:
  std::vector<std::string> ids(const std::string& site, const std::string& environment,
                               std::size_t limit, const std::string& before = "") {
    const auto found = store_->operations(site, environment, limit, before);
    EXPECT_TRUE(found);
    std::vector<std::string> all;
    for (const OperationRecord& record : *found) all.push_back(record.id);
    return all;
  }

  std::unique_ptr<Store> store_ = open();
};

using Ids = std::vector<std::string>;

TEST_F(StoreTest, AnOperationComesBackAsItWasPut) {
  OperationRecord record = operation("op-1", "acme", noon);
  record.manifest_revision = std::string(40, 'a');
  record.author = "Ann O'Nym <ann@example.org>";
  record.phase = "update";
  record.percent = 40;
  ASSERT_TRUE(store_->put_operation(record));
  EXPECT_EQ(**store_->operation("op-1"), record);

  record.ended_at = noon + std::chrono::milliseconds(1234);
  record.result = "failed";
  record.message = "update: exit 1: \"tidegate\0 ü\xff\"\n";
  record.percent.reset();
  ASSERT_TRUE(store_->put_operation(record));
  EXPECT_EQ(**store_->operation("op-1"), record);
  EXPECT_EQ(ids("", "", 10), Ids{"op-1"});
}

TEST_F(StoreTest, AnOperationWithoutActionsHasNone) {
  OperationRecord record = operation("op-1", "acme", noon);
  record.actions.clear();
  ASSERT_TRUE(store_->put_operation(record));
  EXPECT_EQ(**store_->operation("op-1"), record);
}

TEST_F(StoreTest, AnUnknownOperationIsNothing) {
  const auto found = store_->operation("op-1");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, std::nullopt);
}

TEST_F(StoreTest, OperationsComeNewestFirstOfASiteAnEnvironmentOrAll) {
  for (int i = 0; i < 6; ++i) {
    OperationRecord record =
        operation("op-" + std::to_string(i), i % 2 ? "acme" : "zoo", noon + seconds(i / 2));
    record.environment = i < 4 ? "test" : "live";
    ASSERT_TRUE(store_->put_operation(record));
  }
  EXPECT_EQ(ids("", "", 10), (Ids{"op-5", "op-4", "op-3", "op-2", "op-1", "op-0"}));
  EXPECT_EQ(ids("acme", "", 10), (Ids{"op-5", "op-3", "op-1"}));
  EXPECT_EQ(ids("acme", "test", 10), (Ids{"op-3", "op-1"}));
  EXPECT_EQ(ids("", "live", 10), (Ids{"op-5", "op-4"}));
  EXPECT_EQ(ids("acme", "dev", 10), Ids{});
  EXPECT_EQ(ids("", "", std::numeric_limits<std::size_t>::max()).size(), 6u);
}

TEST_F(StoreTest, PagesOfOperationsFollowOnEachOther) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store_->put_operation(operation("op-" + std::to_string(i), "acme", noon)));
  }
  EXPECT_EQ(ids("acme", "", 2), (Ids{"op-4", "op-3"}));
  EXPECT_EQ(ids("acme", "", 2, "op-3"), (Ids{"op-2", "op-1"}));
  EXPECT_EQ(ids("", "", 2, "op-1"), (Ids{"op-0"}));
  EXPECT_EQ(ids("", "", 2, "op-0"), Ids{});
  EXPECT_EQ(ids("", "", 2, "pruned"), Ids{});
}

TEST_F(StoreTest, RunningOperationsAreThoseWithoutAnEnd) {
  ASSERT_TRUE(store_->put_operation(operation("later", "acme", noon + seconds(1))));
  ASSERT_TRUE(store_->put_operation(operation("sooner", "zoo", noon)));
  ASSERT_TRUE(store_->put_operation(ended("over", "acme", noon)));
  ASSERT_TRUE(store_->append_log("log alone", noon, {"line"}));
  const auto running = store_->running_operations();
  ASSERT_TRUE(running);
  ASSERT_EQ(running->size(), 2u);
  EXPECT_EQ((*running)[0].id, "sooner");
  EXPECT_EQ((*running)[1].id, "later");
}

TEST_F(StoreTest, EventsComeOldestFirstAfterAnId) {
  for (const char* message : {"one", "two", "three"}) {
    ASSERT_TRUE(store_->append_event(event("acme", message)));
    ASSERT_TRUE(store_->append_event(event("zoo", message)));
  }
  const auto all = store_->events(0, "", 100);
  ASSERT_EQ(all->size(), 6u);
  EXPECT_EQ(all->front(), (EventRecord{1, noon, "acme", "live", "Promoted", "one"}));
  const auto later = store_->events((*all)[3].id, "", 100);
  EXPECT_EQ(*later, (std::vector<EventRecord>{(*all)[4], (*all)[5]}));
  const auto acme = store_->events(all->front().id, "acme", 1);
  EXPECT_EQ(*acme, std::vector<EventRecord>{(*all)[2]});
}

TEST_F(StoreTest, AnEventsIdIsNeverUsedAgain) {
  ASSERT_TRUE(store_->append_event(event("acme", "one")));
  ASSERT_TRUE(store_->prune(noon + seconds(1), 100));
  ASSERT_TRUE(store_->append_event(event("acme", "two")));
  EXPECT_EQ(store_->events(0, "", 100)->front().id, 2);
}

TEST_F(StoreTest, LogLinesComeInTheirOrderAfterALine) {
  ASSERT_TRUE(store_->put_operation(operation("op-1", "acme", noon)));
  ASSERT_TRUE(store_->append_log("op-1", noon, {"one", "", "thr\xc3\x28"}));
  ASSERT_TRUE(store_->append_log("op-2", noon, {"another's"}));
  ASSERT_TRUE(store_->append_log("op-1", noon + seconds(1), {std::string("fo\0ur", 5)}));
  ASSERT_TRUE(store_->append_log("op-1", noon, {}));
  EXPECT_EQ(*store_->log("op-1", 0, 100),
            (std::vector<LogLine>{{1, noon, "one"},
                                  {2, noon, ""},
                                  {3, noon, "thr\xc3\x28"},
                                  {4, noon + seconds(1), std::string("fo\0ur", 5)}}));
  EXPECT_EQ(*store_->log("op-1", 1, 1), (std::vector<LogLine>{{2, noon, ""}}));
  EXPECT_EQ(*store_->log("op-1", 4, 100), std::vector<LogLine>{});
  EXPECT_EQ(*store_->log("unknown", 0, 100), std::vector<LogLine>{});
}

TEST_F(StoreTest, ALogMayComeBeforeItsOperation) {
  ASSERT_TRUE(store_->append_log("op-1", noon, {"first"}));
  EXPECT_EQ(*store_->operation("op-1"), std::nullopt);
  EXPECT_EQ(ids("", "", 10), Ids{});
  ASSERT_TRUE(store_->put_operation(operation("op-1", "acme", noon)));
  EXPECT_EQ(ids("acme", "", 10), Ids{"op-1"});
  EXPECT_EQ(store_->log("op-1", 0, 10)->size(), 1u);
}

TEST_F(StoreTest, AStatusIsReplacedAndRemoved) {
  EXPECT_EQ(*store_->status("acme"), std::nullopt);
  ASSERT_TRUE(store_->put_status("acme", "{}"));
  ASSERT_TRUE(store_->put_status("zoo", "[]"));
  ASSERT_TRUE(store_->put_status("acme", "{\"a\": 1}"));
  EXPECT_EQ(*store_->status("acme"), "{\"a\": 1}");
  EXPECT_EQ(*store_->statuses(),
            (std::map<std::string, std::string>{{"acme", "{\"a\": 1}"}, {"zoo", "[]"}}));
  ASSERT_TRUE(store_->remove_status("acme"));
  ASSERT_TRUE(store_->remove_status("never there"));
  EXPECT_EQ(*store_->statuses(), (std::map<std::string, std::string>{{"zoo", "[]"}}));
}

TEST_F(StoreTest, WhatIsTheSameIsNotWritten) {
  ASSERT_TRUE(store_->put_status("acme", "{}"));
  ASSERT_TRUE(store_->remember("root /srv/sites", "8f2c"));
  const auto log = path_ + "-wal";
  const auto size = std::filesystem::file_size(log);
  const auto written = std::filesystem::last_write_time(log);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store_->put_status("acme", "{}"));
    ASSERT_TRUE(store_->remember("root /srv/sites", "8f2c"));
    ASSERT_EQ(*store_->take_retry("acme", "test"), std::nullopt);
  }
  EXPECT_EQ(std::filesystem::file_size(log), size);
  EXPECT_EQ(std::filesystem::last_write_time(log), written);
  ASSERT_TRUE(store_->put_status("acme", "{ }"));
  EXPECT_GT(std::filesystem::file_size(log), size);
}

TEST_F(StoreTest, WhatIsTheSameWaitsForNoOtherWriter) {
  ASSERT_TRUE(store_->put_status("acme", "{}"));
  ASSERT_TRUE(store_->remember("root /srv/sites", "8f2c"));
  auto other = Connection::open(path_, Access::write);
  ASSERT_TRUE((*other)->run("BEGIN IMMEDIATE"));
  EXPECT_TRUE(store_->put_status("acme", "{}"));
  EXPECT_TRUE(store_->remember("root /srv/sites", "8f2c"));
  EXPECT_EQ(*store_->take_retry("acme", "test"), std::nullopt);
  // What differs waits, for a while.
  const auto written = store_->put_status("acme", "[]");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::transient);
  EXPECT_EQ(written.error().message,
            "state file \"" + path_ + "\" has been busy for 5 s: another process is writing");
  ASSERT_TRUE((*other)->run("ROLLBACK"));
  EXPECT_TRUE(store_->put_status("acme", "[]"));
}

TEST_F(StoreTest, ARetryIsTakenOnce) {
  const RetryRequest first{"acme", "test", "ann", noon};
  const RetryRequest again{"acme", "test", "bob", noon + seconds(5)};
  const RetryRequest other{"acme", "dev", "ann", noon};
  for (const RetryRequest& request : {first, again, other}) ASSERT_TRUE(store_->ask_retry(request));
  EXPECT_EQ(*store_->retries("acme"), (std::vector<RetryRequest>{other, again}));
  EXPECT_EQ(*store_->retries("zoo"), std::vector<RetryRequest>{});
  EXPECT_EQ(*store_->take_retry("acme", "test"), again);
  EXPECT_EQ(*store_->take_retry("acme", "test"), std::nullopt);
  EXPECT_EQ(*store_->retries("acme"), std::vector<RetryRequest>{other});
}

TEST_F(StoreTest, RemembersSmallFactsAcrossOpenings) {
  EXPECT_EQ(*store_->recall("root /srv/sites"), std::nullopt);
  ASSERT_TRUE(store_->remember("root /srv/sites", "8f2c"));
  ASSERT_TRUE(store_->remember("root /srv/sites", "91aa"));
  store_.reset();
  store_ = open();
  EXPECT_EQ(*store_->recall("root /srv/sites"), "91aa");
}

TEST_F(StoreTest, PruningRemovesWhatEndedLongAgoAndItsLog) {
  ASSERT_TRUE(store_->put_operation(ended("old", "acme", noon - seconds(100))));
  ASSERT_TRUE(store_->append_log("old", noon, {"line"}));
  ASSERT_TRUE(store_->put_operation(ended("ends young", "acme", noon - seconds(20))));
  ASSERT_TRUE(store_->put_operation(operation("lost long ago", "acme", noon - seconds(99))));
  ASSERT_TRUE(store_->append_log("never put", noon - seconds(100), {"line"}));
  ASSERT_TRUE(store_->put_operation(operation("running", "acme", noon)));
  ASSERT_TRUE(store_->append_log("running", noon, {"line"}));
  ASSERT_TRUE(store_->append_event(event("acme", "old", noon - seconds(1))));
  ASSERT_TRUE(store_->append_event(event("acme", "young", noon)));
  const auto removed = store_->prune(noon, 100);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(*removed, 4u);
  EXPECT_EQ(ids("acme", "", 10), (Ids{"running", "ends young"}));
  EXPECT_EQ(store_->log("old", 0, 10)->size(), 0u);
  EXPECT_EQ(store_->log("never put", 0, 10)->size(), 0u);
  EXPECT_EQ(store_->log("running", 0, 10)->size(), 1u);
  ASSERT_EQ(store_->events(0, "", 10)->size(), 1u);
  EXPECT_EQ(store_->events(0, "", 10)->front().message, "young");
  EXPECT_EQ(*store_->prune(noon, 100), 0u);
}

TEST_F(StoreTest, PruningKeepsTheNewestOfEachSite) {
  for (int i = 0; i < 10; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_TRUE(store_->put_operation(ended("acme-" + number, "acme", noon + seconds(i))));
    ASSERT_TRUE(store_->append_event(event("acme", number)));
  }
  ASSERT_TRUE(store_->put_operation(operation("runs", "acme", noon)));
  ASSERT_TRUE(store_->put_operation(ended("zoo-0", "zoo", noon)));
  ASSERT_TRUE(store_->append_event(event("zoo", "0")));
  EXPECT_EQ(*store_->prune(Timestamp{}, 3), 14u);
  EXPECT_EQ(ids("acme", "", 10), (Ids{"acme-9", "acme-8", "acme-7", "runs"}));
  EXPECT_EQ(ids("zoo", "", 10), Ids{"zoo-0"});
  ASSERT_EQ(store_->events(0, "acme", 10)->size(), 3u);
  EXPECT_EQ(store_->events(0, "acme", 10)->front().message, "7");
  EXPECT_EQ(store_->events(0, "zoo", 10)->size(), 1u);
}

TEST_F(StoreTest, PruningWorksThroughMoreThanASliceHolds) {
  const std::vector<std::string> lines(2500, "a line of a log");
  for (int i = 0; i < 5; ++i) {
    const std::string id = "op-" + std::to_string(i);
    ASSERT_TRUE(store_->put_operation(ended(id, "acme", noon)));
    ASSERT_TRUE(store_->append_log(id, noon, lines));
  }
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(store_->put_operation(ended("small-" + std::to_string(i), "acme", noon)));
  }
  for (int i = 0; i < 2500; ++i) ASSERT_TRUE(store_->append_event(event("acme", "event")));
  EXPECT_EQ(*store_->prune(noon + seconds(3600), 100), 2805u);
  EXPECT_EQ(ids("", "", 10), Ids{});
  EXPECT_EQ(store_->events(0, "", 10)->size(), 0u);
  // Lines without their operation cannot be seen from outside, and would be another's one day.
  auto connection = Connection::open(path_, Access::read);
  EXPECT_EQ(*(*connection)->integer("SELECT count(*) FROM log"), 0);
}

TEST_F(StoreTest, OpensInADirectoryThatIsMissing) {
  path_ = directory_ / "var" / "lib" / "state.db";
  const auto store = open();
  ASSERT_TRUE(store->remember("key", "value"));
  using std::filesystem::perms;
  const auto rights = [](const std::filesystem::path& path) {
    return std::filesystem::status(path).permissions();
  };
  const perms wanted = perms::owner_all | perms::group_read | perms::group_exec;
  EXPECT_EQ(rights(directory_ / "var" / "lib"), wanted);
  EXPECT_EQ(rights(path_), perms::owner_read | perms::owner_write | perms::group_read);
}

TEST_F(StoreTest, NamesAreNotReadAsSqlOrAddresses) {
  path_ = directory_ / "100%?mode=memory#'.db";
  {
    const auto store = open();
    ASSERT_TRUE(store->put_status("'; DROP TABLE statuses; --", "{}"));
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(open()->statuses()->size(), 1u);
}

}  // namespace
}  // namespace tidegate
