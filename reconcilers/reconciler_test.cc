#include "reconcilers/reconciler.h"

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

/// Shows what it is given and takes on what it is asked for.
class SmallDriver : public Driver {
 public:
  Result<ObservedSite> observe(const Site&) override {
    if (!unreachable.empty()) return Error{ErrorKind::transient, unreachable};
    return shows;
  }
  Result<void> start(const Site&, const Step& step) override {
    asked.push_back(step.environment);
    if (refuses.contains(step.environment)) return Error{ErrorKind::transient, "disk is full"};
    return {};
  }
  ObservedSite shows;
  std::string unreachable;
  std::set<std::string> refuses;
  std::vector<std::string> asked;
};

struct PushedClock : Clock {
  Timestamp time = noon;
  Timestamp now() const override { return time; }
};

/// Lets everything in but what it is told to keep out.
struct Door : Admission {
  std::vector<std::vector<Verdict>> admit(const Site&, const ObservedSite&,
                                          const std::vector<Step>& steps, Timestamp) override {
    std::vector<std::vector<Verdict>> out(steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto hold = keeps_out.find(steps[i].environment);
      if (hold != keeps_out.end()) out[i] = {{"calm", "few", hold->second, hold->second.message}};
    }
    return out;
  }
  std::map<std::string, Hold> keeps_out;
};

class ReconcilerTest : public SiteAtRest {
 protected:
  Look reconcile() {
    driver.shows = observed;
    return reconciler.reconcile(site, retries, nullptr, door);
  }
  SmallDriver driver;
  PushedClock clock;
  Door door;
  Reconciler reconciler{driver, clock, calendar, {2s, 5min}};
};

TEST_F(ReconcilerTest, AtRestItLooksAgainAtTheNextResync) {
  const Look look = reconcile();
  EXPECT_TRUE(driver.asked.empty());
  EXPECT_EQ(look.again, noon + 5min);
  EXPECT_EQ(look.because, "resync");
  EXPECT_EQ(look.status.next_look, noon + 5min);
  EXPECT_EQ(look.status.because, "resync");
}

TEST_F(ReconcilerTest, StartsWhatIsReadyAndLooksAgainSoon) {
  want("dev").code = c2;
  seen("test").drifted = true;
  const Look look = reconcile();
  EXPECT_EQ(driver.asked, (std::vector<std::string>{"dev", "test"}));
  EXPECT_EQ(look.started.size(), 2U);
  EXPECT_EQ(look.again, noon + 2s);
  EXPECT_EQ(look.because, "operation");
  EXPECT_EQ(look.status.next_look, noon + 2s);
}

TEST_F(ReconcilerTest, WhatALimitKeepsOutIsHeldAndTheRestStarts) {
  want("dev").code = c2;
  seen("test").drifted = true;
  door.keeps_out["dev"] = {"dev", "LimitReached", "calm/few: at most 1", noon + 1min};
  const Look look = reconcile();
  EXPECT_EQ(driver.asked, std::vector<std::string>{"test"});
  ASSERT_EQ(look.plan.held.size(), 1U);
  EXPECT_EQ(look.plan.held[0].reason, "LimitReached");
  EXPECT_EQ(look.plan.verdicts.at("dev").back().name(), "calm/few");
  EXPECT_EQ(look.status.environments[0].ready().reason, "LimitReached");
  EXPECT_EQ(look.again, noon + 2s) << "test runs";
  driver.asked.clear();
  seen("test").drifted = false;
  EXPECT_EQ(reconcile().again, noon + 1min);
  EXPECT_TRUE(driver.asked.empty());
}

TEST_F(ReconcilerTest, LookingStartsNothing) {
  want("dev").code = c2;
  driver.shows = observed;
  const Look look = reconciler.look(site, {}, nullptr);
  EXPECT_TRUE(driver.asked.empty());
  EXPECT_EQ(look.plan.ready.size(), 1U);
}

TEST_F(ReconcilerTest, LooksAgainSoonWhileSomethingRuns) {
  is_busy("live", true);
  EXPECT_EQ(reconcile().again, noon + 2s);
}

TEST_F(ReconcilerTest, LooksAgainWhenTimeAloneChangesThePlan) {
  want_content("dev", ContentSource::from("live"), 1);
  has_content("dev", ContentSource::from("live"), 1, noon - 1h);
  want("dev").content.refresh = Refresh{};
  want("dev").content.refresh->every = 1h + 1min;
  const Look look = reconcile();
  EXPECT_EQ(look.again, noon + 1min);
  EXPECT_EQ(look.because, "time");
}

TEST_F(ReconcilerTest, OneRefusalKeepsNothingElseBack) {
  want("dev").code = c2;
  seen("test").drifted = true;
  driver.refuses = {"dev"};
  const Look look = reconcile();
  EXPECT_EQ(look.started.size(), 1U);
  ASSERT_EQ(look.refused.size(), 1U);
  EXPECT_EQ(look.refused[0].second.message, "promote 2222222: disk is full");
  EXPECT_EQ(look.status.environments[0].ready().message,
            "promote 2222222, because it runs 1111111; cannot start yet: disk is full");
}

TEST_F(ReconcilerTest, WhatCannotBeObservedIsLeftAlone) {
  driver.unreachable = "connect: refused";
  const Look look = reconcile();
  ASSERT_TRUE(look.problem);
  EXPECT_EQ(look.problem->message, "observe acme: connect: refused");
  EXPECT_TRUE(driver.asked.empty());
  EXPECT_EQ(look.again, noon + 5min);
}

TEST_F(ReconcilerTest, ARetryIsPassedOn) {
  want("dev").code = c2;
  failed("dev", true);
  EXPECT_TRUE(reconcile().started.empty());
  retries = {"dev"};
  const Look look = reconcile();
  ASSERT_EQ(look.started.size(), 1U);
  EXPECT_TRUE(look.started[0].asked);
}

}  // namespace
}  // namespace tidegate
