#include "reconcilers/status.h"

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class StatusTest : public SiteAtRest {
 protected:
  SiteStatus status(const SiteStatus* before = nullptr, const std::string& problem = "") {
    return make_status(site, problem.empty() ? observed : ObservedSite{},
                       problem.empty() ? plan() : Plan{}, problem, before, now);
  }
  static std::string told(const std::vector<Condition>& conditions) {
    std::string out;
    for (const auto& c : conditions)
      out += c.type + " " + c.status + " " + c.reason + ": " + c.message + "\n";
    return out;
  }
  static std::string told(const SiteStatus& s, const std::string& name) {
    for (const auto& e : s.environments) {
      if (e.name == name) return told(e.conditions);
    }
    return "";
  }
  std::string events(const SiteStatus* before, const SiteStatus& after) const {
    std::string out;
    for (const auto& e : events_between(before, after, now)) {
      EXPECT_EQ(e.at, now);
      EXPECT_EQ(e.site, "acme");
      out += e.environment + " " + e.type + ": " + e.message + "\n";
    }
    return out;
  }
};

TEST_F(StatusTest, AtRestEverythingIsReady) {
  const SiteStatus s = status();
  EXPECT_EQ(s.name, "acme");
  EXPECT_TRUE(s.launched);
  EXPECT_TRUE(s.conditions.empty());
  ASSERT_EQ(s.environments.size(), 3U);
  EXPECT_EQ(s.environments[1].name, "test");
  EXPECT_EQ(s.environments[1].stage, 1U);
  EXPECT_EQ(s.environments[1].desired_commit, c1);
  EXPECT_EQ(told(s, "test"), "Ready True Converged: \n");
}

TEST_F(StatusTest, APinnedCommitIsDesiredAlsoWhereItIsMissing) {
  want("dev").code = c2;
  observed.missing_commits = {c2};
  EXPECT_EQ(status().environments[0].desired_commit, c2);
}

TEST_F(StatusTest, TellsWhenWhatFailedIsTriedAgain) {
  want("dev").code = c2;
  EXPECT_EQ(status().environments[0].tried_again_at, std::nullopt);
  failed("dev", false);
  EXPECT_EQ(status().environments[0].tried_again_at, plan().waiting.at(0).until);
}

TEST_F(StatusTest, AStageWithoutADocumentIsLeftOutAndKeepsItsNumber) {
  site.environments.erase("dev");
  const SiteStatus s = status();
  ASSERT_EQ(s.environments.size(), 2U);
  EXPECT_EQ(s.environments[0].stage, 1U);
}

TEST_F(StatusTest, AReadyStepIsProgress) {
  want("dev").code = c2;
  EXPECT_EQ(told(status(), "dev"),
            "Ready False Progressing: promote 2222222, because it runs 1111111\n"
            "Reconciling True Progressing: promote 2222222, because it runs 1111111\n");
}

TEST_F(StatusTest, ARunningOperationIsProgressAndReadingIsNot) {
  is_busy("dev");
  is_busy("live", true);
  const SiteStatus s = status();
  EXPECT_EQ(told(s, "dev"),
            "Ready False Progressing: operation op1 is running: promote\n"
            "Reconciling True Progressing: operation op1 is running: promote\n");
  EXPECT_EQ(told(s, "live"), "Ready True Converged: \n");
}

TEST_F(StatusTest, AHoldStallsUnlessTimeOpensIt) {
  want("test").code = c2;
  const std::string message = "2222222 has not been proven in dev; let dev run it first\n";
  EXPECT_EQ(told(status(), "test"),
            "Ready False NotProven: " + message + "Stalled True NotProven: " + message);
  want("test").suspend = Suspend{"INC-1", "", noon + 1h};
  EXPECT_EQ(told(status(), "test"),
            "Ready False Suspended: suspended: INC-1; until 2026-11-20T13:00:00Z\n");
  EXPECT_EQ(status().environments[1].holds.at(0).opens_at, noon + 1h);
}

TEST_F(StatusTest, TellsOnceThatAVerificationFailedAgainAndOnceThatItPasses) {
  const SiteStatus before = status();
  seen("live").healthy = false;
  seen("live").proven.clear();
  seen("live").revoked[c1] = {noon, "GET https://acme.example/ answered 500"};
  const SiteStatus failing = status(&before);
  const std::string message =
      "its verification failed again at 2026-11-20T12:00:00Z: GET https://acme.example/ answered "
      "500";
  EXPECT_EQ(told(failing, "live"), "Ready False VerificationFailed: " + message + "\n");
  EXPECT_EQ(events(&before, failing), "live VerificationFailed: " + message + "\n");
  const SiteStatus still = status(&failing);
  EXPECT_EQ(events(&failing, still), "");
  seen("live") = at_rest();
  seen("live").launched = true;
  EXPECT_EQ(events(&still, status(&still)), "live Converged: \n");
}

TEST_F(StatusTest, WaitingIsReconciling) {
  want("dev").code = c2;
  want("test").code = c2;
  EXPECT_EQ(told(status(), "test"),
            "Ready False Waiting: until dev has proven 2222222\n"
            "Reconciling True Waiting: until dev has proven 2222222\n");
}

TEST_F(StatusTest, ASuspendedEnvironmentThatDiffersInNothingIsReadyAndSaysSo) {
  want("test").suspend = Suspend{"INC-1", "", {}};
  EXPECT_EQ(told(status(), "test"), "Ready True Suspended: \n");
  want("test").suspend->until = noon;
  EXPECT_EQ(told(status(), "test"), "Ready True Converged: \n");
}

TEST_F(StatusTest, AMovedAuthorityStallsEveryEnvironment) {
  site.stages = {"dev", "live", "test"};
  const SiteStatus s = status();
  for (const auto& e : s.environments) EXPECT_EQ(e.ready().reason, "LaunchedOnce") << e.name;
}

TEST_F(StatusTest, AnUndoneLaunchIsStillLaunched) {
  site.launched = false;
  EXPECT_TRUE(status().launched);
  seen("live").launched = false;
  EXPECT_FALSE(status().launched);
}

TEST_F(StatusTest, WhatCannotBeObservedIsUnknown) {
  const SiteStatus s = status(nullptr, "connect: refused");
  EXPECT_EQ(told(s, "test"), "Ready Unknown ObserveFailed: connect: refused\n");
  EXPECT_EQ(told(s.conditions), "Ready False ObserveFailed: connect: refused\n");
}

TEST_F(StatusTest, TheSiteTellsOfItsManifestAndItsRepository) {
  site.invalid = "acme.yaml:3:1: spec: is missing";
  observed.repository_problem = "acme.git: timeout";
  EXPECT_EQ(told(status().conditions),
            "Ready False Invalid: acme.yaml:3:1: spec: is missing\n"
            "Ready False RepositoryUnreachable: acme.git: timeout\n");
  EXPECT_EQ(told(status(), "test"), "Ready True Converged: \n");
}

TEST_F(StatusTest, ALostRootIsNotTheRepositorysFault) {
  seen("test").gone = "root \"/srv/sites\" lost what it held; is its file system mounted?";
  observed.repository_problem = "acme.git: " + seen("test").gone;
  EXPECT_EQ(told(status().conditions),
            "Ready False RootGone: acme.git: root \"/srv/sites\" lost what it held; is its file "
            "system mounted?\n");
}

TEST_F(StatusTest, ASiteThatCannotBeReadKeepsItsEnvironmentsAndSaysWhy) {
  const SiteStatus before = status();
  const SiteStatus broken = broken_status("acme", "a.yaml:1:1: odd", &before, now);
  EXPECT_EQ(told(broken.conditions), "Ready False Invalid: a.yaml:1:1: odd\n");
  EXPECT_EQ(broken.environments.size(), 3U);
  EXPECT_TRUE(broken.broken);
  EXPECT_EQ(events(&before, broken), " Invalid: a.yaml:1:1: odd\n");
  EXPECT_EQ(events(&broken, broken_status("acme", "a.yaml:1:1: odd", &broken, now)), "");
  EXPECT_EQ(events(&broken, status(&broken)), " Recovered: \n");
  EXPECT_FALSE(status(&broken).broken);
  EXPECT_TRUE(broken_status("beta", "b.yaml:1:1: odd", nullptr, now).environments.empty());
}

TEST_F(StatusTest, WarningsGoToTheirEnvironment) {
  seen("live").commit = c2;
  seen("live").proven = {{c1, {}}, {c2, {}}};
  seen("live").updated_since = true;
  const SiteStatus s = status();
  EXPECT_TRUE(s.environments[0].warnings.empty());
  ASSERT_EQ(s.environments[2].warnings.size(), 1U);
}

TEST_F(StatusTest, ConditionsKeepTheTimeOfTheirLastTransition) {
  const SiteStatus first = status();
  EXPECT_EQ(first.environments[0].ready().last_transition, noon);
  now = noon + 1min;
  const SiteStatus second = status(&first);
  EXPECT_EQ(second.environments[0].ready().last_transition, noon);
  EXPECT_EQ(told(second, "dev"), told(first, "dev"));
  now = noon + 2min;
  want("dev").code = c2;
  const SiteStatus third = status(&second);
  EXPECT_EQ(third.environments[0].ready().last_transition, now);
  now = noon + 3min;
  is_busy("dev");
  const SiteStatus fourth = status(&third);
  EXPECT_EQ(fourth.environments[0].ready().message, "operation op1 is running: promote");
  EXPECT_EQ(fourth.environments[0].ready().last_transition, noon + 2min);
  EXPECT_EQ(fourth.environments[1].ready().last_transition, noon);
}

TEST_F(StatusTest, NothingHappenedBetweenTheSameStatusTwice) {
  want("test").code = c2;
  is_busy("dev");
  site.invalid = "broken";
  observed.repository_problem = "timeout";
  const SiteStatus s = status();
  EXPECT_EQ(events(&s, s), "");
  now = noon + 5min;
  EXPECT_EQ(events(&s, status(&s)), "");
}

TEST_F(StatusTest, ASiteSeenFirstTellsOnlyWhatIsNotReady) {
  EXPECT_EQ(events(nullptr, status()), "");
  want("test").code = c2;
  EXPECT_EQ(events(nullptr, status()),
            "test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(StatusTest, EachChangeIsToldOnce) {
  const SiteStatus rest = status();
  want("dev").code = c2;
  const SiteStatus ready = status(&rest);
  EXPECT_EQ(events(&rest, ready), "dev Progressing: promote 2222222, because it runs 1111111\n");
  is_busy("dev");
  const SiteStatus busy = status(&ready);
  EXPECT_EQ(events(&ready, busy), "") << "it was told when it began";
  seen("dev").operation.reset();
  seen("dev").commit = c2;
  const SiteStatus done = status(&busy);
  EXPECT_EQ(events(&busy, done), "dev Converged: \n");
}

TEST_F(StatusTest, AnOperationThatSomebodyElseBeganIsToldOnce) {
  const SiteStatus rest = status();
  is_busy("dev");
  const SiteStatus busy = status(&rest);
  EXPECT_EQ(events(&rest, busy), "dev Progressing: operation op1 is running: promote\n");
  seen("dev").operation->phase = "verify";
  EXPECT_EQ(events(&busy, status(&busy)), "");
  seen("dev").operation->id = "op2";
  EXPECT_EQ(events(&busy, status(&busy)), "dev Progressing: operation op2 is running: promote\n");
}

TEST_F(StatusTest, AnotherStepAfterAnOperationIsTold) {
  is_busy("dev");
  const SiteStatus busy = status();
  seen("dev").operation.reset();
  want("dev").code = c2;
  const SiteStatus ready = status(&busy);
  EXPECT_EQ(events(&busy, ready), "dev Progressing: promote 2222222, because it runs 1111111\n");
}

TEST_F(StatusTest, WhatCannotBeObservedIsToldOfTheSiteAlone) {
  want("test").code = c2;
  const SiteStatus seen_before = status();
  const SiteStatus lost = status(&seen_before, "connect: refused");
  EXPECT_EQ(events(&seen_before, lost), " ObserveFailed: connect: refused\n");
  EXPECT_EQ(events(&lost, status(&lost)),
            " Recovered: \n"
            "test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(StatusTest, ARepositoryThatWasNotAskedYetAfterARestartIsNoNews) {
  const SiteStatus rest = status();
  want("dev").code = BranchName{"main"};
  observed.repository_problem = "acme.git has not been looked up yet";
  observed.repository_pending = true;
  const SiteStatus restarted = status(&rest);
  EXPECT_EQ(told(restarted, "dev"), "Ready True Converged: \n");
  EXPECT_EQ(events(&rest, restarted), "");
  EXPECT_EQ(told(status(), "dev"),
            "Ready False Waiting: for the repository: acme.git has not been looked up yet\n"
            "Reconciling True Waiting: for the repository: acme.git has not been looked up yet\n");
}

TEST_F(StatusTest, TroublesOfTheSiteAndTheirEndAreTold) {
  const SiteStatus rest = status();
  observed.repository_problem = "timeout";
  const SiteStatus trouble = status(&rest);
  EXPECT_EQ(events(&rest, trouble), " RepositoryUnreachable: timeout\n");
  EXPECT_EQ(events(&trouble, rest), " Recovered: \n");
}

}  // namespace
}  // namespace tidegate
