#include "reconcilers/basis.h"

#include <algorithm>

#include "reconcilers/governed_site.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class BasisTest : public GovernedSite {
 protected:
  BasisTest() {
    want("test").code = c2;
    seen("dev").proven[c2] = {noon - 1h, {}, 2};
  }
  std::vector<Basis> bases() const { return bases_of(site, observed, plan()); }
  std::string id() const { return digest_of(bases()); }
  /// What is covered, with what the plan says of it.
  std::string covered() const {
    std::string out;
    for (const Basis& b : bases()) {
      out += b.environment + (b.only_copied_from() ? " (copied from)" : "");
      for (const auto& step : b.steps) out += " | " + step;
      out += "\n";
    }
    return out;
  }
};

TEST_F(BasisTest, CoversWhatThePlanSpeaksOf) {
  EXPECT_EQ(covered(), "test | ready promote " + c2.hex + "\n");
  want("live").code = c2;
  EXPECT_EQ(covered(),
            "live | waiting promote " + c2.hex + "\ntest | ready promote " + c2.hex + "\n");
}

TEST_F(BasisTest, CoversTheContentThatIsCopied) {
  want_content("test", from_live, 1);
  EXPECT_EQ(covered(),
            "test | ready promote " + c2.hex +
                ", sync databases (generation 1) from live, sync files (generation 1) from live\n"
                "live (copied from)\n");
  const std::string before = id();
  seen("live").release = "7";
  EXPECT_EQ(id(), before) << "code is not copied";
  part("live", Part::files).stamp.generation = 1;
  EXPECT_NE(id(), before);
}

TEST_F(BasisTest, StaysUnderWhatConcernsOtherEnvironments) {
  const auto before = bases();
  ASSERT_EQ(before.size(), 1u);
  want("dev").digest = "another";
  observed.refs["refs/heads/main"] = c3;
  seen("dev").drifted = true;
  seen("live").release = "7";
  rule("no-wipe", ForbidRule{{"wipe"}, {}, ""}, only("live"));
  EXPECT_EQ(basis_now(before[0], site, observed, plan()), before[0]);
}

TEST_F(BasisTest, MovesWithWhatThePlanRestsOn) {
  std::set<std::string> ids{id()};
  const auto moved = [&](const char* what) { EXPECT_TRUE(ids.insert(id()).second) << what; };
  want("test").digest = "another";
  moved("its manifest");
  site.digest = "another";
  moved("its site");
  rule("no-wipe", ForbidRule{{"wipe"}, {}, ""}, only("test"));
  moved("a rule, though it lets the step pass");
  auto changed = std::make_shared<Policy>(*site.governance->policies.front());
  changed->digest = "another";
  change().policies = {changed};
  moved("what the rule says");
  grant("test", GrantedPromote{c2});
  moved("a Grant");
  seen("test").drifted = true;
  moved("drift");
  seen("test").wanted_inputs = "another";
  moved("a secret");
  freeze({"peak", {}, {}, {}, "sale", {}});
  moved("a Freeze that holds it");
}

TEST_F(BasisTest, StaysWhileTimeGoesByWithoutChangingWhatIsDone) {
  rule("soaked", ProvenRule{"dev", 3h, {}}, only("test"));
  EXPECT_EQ(covered(), "test | held Soaking\n");
  const std::string before = id();
  now += 30min;
  EXPECT_EQ(id(), before);
  now += 2h;
  EXPECT_EQ(covered(), "test | ready promote " + c2.hex + "\n");
  EXPECT_NE(id(), before);
}

TEST_F(BasisTest, MovesWithTheBranchThatIsFollowed) {
  want("dev").code = BranchName{"main"};
  want("test").code = c1;
  observed.refs["refs/heads/main"] = c2;
  seen("dev").proven.erase(c2);
  const auto before = bases();
  ASSERT_EQ(before.size(), 1u);
  observed.refs["refs/heads/main"] = c3;
  const auto after = basis_now(before[0], site, observed, plan());
  EXPECT_NE(after.desired, before[0].desired);
  EXPECT_EQ(after.observed, before[0].observed);
}

TEST_F(BasisTest, AChangedVariableOrSecretIsDesiredAndNotObserved) {
  const auto before = bases();
  ASSERT_EQ(before.size(), 1u);
  seen("test").wanted_inputs = "another";
  const auto after = basis_now(before[0], site, observed, plan());
  EXPECT_NE(after.desired, before[0].desired);
  EXPECT_EQ(after.observed, before[0].observed);
}

TEST_F(BasisTest, WithEverythingCoversWhatIsConverged) {
  want("test").code = c1;
  EXPECT_EQ(bases().size(), 0u);
  EXPECT_EQ(bases_of(site, observed, plan(), true).size(), 3u);
}

TEST_F(BasisTest, ShowsTheStepsThatWereReadyOrWaiting) {
  want("live").code = c2;
  const auto saved = bases();
  const auto of = [&](const std::string& e) {
    return *std::ranges::find(saved, e, &Basis::environment);
  };
  Step step;
  step.actions = {Promote{c2}};
  EXPECT_TRUE(shows(of("test"), step));
  EXPECT_TRUE(shows(of("live"), step)) << "it waited for test";
  step.actions = {Promote{c3}};
  EXPECT_FALSE(shows(of("test"), step));
  step.actions = {Promote{c2}, sync_databases};
  EXPECT_FALSE(shows(of("test"), step)) << "more than was shown";
  step.actions = {Launch{}};
  EXPECT_TRUE(shows(of("live"), step)) << "it only protects";
  step.actions = {Launch{"test"}};
  EXPECT_FALSE(shows(of("live"), step)) << "a move of the authority is no mere record";
}

}  // namespace
}  // namespace tidegate
