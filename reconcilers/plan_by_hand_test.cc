// What people changed by hand in a writable environment holds whatever would replace it.

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

class PlanByHandTest : public SiteAtRest {
 protected:
  PlanByHandTest() {
    want("dev").code = BranchName{"main"};
    want("dev").writable = true;
    observed.refs["refs/heads/main"] = c1;
  }
  void change() {
    seen("dev").drifted = true;
    seen("dev").uncommitted = "1 file changed by hand: M web/index.php (+4 -1)";
  }
  const std::string held =
      "held dev UncommittedChanges: 1 file changed by hand: M web/index.php (+4 -1); `tidegate "
      "commit acme/dev -m …` keeps them, `tidegate discard acme/dev` drops them\n";
};

TEST_F(PlanByHandTest, IsToldOfAndNotHealed) {
  change();
  EXPECT_EQ(planned(), held);
}

TEST_F(PlanByHandTest, HoldsAnotherCommit) {
  change();
  observed.refs["refs/heads/main"] = c2;
  EXPECT_EQ(planned(), held);
}

TEST_F(PlanByHandTest, HoldsOtherVariablesAndTheWayBackToManagedCode) {
  change();
  seen("dev").wanted_inputs = "not writable";
  EXPECT_EQ(planned(), held);
}

TEST_F(PlanByHandTest, HoldsContent) {
  change();
  want_content("dev", ContentSource::from("live"), 1);
  EXPECT_EQ(planned(), held);
}

TEST_F(PlanByHandTest, HoldsNothingOnceACommitHasItOrItWasGivenUp) {
  seen("dev").drifted = true;
  EXPECT_EQ(planned(), "ready dev: promote 1111111 | its code was changed by hand | no update\n");
  observed.refs["refs/heads/main"] = c2;
  EXPECT_EQ(planned(), "ready dev: promote 2222222 | it runs 1111111\n");
}

TEST_F(PlanByHandTest, LeavesStagesAboveAlone) {
  change();
  seen("dev").proven[c2] = {};
  want("test").code = c2;
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111\n" + held);
}

TEST_F(PlanByHandTest, IsAskedOnceMoreBeforeTheSwitch) {
  observed.refs["refs/heads/main"] = c2;
  const Step step = plan().ready.at(0);
  EXPECT_FALSE(held_now(site, observed, step, calendar, now));
  change();
  const auto hold = held_now(site, observed, step, calendar, now);
  ASSERT_TRUE(hold);
  EXPECT_EQ("held dev " + hold->reason + ": " + hold->message + "\n", held);
}

TEST_F(PlanByHandTest, DoesNotKeepALaunchFromBeingRecorded) {
  seen("live").launched = false;
  seen("live").uncommitted = "1 file changed by hand: M a (+1 -0)";
  const Plan made = plan();
  ASSERT_FALSE(made.ready.empty());
  EXPECT_FALSE(held_now(site, observed, made.ready.at(0), calendar, now));
}

}  // namespace
}  // namespace tidegate
