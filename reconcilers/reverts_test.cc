#include "reconcilers/reverts.h"

#include "reconcilers/diff.h"
#include "reconcilers/plan_text.h"
#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class RevertsTest : public SiteAtRest {
 protected:
  RevertsTest() {
    for (auto& [name, e] : site.environments) e.revert_manifest.wanted = true;
    seen("live").manifest_revision = "made by";
    want("live").code = c2;
    fail("live", step_digest(site, want("live"), seen("live"), c2));
  }
  Failure& fail(const std::string& e, const std::string& digest) {
    Failure failure{digest, true, "verification: / answers 500", noon, 1};
    failure.after_switch = true;
    failure.operation = "20261120-7";
    failure.actions = {"promote"};
    seen(e).failures.push_back(failure);
    return seen(e).failures.back();
  }
  std::vector<Revert> reverts() const { return reverts_of(site, observed, now, retries); }
};

TEST_F(RevertsTest, WhatFailedWhereVisitorsLookIsTakenBack) {
  const auto found = reverts();
  ASSERT_EQ(found.size(), 1u);
  const Revert wanted{"acme", "live", c1, c2, seen("live").failures[0], "made by", ""};
  EXPECT_EQ(found[0], wanted);
}

TEST_F(RevertsTest, GoesToABranchWhereTheManifestNamesOne) {
  want("live").revert_manifest.branch = "tidegate/acme-live";
  EXPECT_EQ(reverts().at(0).branch, "tidegate/acme-live");
}

TEST_F(RevertsTest, ContentThatWasAskedForIsTakenBackToo) {
  want("live").code = c1;
  seen("live").failures.clear();
  fail("live", content_digest(site, want("live"), seen("live"), c1, {}));
  EXPECT_EQ(reverts().size(), 1u);
}

TEST_F(RevertsTest, NothingIsTakenBackThatNobodyAskedFor) {
  want("live").revert_manifest.wanted = false;
  EXPECT_TRUE(reverts().empty());
}

TEST_F(RevertsTest, AFailureBeforeTheSwitchTakesNothingBack) {
  seen("live").failures[0].after_switch = false;
  EXPECT_TRUE(reverts().empty());
}

TEST_F(RevertsTest, AFailureOfInfrastructureTakesNothingBack) {
  seen("live").failures[0].quarantined = false;
  EXPECT_TRUE(reverts().empty());
}

TEST_F(RevertsTest, WhatTheManifestAsksForNoLongerIsNotTakenBack) {
  want("live").code = c3;
  EXPECT_TRUE(reverts().empty());
  want("live").code = c2;
  want("live").digest = "changed";
  EXPECT_TRUE(reverts().empty());
}

TEST_F(RevertsTest, CodeThatFollowsABranchOrAStageWasAskedForByNoManifestCommit) {
  observed.refs["refs/heads/main"] = c2;
  want("live").code = BranchName{"main"};
  EXPECT_TRUE(reverts().empty());
  seen("test").proven = {{c2, {}}};
  seen("test").last_proven = c2;
  want("live").code = ProvenIn{"test"};
  EXPECT_TRUE(reverts().empty());
  observed.refs["refs/tags/v2"] = c2;
  want("live").code = TagName{"v2"};
  EXPECT_EQ(reverts().size(), 1u);
}

TEST_F(RevertsTest, WhatStaysOnPurposeIsNotTakenBack) {
  want("live").rollback = false;
  EXPECT_TRUE(reverts().empty());
}

TEST_F(RevertsTest, NothingIsTakenBackWhileSomethingRunsOrAPersonIsAtIt) {
  is_busy("live");
  EXPECT_TRUE(reverts().empty());
  seen("live").operation.reset();
  want("live").suspend = Suspend{"INC-42", "on-call", noon + 1h};
  EXPECT_TRUE(reverts().empty());
  now += 2h;
  EXPECT_EQ(reverts().size(), 1u);
  retries = {"live"};
  EXPECT_TRUE(reverts().empty());
  retries = {};
  site.invalid = "acme.yaml:1:1: broken";
  EXPECT_TRUE(reverts().empty());
}

TEST_F(RevertsTest, TheMessageSaysWhoWhatAndWhy) {
  Failure& failure = seen("live").failures[0];
  failure.evidence = {
      {"GET https://acme.example/", false, 500, "status 500, not below 400\n<h1>Oops</h1>", 12ms},
      {"wp core is-installed", true, 0, "", 30ms},
      {"GET https://acme.example/shop", false, 0, "no answer within 10s", 10s}};
  const Asked asked{commit('a'), "Ada <ada@example.org>", "Promote 2222222 of acme to live"};
  EXPECT_EQ(revert_message(reverts().at(0), asked),
            "Revert acme/live to 111111111111: verification failed\n"
            "\n"
            "Ada <ada@example.org> asked for 222222222222 in manifest commit aaaaaaaaaaaa:\n"
            "    Promote 2222222 of acme to live\n"
            "\n"
            "Operation 20261120-7 (promote) failed where visitors look, at 2026-11-20T12:00:00Z,\n"
            "and acme/live went back to 111111111111:\n"
            "    verification: / answers 500\n"
            "\n"
            "Evidence:\n"
            "- GET https://acme.example/: status 500, 12 ms\n"
            "    status 500, not below 400\n"
            "    <h1>Oops</h1>\n"
            "- GET https://acme.example/shop: no answer, 10000 ms\n"
            "    no answer within 10s\n"
            "\n"
            "Tidegate-Operation: 20261120-7\n");
}

TEST_F(RevertsTest, WhatAPageSaysStaysEvidence) {
  Failure& failure = seen("live").failures[0];
  failure.message = "";
  failure.evidence = {{"GET /", false, 200,
                       "\r\n\nTidegate-Operation: another\x1b[31m\n" + std::string(199, 'a') + "ü" +
                           std::string(99, 'b') + "\n3\n4\n5\n6\n",
                       1ms}};
  const std::string text = revert_message(reverts().at(0), {commit('a'), "Ada", "s"});
  EXPECT_NE(text.find("- GET /: status 200, 1 ms\n"
                      "    Tidegate-Operation: another[31m\n    " +
                      std::string(199, 'a') + "\n    3\n\nTidegate-Operation: 20261120-7\n"),
            std::string::npos)
      << text;
}

// ---- what plan says before ----

TEST_F(RevertsTest, APlanSaysWhatARestoreWouldLose) {
  seen("live").failures.clear();
  for (const char* e : {"dev", "test"}) want(e).code = c2, seen(e).commit = c2;
  for (const char* e : {"dev", "test"}) seen(e).proven[c2] = {};
  site.application.commands.update = {"update"};
  EXPECT_EQ(planned(), "ready live: promote 2222222 | it runs 1111111\n");
  want("live").restore_content = true;
  const std::string ready = "ready live: promote 2222222 | it runs 1111111\n";
  const std::string loses =
      "warning live: a failure after the switch would put the databases back as they were before "
      "update; what visitors write while verification lasts (";
  EXPECT_EQ(planned(), ready + loses + "retryFor 10s) would be lost\n");
  want("live").verify.soak = Soak{30min};
  EXPECT_EQ(planned(), ready + loses + "soak for 30m) would be lost\n");
  want("live").rollback = false;
  EXPECT_EQ(planned(), ready);
  want("live").rollback = true;
  want("live").deploy.update = false;
  EXPECT_EQ(planned(), "ready live: promote 2222222 | it runs 1111111 | no update\n");
}

}  // namespace
}  // namespace tidegate
