// Transitions reach real commands, in their order, through failures and restarts.

#include "controller/notify/notifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/git/test_repository.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class ManualClock : public Clock {
 public:
  Timestamp now() const override { return time; }
  std::atomic<Timestamp> time{*parse_rfc3339("2026-11-20T03:00:00Z")};
};

class NotifierTest : public testing::Test {
 protected:
  NotifierTest() { begin(); }
  ~NotifierTest() override { notifier.reset(); }

  void begin() {
    notifier.reset();
    auto opened = open_store(directory / "state.db", StoreMode::read_write);
    auto outbox = Outbox::open(directory / "state.db");
    ASSERT_TRUE(opened && outbox);
    store = std::move(*opened);
    notifier = std::make_unique<Notifier>(
        std::move(*outbox), *store, Secrets(), clock,
        [this](const char* level, const std::string& message, const auto& facts) {
          std::string line = std::string(level) + " " + message;
          for (const auto& [key, value] : facts)
            if (key != "id") line += " " + key + "=" + value;
          std::lock_guard lock(mutex);
          lines.push_back(line);
        },
        NotifyPace{5ms, 20ms, 24h});
  }
  /// Appends what it is told to a file, a line each, while `gate` is there.
  Receiver receiver(const std::string& name, const std::string& gate = "/") {
    Receiver out;
    out.name = name;
    out.command = {"/bin/sh", "-c",
                   "test -e " + gate + " || exit 7; cat >> " + (directory / name) + "; echo >> " +
                       (directory / name)};
    return out;
  }
  static SiteStatus status(const std::string& reason, const std::string& site = "acme") {
    SiteStatus out;
    out.name = site;
    out.revision = "rev";
    out.author = "Ada <ada@example.org>";
    EnvironmentStatus& e = out.environments.emplace_back();
    e.name = "live";
    e.conditions = {{"Ready",
                     reason.empty() ? "True" : "False",
                     reason.empty() ? "Converged" : reason,
                     "because",
                     {}}};
    if (!reason.empty()) e.holds = {{"live", reason, "because", {}}};
    return out;
  }
  std::vector<std::string> got(const std::string& name) const {
    std::ifstream file(directory / name);
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
  }
  /// The values of a key, in order; what is asserted here is text without quotes.
  static std::vector<std::string> values(const std::vector<std::string>& bodies,
                                         const std::string& key) {
    std::vector<std::string> out;
    for (const std::string& body : bodies) {
      const std::size_t at = body.find("\"" + key + "\":\"");
      const std::size_t begin = at + key.size() + 4;
      out.push_back(at == body.npos ? "" : body.substr(begin, body.find('"', begin) - begin));
    }
    return out;
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  bool has(const std::string& name, std::size_t count) {
    return eventually([&] { return got(name).size() >= count; });
  }
  std::vector<std::string> logged() {
    std::lock_guard lock(mutex);
    return lines;
  }

  TemporaryDirectory directory;
  ManualClock clock;
  std::mutex mutex;
  std::vector<std::string> lines;
  std::unique_ptr<Store> store;
  std::unique_ptr<Notifier> notifier;
};

using Texts = std::vector<std::string>;

TEST_F(NotifierTest, TellsEachTransitionOnceAndInOrder) {
  notifier->serve({receiver("a"), receiver("b")});
  for (const char* reason : {"Suspended", "Suspended", "NotProven", "", ""})
    notifier->told(status(reason));
  for (const char* name : {"a", "b"}) {
    ASSERT_TRUE(has(name, 3)) << name;
    EXPECT_EQ(values(got(name), "type"), (Texts{"held", "held", "normal"}));
    EXPECT_EQ(values(got(name), "reason"), (Texts{"Suspended", "NotProven", "Converged"}));
  }
  EXPECT_EQ(values(got("a"), "id"), values(got("b"), "id"));
  const std::string id = values(got("a"), "id")[0];
  EXPECT_EQ(got("a")[0],
            R"({"id":")" + id +
                R"(","at":"2026-11-20T03:00:00Z","type":"held","site":"acme","environment":"live",)"
                R"("reason":"Suspended","message":"because","manifestRevision":"rev",)"
                R"("author":"Ada <ada@example.org>","operation":null,"evidence":[]})");
}

TEST_F(NotifierTest, TellsAReceiverWhatItWantsAlone) {
  Receiver picky = receiver("picky");
  picky.on = {TransitionType::normal};
  picky.sites = {"ac*"};
  notifier->serve({picky, receiver("all")});
  for (const char* reason : {"Suspended", ""}) {
    notifier->told(status(reason, "shop"));
    notifier->told(status(reason, "acme"));
  }
  ASSERT_TRUE(has("all", 4));
  ASSERT_TRUE(has("picky", 1));
  EXPECT_EQ(values(got("picky"), "type"), (Texts{"normal"}));
  EXPECT_EQ(values(got("picky"), "site"), (Texts{"acme"}));
}

TEST_F(NotifierTest, WhoIsDownIsWaitedForAndHoldsUpNobodyElse) {
  notifier->serve({receiver("down", directory / "gate"), receiver("up")});
  for (const char* reason : {"Suspended", ""}) notifier->told(status(reason));
  ASSERT_TRUE(has("up", 2));
  ASSERT_TRUE(eventually([&] { return !logged().empty(); }));
  EXPECT_EQ(logged(), (Texts{"warn a notification could not be delivered; it is tried again "
                             "receiver=down error=its command ended with exit code 7"}));
  write_file(directory / "gate", "");
  ASSERT_TRUE(has("down", 2));
  EXPECT_EQ(values(got("down"), "type"), (Texts{"held", "normal"}));
  ASSERT_TRUE(eventually([&] { return logged().size() == 2; }));
  EXPECT_EQ(logged()[1], "info notifications are delivered again receiver=down");
}

TEST_F(NotifierTest, ARestartDeliversWhatWasLeftAndTellsNothingAgain) {
  notifier->serve({receiver("down", directory / "gate")});
  notifier->told(status("Suspended"));
  begin();
  notifier->told(status("Suspended"));
  write_file(directory / "gate", "");
  notifier->serve({receiver("down", directory / "gate")});
  notifier->told(status(""));
  ASSERT_TRUE(has("down", 2));
  EXPECT_EQ(values(got("down"), "type"), (Texts{"held", "normal"}));
}

TEST_F(NotifierTest, GivesUpAfterADayAndSaysSo) {
  notifier->serve({receiver("down", directory / "gate")});
  notifier->told(status("Suspended"));
  ASSERT_TRUE(eventually([&] { return !logged().empty(); }));
  clock.time = clock.now() + 25h;
  ASSERT_TRUE(eventually([&] { return logged().size() >= 2; }));
  EXPECT_EQ(logged()[1],
            "error a notification is given up receiver=down error=its command ended with exit "
            "code 7");
  write_file(directory / "gate", "");
  notifier->told(status(""));
  ASSERT_TRUE(has("down", 1));
  EXPECT_EQ(values(got("down"), "type"), (Texts{"normal"}));
}

TEST_F(NotifierTest, MessagesOfAReceiverThatIsGoneAreGivenUp) {
  notifier->serve({receiver("down", directory / "gate")});
  notifier->told(status("Suspended"));
  notifier->serve({receiver("other")});
  EXPECT_EQ(logged().back(),
            "warn notifications for receivers that are not configured any more are given up "
            "notifications=1");
  notifier->told(status(""));
  ASSERT_TRUE(has("other", 1));
  EXPECT_EQ(values(got("other"), "type"), (Texts{"normal"}));
}

TEST_F(NotifierTest, ANewReceiverHearsOfNewsAlone) {
  notifier->told(status("Suspended"));
  notifier->serve({receiver("new")});
  notifier->told(status("Suspended"));
  notifier->told(status(""));
  ASSERT_TRUE(has("new", 1));
  EXPECT_EQ(values(got("new"), "type"), (Texts{"normal"}));
}

TEST_F(NotifierTest, ASiteThatIsLetGoIsForgotten) {
  notifier->serve({receiver("a")});
  notifier->told(status("Suspended"));
  SiteStatus gone;
  gone.name = "acme";
  notifier->told(gone);
  notifier->told(status("Suspended"));
  ASSERT_TRUE(has("a", 2));
  EXPECT_EQ(values(got("a"), "type"), (Texts{"held", "held"}));
}

TEST_F(NotifierTest, AFailureNamesTheCommitOfItsOperation) {
  OperationRecord operation;
  operation.id = "op1";
  operation.manifest_revision = "older";
  operation.author = "Bo <bo@example.org>";
  ASSERT_TRUE(store->put_operation(operation));
  SiteStatus failed = status("Quarantined");
  failed.environments[0].observed.failures = {{"digest", true, "GET / answered 500", {}, 1}};
  Failure& failure = failed.environments[0].observed.failures[0];
  failure.operation = "op1";
  failure.actions = {"promote"};
  failure.after_switch = true;
  failure.evidence = {{"GET /", false, 500, "oops", 1500ms}};
  notifier->serve({receiver("a")});
  notifier->told(failed);
  ASSERT_TRUE(has("a", 1));
  const std::string body = got("a")[0];
  EXPECT_EQ(body.substr(body.find("\"type\"")),
            R"("type":"rolledBack","site":"acme","environment":"live","reason":"Quarantined",)"
            R"("message":"promote: GET / answered 500","manifestRevision":"older",)"
            R"("author":"Bo <bo@example.org>","operation":"op1","evidence":[{"check":"GET /",)"
            R"("passed":false,"status":500,"said":"oops","took":"1500ms"}]})");
}

TEST_F(NotifierTest, ACommandSeesPathHomeAndLangAlone) {
  Receiver out = receiver("a");
  out.command = {"/bin/sh", "-c",
                 "env | cut -d= -f1 | sort > " + (directory / "names") + "; mv " +
                     (directory / "names") + " " + (directory / "a")};
  notifier->serve({out});
  notifier->told(status("Suspended"));
  ASSERT_TRUE(has("a", 3));
  Texts names = got("a");
  std::erase(names, "PWD");  // Of the shell itself.
  EXPECT_EQ(names, (Texts{"HOME", "LANG", "PATH"}));
}

TEST_F(NotifierTest, WhatBecameOfARevertIsToldBesideWhatLooksTell) {
  notifier->serve({receiver("a")});
  notifier->told(status("Suspended"));
  notifier->told(
      Transition{TransitionType::rolled_back, "acme", "live", "ManifestReverted", "by 1", "op1"});
  notifier->told(status("Suspended"));
  notifier->told(status(""));
  ASSERT_TRUE(has("a", 3));
  EXPECT_EQ(values(got("a"), "type"), (Texts{"held", "rolledBack", "normal"}));
  const std::string body = got("a")[1];
  EXPECT_EQ(body.substr(body.find("\"type\"")),
            R"("type":"rolledBack","site":"acme","environment":"live","reason":"ManifestReverted",)"
            R"("message":"by 1","manifestRevision":null,"author":null,"operation":"op1",)"
            R"("evidence":[]})");
}

}  // namespace
}  // namespace tidegate
