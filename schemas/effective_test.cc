#include "schemas/effective.h"

#include <gtest/gtest.h>

#include "schemas/fleet.h"
#include "schemas/test_document.h"

namespace tidegate {
namespace {

using Texts = std::vector<std::string>;

const char driver_text[] =
    "---\napiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: hosts}\n"
    "spec: {host: {root: /srv/sites, mariadb: {socket: /s, user: u, password: {secret: db}}}}\n";

std::string site(const std::string& spec) { return document("Site", "name: acme", spec); }
std::string environment(const std::string& name, const std::string& spec) {
  return document("Environment", "name: " + name + ", site: acme", spec);
}
const std::string base = "driver: hosts, repository: {url: /srv/x}, stages: [dev, live]";

Fleet read(const std::string& text) { return Fleet{}.with({{"f.yaml", text}}, "r1", "ann"); }
Texts wrong_with(const std::string& text) {
  Texts result;
  for (const Problem& problem : read(text).problems()) result.push_back(to_string(problem));
  return result;
}
Site effective(const std::string& text) {
  const Fleet fleet = read(text);
  for (const Problem& problem : fleet.problems())
    if (!problem.warning) ADD_FAILURE() << to_string(problem);
  const auto found = fleet.find("acme");
  return found ? *found : Site{};
}

TEST(EffectiveTest, CodeIsWritableWhereItIsSaidWithTheCodeItself) {
  const std::string of_class = document("SiteClass", "name: by-hand",
                                        "environments: {code: {branch: main, writable: true}}");
  const Site acme = effective(driver_text + of_class + site("class: by-hand, " + base) +
                              environment("dev", "") + environment("live", "code: {from: dev}"));
  EXPECT_TRUE(acme.find("dev")->writable);
  EXPECT_FALSE(acme.find("live")->writable);
  EXPECT_NE(effective_yaml(acme).find("  code: {branch: main, writable: true}\n"),
            std::string::npos);
}

TEST(EffectiveTest, RefusesWritableCodeAboveTheLowestStageWhereItIsSaid) {
  EXPECT_EQ(wrong_with(driver_text + site(base) + environment("dev", "code: {branch: main}") +
                       environment("live", "code: {branch: live, writable: true}")),
            (Texts{"f.yaml:20:39: spec.code.writable: is for the lowest stage alone, \"dev\": code "
                   "goes up from there; remove it here"}));
}

TEST(EffectiveTest, FillsDefaults) {
  const Site acme =
      effective(driver_text + site(base) + environment("dev", "code: {branch: main}") +
                environment("live", "code: {from: dev}, url: \"https://a\""));
  EXPECT_EQ(acme.application.type, "custom");
  EXPECT_TRUE(acme.launched);
  EXPECT_EQ(acme.revision, "r1");
  EXPECT_EQ(acme.author, "ann");
  EXPECT_EQ(acme.authority(), "live");
  const Environment& dev = *acme.find("dev");
  EXPECT_EQ(dev.content, ContentSpec{});
  EXPECT_TRUE(dev.verify.http.empty());
  EXPECT_EQ(dev.driver->name, "hosts");
  const Environment& live = *acme.find("live");
  ASSERT_EQ(live.verify.http.size(), 1U);
  EXPECT_EQ(live.verify.http[0], HttpCheck{});
  EXPECT_TRUE(live.deploy.update && live.deploy.clear_cache && live.rollback);
  EXPECT_EQ(live.deploy.timeout, std::chrono::minutes(30));
}

TEST(EffectiveTest, LaysSiteOverClassOverPreset) {
  const Site acme = effective(
      driver_text +
      document(
          "SiteClass", "name: wp",
          "driver: hosts, application: {type: wordpress, docroot: web, buildSecrets: {A: a, B: "
          "b}, commands: {build: [class-build], install: [class-install]}}, content: "
          "{databases: [{name: main, engine: mariadb}]}") +
      site("class: wp, repository: {url: /srv/x}, stages: [live], application: {buildSecrets: {B: "
           "c}, commands: {install: []}}") +
      environment("live", "code: {branch: main}"));
  EXPECT_EQ(acme.application.writable, Texts{"web/wp-content/cache"});
  EXPECT_EQ(acme.application.commands.build, Texts{"class-build"});
  EXPECT_EQ(acme.application.commands.install, Texts{});
  EXPECT_EQ(acme.application.commands.clear_cache,
            Texts{"sh -c 'if wp core is-installed; then wp cache flush; fi'"});
  using Secrets = std::map<std::string, SecretRef>;
  EXPECT_EQ(acme.application.build_secrets, (Secrets{{"A", {"a", SecretRef::Scope::platform}},
                                                     {"B", {"c", SecretRef::Scope::site}}}));
  ASSERT_EQ(acme.databases.size(), 1U);
  EXPECT_EQ(acme.databases[0].engine, Engine::mariadb);
}

TEST(EffectiveTest, LaysEnvironmentOverClass) {
  const Site acme = effective(
      driver_text +
      document(
          "SiteClass", "name: c",
          "environments: {deploy: {timeout: 5m, update: false}, variables: {A: a, B: b, C: c}, "
          "secrets: {S: s, T: t}, content: {refresh: {onPromote: true}}, verify: {http: "
          "[{path: /up}]}}") +
      site("class: c, " + base) +
      environment("dev",
                  "code: {branch: main}, url: \"https://a\", content: {source: live}, deploy: "
                  "{update: true}, variables: {B: x, T: y}, secrets: {C: z}") +
      environment("live", "code: {branch: main}"));
  const Environment& dev = *acme.find("dev");
  EXPECT_EQ(dev.deploy.timeout, std::chrono::minutes(5));
  EXPECT_TRUE(dev.deploy.update);
  using Variables = std::map<std::string, std::string>;
  EXPECT_EQ(dev.variables, (Variables{{"A", "a"}, {"B", "x"}, {"T", "y"}}));
  ASSERT_EQ(dev.secrets.size(), 2U);
  EXPECT_EQ(dev.secrets.at("S").scope, SecretRef::Scope::platform);
  EXPECT_EQ(dev.secrets.at("C").scope, SecretRef::Scope::site);
  EXPECT_TRUE(dev.content.refresh && dev.content.refresh->on_promote);
  EXPECT_EQ(dev.content.generation, 1U);
  EXPECT_EQ(dev.verify.http.at(0).path, "/up");
  // A class speaks of every environment: what cannot apply to this one does not.
  EXPECT_FALSE(acme.find("live")->content.refresh);
  EXPECT_TRUE(acme.find("live")->verify.http.empty());
}

TEST(EffectiveTest, NeverSendsAClassesCredentialsToASitesAddress) {
  const Site acme = effective(
      driver_text +
      document("SiteClass", "name: c",
               "repository: {url: \"https://a/x\", credentials: {secret: platform-token}}") +
      site("class: c, driver: hosts, stages: [live], repository: {url: \"https://evil/x\"}") +
      environment("live", "code: {branch: main}"));
  EXPECT_EQ(acme.repository.url, "https://evil/x");
  EXPECT_FALSE(acme.repository.credentials);
}

TEST(EffectiveTest, FindsSourcesThatAreNone) {
  const std::string start = driver_text + site(base) + environment("live", "code: {branch: main}");
  const auto with = [&](const std::string& content) {
    return wrong_with(start +
                      environment("dev", "code: {branch: main}, content: {" + content + "}"));
  };
  EXPECT_EQ(with("source: lvie"),
            Texts{"f.yaml:20:48: spec.content.source: \"lvie\" is no environment of site \"acme\"; "
                  "did you mean \"live\"?"});
  EXPECT_EQ(
      with("source: dev"),
      Texts{"f.yaml:20:48: spec.content.source: \"dev\" is the environment itself: write keep "
            "to leave its content"});
  EXPECT_EQ(with("refresh: {onPromote: true}"),
            Texts{"f.yaml:20:49: spec.content.refresh: goes with content from an environment only: "
                  "remove it, or name one in source"});
}

TEST(EffectiveTest, FollowsOnlyStagesBelow) {
  const auto with = [&](const std::string& dev, const std::string& live) {
    return wrong_with(driver_text + site(base) + environment("dev", "code: {" + dev + "}") +
                      environment("live", "code: {" + live + "}"));
  };
  EXPECT_EQ(with("branch: main", "from: dev"), Texts{});
  EXPECT_EQ(with("from: live", "branch: main"),
            Texts{"f.yaml:15:21: spec.code.from: \"live\" is no stage below \"dev\": the lowest "
                  "stage follows a branch, tag or commit"});
  EXPECT_EQ(with("branch: main", "from: live"),
            Texts{"f.yaml:20:21: spec.code.from: \"live\" is no stage below \"live\": write dev"});
}

TEST(EffectiveTest, AsksForWhatNoLayerSays) {
  EXPECT_EQ(wrong_with(driver_text + site("stages: [live]") + environment("live", "")),
            (Texts{"f.yaml:9:18: spec.repository: is missing: write it here or in the site's class",
                   "f.yaml:14:18: spec.code: is missing: write commit, tag, branch or from",
                   "f.yaml:14:18: spec.driver: is missing: name a Driver here, in the Site or in "
                   "its class"}));
}

TEST(EffectiveTest, RefusesContentAndWritablePathsOnTopOfEachOther) {
  const auto with = [&](const std::string& spec) {
    return wrong_with(driver_text +
                      site("driver: hosts, repository: {url: /x}, stages: [live], " + spec) +
                      environment("live", "code: {branch: main}"));
  };
  EXPECT_EQ(with("application: {type: magento}, content: {files: [{name: a, path: var/import}]}"),
            Texts{"f.yaml:10:126: spec.content.files[0].path: \"var/import\" overlaps the writable "
                  "path \"var\": keep one of them"});
  EXPECT_EQ(with("application: {docroot: a/b}, content: {files: [{name: a, path: a}]}"),
            Texts{"f.yaml:10:125: spec.content.files[0].path: \"a\" holds the docroot \"a/b\": "
                  "content cannot hold code"});
  // A preset's path inside content needs no word of its own.
  EXPECT_EQ(with("application: {type: wordpress}, content: {files: [{name: a, path: wp-content}]}"),
            Texts{});
}

TEST(EffectiveTest, NeedsADatabaseServerForItsDatabases) {
  const std::string text = document("Driver", "name: plain", "host: {root: /srv}") +
                           site(
                               "driver: plain, repository: {url: /x}, stages: [live], content: "
                               "{databases: [{name: main, "
                               "engine: mariadb}]}") +
                           environment("live", "code: {branch: main}");
  EXPECT_EQ(wrong_with(text),
            Texts{"f.yaml:10:84: spec.content.databases[0].engine: environment \"live\" has no "
                  "MariaDB: add mariadb to Driver \"plain\""});
}

TEST(EffectiveTest, YamlReadsBackAsTheSameSite) {
  const std::string text =
      driver_text +
      document(
          "Site", "name: acme, labels: {\"a/b\": c}",
          "driver: hosts, repository: {url: \"https://a/x\", credentials: {secret: t}}, stages: "
          "[dev, test, live], launched: false, application: {type: drupal, buildSecrets: {A: "
          "a}, commands: {build: [\"sh -c 'a \\\"b\\\" \\\\\\\\ c'\", \"a \\\"x y\\\"\"]}}, "
          "content: {databases: [{name: main, engine: sqlite}], files: [{name: f, path: p}]}") +
      environment("dev",
                  "code: {tag: \"1.10\"}, content: {source: live, include: [files], refresh: "
                  "{onPromote: {ifOlderThan: 24h}, every: 90s, schedule: \"0 3 * * *\"}}, "
                  "suspend: {reason: \"a: b\", until: 2026-12-01T00:00:00Z}") +
      environment("test",
                  "code: {branch: feature/x}, url: \"https://a\", verify: {http: []}, "
                  "variables: {A: \"1\", B: \"no\", C: 'a\"\\b: #', D: \"\"}, secrets: {S: s}") +
      environment("live",
                  "code: {from: test}, content: {source: empty, generation: 3}, onFailure: "
                  "{rollback: false, restoreContent: whenUpdated, revertManifest: {branch: back}}, "
                  "previewUrl: \"http://p\", verify: {http: [{status: "
                  "204}], retryFor: 0s}, deploy: {maintenance: always, note: n}");
  const Site once = effective(text);
  ASSERT_EQ(once.environments.size(), 3U);
  const Site twice = effective(driver_text + std::string("---\n") + effective_yaml(once));
  EXPECT_EQ(effective_yaml(twice), effective_yaml(once));
  EXPECT_TRUE(same_value(once, twice));
}

TEST(EffectiveTest, AClassGivesAwayNoContentOfTheLastStage) {
  const std::string class_text =
      document("SiteClass", "name: shops",
               "environments: {code: {branch: main}, onFailure: {restoreContent: whenUpdated, "
               "revertManifest: {branch: \"back/{site}-{environment}\"}}}");
  const auto make = [&](const std::string& more, const std::string& live) {
    return effective(driver_text + class_text + site(base + ", class: shops" + more) +
                     environment("dev", "url: \"https://d\"") +
                     environment("live", "url: \"https://l\"" + live));
  };
  const Site acme = make("", "");
  EXPECT_TRUE(acme.find("dev")->restore_content);
  EXPECT_FALSE(acme.find("live")->restore_content);
  EXPECT_EQ(acme.find("live")->revert_manifest, (RevertManifest{true, "back/acme-live"}));
  EXPECT_FALSE(make(", launched: false", "").find("live")->restore_content);
  const Site asked = make("", ", onFailure: {restoreContent: whenUpdated}");
  EXPECT_TRUE(asked.find("live")->restore_content);
  EXPECT_NE(asked.find("live")->digest, acme.find("live")->digest);
  EXPECT_FALSE(
      make("", ", onFailure: {revertManifest: false}").find("live")->revert_manifest.wanted);
}

TEST(EffectiveTest, DigestsChangeWithValuesAlone) {
  const auto make = [&](const std::string& more, const std::string& site_more = "") {
    return effective(driver_text + site(base + site_more) +
                     environment("live", "code: {branch: main}") +
                     environment("dev", "code: {branch: main}" + more));
  };
  const Site plain = make("");
  EXPECT_EQ(plain.digest.size(), 64U);
  const auto digest = [](const Site& site) { return site.find("dev")->digest; };
  EXPECT_EQ(digest(make(", deploy: {update: true}")), digest(plain));
  EXPECT_EQ(digest(make(", suspend: {reason: x}")), digest(plain));
  EXPECT_NE(digest(make(", variables: {A: b}")), digest(plain));
  EXPECT_NE(digest(make(", content: {source: live}")), digest(plain));
  EXPECT_EQ(make(", variables: {A: b}").digest, plain.digest);
  EXPECT_NE(make("", ", launched: false").digest, plain.digest);
  EXPECT_FALSE(same_value(make(", suspend: {reason: x}"), plain));
}

}  // namespace
}  // namespace tidegate
