#include "controller/service/saved_plan.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

class SavedPlanTest : public testing::Test {
 protected:
  SavedPlanTest() {
    site.name = "acme";
    site.stages = {"test", "live"};
    site.environments["test"].name = "test";
    plan.held = {{"test", "Soaking", "not yet", {}}};
    saved.covers = bases_of(sites());
  }
  std::vector<PlannedSite> sites() const { return {{&site, &observed, &plan, problem}}; }
  std::string moved() const { return moved_since(saved, sites()); }
  Site site;
  ObservedSite observed;
  Plan plan;
  SavedPlan saved;
  std::string problem;
};

TEST_F(SavedPlanTest, NamesWhatHasMovedAndWhichSide) {
  EXPECT_EQ(moved(), "");
  site.environments["test"].digest = "another";
  EXPECT_EQ(moved(),
            "acme/test: desired moved (its manifest, a secret of it, a rule for it or the branch it "
            "follows is another)");
  observed.environments["test"].release = "2";
  EXPECT_EQ(moved(),
            "acme/test: desired and observed moved (its manifest, a secret of it, a rule for it or the "
            "branch it follows is another, and so is it)");
  site.environments["test"].digest = "";
  EXPECT_EQ(moved(), "acme/test: observed moved (it is not as it was found then)");
  EXPECT_EQ(moved_since(saved, {}),
            "acme/test: desired moved (no manifest declares acme any more)");
}

TEST_F(SavedPlanTest, NamesTheStepsThatTimeHasMoved) {
  plan.held.clear();
  EXPECT_EQ(moved(), "acme/test: its steps moved (held Soaking then, nothing to do now)");
  Step step;
  step.environment = "test";
  step.actions = {Promote{CommitId{std::string(40, '2')}}};
  plan.ready = {step};
  EXPECT_EQ(moved(), "acme/test: its steps moved (held Soaking then, ready promote " +
                         std::string(40, '2') + " now)");
}

TEST_F(SavedPlanTest, ASiteThatCannotBeObservedSaysWhy) {
  plan = {};
  problem = "observe acme: no such root";
  EXPECT_EQ(moved(), "acme/test: observe acme: no such root");
}

TEST_F(SavedPlanTest, CountsWhatIsTooMuchForALine) {
  for (const char* name : {"a", "b", "c", "d"}) plan.held.push_back({name, "Invalid", "x", {}});
  saved.covers = bases_of(sites());
  plan.held.clear();
  EXPECT_EQ(moved(),
            "acme/a: its steps moved (held Invalid then, nothing to do now); acme/b: its steps "
            "moved (held Invalid then, nothing to do now); acme/c: its steps moved (held Invalid "
            "then, nothing to do now); and 2 more");
}

TEST_F(SavedPlanTest, CoversEverythingWhereNothingIsToBeDone) {
  plan = {};
  const auto covers = bases_of(sites());
  ASSERT_EQ(covers.size(), 1u);
  EXPECT_EQ(covers[0].environment, "test");
}

TEST_F(SavedPlanTest, ABrokenSiteIsCoveredAsAWhole) {
  site.environments.clear();
  plan.held = {{"", "Invalid", "broken", {}}};
  saved.covers = bases_of(sites());
  ASSERT_EQ(saved.covers.size(), 1u);
  EXPECT_EQ(saved.covers[0].environment, "");
  site.digest = "mended";
  EXPECT_EQ(moved(),
            "acme: desired moved (its manifest, a secret of it, a rule for it or the branch it "
            "follows is another)");
}

}  // namespace
}  // namespace tidegate
