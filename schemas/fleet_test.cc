#include "schemas/fleet.h"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <random>

#include "schemas/test_document.h"
#include "schemas/validate.h"

namespace tidegate {
namespace {

using Texts = std::vector<std::string>;
using Names = std::set<std::string>;

std::string driver(const std::string& root = "/srv/sites") {
  return document("Driver", "name: hosts", "host: {root: " + root + "}");
}
std::string site_class(const std::string& timeout = "5m") {
  return document("SiteClass", "name: plain",
                  "driver: hosts, environments: {deploy: {timeout: " + timeout + "}}");
}
std::string site(const std::string& name, const std::string& more = "class: plain") {
  return document("Site", "name: " + name,
                  "repository: {url: /srv/git/" + name + "}, stages: [live], " + more);
}
std::string live(const std::string& site, const std::string& branch = "main") {
  return document("Environment", "name: live, site: " + site, "code: {branch: " + branch + "}");
}
std::string whole(const std::string& name, const std::string& branch = "main") {
  return site(name) + live(name, branch);
}

// Platform, acme and beta: all well.
Fleet start() {
  return Fleet{}.with({{"platform.yaml", driver() + site_class()},
                       {"acme.yaml", whole("acme")},
                       {"beta.yaml", whole("beta")}},
                      "r1", "ann");
}
Texts spell(const std::vector<Problem>& problems) {
  Texts result;
  for (const Problem& problem : problems) result.push_back(to_string(problem));
  return result;
}
Names names_of(const Fleet& fleet) {
  Names names;
  for (const auto& [name, site] : fleet.sites()) names.insert(name);
  return names;
}

TEST(FleetTest, StartsEmpty) {
  const Fleet fleet;
  EXPECT_TRUE(fleet.sites().empty());
  EXPECT_TRUE(fleet.problems().empty());
  EXPECT_EQ(fleet.revision(), "");
  EXPECT_EQ(fleet.find("acme"), nullptr);
}

TEST(FleetTest, AsksWhoeverKnowsTimeZones) {
  const auto refreshed = [](const std::string& zone) {
    return document("Environment", "name: dev, site: acme",
                    "code: {branch: main}, content: {source: live, refresh: {schedule: \"0 3 * * "
                    "*\", timeZone: " +
                        zone + "}}");
  };
  const std::string site_of_two = document(
      "Site", "name: acme", "driver: hosts, repository: {url: /srv/git/acme}, stages: [dev, live]");
  const KnowsZone berlin = [](const std::string& zone) { return zone == "Europe/Berlin"; };
  const auto problems = [&](const Fleet& begin, const std::string& zone) {
    return spell(begin
                     .with({{"acme.yaml", driver() + site_of_two + live("acme") + refreshed(zone)}},
                           "r1", "ann")
                     .problems());
  };
  EXPECT_EQ(problems(Fleet{}, "Europe/Nowhere"), Texts{}) << "its form alone";
  EXPECT_EQ(problems(Fleet{berlin}, "Europe/Berlin"), Texts{});
  EXPECT_EQ(problems(Fleet{berlin}, "Europe/Nowhere"),
            Texts{"acme.yaml:20:97: spec.content.refresh.timeZone: \"Europe/Nowhere\" is no time "
                  "zone that this machine knows: write one like \"Europe/Berlin\", or install "
                  "tzdata"});
  const Fleet next = Fleet{berlin}.with({}, "r1", "ann");
  EXPECT_EQ(problems(next, "Europe/Nowhere").size(), 1U) << "so do those that come after";
}

TEST(FleetTest, AsksForTheTimeZonesOfWindowsToo) {
  const KnowsZone berlin = [](const std::string& zone) { return zone == "Europe/Berlin"; };
  const auto problems = [&](const Fleet& begin, const std::string& list) {
    const std::string policy = document(
        "Policy", "name: hours",
        "rules: [{name: r, windows: {" + list +
            ": [{cron: \"0 9 * * *\", duration: 8h, timeZone: Europe/Berlin}, {cron: \"0 9 * * "
            "*\", duration: 8h, timeZone: Europe/Berlim}]}}]");
    return spell(begin.with({{"policy.yaml", policy}}, "r1", "ann").problems());
  };
  const auto told = [](const std::string& list, int column) {
    return Texts{"policy.yaml:5:" + std::to_string(column) + ": spec.rules[0].windows." + list +
                 "[1].timeZone: \"Europe/Berlim\" is no time zone that this machine knows: write "
                 "one like \"Europe/Berlin\", or install tzdata"};
  };
  EXPECT_EQ(problems(Fleet{}, "allow"), Texts{}) << "its form alone";
  EXPECT_EQ(problems(Fleet{berlin}, "allow"), told("allow", 148));
  EXPECT_EQ(problems(Fleet{berlin}, "deny"), told("deny", 147));
}

TEST(FleetTest, TellsWhatItIsMadeOf) {
  const Fleet fleet = start();
  EXPECT_EQ(spell(fleet.problems()), Texts{});
  EXPECT_EQ(fleet.revision(), "r1");
  EXPECT_EQ(fleet.files(), (Names{"acme.yaml", "beta.yaml", "platform.yaml"}));
  EXPECT_EQ(names_of(fleet), (Names{"acme", "beta"}));
  EXPECT_EQ(fleet.named_sites(), (Names{"acme", "beta"}));
  EXPECT_EQ(Fleet::changed(Fleet{}, fleet), (Names{"acme", "beta"}));
}

TEST(FleetTest, ChangesOnlyWhatAFileChanges) {
  const Fleet before = start();
  const Fleet after = before.with({{"acme.yaml", whole("acme", "next")}}, "r2", "bob");
  EXPECT_EQ(after.find("beta"), before.find("beta"));
  EXPECT_EQ(Fleet::changed(before, after), Names{"acme"});
  EXPECT_EQ(after.find("acme")->revision, "r2");
  EXPECT_EQ(after.find("acme")->author, "bob");
  EXPECT_EQ(after.find("beta")->revision, "r1");
  EXPECT_EQ(before.find("acme")->revision, "r1");
}

TEST(FleetTest, KeepsThePointerWhenOnlySpellingChanged) {
  const Fleet before = start();
  const Fleet after =
      before.with({{"acme.yaml", "# a comment\n" + live("acme") + site("acme")}}, "r2", "bob");
  EXPECT_EQ(after.find("acme"), before.find("acme"));
  EXPECT_EQ(Fleet::changed(before, after), Names{});
  EXPECT_EQ(after.revision(), "r2");
}

TEST(FleetTest, KeepsABrokenSiteAtItsLastGoodState) {
  const Fleet before = start();
  const Fleet broken = before.with({{"acme.yaml", site("acme") + live("acme", "-x")}}, "r2", "bob");
  const std::string problem =
      "acme.yaml:10:23: spec.code.branch: \"-x\" is no name git allows: it begins with '-'";
  EXPECT_EQ(spell(broken.problems()), Texts{problem});
  EXPECT_EQ(spell(broken.problems_of("acme")), Texts{problem});
  EXPECT_EQ(broken.find("acme")->invalid, problem);
  EXPECT_EQ(broken.find("acme")->revision, "r1");
  EXPECT_EQ(std::get<BranchName>(broken.find("acme")->find("live")->code).text, "main");
  EXPECT_EQ(Fleet::changed(before, broken), Names{"acme"});

  const Fleet mended = broken.with({{"acme.yaml", whole("acme")}}, "r3", "eve");
  EXPECT_EQ(mended.find("acme")->invalid, "");
  EXPECT_EQ(mended.find("acme")->revision, "r1");
  EXPECT_EQ(Fleet::changed(broken, mended), Names{"acme"});
  EXPECT_EQ(Fleet::changed(before, mended), Names{});
}

TEST(FleetTest, SaysHowManyMoreProblemsHoldASite) {
  const Fleet broken = start().with(
      {{"acme.yaml", site("acme") + document("Environment", "name: live, site: acme",
                                             "code: {branch: -x}, url: x, launched: true")}},
      "r2", "bob");
  const auto problems = spell(broken.problems_of("acme"));
  ASSERT_EQ(problems.size(), 3U);
  EXPECT_EQ(broken.find("acme")->invalid, problems[0] + "; and 2 more: run tidegate validate");
}

TEST(FleetTest, TellsWhatConcernsOneSite) {
  const Fleet fleet = Fleet{}.with({{"platform.yaml", driver() + site_class("soon")},
                                    {"acme.yaml", whole("acme") + "---\nkind: None\n"},
                                    {"beta.yaml", site("beta", "driver: hosts, odd: 1")},
                                    {"none.yaml", "kind: None\n"}},
                                   "r1", "ann");
  const auto files = [&](const std::string& name) {
    Names out;
    for (const Problem& problem : fleet.problems_concerning(name)) out.insert(problem.file);
    return out;
  };
  EXPECT_EQ(files("acme"), (Names{"acme.yaml", "platform.yaml"})) << "its class is broken";
  EXPECT_EQ(files("beta"), (Names{"beta.yaml"}));
  EXPECT_EQ(files("gamma"), Names{});
  EXPECT_EQ(fleet.invalid("beta"), to_string(fleet.problems_of("beta").front()));
  EXPECT_NE(fleet.invalid("acme"), "");
  EXPECT_EQ(fleet.invalid("gamma"), "");
  Names of_none;
  for (const Problem& problem : fleet.problems_of_none()) of_none.insert(problem.file);
  EXPECT_TRUE(of_none.contains("none.yaml"));
  EXPECT_FALSE(of_none.contains("beta.yaml"));
}

TEST(FleetTest, KnowsNoSiteThatNeverWasGood) {
  const Fleet fleet = start().with({{"new.yaml", site("new") + live("new", "-x")}}, "r2", "bob");
  EXPECT_EQ(fleet.find("new"), nullptr);
  EXPECT_EQ(fleet.problems_of("new").size(), 1U);
  EXPECT_EQ(fleet.named_sites(), (Names{"acme", "beta", "new"}));
}

TEST(FleetTest, HoldsUpTheOwnersOfAFileThatIsNoYaml) {
  const Fleet before = start();
  const Fleet after = before.with({{"acme.yaml", "a: [\n"}}, "r2", "bob");
  EXPECT_EQ(spell(after.problems_of("acme")),
            Texts{"acme.yaml:2:1: is not YAML: end of sequence flow not found"});
  EXPECT_NE(after.find("acme")->invalid, "");
  EXPECT_EQ(after.find("beta"), before.find("beta"));
  const Fleet again = after.with({{"acme.yaml", "b: [\n"}}, "r3", "bob");
  EXPECT_NE(again.find("acme"), nullptr);
  EXPECT_EQ(names_of(again.with({{"acme.yaml", std::nullopt}}, "r4", "bob")), Names{"beta"});
}

TEST(FleetTest, UsesNoDocumentOfAFileThatIsNoYaml) {
  const Fleet after = start().with({{"acme.yaml", whole("acme", "next") + "---\na: [\n"},
                                    {"new.yaml", whole("new") + "---\na: [\n"}},
                                   "r2", "bob");
  EXPECT_EQ(std::get<BranchName>(after.find("acme")->find("live")->code).text, "main");
  EXPECT_NE(after.find("acme")->invalid, "");
  EXPECT_EQ(after.find("new"), nullptr);
  EXPECT_EQ(after.problems_of("new").size(), 1U);
}

TEST(FleetTest, LetsNoEnvironmentGoBecauseItsDocumentCannotBeRead) {
  const std::string nameless = document("Environment", "name: live", "code: {branch: main}");
  const Fleet after = start().with({{"acme.yaml", site("acme") + nameless}}, "r2", "bob");
  ASSERT_NE(after.find("acme"), nullptr);
  EXPECT_NE(after.find("acme")->find("live"), nullptr);
  EXPECT_EQ(after.find("acme")->invalid,
            "acme.yaml:9:11: metadata.site: is missing: write the name of its site");
}

TEST(FleetTest, LetsGoWhatIsRemoved) {
  const Fleet before = start();
  const Fleet after = before.with({{"acme.yaml", std::nullopt}}, "r2", "bob");
  EXPECT_EQ(names_of(after), Names{"beta"});
  EXPECT_EQ(after.named_sites(), Names{"beta"});
  EXPECT_EQ(Fleet::changed(before, after), Names{"acme"});
  const Fleet fewer = before.with({{"acme.yaml", site("acme")}}, "r2", "bob");
  EXPECT_TRUE(fewer.find("acme")->environments.empty());
  EXPECT_EQ(spell(fewer.problems()),
            Texts{"acme.yaml:5:51: warning: spec.stages[0]: no Environment \"live\" of site "
                  "\"acme\" is given: it is left alone"});
  EXPECT_EQ(fewer.problems_of("acme"), std::vector<Problem>{});
}

TEST(FleetTest, CarriesAChangedClassToItsSites) {
  const Fleet before =
      start().with({{"solo.yaml", site("solo", "driver: hosts") + live("solo")}}, "r2", "b");
  const Fleet after = before.with({{"platform.yaml", driver() + site_class("9m")}}, "r3", "bob");
  EXPECT_EQ(Fleet::changed(before, after), (Names{"acme", "beta"}));
  EXPECT_EQ(after.find("acme")->find("live")->deploy.timeout, std::chrono::minutes(9));
  EXPECT_EQ(after.find("solo"), before.find("solo"));
}

TEST(FleetTest, CarriesAChangedDriverToItsSites) {
  const Fleet before = start();
  const Fleet after =
      before.with({{"platform.yaml", driver("/srv/other") + site_class()}}, "r2", "b");
  EXPECT_EQ(Fleet::changed(before, after), (Names{"acme", "beta"}));
  EXPECT_EQ(after.find("beta")->find("live")->driver->root, "/srv/other");
}

TEST(FleetTest, HoldsSitesWhoseClassIsBrokenOrGone) {
  const Fleet before = start();
  const Fleet broken = before.with({{"platform.yaml", driver() + site_class("x")}}, "r2", "b");
  EXPECT_EQ(broken.find("acme")->invalid,
            "acme.yaml:5:65: spec.class: SiteClass \"plain\" is broken: see its document");
  EXPECT_EQ(broken.problems().size(), 3U);
  const Fleet gone = broken.with({{"platform.yaml", driver()}}, "r3", "b");
  EXPECT_EQ(gone.find("acme")->invalid,
            "acme.yaml:5:65: spec.class: no SiteClass is called \"plain\"");
  const Fleet back = gone.with({{"platform.yaml", driver() + site_class()}}, "r4", "b");
  EXPECT_EQ(Fleet::changed(before, back), Names{});
}

TEST(FleetTest, ToleratesAMissingDriverOnlyWhileThereIsNone) {
  const Fleet without =
      Fleet{}.with({{"a.yaml", site("acme", "driver: host") + live("acme")}}, "r1", "b");
  EXPECT_EQ(spell(without.problems()),
            Texts{"a.yaml:5:66: warning: spec.driver: no Driver is called \"host\""});
  EXPECT_EQ(without.find("acme")->find("live")->driver, nullptr);
  const Fleet with = without.with({{"d.yaml", driver()}}, "r2", "b");
  EXPECT_EQ(
      spell(with.problems()),
      Texts{"a.yaml:5:66: spec.driver: no Driver is called \"host\"; did you mean \"hosts\"?"});
  EXPECT_NE(with.find("acme")->invalid, "");
  EXPECT_EQ(with.with({{"d.yaml", std::nullopt}}, "r3", "b").find("acme")->invalid, "");
}

TEST(FleetTest, TreatsADriverInAnUnreadableFileAsGivenButBroken) {
  const Fleet after = start().with({{"platform.yaml", "a: [\n"}}, "r2", "b");
  EXPECT_EQ(after.find("acme")->invalid,
            "acme.yaml:5:65: spec.class: SiteClass \"plain\" is broken: see its document");
  EXPECT_NE(after.find("acme")->find("live")->driver, nullptr);
}

TEST(FleetTest, FindsDuplicatesAtTheLaterDocument) {
  const Fleet fleet = start().with({{"z.yaml", live("acme", "other")}}, "r2", "b");
  EXPECT_EQ(spell(fleet.problems()),
            Texts{"z.yaml:4:18: metadata.name: Environment \"live\" is already given in "
                  "acme.yaml:9: remove one of them"});
  EXPECT_EQ(std::get<BranchName>(fleet.find("acme")->find("live")->code).text, "main");
  EXPECT_EQ(fleet.find("acme")->invalid, to_string(fleet.problems()[0]));
  const Fleet sites = start().with({{"a.yaml", site("acme")}}, "r2", "b");
  EXPECT_EQ(
      spell(sites.problems_of("acme")),
      Texts{"acme.yaml:4:18: metadata.name: Site \"acme\" is already given in a.yaml:4: remove "
            "one of them"});
  const Fleet drivers = start().with({{"z.yaml", driver()}}, "r2", "b");
  EXPECT_EQ(drivers.problems().at(0).text, "Driver \"hosts\" is broken: see its document");
}

TEST(FleetTest, FindsEnvironmentsThatBelongNowhere) {
  const Fleet fleet = start().with(
      {{"q.yaml",
        live("acmee") + document("Environment", "name: liv, site: beta", "code: {branch: main}")}},
      "r2", "b");
  EXPECT_EQ(
      spell(fleet.problems()),
      (Texts{"q.yaml:4:30: metadata.site: no Site is called \"acmee\"; did you mean \"acme\"?",
             "q.yaml:9:18: metadata.name: \"liv\" is in no stage of site \"beta\"; did you mean "
             "\"live\"?"}));
  EXPECT_EQ(fleet.find("acmee"), nullptr);
  EXPECT_EQ(fleet.named_sites(), (Names{"acme", "acmee", "beta"}));
  EXPECT_NE(fleet.find("beta")->invalid, "");
}

TEST(FleetTest, ComesToTheSameInAnyOrderOfCommits) {
  const std::vector<FileChange> files{{"platform.yaml", driver() + site_class()},
                                      {"acme.yaml", whole("acme")},
                                      {"beta.yaml", whole("beta")},
                                      {"bad.yaml", live("nobody")}};
  const Fleet at_once = Fleet{}.with(files, "r", "b");
  Fleet one_by_one;
  for (auto file = files.rbegin(); file != files.rend(); ++file)
    one_by_one = one_by_one.with({*file}, "r", "b");
  EXPECT_EQ(Fleet::changed(at_once, one_by_one), Names{});
  EXPECT_EQ(spell(at_once.problems()), spell(one_by_one.problems()));
}

TEST(FleetTest, HoldsUpNobodyForAForeignPoisonedDocument) {
  const Fleet before = start();
  for (const std::string& poison :
       {std::string(","), document("Sanitizer", "name: x", "a: b"), "&x [*x]\n" + whole("new"),
        document("Site", "name: poor", "stages: [1ns, -5m]"), std::string("\0", 1)}) {
    const Fleet after = before.with({{"poison.yaml", poison}}, "r2", "b");
    EXPECT_FALSE(after.problems().empty());
    EXPECT_EQ(after.find("acme"), before.find("acme"));
    EXPECT_EQ(after.find("beta"), before.find("beta"));
  }
}

TEST(FleetTest, ReadsManifestPathsOnly) {
  for (const char* path : {"a.yaml", "b/c.yml", "./a.yaml", "../a.yaml", "/x/a.b.yaml"})
    EXPECT_TRUE(is_manifest_path(path)) << path;
  for (const char* path : {"a.txt", ".a.yaml", ".git/a.yaml", "a/.b/c.yaml", ".yaml", "a/.yml",
                           "yaml", "", "soak.case.yaml", "a/b.case.yml"})
    EXPECT_FALSE(is_manifest_path(path)) << path;
}

TEST(ValidateTest, IsWellWithWarningsAlone) {
  const auto warned = validate({{"a.yaml", site("acme", "driver: hosts")}});
  EXPECT_TRUE(warned.ok);
  EXPECT_EQ(warned.problems.size(), 2U);
  EXPECT_FALSE(validate({{"a.yaml", "1"}}).ok);
  EXPECT_TRUE(validate({}).ok);
}

// Breaks a text in one to four places.
std::string mutated(std::string text, std::mt19937_64& random) {
  static const char bytes[] = "{}[]:,-#&*!|>'\"%@`\n\t \\0aZ~<\x80\xff";
  for (auto count = 1 + random() % 4; count > 0 && !text.empty(); --count) {
    const std::size_t at = random() % text.size(), other = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = bytes[random() % (sizeof bytes - 1)];
        break;
      case 1:
        text.erase(at, 1 + random() % 20);
        break;
      case 2:
        text.insert(at, 1, bytes[random() % (sizeof bytes - 1)]);
        break;
      default:
        text.insert(at, text.substr(other, random() % 60));
        break;
    }
  }
  return text;
}

TEST(FleetTest, SurvivesTwentyThousandBrokenTexts) {
  std::mt19937_64 random(20261120);
  const std::string rich = driver() + site_class() +
                           site("acme",
                                "class: plain, application: {type: drupal, commands: "
                                "{build: [\"a 'b c'\"]}}, content: {databases: [{name: m, engine: "
                                "sqlite}], files: [{name: f, "
                                "path: web/f}]}") +
                           document("Environment", "name: live, site: acme",
                                    "code: {commit: 9fceb02d0ae598e95dc970b74767f19372d61af8}, "
                                    "content: {source: keep, include: "
                                    "[files]}, url: \"https://a\", verify: {http: [{path: /, "
                                    "status: 200}]}, variables: {A: b}");
  Fleet fleet = start();
  const auto beta = fleet.find("beta");
  std::size_t invalid = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = mutated(i % 2 == 0 ? rich : whole("acme"), random);
    const Fleet next = fleet.with({{i % 3 == 0 ? "zeta.yaml" : "acme.yaml", text}}, "r", "b");
    for (const Problem& problem : next.problems()) EXPECT_FALSE(problem.text.empty());
    const auto acme = next.find("acme");
    invalid += acme && !acme->invalid.empty() ? 1 : 0;
    EXPECT_TRUE(!acme || !effective_yaml(*acme).empty());
    if (i % 5 == 0) fleet = next;
    if (i % 50 == 0) fleet = start();
  }
  EXPECT_GT(invalid, 1000U);
}

TEST(FleetTest, PrintsWhatTenThousandSitesCost) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  };
  std::vector<FileChange> files{{"platform.yaml", driver() + site_class()}};
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "site-" + std::to_string(i);
    files.push_back({name + ".yaml", whole(name)});
  }
  auto begin = Clock::now();
  const Fleet all = Fleet{}.with(files, "r1", "b");
  std::cout << "10 000 files: " << since(begin) << " ms\n";
  EXPECT_EQ(all.sites().size(), 10'000U);
  EXPECT_TRUE(all.problems().empty());
  begin = Clock::now();
  const Fleet one = all.with({{"site-77.yaml", whole("site-77", "next")}}, "r2", "b");
  const auto changed = Fleet::changed(all, one);
  std::cout << "one file more: " << since(begin) << " ms\n";
  EXPECT_EQ(changed, Names{"site-77"});
  begin = Clock::now();
  const Fleet swept = one.with({{"platform.yaml", driver() + site_class("9m")}}, "r3", "b");
  std::cout << "their class: " << since(begin) << " ms\n";
  EXPECT_EQ(Fleet::changed(one, swept).size(), 10'000U);
}

}  // namespace
}  // namespace tidegate
