// The rows of DESIGN § 3.1, and what stands in the way of carrying one out.

#include "reconcilers/site_at_rest.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
const ContentSource live = ContentSource::from("live");

class PlanContentTest : public SiteAtRest {};

TEST_F(PlanContentTest, KeepIsSatisfiedWhateverTheStamp) {
  has_content("test", live, 7);
  EXPECT_EQ(planned(), "");
  has_content("test", ContentSource::adopted(), 3);
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanContentTest, TheSameSourceAndGenerationIsSatisfied) {
  want_content("test", live, 7);
  has_content("test", live, 7);
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanContentTest, AdoptedContentOfTheSameGenerationIsSatisfied) {
  want_content("test", live, 7);
  has_content("test", ContentSource::adopted(), 7);
  EXPECT_EQ(planned(), "");
  want_content("test", ContentSource::empty(), 7);
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanContentTest, TheSameGenerationOfAnotherSourceIsUsed) {
  want_content("test", ContentSource::empty(), 7);
  has_content("test", live, 7);
  EXPECT_EQ(planned(),
            "held test GenerationUsed: generation 7 already brought content from live; raise it to "
            "ask for something else\n");
  want_content("test", live, 7);
  has_content("test", ContentSource::empty(), 7);
  EXPECT_EQ(planned(),
            "held test GenerationUsed: generation 7 already wiped content; raise it to ask for "
            "something else\n");
}

TEST_F(PlanContentTest, AGenerationAboveEveryOneDoneCopies) {
  want_content("test", live, 8);
  has_content("test", live, 7);
  EXPECT_EQ(planned(),
            "ready test: sync databases and files from live (generation 8) | its databases and "
            "files are of live (generation 7)\n");
}

TEST_F(PlanContentTest, AGenerationAboveEveryOneDoneWipes) {
  want_content("dev", ContentSource::empty(), 1);
  EXPECT_EQ(
      planned(),
      "ready dev: wipe databases and files (generation 1) | its databases and files are its own\n");
}

TEST_F(PlanContentTest, WhatWasDoneOnceIsNotDoneAgain) {
  want_content("test", live, 8);
  has_content("test", live, 7);
  for (Part p : parts) part("test", p).highest_generation = 8;
  EXPECT_EQ(planned(),
            "held test ContentGone: databases and files of live, generation 8, are not kept here; "
            "raise the generation to 9 to ask anew\n");
  part("test", Part::files).stamp.generation = 8;
  part("test", Part::files).highest_generation = 11;
  EXPECT_EQ(planned(),
            "held test ContentGone: databases of live, generation 8, are not kept here; raise the "
            "generation to 12 to ask anew\n")
      << "one generation asks for both";
}

TEST_F(PlanContentTest, ASourceWithoutADocumentHoldsTheContentAlone) {
  const std::string held =
      "held test Invalid: its source live has no document; declare live, or name another "
      "source\n";
  want_content("test", live, 8);
  site.environments.erase("live");
  EXPECT_EQ(planned(), held);
  want("test").code = c2;
  seen("dev").proven[c2];
  EXPECT_EQ(planned(), "ready test: promote 2222222 | it runs 1111111\n" + held);
}

TEST_F(PlanContentTest, ANewEnvironmentWhoseSourceHasNoDocumentIsCreatedEmpty) {
  want_content("test", live, 1);
  site.environments.erase("live");
  is_missing("test");
  EXPECT_EQ(planned(),
            "ready test: promote 1111111, create empty databases and files | it is new, and live "
            "has no content to copy yet | creates\n");
}

TEST_F(PlanContentTest, NobodyWaitsForContentThatASourceWithoutADocumentShouldBring) {
  want_content("test", live, 8);
  want_content("dev", ContentSource::from("test"), 1);
  site.environments.erase("live");
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from test (generation 1) | its databases and "
            "files are its own\n"
            "held test Invalid: its source live has no document; declare live, or name "
            "another source\n");
}

TEST_F(PlanContentTest, ARevertBringsKeptContentBack) {
  want_content("test", live, 7);
  has_content("test", live, 8);
  for (Part p : parts) {
    part("test", p).kept = {{"k9", {ContentSource::empty(), 7, {}, {}}},
                            {"k7", {live, 7, {}, noon}}};
  }
  EXPECT_EQ(planned(),
            "ready test: bring back databases and files of live (generation 7) | its databases and "
            "files are of live (generation 8)\n");
  EXPECT_EQ(std::get<Activate>(plan().ready.at(0).actions.at(0)).content, "k7");
}

TEST_F(PlanContentTest, ARevertOfCodeAndContentSwitchesToTheKeptRelease) {
  want_content("test", live, 7);
  has_content("test", live, 8);
  for (Part p : parts) part("test", p).kept = {{"k7", {live, 7, {}, noon}}};
  seen("test").commit = c2;
  seen("test").proven = {{c1, {}}, {c2, {}}};
  seen("test").ran_on[c1] = {"k7"};
  seen("test").kept = {{"4", c1, "inputs", {{Part::databases, "k7"}, {Part::files, "k7"}}, true}};
  EXPECT_EQ(planned(),
            "ready test: promote 1111111, bring back databases and files of live (generation 7) | "
            "it runs 2222222, and its databases and files are of live (generation 8) | release 4 | "
            "no update\n");
}

TEST_F(PlanContentTest, AdoptedContentThatWasKeptComesBack) {
  want_content("test", live, 1);
  has_content("test", live, 2);
  for (Part p : parts) part("test", p).kept = {{"k1", {ContentSource::adopted(), 1, {}, {}}}};
  EXPECT_EQ(planned(),
            "ready test: bring back adopted databases and files (generation 1) | its databases and "
            "files are of live (generation 2)\n");
}

TEST_F(PlanContentTest, KeptContentDoesNotComeBackWhileTheCodeIsHeld) {
  want_content("test", live, 7);
  has_content("test", live, 8);
  for (Part p : parts) part("test", p).kept = {{"k7", {live, 7, {}, noon}}};
  want("test").code = c2;
  EXPECT_EQ(planned(),
            "held test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(PlanContentTest, KeptContentWaitsForTheCodeItComesBackWith) {
  want_content("test", live, 7);
  has_content("test", live, 8);
  for (Part p : parts) part("test", p).kept = {{"k7", {live, 7, {}, noon}}};
  want("test").code = TagName{"v1"};
  observed.repository_problem = "acme.git: timeout";
  EXPECT_EQ(planned(),
            "waiting test: bring back databases and files of live (generation 7) | for the "
            "repository: acme.git: timeout\n");
}

TEST_F(PlanContentTest, OnlyIncludedPartsAreRead) {
  want_content("test", live, 8);
  want("test").content.files = false;
  EXPECT_EQ(planned(),
            "ready test: sync databases from live (generation 8) | its databases are its own\n");
  part("test", Part::databases).stamp = {live, 8, {}, noon};
  part("test", Part::databases).highest_generation = 8;
  EXPECT_EQ(planned(), "");
  want("test").content.databases = false, want("test").content.files = true;
  EXPECT_EQ(
      planned(),
      "ready test: sync files from live (generation 8) | its files are its own | no update\n");
}

TEST_F(PlanContentTest, OnePartGoesOnWhenTheOtherIsHeld) {
  want_content("test", live, 7);
  part("test", Part::databases).stamp = {ContentSource::empty(), 7, {}, noon};
  EXPECT_EQ(planned(),
            "ready test: sync files from live (generation 7) | its files are its own | no update\n"
            "held test GenerationUsed: generation 7 already wiped content; raise it to ask for "
            "something else\n");
}

TEST_F(PlanContentTest, CodeAndContentAreOneStep) {
  seen("dev").proven[c2];
  want("test").code = c2;
  want_content("test", live, 1);
  EXPECT_EQ(planned(),
            "ready test: promote 2222222, sync databases and files from live (generation 1) | it "
            "runs 1111111, and its databases and files are its own\n");
}

TEST_F(PlanContentTest, ContentGoesOnWhenTheCodeIsHeld) {
  want("test").code = c2;
  want_content("test", live, 1);
  EXPECT_EQ(planned(),
            "ready test: sync databases and files from live (generation 1) | its databases and "
            "files are its own\n"
            "held test NotProven: 2222222 has not been proven in dev; let dev run it first\n");
}

TEST_F(PlanContentTest, CodeGoesOnWhenTheContentIsHeld) {
  want("dev").code = c2;
  want_content("dev", ContentSource::empty(), 7);
  has_content("dev", live, 7);
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "held dev GenerationUsed: generation 7 already brought content from live; raise it to "
            "ask for something else\n");
}

TEST_F(PlanContentTest, CodeThatWillComeSoonIsWaitedForWithTheContent) {
  want("dev").code = c2;
  want("test").code = c2;
  want_content("test", live, 1);
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "waiting test: promote 2222222, sync databases and files from live (generation 1) | "
            "until dev has proven 2222222\n");
}

TEST_F(PlanContentTest, WaitsForABusySourceToSwitchCodeAndContentTogether) {
  want("dev").code = c2;
  want_content("dev", live, 1);
  is_busy("live");
  EXPECT_EQ(planned(),
            "waiting live:  | until operation op1 has ended, which is in phase build\n"
            "waiting dev: promote 2222222, sync databases and files from live (generation 1) | "
            "until the operation on live has ended\n");
}

TEST_F(PlanContentTest, TwoSyncsMayReadOneSourceTogether) {
  want_content("dev", live, 1);
  want_content("test", live, 1);
  is_busy("live", true);
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from live (generation 1) | its databases and "
            "files are its own\n"
            "ready test: sync databases and files from live (generation 1) | its databases and "
            "files are its own\n");
}

TEST_F(PlanContentTest, ASourceThatIsReadIsNotWrittenTo) {
  want("live").code = c2;
  seen("test").proven[c2];
  is_busy("live", true);
  EXPECT_EQ(planned(), "waiting live: promote 2222222 | until nothing copies from live any more\n");
}

TEST_F(PlanContentTest, ASourceThatThisPlanReadsIsNotWrittenTo) {
  want_content("dev", live, 1);
  want("live").code = c2;
  seen("test").proven[c2];
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from live (generation 1) | its databases and "
            "files are its own\n"
            "waiting live: promote 2222222 | until nothing copies from live any more\n");
}

TEST_F(PlanContentTest, ASourceThatThisPlanWritesIsReadAfterwards) {
  seen("dev").drifted = true;
  site.launched = seen("live").launched = false;
  want_content("test", ContentSource::from("dev"), 1);
  EXPECT_EQ(planned(),
            "ready dev: promote 1111111 | its code was changed by hand | no update\n"
            "waiting test: sync databases and files from dev (generation 1) | until the operation "
            "on dev has ended\n");
}

TEST_F(PlanContentTest, CodeGoesOnWhenTheSourceIsBroken) {
  want("dev").code = c2;
  want_content("dev", live, 1);
  seen("live").healthy = false;
  failed("live", true);
  const std::string quarantine =
      "held live Quarantined: update: exit code 1; change the commit or the manifest, or run: "
      "tidegate retry acme/live\n";
  EXPECT_EQ(
      planned(),
      "ready dev: promote 2222222 | it runs 1111111\n"
      "waiting dev: sync databases and files from live (generation 1) | until live is healthy\n" +
          quarantine);
}

TEST_F(PlanContentTest, CodeGoesOnWhenTheSourceIsGone) {
  want("dev").code = c2;
  want_content("dev", live, 1);
  seen("live") = {};
  seen("live").gone = "/srv is not mounted";
  EXPECT_EQ(planned(),
            "ready dev: promote 2222222 | it runs 1111111\n"
            "waiting dev: sync databases and files from live (generation 1) | until live is back: "
            "/srv is not mounted\n"
            "held live EnvironmentGone: /srv is not mounted\n");
}

TEST_F(PlanContentTest, WaitsForASourceThatDoesNotExist) {
  want_content("dev", ContentSource::from("test"), 1);
  is_missing("test");
  want("test").suspend = Suspend{"not yet", "", {}};
  EXPECT_EQ(planned(),
            "waiting dev: sync databases and files from test (generation 1) | until test exists\n"
            "held test Suspended: suspended: not yet; remove suspend to go on\n");
}

TEST_F(PlanContentTest, WaitsForASourceThatIsBeingRecovered) {
  want_content("dev", ContentSource::from("test"), 1);
  is_interrupted("test");
  EXPECT_EQ(planned(),
            "ready test: recover operation op1 | operation op1 was interrupted in phase build; it "
            "is finished or undone | no update\n"
            "waiting dev: sync databases and files from test (generation 1) | until an operation "
            "on test is recovered\n");
}

TEST_F(PlanContentTest, WaitsForTheSourceToHaveItsOwnContent) {
  want_content("dev", ContentSource::from("test"), 1);
  want_content("test", live, 2);
  EXPECT_EQ(planned(),
            "ready test: sync databases and files from live (generation 2) | its databases and "
            "files are its own\n"
            "waiting dev: sync databases and files from test (generation 1) | until test has its "
            "own content\n");
}

TEST_F(PlanContentTest, DoesNotWaitForContentThatIsHeld) {
  want_content("dev", ContentSource::from("test"), 1);
  want_content("test", live, 2);
  failed("test", true);
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from test (generation 1) | its databases and "
            "files are its own\n"
            "held test Quarantined: update: exit code 1; change the commit or the manifest, or "
            "run: tidegate retry acme/test\n");
}

TEST_F(PlanContentTest, EnvironmentsThatCopyFromEachOtherDoNotWaitForEver) {
  site.launched = seen("live").launched = false;
  want_content("dev", ContentSource::from("test"), 1);
  want_content("test", ContentSource::from("dev"), 1);
  EXPECT_EQ(planned(),
            "ready dev: sync databases and files from test (generation 1) | its databases and "
            "files are its own\n"
            "waiting test: sync databases and files from dev (generation 1) | until nothing copies "
            "from test any more\n");
}

TEST_F(PlanContentTest, ASourceOfAnotherEngineIsNotCopied) {
  want_content("dev", live, 1);
  part("live", Part::databases).declared["main"] = "mariadb";
  EXPECT_EQ(planned(),
            "waiting dev: sync databases and files from live (generation 1) | until live is "
            "settled: database \"main\" is mariadb here and is declared sqlite now; declare it as "
            "it was, or give the new one another name\n"
            "held live ContentChanged: database \"main\" is mariadb here and is declared sqlite "
            "now; declare it as it was, or give the new one another name\n");
}

TEST_F(PlanContentTest, AChangedPathIsHeld) {
  part("dev", Part::files).declared["uploads"] = "old/uploads";
  want("dev").code = c2;
  EXPECT_EQ(planned(),
            "held dev ContentChanged: files \"uploads\" is old/uploads here and is declared "
            "web/uploads now; declare it as it was, or give the new one another name\n");
}

TEST_F(PlanContentTest, NewlyDeclaredContentIsCreatedBesideWhatIsThere) {
  site.databases.push_back({"search", Engine::sqlite});
  site.databases.push_back({"stats", Engine::mariadb});
  site.files.push_back({"private", "private"});
  for (const char* e : {"dev", "test"}) site.environments.erase(e);
  EXPECT_EQ(planned(),
            "ready live: create database \"search\", create database \"stats\", create files "
            "\"private\" | the Site declares databases \"search\" and \"stats\", and the Site "
            "declares files \"private\" | no update\n");
}

TEST_F(PlanContentTest, WhatIsDeclaredNoLongerIsLeftAlone) {
  site.databases.clear();
  site.files.clear();
  EXPECT_EQ(planned(), "");
}

TEST_F(PlanContentTest, NewFilesUnderWhichTheCodeHasTrackedOnesAreHeld) {
  site.files.push_back({"private", "private"});
  for (const char* e : {"dev", "test"}) site.environments.erase(e);
  observed.tracked_content[c1] = "private";
  EXPECT_EQ(planned(),
            "held live Invalid: commit 1111111 has tracked files under \"private\", which the Site "
            "declares as content; remove them from the code, or declare another path\n");
}

TEST_F(PlanContentTest, AKeptReleaseWithoutTheNewDatabaseIsNotReused) {
  seen("live").commit = c2;
  seen("live").proven = {{c1, {}}, {c2, {}}};
  seen("live").kept = {{"6", c1, "inputs", {{Part::databases, "1"}, {Part::files, "1"}}, true}};
  site.databases.push_back({"search", Engine::sqlite});
  for (const char* e : {"dev", "test"}) site.environments.erase(e);
  EXPECT_EQ(planned(),
            "ready live: promote 1111111, create database \"search\" | it runs 2222222, and the "
            "Site declares database \"search\" | no update\n");
}

}  // namespace
}  // namespace tidegate
