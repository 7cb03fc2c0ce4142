// What somebody is called for, told once, through looks that see a site change.

#include "reconcilers/transitions.h"

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class TransitionsTest : public SiteAtRest {
 protected:
  /// What a look tells, a line each; the next look knows of it.
  std::string look(const std::string& problem = "") {
    return told(make_status(site, problem.empty() ? observed : ObservedSite{},
                            problem.empty() ? plan() : Plan{}, problem, nullptr, now));
  }
  std::string told(const SiteStatus& status) {
    TransitionsTold now_told = transitions_between(unrest, status);
    unrest = now_told.unrest;
    std::string out;
    for (const Transition& t : now_told.transitions) {
      EXPECT_EQ(t.site, "acme");
      out += t.environment + " " + to_string(t.type) + " " + t.reason;
      if (!t.message.empty()) out += ": " + t.message;
      if (!t.operation.empty()) out += " | operation " + t.operation;
      for (const Evidence& e : t.evidence) out += " | " + e.check;
      out += "\n";
    }
    return out;
  }
  Failure& fails(const std::string& operation, bool quarantined) {
    seen("dev").failures.clear();
    failed("dev", quarantined);
    Failure& failure = seen("dev").failures.back();
    failure.operation = operation;
    failure.actions = {"promote"};
    return failure;
  }
  void comes_to_rest() {
    seen("dev").failures.clear();
    seen("dev").commit = c2;
    seen("dev").proven = {{c2, {}}};
  }
  void hold(const std::string& e, const std::string& reason = "INC-1") {
    want(e).code = c2;
    want(e).suspend = Suspend{reason, "ada", {}};
  }
  SiteUnrest unrest;
};

TEST_F(TransitionsTest, OfASiteAtRestNothingIsToldAndNothingKept) {
  EXPECT_EQ(look(), "");
  EXPECT_TRUE(unrest.empty());
}

TEST_F(TransitionsTest, AFailureIsToldOnceWithItsEvidenceAndNotAgainAsAHold) {
  want("dev").code = c2;
  fails("op1", true).evidence = {{"GET https://dev.acme.example/", false, 500, "no", 10ms}};
  const std::string first =
      "dev failed Quarantined: promote: update: exit code 1 | operation op1 | GET "
      "https://dev.acme.example/\n";
  EXPECT_EQ(look(), first);
  EXPECT_EQ(look(), "");
  want("dev").code = c1;
  EXPECT_EQ(look(), "dev normal Converged\n");
  EXPECT_EQ(look(), "");
}

TEST_F(TransitionsTest, WhatVisitorsSawAndWentBackFromIsRolledBack) {
  want("dev").code = c2;
  fails("op1", true).after_switch = true;
  EXPECT_EQ(look(), "dev rolledBack Quarantined: promote: update: exit code 1 | operation op1\n");
}

TEST_F(TransitionsTest, ARetryThatFailsAgainIsToldAgain) {
  want("dev").code = c2;
  fails("op1", true);
  EXPECT_NE(look(), "");
  fails("op2", true);
  EXPECT_EQ(look(), "dev failed Quarantined: promote: update: exit code 1 | operation op2\n");
}

TEST_F(TransitionsTest, WhatInfrastructureKeepsFailingIsToldOnce) {
  want("dev").code = c2;
  fails("op1", false);
  EXPECT_EQ(look(), "dev failed TriedAgain: promote: update: exit code 1 | operation op1\n");
  fails("op2", false);
  EXPECT_EQ(look(), "");
  comes_to_rest();
  EXPECT_EQ(look(), "dev normal Converged\n");
}

TEST_F(TransitionsTest, OneOperationThatFailedUnderTwoDigestsIsToldOnce) {
  want("dev").code = c2;
  Failure other = fails("op1", true);
  other.digest = "content";
  seen("dev").failures.push_back(other);
  EXPECT_EQ(look(), "dev failed Quarantined: promote: update: exit code 1 | operation op1\n");
}

TEST_F(TransitionsTest, AHoldIsToldOnceWhateverItsMessage) {
  hold("test");
  EXPECT_EQ(look(), "test held Suspended: suspended by ada: INC-1; remove suspend to go on\n");
  want("test").suspend->reason = "INC-2";
  EXPECT_EQ(look(), "");
  want("test").suspend.reset();
  want("test").code = c1;
  EXPECT_EQ(look(), "test normal Converged\n");
  hold("test");
  EXPECT_EQ(look(), "test held Suspended: suspended by ada: INC-1; remove suspend to go on\n");
}

TEST_F(TransitionsTest, AnOperationBetweenTwoLooksAtAHoldMakesItNoNews) {
  hold("test");
  EXPECT_NE(look(), "");
  is_busy("test");
  EXPECT_EQ(look(), "");
  seen("test").operation.reset();
  EXPECT_EQ(look(), "");
  want("test").suspend.reset();
  want("test").code = c1;
  EXPECT_EQ(look(), "test normal Converged\n");
}

TEST_F(TransitionsTest, ALookThatSawNothingTellsAndForgetsNothing) {
  hold("test");
  EXPECT_NE(look(), "");
  EXPECT_EQ(look("observe acme: connect: refused"), "");
  EXPECT_EQ(look(), "");
}

TEST_F(TransitionsTest, BrokenDocumentsAreAHoldOfTheSiteItselfAndLeaveItsEnvironmentsAlone) {
  hold("test");
  EXPECT_NE(look(), "");
  const SiteStatus last = make_status(site, observed, plan(), "", nullptr, now);
  EXPECT_EQ(told(broken_status("acme", "acme.yaml:3:1: kind: is missing", &last, now)),
            " held Invalid: acme.yaml:3:1: kind: is missing\n");
  EXPECT_EQ(told(broken_status("acme", "acme.yaml:4:1: kind: is missing", &last, now)), "");
  EXPECT_EQ(look(), " normal Valid\n");
}

TEST_F(TransitionsTest, ARootThatIsNotMountedForgetsNoFailure) {
  want("dev").code = c2;
  fails("op1", true);
  EXPECT_NE(look(), "");
  const ObservedEnvironment before = seen("dev");
  is_missing("dev");
  seen("dev").gone = "\"/srv/sites\" is not mounted";
  EXPECT_EQ(look(), "dev held EnvironmentGone: \"/srv/sites\" is not mounted\n");
  seen("dev") = before;
  EXPECT_TRUE(look().starts_with("dev held Quarantined: "));
}

TEST_F(TransitionsTest, WithoutMemoryWhatFailedLongAgoIsNoNewsWhereAllIsWell) {
  want("dev").code = c2;
  fails("op1", true);
  want("dev").code = c1;
  EXPECT_EQ(look(), "");
}

}  // namespace
}  // namespace tidegate
