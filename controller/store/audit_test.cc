// The chain, in a real file that others write to and tamper with.

#include "controller/store/audit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "controller/store/store_fixture.h"

namespace tidegate {
namespace {

class AuditTest : public StoreFixture {
 protected:
  std::unique_ptr<AuditTrail> trail(StoreMode mode = StoreMode::read_write) {
    auto opened = AuditTrail::open(path_, mode);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  static void append(AuditTrail& trail, const std::string& site, Timestamp at = noon) {
    const auto done = trail.append(at, R"({"site":")" + site + R"(","kind":"step"})");
    EXPECT_TRUE(done) << done.error().message;
  }
  /// Four entries: the beginning, and three of sites.
  std::unique_ptr<AuditTrail> of_three() {
    auto out = trail();
    append(*out, "acme");
    append(*out, "shop", noon + std::chrono::hours(1));
    append(*out, "acme", noon + std::chrono::hours(2));
    return out;
  }
  /// As with the sqlite3 of a shell.
  void tamper(const char* sql) {
    auto file = Connection::open(path_, Access::write);
    ASSERT_TRUE(file);
    const auto done = (*file)->script(sql);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::string problem(const std::optional<AuditAnchor>& anchor = {}) {
    const auto walk = trail(StoreMode::read_only)->walk(anchor);
    return walk ? walk->problem : walk.error().message;
  }
  static std::string lines(AuditTrail& trail, const AuditFilter& filter = {}) {
    std::string out;
    const auto head = trail.each(filter, [&](const std::string& line) { out += line + "\n"; });
    EXPECT_TRUE(head) << head.error().message;
    return out;
  }
};

TEST_F(AuditTest, BeginsWithAnEntryThatSaysSoAndGoesOnUnbroken) {
  const auto walk = of_three()->walk();
  ASSERT_TRUE(walk) << walk.error().message;
  EXPECT_EQ(walk->problem, "");
  EXPECT_EQ(walk->entries, 4);
  EXPECT_EQ(walk->from, to_rfc3339(noon));
  EXPECT_EQ(walk->to, to_rfc3339(noon + std::chrono::hours(2)));
  EXPECT_EQ(walk->head.seq, 4);
  const std::string first = lines(*trail());
  EXPECT_TRUE(first.starts_with(
      R"({"at":")" + to_rfc3339(noon) +
      R"(","because":"a chain begins: the store held no entry before this one","hash":")"))
      << first;
}

TEST_F(AuditTest, AnEmptyOneIsUnbroken) {
  const auto walk = trail()->walk();
  ASSERT_TRUE(walk);
  EXPECT_EQ(walk->entries, 0);
  EXPECT_EQ(walk->problem, "");
}

TEST_F(AuditTest, TellsTheEntryThatWasChanged) {
  of_three();
  tamper("UPDATE audit SET entry = replace(entry, 'shop', 'shoq') WHERE seq = 3");
  EXPECT_EQ(problem(), "entry 3 was changed: its hash is not that of what it says");
}

TEST_F(AuditTest, TellsTheEntryThatIsMissing) {
  of_three();
  tamper("DELETE FROM audit WHERE seq = 2");
  EXPECT_EQ(problem(), "entry 2 is missing: the next one is entry 3");
}

TEST_F(AuditTest, TellsAFirstEntryThatIsMissing) {
  of_three();
  tamper("DELETE FROM audit WHERE seq = 1");
  EXPECT_EQ(problem(), "entry 1 is missing: the next one is entry 2");
}

TEST_F(AuditTest, TellsEntriesThatWereExchangedOrClosedUp) {
  of_three();
  tamper(
      "UPDATE audit SET seq = -2 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;"
      "UPDATE audit SET seq = 3 WHERE seq = -2");
  EXPECT_EQ(problem(),
            "entry 2 does not follow from the one before it: one of them was changed, put in or "
            "exchanged");
}

TEST_F(AuditTest, ACutIsSeenAgainstAnAnchorAlone) {
  const AuditAnchor head = of_three()->walk()->head;
  EXPECT_EQ(problem(head), "");
  tamper("DELETE FROM audit WHERE seq > 2");
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(problem(head), "entry 4 is missing: the chain was cut short, it ends with entry 2");
  append(*trail(), "other");
  append(*trail(), "other");
  EXPECT_EQ(problem(head), "entry 4 is not the one of the anchor: the chain was written anew");
}

TEST_F(AuditTest, AStoreThatWasDeletedBeginsAnewAndSaysSo) {
  const auto open = of_three();
  std::filesystem::remove(path_);
  append(*open, "acme");
  const auto walk = open->walk();
  ASSERT_TRUE(walk);
  EXPECT_EQ(walk->entries, 2);
  EXPECT_EQ(walk->problem, "");
  EXPECT_NE(lines(*open).find("a chain begins"), std::string::npos);
}

TEST_F(AuditTest, ExportsWhatIsAskedFor) {
  const auto open = of_three();
  EXPECT_EQ(std::ranges::count(lines(*open), '\n'), 4);
  const std::string acme = lines(*open, {noon + std::chrono::hours(1), "acme"});
  EXPECT_EQ(std::ranges::count(acme, '\n'), 1) << acme;
  EXPECT_NE(acme.find(R"("seq":4,"site":"acme")"), std::string::npos) << acme;
}

TEST_F(AuditTest, AnAnchorIsReadAsItIsWritten) {
  const AuditAnchor anchor{std::string(64, 'a'), 12};
  EXPECT_EQ(parse_anchor(to_string(anchor)), anchor);
  for (const char* bad : {"", "@", "aa@1", "12"}) EXPECT_EQ(parse_anchor(bad), std::nullopt) << bad;
  for (const char* bad : {"@", "@0", "@-1", "@1x", "x@1", "@99999999999999999999"})
    EXPECT_EQ(parse_anchor(std::string(64, 'a') + bad), std::nullopt) << bad;
}

TEST_F(AuditTest, IsNeverPruned) {
  of_three();
  ASSERT_TRUE(open()->prune(noon + std::chrono::hours(24 * 365), 0));
  EXPECT_EQ(trail()->walk()->entries, 4);
}

TEST_F(AuditTest, ReadingRefusesToWrite) {
  of_three();
  EXPECT_FALSE(trail(StoreMode::read_only)->append(noon, "{}"));
}

TEST_F(AuditTest, ThreadsAndProcessesChainRight) {
  constexpr int each = 40;
  trail();
  std::vector<pid_t> children;
  for (const char* site : {"one", "two"}) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto mine = AuditTrail::open(path_, StoreMode::read_write);
      bool good = static_cast<bool>(mine);
      for (int i = 0; good && i < each; ++i)
        good =
            static_cast<bool>((*mine)->append(noon, R"({"site":")" + std::string(site) + R"("})"));
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  {
    const auto shared = trail();
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i)
      threads.emplace_back([&] {
        for (int j = 0; j < each; ++j) append(*shared, "three");
      });
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  const auto walk = trail()->walk();
  EXPECT_EQ(walk->problem, "");
  EXPECT_EQ(walk->entries, 1 + 4 * each);
}

TEST_F(AuditTest, AProcessKilledWhileItWritesLeavesAnUnbrokenChain) {
  trail();
  for (int round = 0; round < 5; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto mine = AuditTrail::open(path_, StoreMode::read_write);
      while (mine && (*mine)->append(noon, "{}")) {
      }
      ::_exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 7 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(problem(), "");
  }
}

}  // namespace
}  // namespace tidegate
