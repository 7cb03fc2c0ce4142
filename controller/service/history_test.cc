// What happened is kept in a real store, in the order in which it was told, through its failures.

#include "controller/service/history.h"

#include <gtest/gtest.h>

#include "controller/git/test_repository.h"
#include "controller/host/files/marks.h"
#include "controller/service/json.h"

namespace tidegate {
namespace {

class ManualClock : public Clock {
 public:
  Timestamp now() const override { return time; }
  Timestamp time = *parse_rfc3339("2026-11-20T03:00:00Z");
};

class HistoryTest : public testing::Test {
 protected:
  HistoryTest() { open(); }
  void open(OperationWatcher watcher = {}) {
    history.reset();
    auto opened = open_store(directory / "state.db", StoreMode::read_write);
    EXPECT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
    history = std::make_unique<History>(
        *store, clock,
        [this](const char* level, const std::string& message, const auto& facts) {
          std::string line = std::string(level) + " " + message;
          for (const auto& [key, value] : facts)
            if (!value.empty()) line += " " + key + "=" + value;
          lines.push_back(line);
        },
        std::move(watcher));
  }
  void start(const std::string& id) {
    history->started(
        {id, "acme", "test", {"promote", "sync"}, "rev", "Ada <ada@example.org>", clock.now()});
  }
  OperationRecord record(const std::string& id) {
    auto found = store->operation(id);
    return found && *found ? **found : OperationRecord{};
  }
  std::vector<std::string> events() {
    std::vector<std::string> out;
    const auto all = store->events(0, "", 100);
    for (const auto& e : *all)
      out.push_back(e.site + "/" + e.environment + " " + e.type + ": " + e.message);
    return out;
  }
  TemporaryDirectory directory;
  ManualClock clock;
  std::vector<std::string> lines;
  std::unique_ptr<Store> store;
  std::unique_ptr<History> history;
};

TEST_F(HistoryTest, KeepsAnOperationFromItsStartToItsEnd) {
  const Timestamp began = clock.now();
  start("op-1");
  EXPECT_EQ(record("op-1"), (OperationRecord{"op-1",
                                             "acme",
                                             "test",
                                             {"promote", "sync"},
                                             "rev",
                                             "Ada <ada@example.org>",
                                             began,
                                             {},
                                             "",
                                             "",
                                             "queued",
                                             {}}));
  history->phase("op-1", "content", 40);
  EXPECT_EQ(record("op-1").phase, "content");
  EXPECT_EQ(record("op-1").percent, 40);
  history->line("op-1", "copied");
  clock.time += Duration(5000);
  history->ended("op-1", "succeeded", "");
  EXPECT_EQ(record("op-1"), (OperationRecord{"op-1",
                                             "acme",
                                             "test",
                                             {"promote", "sync"},
                                             "rev",
                                             "Ada <ada@example.org>",
                                             began,
                                             clock.now(),
                                             "succeeded",
                                             "",
                                             "",
                                             {}}));
  const auto log = store->log("op-1", 0, 10);
  ASSERT_EQ(log->size(), 1u);
  EXPECT_EQ((*log)[0].text, "copied");
  EXPECT_EQ(events(), std::vector<std::string>{"acme/test Succeeded: promote, sync"});
  EXPECT_TRUE(history->failed().empty());
  EXPECT_TRUE(store->running_operations()->empty());
}

TEST_F(HistoryTest, ASiteThatCannotBeReadKeepsWhatWasToldOfItsEnvironments) {
  SiteStatus good;
  good.name = "acme";
  good.revision = "r1";
  good.environments.emplace_back().name = "live";
  good.environments[0].conditions = {{"Ready", "True", "Converged", "", clock.now()}};
  history->told(good, {});
  history->told(broken_status("acme", "a.yaml:1:1: odd", nullptr, clock.now()), {});
  const std::string said =
      "\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"Invalid\","
      "\"message\":\"a.yaml:1:1: odd\",\"lastTransitionTime\":\"2026-11-20T03:00:00Z\"}]";
  std::string expected = site_json(good);
  expected.replace(expected.find("\"conditions\":[]"), 15, said);
  EXPECT_EQ(**store->status("acme"), expected);
  history->told(broken_status("beta", "b.yaml:1:1: odd", nullptr, clock.now()), {});
  EXPECT_NE((*store->status("beta"))->find("\"environments\":[]"), std::string::npos);
}

TEST_F(HistoryTest, TellsHowAnOperationEndedOtherwise) {
  for (const auto& [id, result, told] :
       {std::tuple{"op-1", "failed", "Failed"}, {"op-2", "undone", "Undone"}}) {
    start(id);
    history->ended(id, result, "why");
    EXPECT_EQ(record(id).result, result);
    EXPECT_TRUE(record(id).ended_at);
    EXPECT_EQ(events().back(), std::string("acme/test ") + told + ": promote, sync: why");
  }
  ASSERT_EQ(history->failed().size(), 2u);
  EXPECT_EQ(history->failed()[0].message, "why");
}

TEST_F(HistoryTest, WhatIsParkedHasNoEndAndIsTakenUpByTheNextProcess) {
  start("op-1");
  history->phase("op-1", "verifyLive", {});
  history->ended("op-1", "", "stopped with the controller");
  EXPECT_FALSE(record("op-1").ended_at);
  EXPECT_EQ(record("op-1").phase, "verifyLive");
  EXPECT_EQ(events().back(), "acme/test Parked: promote, sync: stopped with the controller");
  open();
  history->phase("op-1", "verifyLive", {});
  history->ended("op-1", "succeeded", "finished after an interruption");
  EXPECT_EQ(record("op-1").site, "acme");
  EXPECT_EQ(record("op-1").author, "Ada <ada@example.org>");
  EXPECT_EQ(record("op-1").result, "succeeded");
  EXPECT_TRUE(record("op-1").ended_at);
  EXPECT_EQ(events().back(), "acme/test Succeeded: promote, sync: finished after an interruption");
}

TEST_F(HistoryTest, TellsAWatcherOfEveryChangeOnce) {
  std::vector<std::string> seen;
  open({[&](const OperationRecord& r) { seen.push_back(r.phase + " " + r.result); },
        [&](const OperationRecord& r, const std::string& line) {
          seen.push_back(r.environment + "| " + line);
        }});
  start("op-1");
  history->phase("op-1", "build", {});
  history->phase("op-1", "build", {});
  history->line("op-1", "$ make");
  history->ended("op-1", "succeeded", "");
  EXPECT_EQ(seen, (std::vector<std::string>{"queued ", "build ", "test| $ make", " succeeded"}));
}

TEST_F(HistoryTest, KeepsStatusesForTheNextProcess) {
  SiteStatus status;
  status.name = "acme";
  status.environments.push_back({});
  status.environments[0].name = "test";
  status.environments[0].conditions = {
      {"Ready", "False", "Quarantined", "verify failed", clock.now()}};
  history->told(status, {});
  open();
  const auto last = history->last("acme");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->environments[0].conditions, status.environments[0].conditions);
  EXPECT_FALSE(history->last("other"));
  history->let_go("acme");
  EXPECT_FALSE(history->last("acme"));
  EXPECT_EQ(events(), std::vector<std::string>{
                          "acme/ LetGo: no manifest declares it any more; what is there stays"});
}

TEST_F(HistoryTest, TakesARetryOnceAndSaysWhoAsked) {
  ASSERT_TRUE(store->ask_retry({"acme", "test", "ada", clock.now()}));
  EXPECT_EQ(history->retries("acme"), std::set<std::string>{"test"});
  EXPECT_TRUE(history->retries("other").empty());
  history->retried("acme", "test");
  history->retried("acme", "test");
  EXPECT_TRUE(history->retries("acme").empty());
  EXPECT_EQ(events(),
            std::vector<std::string>{"acme/test Retried: quarantine lifted once for ada"});
}

TEST_F(HistoryTest, RemembersRootsAndTheRevision) {
  EXPECT_EQ(history->recall("/srv/sites"), std::nullopt);
  history->remember("/srv/sites", "id");
  history->set_revision("abc");
  open();
  EXPECT_EQ(history->recall("/srv/sites"), "id");
  EXPECT_EQ(*store->recall("revision"), "abc");
}

/// A store whose disk is full until it is not.
TEST_F(HistoryTest, WhatIsInForceIsKnownBelowTheRootsWithoutTheStore) {
  const std::string one = directory / "one", two = directory / "two", three = directory / "three";
  for (const std::string& root : {one, two, three}) std::filesystem::create_directory(root);
  ASSERT_TRUE(claim_root(one));
  history->remember(one, "id");
  history->now_in_force("fleet", "r1");
  ASSERT_TRUE(claim_root(two));
  history->remember(two, "id");
  EXPECT_EQ(history->in_force_below({two, three}, "fleet"), "r1") << "when it is claimed, too";
  std::filesystem::remove_all(one + "/.tidegate");
  clock.time += std::chrono::minutes(1);
  history->now_in_force("fleet", "r2");
  EXPECT_FALSE(std::filesystem::exists(one + "/.tidegate")) << "it is not mounted";
  EXPECT_EQ(history->in_force_below({one, two}, "fleet"), "r2");
  ASSERT_TRUE(claim_root(one));
  history->remember(one, "id");
  EXPECT_EQ(history->in_force_below({one}, "fleet"), "r2");
  ASSERT_TRUE(note_in_force(two, "fleet", {"older", clock.time - std::chrono::hours(1)}));
  EXPECT_EQ(history->in_force_below({one, two, three}, "fleet"), "r2") << "the newest counts";
  EXPECT_EQ(history->in_force_below({three}, "fleet"), "");
  EXPECT_EQ(history->in_force_below({one, two}, "shops"), "");
  EXPECT_EQ(lines, std::vector<std::string>{});
}

class FullStore : public Store {
 public:
  bool full = true;
  Result<void> answer() {
    return full ? Result<void>(Error{ErrorKind::transient, "disk full"}) : Result<void>();
  }
  Result<void> put_operation(const OperationRecord&) override { return answer(); }
  Result<std::optional<OperationRecord>> operation(const std::string&) override {
    return Error{ErrorKind::transient, "disk full"};
  }
  Result<std::vector<OperationRecord>> operations(const std::string&, const std::string&,
                                                  std::size_t, const std::string&) override {
    return std::vector<OperationRecord>{};
  }
  Result<std::vector<OperationRecord>> running_operations() override {
    return std::vector<OperationRecord>{};
  }
  Result<void> append_event(const EventRecord&) override { return answer(); }
  Result<std::vector<EventRecord>> events(std::int64_t, const std::string&, std::size_t) override {
    return std::vector<EventRecord>{};
  }
  Result<void> append_log(const std::string&, Timestamp, const std::vector<std::string>&) override {
    return answer();
  }
  Result<std::vector<LogLine>> log(const std::string&, std::int64_t, std::size_t) override {
    return std::vector<LogLine>{};
  }
  Result<void> put_status(const std::string&, const std::string&) override { return answer(); }
  Result<std::optional<std::string>> status(const std::string&) override {
    return Error{ErrorKind::transient, "disk full"};
  }
  Result<std::map<std::string, std::string>> statuses() override {
    return std::map<std::string, std::string>{};
  }
  Result<void> remove_status(const std::string&) override { return answer(); }
  Result<void> ask_retry(const RetryRequest&) override { return answer(); }
  Result<std::vector<RetryRequest>> retries(const std::string&) override {
    return Error{ErrorKind::transient, "disk full"};
  }
  Result<std::optional<RetryRequest>> take_retry(const std::string&, const std::string&) override {
    return Error{ErrorKind::transient, "disk full"};
  }
  Result<void> remember(const std::string&, const std::string&) override { return answer(); }
  Result<std::optional<std::string>> recall(const std::string&) override {
    return Error{ErrorKind::transient, "disk full"};
  }
  Result<std::size_t> prune(Timestamp, std::size_t) override { return std::size_t{0}; }
};

TEST_F(HistoryTest, AStoreThatCannotBeWrittenIsToldOfOnceAndStopsNobody) {
  FullStore full;
  std::vector<std::string> told;
  History kept(full, clock, [&](const char* level, const std::string& message, const auto&) {
    if (message != "event") told.push_back(std::string(level) + " " + message);
  });
  kept.started({"op-1", "acme", "test", {"promote"}, "", "", clock.now()});
  kept.phase("op-1", "build", {});
  kept.line("op-1", "text");
  kept.told({}, {});
  EXPECT_EQ(kept.recall("/srv"), std::nullopt);
  EXPECT_TRUE(kept.retries("acme").empty());
  EXPECT_FALSE(kept.last("acme"));
  EXPECT_EQ(told, std::vector<std::string>{"error history cannot be kept"});
  full.full = false;
  kept.ended("op-1", "succeeded", "");
  EXPECT_EQ(told, (std::vector<std::string>{"error history cannot be kept",
                                            "info history is kept again"}));
}

}  // namespace
}  // namespace tidegate
