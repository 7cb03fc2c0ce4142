#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "controller/store/store_fixture.h"

namespace tidegate {
namespace {

class StoreRaceTest : public StoreFixture {
 protected:
  /// Writes `count` events and logs; true when every write succeeded.
  static bool write_much(Store& store, const std::string& site, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      if (!store.append_event(event(site, number))) return false;
      if (!store.put_operation(ended(site + number, site, noon))) return false;
      if (!store.append_log("shared log", noon, {site + " " + number, "second"})) return false;
      if (!store.put_status(site, number)) return false;
    }
    return true;
  }
  void expect_all(Store& store, int writers, int count) {
    const auto events = store.events(0, "", 1'000'000);
    ASSERT_TRUE(events);
    EXPECT_EQ(events->size(), static_cast<std::size_t>(writers * count));
    EXPECT_EQ(store.operations("", "", 1'000'000)->size(),
              static_cast<std::size_t>(writers * count));
    const auto lines = store.log("shared log", 0, 1'000'000);
    ASSERT_EQ(lines->size(), static_cast<std::size_t>(writers * count * 2));
    for (std::size_t i = 0; i < lines->size(); ++i) {
      ASSERT_EQ((*lines)[i].id, static_cast<std::int64_t>(i + 1));
      ASSERT_EQ((*lines)[i].text == "second", i % 2 == 1) << "a batch was torn at " << i;
    }
  }
  static int exit_code(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(StoreRaceTest, SeveralProcessesWriteAtOnceAndNothingIsLost) {
  constexpr int writers = 3, count = 200;
  std::vector<pid_t> children;
  for (int i = 0; i < writers; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      // The file is not there yet: all of them make it at one moment.
      const auto store = open_store(path_, StoreMode::read_write);
      const std::string site = "site" + std::to_string(i);
      ::_exit(store && write_much(**store, site, count) ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) EXPECT_EQ(exit_code(child), 0);
  expect_all(*open(), writers, count);
}

TEST_F(StoreRaceTest, SeveralThreadsWriteReadAndPruneAtOnce) {
  constexpr int writers = 3, count = 200;
  const auto store = open();
  std::atomic<bool> writing = true;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < writers; ++i) {
    threads.emplace_back([&, i] {
      if (!write_much(*store, "site" + std::to_string(i), count)) ++failures;
    });
  }
  std::thread reader([&] {
    while (writing) {
      if (!store->statuses() || !store->log("shared log", 0, 50)) ++failures;
      if (!store->operations("site0", "", 10) || !store->running_operations()) ++failures;
    }
  });
  std::thread pruner([&] {
    while (writing) {
      if (!store->prune(Timestamp{}, 1'000'000)) ++failures;
    }
  });
  for (std::thread& thread : threads) thread.join();
  writing = false;
  reader.join();
  pruner.join();
  EXPECT_EQ(failures, 0);
  expect_all(*store, writers, count);
}

TEST_F(StoreRaceTest, SeveralProcessesPruneWhileAnotherWrites) {
  constexpr int old = 1000, count = 300;
  {
    const auto store = open();
    const std::vector<std::string> lines(10, "line");
    for (int i = 0; i < old; ++i) {
      const std::string id = "old" + std::to_string(i);
      ASSERT_TRUE(store->put_operation(ended(id, "acme", noon - std::chrono::hours(1))));
      ASSERT_TRUE(store->append_log(id, noon, lines));
    }
  }
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = open_store(path_, StoreMode::read_write);
      if (!store) ::_exit(1);
      if (i == 0) ::_exit(write_much(**store, "site", count) ? 0 : 2);
      ::_exit((*store)->prune(noon, 1'000'000) ? 0 : 3);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) EXPECT_EQ(exit_code(child), 0);
  expect_all(*open(), 1, count);
}

TEST_F(StoreRaceTest, AFileDeletedUnderTwoProcessesIsMadeAnewForBoth) {
  int to_child[2], from_child[2];
  ASSERT_EQ(::pipe(to_child), 0);
  ASSERT_EQ(::pipe(from_child), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    // So that the end of the parent ends this one too.
    ::close(to_child[1]);
    const auto opened = open_store(path_, StoreMode::read_write);
    if (!opened) ::_exit(1);
    for (int i = 0; i < 100; ++i) {
      if (!(*opened)->append_event(event("acme", "child, before"))) ::_exit(2);
    }
    char byte = 0;
    if (::write(from_child[1], "w", 1) != 1 || ::read(to_child[0], &byte, 1) != 1) ::_exit(3);
    if (!(*opened)->append_event(event("acme", "child, after"))) ::_exit(4);
    const auto events = (*opened)->events(0, "", 10);
    ::_exit(events && events->size() == 2 && events->front().message == "parent, after" ? 0 : 5);
  }
  char byte = 0;
  ASSERT_EQ(::read(from_child[0], &byte, 1), 1);
  const auto store = open();
  ASSERT_EQ(store->events(0, "", 1000)->size(), 100u);
  // The log and the shared memory stay, and the other process has them open.
  std::filesystem::remove(path_);
  const auto written = store->append_event(event("acme", "parent, after"));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(store->events(0, "", 10)->size(), 1u);
  ASSERT_EQ(::write(to_child[1], "d", 1), 1);
  EXPECT_EQ(exit_code(child), 0);
  EXPECT_EQ(store->events(0, "", 10)->size(), 2u);
  EXPECT_EQ(open()->events(0, "", 10)->size(), 2u);
  for (const int end : {to_child[0], to_child[1], from_child[0], from_child[1]}) ::close(end);
}

TEST_F(StoreRaceTest, ARetryGoesToOneOfManyTakers) {
  constexpr int requests = 200;
  const auto first = open(), second = open();
  for (int i = 0; i < requests; ++i) {
    ASSERT_TRUE(first->ask_retry({"acme", std::to_string(i), "ann", noon}));
  }
  std::atomic<int> taken = 0, failures = 0;
  std::vector<std::thread> threads;
  for (Store* store : {first.get(), second.get(), first.get()}) {
    threads.emplace_back([&, store] {
      for (int i = 0; i < requests; ++i) {
        const auto request = store->take_retry("acme", std::to_string(i));
        if (!request) ++failures;
        if (request && *request) ++taken;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(taken, requests);
}

TEST_F(StoreRaceTest, AFileDeletedAgainAndAgainUnderManyThreadsEndsNothing) {
  const auto first = open(), second = open();
  std::atomic<bool> deleting = true;
  std::atomic<int> unexpected = 0;
  std::vector<std::thread> threads;
  for (Store* store : {first.get(), second.get(), first.get()}) {
    threads.emplace_back([&, store] {
      while (deleting) {
        const auto written = store->append_event(event("acme", "message"));
        const auto read = store->events(0, "", 10);
        // Whoever is in the middle of a call when the file goes may lose that call.
        if (!written && written.error().message.find("damaged") != std::string::npos) ++unexpected;
        if (!read && read.error().message.find("damaged") != std::string::npos) ++unexpected;
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    std::filesystem::remove(path_);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  deleting = false;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(unexpected, 0);
  std::filesystem::remove(path_);
  const auto written = first->append_event(event("acme", "last"));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(second->events(0, "", 10)->size(), 1u);
}

TEST_F(StoreRaceTest, KilledWhileWritingItLosesNothingItSaidWasWritten) {
  open().reset();
  for (int round = 0; round < 5; ++round) {
    int said[2];
    ASSERT_EQ(::pipe(said), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(said[0]);
      const auto store = open_store(path_, StoreMode::read_write);
      if (!store) ::_exit(1);
      for (std::int64_t i = 0;; ++i) {
        if (!(*store)->append_log("op" + std::to_string(round), noon, {"one", "two", "three"})) {
          ::_exit(2);
        }
        if (::write(said[1], &i, sizeof i) != sizeof i) ::_exit(3);
      }
    }
    ASSERT_GT(child, 0);
    ::close(said[1]);
    std::int64_t last = -1;
    for (std::int64_t number; last < 50 * (round + 1);) {
      ASSERT_EQ(::read(said[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
      last = number;
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    for (std::int64_t number; ::read(said[0], &number, sizeof number) == sizeof number;) {
      last = number;
    }
    ::close(said[0]);
    const auto lines = open()->log("op" + std::to_string(round), 0, 1'000'000);
    ASSERT_TRUE(lines) << lines.error().message;
    EXPECT_GE(lines->size(), static_cast<std::size_t>(last + 1) * 3);
    EXPECT_EQ(lines->size() % 3, 0u) << "a batch was torn";
  }
}

TEST_F(StoreRaceTest, TellsHowFastItIs) {
  const auto store = open();
  constexpr int count = 2000;
  const auto rate = [&](const char* what, const auto& act) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) ASSERT_TRUE(act(i));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << "store: " << static_cast<long>(count / took.count()) << " " << what
              << " a second\n";
  };
  rate("events written", [&](int) { return store->append_event(event("acme", "message")); });
  rate("statuses changed", [&](int i) { return store->put_status("acme", std::to_string(i)); });
  rate("statuses unchanged", [&](int) { return store->put_status("acme", "1999"); });
  rate("retries looked for", [&](int) { return store->retries("acme"); });
}

}  // namespace
}  // namespace tidegate
