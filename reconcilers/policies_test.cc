// What each rule says of each action it looks at, row by row.

#include "reconcilers/governed_site.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class PoliciesTest : public GovernedSite {};

TEST_F(PoliciesTest, WithoutRulesNobodySaysAnything) {
  EXPECT_EQ(said("live", Promote{c2}), "");
  site.governance.reset();
  EXPECT_EQ(said("live", Promote{c2}), "");
}

TEST_F(PoliciesTest, ARuleLooksAtWhatItsPolicySelectsAlone) {
  rule("none", ForbidRule{}, only("live"));
  EXPECT_EQ(said("live", Promote{c2}), "gold/none Forbidden: promote is forbidden\n");
  EXPECT_EQ(said("test", Promote{c2}), "");
}

TEST_F(PoliciesTest, NobodyHoldsALaunchOrARecovery) {
  rule("none", ForbidRule{});
  freeze({"stop", {}, {}, {}, "incident", {}});
  change().unreadable = {"Policy \"silver\" is broken"};
  EXPECT_EQ(said("live", Launch{}), "");
  EXPECT_EQ(said("live", Unlaunch{}), "");
  EXPECT_EQ(said("live", Recover{"op1"}), "");
}

// ---- provenIn ----

TEST_F(PoliciesTest, ACommitEntersOnceItIsProvenForLongEnough) {
  rule("soaked", ProvenRule{"test", 2h, {}});
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/soaked NotProven: 2222222 has not been proven in test; let test run it first\n");
  struct Row {
    Duration ago;
    const char* said;
  };
  for (const Row& row : std::vector<Row>{
           {0h,
            "gold/soaked Soaking: 2222222 is proven in test since 2026-11-20T12:00:00Z and has to "
            "be for 2h | opens 2026-11-20T14:00:00Z\n"},
           {2h - 1ms,
            "gold/soaked Soaking: 2222222 is proven in test since 2026-11-20T10:00:00Z and has to "
            "be for 2h | opens 2026-11-20T12:00:00Z\n"},
           {2h, "gold/soaked allows: 2222222 is proven in test since 2026-11-20T10:00:00Z\n"},
           {-1h,  // The clock went back.
            "gold/soaked Soaking: 2222222 is proven in test since 2026-11-20T13:00:00Z and has to "
            "be for 2h | opens 2026-11-20T15:00:00Z\n"},
       }) {
    seen("test").proven[c2] = proven_at(noon - row.ago);
    EXPECT_EQ(said("live", Promote{c2}), row.said);
  }
}

TEST_F(PoliciesTest, WhatRunsOrRanHealthilyHereNeedsNoNewProof) {
  rule("soaked", ProvenRule{"test", 2h, {}});
  EXPECT_EQ(said("live", Promote{c1}), "gold/soaked allows: 1111111 runs here already\n");
  seen("live").proven[c2];
  EXPECT_EQ(said("live", Promote{c2}), "gold/soaked allows: 2222222 ran healthily here before\n");
}

TEST_F(PoliciesTest, AProofConcernsTheStagesAboveItAlone) {
  rule("soaked", ProvenRule{"test", 2h, {}});
  EXPECT_EQ(said("dev", Promote{c2}), "");
  EXPECT_EQ(said("test", Promote{c2}), "");
}

TEST_F(PoliciesTest, AProofInAStageThatIsNotThereCannotBeEvaluatedAndHolds) {
  rule("soaked", ProvenRule{"staging", 2h, {}});
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/soaked NotProven: acme has no stage \"staging\" in which a commit could be "
            "proven\n");
}

TEST_F(PoliciesTest, AProofIsAskedOfCommitsAlone) {
  rule("soaked", ProvenRule{"dev", 2h, {}});
  EXPECT_EQ(said("test", sync_databases), "");
}

TEST_F(PoliciesTest, AProofRestsOnContentFromAboveThatIsNewEnough) {
  rule("fresh", ProvenRule{"test", 0h, 24h});
  seen("test").proven[c2] = proven_at(noon - 1h);
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/fresh NotProven: 2222222 was proven in test on content that is from no stage "
            "above: bring content from above to test\n");
  seen("test").proven[c2] = proven_at(noon - 1h, noon - 24h - 1ms);
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/fresh NotProven: 2222222 was proven in test on content of "
            "2026-11-19T11:59:59Z, older than 1d: bring content from above to test\n");
  seen("test").proven[c2] = proven_at(noon - 1h, noon - 24h);
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/fresh allows: 2222222 is proven in test since 2026-11-20T11:00:00Z\n");
}

TEST_F(PoliciesTest, AGrantLetsACommitInWithoutAProof) {
  rule("soaked", ProvenRule{"test", 2h, {}});
  grant("live", GrantedPromote{c2});
  EXPECT_EQ(said("live", Promote{c2}), "gold/soaked allows: a Grant lets 2222222 in\n");
  EXPECT_EQ(said("live", Promote{c3}),
            "gold/soaked NotProven: 3333333 has not been proven in test; let test run it first\n");
}

// ---- windows and freezes ----

TEST_F(PoliciesTest, StepsBeginInsideAWindow) {
  rule("hours", WindowsRule{{{"0 3 * * *", 8h, "UTC"}}, {}});
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/hours WindowClosed: steps begin from \"0 3 * * *\" (UTC) for 8h | opens "
            "2026-11-21T03:00:00Z\n");
  now = noon + 15h;
  EXPECT_EQ(said("live", sync_databases),
            "gold/hours allows: open until 2026-11-21T11:00:00Z: steps begin from \"0 3 * * *\" "
            "(UTC) for 8h\n");
}

TEST_F(PoliciesTest, AWindowIsAskedAboutTheBeginningOfAStepThatRuns) {
  rule("hours", WindowsRule{{{"0 3 * * *", 8h, "UTC"}}, {}});
  EXPECT_EQ(said("live", Promote{c2}, {{}, noon - 2h}),
            "gold/hours allows: open until 2026-11-20T11:00:00Z: steps begin from \"0 3 * * *\" "
            "(UTC) for 8h\n");
}

TEST_F(PoliciesTest, AFreezeHoldsFromItsBeginningUntilJustBeforeItsEnd) {
  freeze({"peak", {}, noon, noon + 1h, "sale", {"sync"}});
  const std::string frozen = "peak Frozen: frozen: sale | opens 2026-11-20T13:00:00Z\n";
  struct Row {
    Duration after;
    std::string said;
  };
  for (const Row& row :
       std::vector<Row>{{-1ms, ""}, {0ms, frozen}, {1h - 1ms, frozen}, {1h, ""}, {-24h, ""}}) {
    now = noon + row.after;
    EXPECT_EQ(said("live", Promote{c2}), row.said);
  }
  now = noon;
  EXPECT_EQ(said("live", sync_databases), "peak allows: frozen, but for sync: sale\n");
}

TEST_F(PoliciesTest, AFreezeWithoutAnEndHoldsUntilItIsRemoved) {
  freeze({"stop", only("live"), {}, {}, "incident", {}});
  EXPECT_EQ(said("live", Promote{c2}),
            "stop Frozen: frozen: incident; remove the Freeze to go on\n");
  EXPECT_EQ(said("test", Promote{c2}), "");
}

// ---- signatures ----

TEST_F(PoliciesTest, ManifestsCarryASignature) {
  rule("signed", SignedRule{true, false, {"team", SecretRef::Scope::platform}});
  EXPECT_EQ(said("dev", sync_databases),
            "gold/signed Unsigned: it is not known yet who signed the manifest commit\n");
  site.manifest_signature["others"] = {true, "eve", ""};
  site.manifest_signature["team"] = {false, "", "commit 4567890 is not signed"};
  EXPECT_EQ(said("dev", Promote{c2}), "gold/signed Unsigned: commit 4567890 is not signed\n");
  site.manifest_signature["team"] = {true, "ada", ""};
  EXPECT_EQ(said("dev", Promote{c2}), "gold/signed allows: the manifest commit is signed by ada\n");
}

TEST_F(PoliciesTest, CommitsCarryASignatureWhereAsked) {
  rule("signed", SignedRule{false, true, {"team", SecretRef::Scope::platform}});
  EXPECT_EQ(said("dev", Promote{c2}),
            "gold/signed Unsigned: it is not known yet who signed commit 2222222\n");
  observed.signatures[c2]["team"] = {false, "", "commit 2222222 is signed by an expired key"};
  EXPECT_EQ(said("dev", Promote{c2}),
            "gold/signed Unsigned: commit 2222222 is signed by an expired key\n");
  observed.signatures[c2]["team"] = {true, "ada", ""};
  EXPECT_EQ(said("dev", Promote{c2}), "gold/signed allows: commit 2222222 is signed by ada\n");
  EXPECT_EQ(said("dev", sync_databases), "");
}

// ---- content and backups ----

TEST_F(PoliciesTest, ContentComesFromAllowedSourcesAlone) {
  rule("from", ContentRule{{"live", "keep"}, false, {}});
  EXPECT_EQ(said("test", sync_databases), "gold/from allows: content \"live\" is allowed here\n");
  EXPECT_EQ(said("test", Sync{Part::files, "dev", 2, {}}),
            "gold/from ContentRefused: content \"dev\" is not allowed here; allowed: live, keep\n");
  EXPECT_EQ(said("test", Wipe{Part::files, 2}),
            "gold/from ContentRefused: content \"empty\" is not allowed here; allowed: live, "
            "keep\n");
  EXPECT_EQ(said("test", Wipe{Part::files, 0}), "");
  EXPECT_EQ(said("test", Activate{Part::files, "7", {ContentSource::from("dev"), 1, {}, {}}}),
            "gold/from ContentRefused: content \"dev\" is not allowed here; allowed: live, keep\n");
  EXPECT_EQ(said("test", Promote{c2}), "");
}

TEST_F(PoliciesTest, ARequiredSanitizerIsNotThereYet) {
  rule("masked", ContentRule{{}, true, {}});
  EXPECT_EQ(said("test", sync_databases),
            "gold/masked ContentRefused: content of live must pass a sanitizer, and sanitizers are "
            "not supported yet\n");
  EXPECT_EQ(said("test", Wipe{Part::files, 2}),
            "gold/masked allows: content \"empty\" is allowed here\n");
}

TEST_F(PoliciesTest, ACommitIsPromotedOntoContentThatIsNewEnough) {
  rule("age", ContentRule{{}, false, 24h});
  EXPECT_EQ(said("test", Promote{c2}), "gold/age allows: its content is new enough for 2222222\n");
  has_content("test", from_live, 1, noon - 25h);
  EXPECT_EQ(said("test", Promote{c2}),
            "gold/age ContentRefused: its databases are of 2026-11-19T11:00:00Z, older than 1d may "
            "be under a new commit; ask for content from live anew\n");
  EXPECT_EQ(said("test", Promote{c1}), "");
  EXPECT_EQ(said("test", Promote{c2}, {{sync_databases, Sync{Part::files, "live", 2, {}}}, {}}),
            "gold/age allows: its content is new enough for 2222222\n");
}

TEST_F(PoliciesTest, ThereAreNoBackupsYet) {
  rule("backed-up", BackupRule{24h});
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/backed-up BackupMissing: there is no backup of live: backups are not supported "
            "yet\n");
  is_missing("dev");
  EXPECT_EQ(said("dev", Promote{c2}), "");
}

// ---- limits, require and forbid ----

TEST_F(PoliciesTest, ASiteHasNoMoreEnvironmentsThanItMay) {
  LimitsRule limits;
  limits.environments = 2;
  rule("small", limits);
  EXPECT_EQ(said("live", Promote{c2}), "");
  is_missing("dev");
  EXPECT_EQ(said("dev", Promote{c2}),
            "gold/small LimitReached: a site may have 2 environments, and acme has 2: remove one "
            "first\n");
  is_missing("test");
  EXPECT_EQ(said("dev", Promote{c2}),
            "gold/small allows: a site may have 2 environments, and acme has 1\n");
  EXPECT_EQ(said("test", Promote{c2}),
            "gold/small LimitReached: a site may have 2 environments, and acme has 2: remove one "
            "first\n");
}

TEST_F(PoliciesTest, AFieldIsRequiredToBeThereOrToBeSomething) {
  rule("check", RequireRule{{"/spec/url", {}, {}, {}}, ""});
  rule("https", RequireRule{{"/spec/url", {}, {}, "https://*"}, "plain http is not for us"});
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/check Required: needs /spec/url\n"
            "gold/https Required: plain http is not for us\n");
  want("live").url = "https://acme.example";
  EXPECT_EQ(said("live", Promote{c2}),
            "gold/check allows: /spec/url is there\n"
            "gold/https allows: /spec/url being like \"https://*\" is there\n");
}

TEST_F(PoliciesTest, VerbsAreForbiddenAlwaysOrWithAField) {
  rule("no-wipe", ForbidRule{{"wipe"}, {}, "ask the platform team"});
  rule("no-branch", ForbidRule{{"promote"}, FieldCondition{"/spec/code/branch", {}, {}, {}}, ""});
  EXPECT_EQ(said("dev", Wipe{Part::files, 1}), "gold/no-wipe Forbidden: ask the platform team\n");
  EXPECT_EQ(said("dev", Wipe{Part::files, 0}), "");
  EXPECT_EQ(said("dev", Promote{c2}),
            "gold/no-branch allows: forbids promote only with /spec/code/branch\n");
  want("dev").code = BranchName{"main"};
  EXPECT_EQ(said("dev", Promote{c2}),
            "gold/no-branch Forbidden: promote is forbidden with /spec/code/branch\n");
}

// ---- several ----

TEST_F(PoliciesTest, ABrokenPolicyHoldsWhatItSelected) {
  change().unreadable = {"Policy \"silver\" is broken: no rules"};
  EXPECT_EQ(said("dev", Promote{c2}), " PolicyBroken: Policy \"silver\" is broken: no rules\n");
  const auto verdicts = judge(site, observed, want("dev"), Promote{c2}, calendar, now);
  EXPECT_EQ(strictest(verdicts)->message, "Policy \"silver\" is broken: no rules");
}

TEST_F(PoliciesTest, TheStrictestHoldStands) {
  auto with = [](const char* rule, std::optional<Timestamp> opens) {
    return Verdict{"p", rule, Hold{"live", rule, rule, opens}, rule};
  };
  const Verdict passes{"p", "passes", {}, "fine"};
  EXPECT_FALSE(strictest({}));
  EXPECT_FALSE(strictest({passes}));
  EXPECT_EQ(strictest({passes, with("soon", noon), with("late", noon + 1h)})->reason, "late");
  EXPECT_EQ(strictest({with("late", noon + 1h), with("soon", noon)})->reason, "late");
  EXPECT_EQ(strictest({with("late", noon + 1h), with("never", {}), with("nor", {})})->reason,
            "never");
}

TEST_F(PoliciesTest, SeveralPoliciesAllSayWhatTheyThink) {
  rule("hours", WindowsRule{{{"0 3 * * *", 8h, "UTC"}}, {}});
  rule("none", ForbidRule{{"promote"}, {}, ""}, {}, "silver");
  freeze({"peak", {}, {}, noon + 1h, "sale", {}});
  EXPECT_EQ(said("live", Promote{c2}),
            "peak Frozen: frozen: sale | opens 2026-11-20T13:00:00Z\n"
            "gold/hours WindowClosed: steps begin from \"0 3 * * *\" (UTC) for 8h | opens "
            "2026-11-21T03:00:00Z\n"
            "silver/none Forbidden: promote is forbidden\n");
}

}  // namespace
}  // namespace tidegate
