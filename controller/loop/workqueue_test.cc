#include "controller/loop/workqueue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace tidegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Timestamp start{std::chrono::hours(1000)};

Workqueue without_chance() {
  return Workqueue([] { return 0.5; }, {seconds(2), minutes(1)});
}

/// What pop() gives one after the other, each given back at once.
std::vector<std::string> drain(Workqueue& queue, Timestamp now) {
  std::vector<std::string> keys;
  while (const auto key = queue.pop(now)) {
    keys.push_back(*key);
    queue.done(*key);
  }
  return keys;
}

using Keys = std::vector<std::string>;

TEST(WorkqueueTest, GivesNothingWhenNothingWasAdded) {
  Workqueue queue = without_chance();
  EXPECT_EQ(queue.pop(start), std::nullopt);
  EXPECT_EQ(queue.next_due(), std::nullopt);
  EXPECT_EQ(queue.depth(), 0u);
}

TEST(WorkqueueTest, IsFirstComeFirstServedWithinALane) {
  Workqueue queue = without_chance();
  for (const char* key : {"c", "a", "b"}) queue.add(key, Lane::changed);
  EXPECT_EQ(queue.depth(), 3u);
  EXPECT_EQ(queue.next_due(), Timestamp::min());
  EXPECT_EQ(drain(queue, start), (Keys{"c", "a", "b"}));
}

TEST(WorkqueueTest, KeepsOneEntryForAKeyAddedOftenAndItsPlace) {
  Workqueue queue = without_chance();
  queue.add("a", Lane::changed);
  queue.add("b", Lane::changed);
  for (int i = 0; i < 10; ++i) queue.add("a", Lane::changed);
  EXPECT_EQ(queue.depth(), 2u);
  EXPECT_EQ(drain(queue, start), (Keys{"a", "b"}));
}

TEST(WorkqueueTest, NeverHandsOutAKeyTwiceAtOnceAndLosesNoWish) {
  Workqueue queue = without_chance();
  queue.add("a", Lane::changed);
  ASSERT_EQ(queue.pop(start), "a");
  queue.add("a", Lane::changed);
  queue.add("b", Lane::changed);
  EXPECT_EQ(queue.depth(), 2u);
  EXPECT_EQ(queue.pop(start), "b");
  EXPECT_EQ(queue.pop(start), std::nullopt);
  EXPECT_EQ(queue.next_due(), std::nullopt) << "only done() can make a handed-out key ready";
  queue.done("a");
  EXPECT_EQ(queue.next_due(), Timestamp::min());
  EXPECT_EQ(queue.pop(start), "a");
  queue.done("a");
  queue.done("b");
  EXPECT_EQ(queue.pop(start), std::nullopt);
  EXPECT_EQ(queue.handed_out(), 0u);
}

TEST(WorkqueueTest, AKeyAddedWhileHandedOutKeepsItsPlaceAmongTheOthers) {
  Workqueue queue = without_chance();
  queue.add("a", Lane::changed);
  ASSERT_EQ(queue.pop(start), "a");
  queue.add("a", Lane::changed);
  queue.add("b", Lane::changed);
  queue.done("a");
  EXPECT_EQ(drain(queue, start), (Keys{"a", "b"}));
}

TEST(WorkqueueTest, ATimeThatComesWhileTheKeyIsHandedOutWaitsForDone) {
  Workqueue queue = without_chance();
  queue.add("a", Lane::changed);
  ASSERT_EQ(queue.pop(start), "a");
  queue.add_at("a", start + seconds(1), Lane::routine);
  EXPECT_EQ(queue.pop(start + seconds(2)), std::nullopt);
  EXPECT_EQ(queue.next_due(), std::nullopt);
  queue.done("a");
  EXPECT_EQ(queue.pop(start + seconds(2)), "a");
}

TEST(WorkqueueTest, ASecondDoneDoesNotReleaseALaterHandOut) {
  Workqueue queue = without_chance();
  queue.done("a");
  queue.add("a", Lane::changed);
  ASSERT_EQ(queue.pop(start), "a");
  EXPECT_EQ(queue.handed_out(), 1u);
  queue.done("a");
  queue.done("a");
  EXPECT_EQ(queue.depth(), 0u);
  EXPECT_EQ(queue.pop(start), std::nullopt);
}

TEST(WorkqueueTest, WaitsUntilTheTimeHasCome) {
  Workqueue queue = without_chance();
  queue.add_at("a", start + seconds(5), Lane::routine);
  EXPECT_EQ(queue.next_due(), start + seconds(5));
  EXPECT_EQ(queue.depth(), 0u);
  EXPECT_EQ(queue.pop(start + seconds(5) - milliseconds(1)), std::nullopt);
  EXPECT_EQ(queue.pop(start + seconds(5)), "a");
}

TEST(WorkqueueTest, TheSoonerOfTwoWishesWins) {
  struct Case {
    const char* what;
    std::vector<std::optional<int>> wishes;  // Seconds from the start; absent: at once.
    int due;
  };
  const std::vector<Case> cases = {
      {"later after sooner", {5, 9}, 5},
      {"sooner after later", {9, 5}, 5},
      {"at once after later", {9, std::nullopt}, 0},
      {"later after at once", {std::nullopt, 9}, 0},
      {"three", {9, 3, 7}, 3},
  };
  for (const Case& wanted : cases) {
    SCOPED_TRACE(wanted.what);
    Workqueue queue = without_chance();
    for (const auto& wish : wanted.wishes) {
      if (wish) {
        queue.add_at("a", start + seconds(*wish), Lane::routine);
      } else {
        queue.add("a", Lane::routine);
      }
    }
    if (wanted.due > 0) {
      EXPECT_EQ(queue.pop(start + seconds(wanted.due) - milliseconds(1)), std::nullopt);
    }
    EXPECT_EQ(drain(queue, start + seconds(wanted.due)), Keys{"a"});
    EXPECT_EQ(drain(queue, start + minutes(60)), Keys{}) << "the other wish is gone";
  }
}

TEST(WorkqueueTest, EntriesAreServedInTheOrderInWhichTheyBecameReady) {
  Workqueue queue = without_chance();
  queue.add_at("later", start + seconds(2), Lane::changed);
  queue.add_at("sooner", start + seconds(1), Lane::changed);
  queue.add("at once", Lane::changed);
  EXPECT_EQ(drain(queue, start + seconds(3)), (Keys{"at once", "sooner", "later"}));
}

TEST(WorkqueueTest, AnEntryThatStopsWaitingComesBehindThoseThatWereReady) {
  Workqueue queue = without_chance();
  queue.add_at("a", start + seconds(9), Lane::changed);
  queue.add("b", Lane::changed);
  queue.add("a", Lane::changed);
  EXPECT_EQ(drain(queue, start), (Keys{"b", "a"}));
}

TEST(WorkqueueTest, ChangedSitesComeBeforeRoutineLooks) {
  Workqueue queue = without_chance();
  queue.add("routine", Lane::routine);
  queue.add("changed", Lane::changed);
  EXPECT_EQ(queue.depth(Lane::routine), 1u);
  EXPECT_EQ(queue.depth(Lane::changed), 1u);
  EXPECT_EQ(drain(queue, start), (Keys{"changed", "routine"}));
}

TEST(WorkqueueTest, ARoutineEntryThatChangesGoesToTheEndOfTheChangedOnes) {
  Workqueue queue = without_chance();
  queue.add("a", Lane::routine);
  queue.add("b", Lane::changed);
  queue.add("a", Lane::changed);
  queue.add("b", Lane::routine);
  EXPECT_EQ(queue.depth(Lane::changed), 2u) << "a routine wish takes no urgency away";
  EXPECT_EQ(drain(queue, start), (Keys{"b", "a"}));
}

TEST(WorkqueueTest, KeepsOneSlotInEightForRoutineLooks) {
  Workqueue queue = without_chance();
  for (int i = 0; i < 100; ++i) {
    queue.add("changed" + std::to_string(i), Lane::changed);
    queue.add("routine" + std::to_string(i), Lane::routine);
  }
  std::string lanes;
  for (int i = 0; i < 24; ++i) lanes += queue.pop(start)->front();
  EXPECT_EQ(lanes, "cccccccrcccccccrcccccccr");
}

TEST(WorkqueueTest, AFailureWaitsLongerEachTimeUpToTheLongest) {
  Workqueue queue = without_chance();
  Timestamp now = start;
  for (const int wanted : {1, 2, 4, 8, 16, 30, 30, 30}) {
    queue.add_rate_limited("a", now);
    EXPECT_EQ(queue.next_due(), now + seconds(wanted));
    now = *queue.next_due();
    ASSERT_EQ(queue.pop(now), "a");
    queue.done("a");
  }
  EXPECT_EQ(queue.failures("a"), 8);
}

TEST(WorkqueueTest, AThousandFailuresInARowDoNotOverflow) {
  Workqueue queue([] { return 0.999; }, {milliseconds(1), Duration::max()});
  for (int i = 0; i < 1000; ++i) {
    queue.add_rate_limited("a", Timestamp{});
    ASSERT_GE(*queue.next_due(), Timestamp{});
    ASSERT_EQ(queue.pop(Timestamp::max()), "a");
    queue.done("a");
  }
}

TEST(WorkqueueTest, JitterSpreadsAFailureOverTheWholeWait) {
  double chance = 0;
  Workqueue queue([&] { return chance; }, {seconds(2), minutes(1)});
  queue.add_rate_limited("none", start);
  EXPECT_EQ(queue.pop(start), "none");
  chance = 0.25;
  queue.add_rate_limited("a quarter", start);
  EXPECT_EQ(queue.next_due(), start + milliseconds(500));
  chance = 0.9999;
  queue.add_rate_limited("nearly all", start);
  EXPECT_EQ(queue.pop(start + milliseconds(1999)), "a quarter");
  EXPECT_EQ(queue.pop(start + milliseconds(1999)), "nearly all");
}

TEST(WorkqueueTest, AFailureKeepsTheLaneItsKeyWasHandedOutIn) {
  Workqueue queue = without_chance();
  queue.add("changed", Lane::changed);
  queue.add("routine", Lane::routine);
  for (const char* key : {"changed", "routine"}) {
    ASSERT_EQ(queue.pop(start), key);
    queue.add_rate_limited(key, start);
    queue.done(key);
  }
  queue.add_rate_limited("neither", start);
  EXPECT_EQ(queue.pop(start + minutes(1)), "changed");
  EXPECT_EQ(queue.depth(Lane::routine), 2u);
}

TEST(WorkqueueTest, ForgettingResetsTheWaitAndLeavesTheEntry) {
  Workqueue queue = without_chance();
  queue.add_rate_limited("a", start);
  queue.add_rate_limited("a", start);
  queue.forget("a");
  EXPECT_EQ(queue.failures("a"), 0);
  EXPECT_EQ(queue.pop(start + seconds(1)), "a");
  queue.done("a");
  queue.add_rate_limited("a", start);
  EXPECT_EQ(queue.next_due(), start + seconds(1));
}

TEST(WorkqueueTest, AChangeCutsAWaitAfterAFailureShort) {
  Workqueue queue = without_chance();
  for (int i = 0; i < 6; ++i) queue.add_rate_limited("a", start);
  queue.add("a", Lane::changed);
  EXPECT_EQ(queue.pop(start), "a");
  EXPECT_EQ(queue.failures("a"), 6) << "only forget() forgets";
}

TEST(WorkqueueTest, AfterShutDownNothingComesInOrOut) {
  Workqueue queue = without_chance();
  queue.add("running", Lane::changed);
  queue.add("queued", Lane::changed);
  queue.add_at("waiting", start + seconds(1), Lane::routine);
  ASSERT_EQ(queue.pop(start), "running");
  queue.shut_down();
  EXPECT_TRUE(queue.is_shut_down());
  queue.add("late", Lane::changed);
  queue.add_rate_limited("running", start);
  EXPECT_EQ(queue.handed_out(), 1u);
  queue.done("running");
  EXPECT_EQ(queue.handed_out(), 0u);
  EXPECT_EQ(queue.pop(start + minutes(9)), std::nullopt);
  EXPECT_EQ(queue.next_due(), std::nullopt);
  EXPECT_EQ(queue.depth(), 0u);
}

TEST(WorkqueueTest, AgreesWithAPlainModelOverRandomCalls) {
  std::mt19937 random(7);
  Workqueue queue = without_chance();
  std::map<std::string, Timestamp> model;  // Key → due at.
  std::set<std::string> out;
  Timestamp now = start;
  for (int i = 0; i < 50'000; ++i) {
    const std::string key = "site" + std::to_string(random() % 12);
    const Lane lane = random() % 2 ? Lane::changed : Lane::routine;
    switch (random() % 5) {
      case 0:
        queue.add(key, lane);
        model[key] = Timestamp::min();
        break;
      case 1: {
        const Timestamp when = now + milliseconds(random() % 50);
        queue.add_at(key, when, lane);
        const auto [wish, added] = model.try_emplace(key, when);
        if (!added) wish->second = std::min(wish->second, when);
        break;
      }
      case 2:
        now += milliseconds(random() % 20);
        break;
      case 3:
        queue.done(key);
        out.erase(key);
        break;
      default: {
        const auto popped = queue.pop(now);
        const bool any = std::any_of(model.begin(), model.end(), [&](const auto& wish) {
          return wish.second <= now && !out.contains(wish.first);
        });
        ASSERT_EQ(popped.has_value(), any) << "call " << i;
        if (!popped) break;
        ASSERT_TRUE(model.contains(*popped) && model[*popped] <= now) << "call " << i;
        ASSERT_TRUE(out.insert(*popped).second) << "call " << i;
        model.erase(*popped);
      }
    }
  }
}

TEST(WorkqueueTest, ManyThreadsNeverHoldOneKeyTogetherAndServeEveryWish) {
  constexpr int keys = 20, adders = 3, takers = 4, adds = 20'000;
  Workqueue queue([] { return 0.1; }, {milliseconds(0), milliseconds(0)});
  std::vector<std::atomic<int>> wished(keys), seen(keys), holders(keys);
  std::atomic<int> adding = adders, together = 0;
  std::vector<std::thread> threads;
  for (int adder = 0; adder < adders; ++adder) {
    threads.emplace_back([&, adder] {
      std::mt19937 random(adder);
      for (int i = 0; i < adds; ++i) {
        const int key = static_cast<int>(random() % keys);
        ++wished[key];
        if (random() % 3 == 0) {
          queue.add_at(std::to_string(key), start, Lane::routine);
        } else {
          queue.add(std::to_string(key), random() % 2 ? Lane::changed : Lane::routine);
        }
      }
      --adding;
    });
  }
  for (int taker = 0; taker < takers; ++taker) {
    threads.emplace_back([&] {
      while (true) {
        const bool last = adding == 0;
        const auto popped = queue.pop(start);
        if (!popped) {
          if (last && queue.depth() == 0) return;
          std::this_thread::yield();
          continue;
        }
        const int key = std::stoi(*popped);
        if (++holders[key] != 1) ++together;
        seen[key] = wished[key].load();  // A look serves every wish made before it.
        --holders[key];
        queue.done(*popped);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, 0);
  for (int key = 0; key < keys; ++key) EXPECT_EQ(seen[key], wished[key]) << key;
  EXPECT_EQ(queue.handed_out(), 0u);
}

TEST(WorkqueueTest, TellsHowFastItIsWithAHundredThousandKeys) {
  constexpr int count = 100'000;
  Workqueue queue = without_chance();
  std::vector<std::string> keys;
  for (int i = 0; i < count; ++i) keys.push_back("customer-site-" + std::to_string(i));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    queue.add_at(keys[i], start + milliseconds(i % 997), Lane::routine);
  }
  for (int i = 0; i < count; i += 2) queue.add(keys[i], Lane::changed);
  EXPECT_EQ(drain(queue, start + seconds(1)).size(), std::size_t{count});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::cout << "workqueue: " << static_cast<long>(count * 3.5 / took.count())
            << " calls a second over " << count << " keys\n";
}

TEST(WorkqueueTest, AClockThatWentBackKeepsNothingWaitingForLonger) {
  Workqueue queue = without_chance();
  queue.add_at("a", start + minutes(5), Lane::routine);
  queue.add_at("b", start + minutes(7), Lane::changed);
  EXPECT_EQ(queue.pop(start), std::nullopt);
  const Timestamp back = start - std::chrono::hours(2);
  EXPECT_EQ(queue.pop(back), std::nullopt);
  EXPECT_EQ(queue.next_due(), back + minutes(5));
  EXPECT_EQ(drain(queue, back + minutes(5) - milliseconds(1)), Keys{});
  EXPECT_EQ(drain(queue, back + minutes(5)), Keys{"a"});
  EXPECT_EQ(drain(queue, back + minutes(7)), Keys{"b"}) << "each once, after its own time";
  EXPECT_EQ(queue.next_due(), std::nullopt);
}

TEST(WorkqueueTest, ThreadsThatAskOutOfTurnMoveNothing) {
  Workqueue queue = without_chance();
  queue.add_at("a", start + minutes(5), Lane::routine);
  EXPECT_EQ(queue.pop(start), std::nullopt);
  EXPECT_EQ(queue.pop(start - milliseconds(900)), std::nullopt);
  EXPECT_EQ(queue.next_due(), start + minutes(5));
}

}  // namespace
}  // namespace tidegate
