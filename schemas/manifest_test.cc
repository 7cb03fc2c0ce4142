#include "schemas/manifest.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

using Texts = std::vector<std::string>;

// Everything wrong with a file's documents, each on its own.
Texts wrong_with(const std::string& text) {
  const ManifestFile file = read_manifest_file("f.yaml", text);
  std::vector<Problem> problems = file.problems;
  for (const auto& document : file.documents)
    problems.insert(problems.end(), document->problems.begin(), document->problems.end());
  Texts result;
  for (const Problem& problem : problems) result.push_back(to_string(problem));
  return result;
}

std::string environment(const std::string& spec) {
  return "apiVersion: tidegate/v1\nkind: Environment\nmetadata: {name: test, site: acme}\nspec: {" +
         spec + "}\n";
}
std::string site(const std::string& spec) {
  return "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: acme}\nspec: {" + spec + "}\n";
}
std::string driver(const std::string& spec) {
  return "apiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: hosts}\nspec: {" + spec + "}\n";
}

void expect_rejected(const std::vector<std::pair<std::string, std::string>>& rows) {
  for (const auto& [text, expected] : rows)
    EXPECT_EQ(wrong_with(text), Texts{"f.yaml:4:" + expected}) << text;
}

TEST(ManifestTest, TellsDocumentsApart) {
  const ManifestFile file = read_manifest_file("f.yaml", environment("") + "---\n" + site(""));
  ASSERT_EQ(file.documents.size(), 2U);
  EXPECT_EQ(file.documents[0]->key, (DocumentKey{DocumentKind::environment, "acme", "test"}));
  EXPECT_EQ(file.documents[1]->key, (DocumentKey{DocumentKind::site, "", "acme"}));
  EXPECT_EQ(file.documents[1]->key.owner(), "acme");
  EXPECT_TRUE(file.documents[0]->good);
  EXPECT_TRUE(file.documents[0]->environment);
  EXPECT_TRUE(file.documents[1]->site);
}

TEST(ManifestTest, SaysWhatIsNoManifest) {
  EXPECT_EQ(wrong_with("- 1\n"),
            Texts{"f.yaml:1:1: is no manifest: write a mapping of apiVersion, kind, metadata and "
                  "spec"});
  EXPECT_EQ(wrong_with("kind: Site\n"),
            (Texts{"f.yaml:1:1: apiVersion: is missing: write tidegate/v1",
                   "f.yaml:1:1: metadata: is missing: write metadata: {name: …}",
                   "f.yaml:1:1: spec: is missing: write spec: {…}"}));
  EXPECT_EQ(wrong_with("apiVersion: v1\nkind: Site\nmetadata: {name: Acme}\nspec: {}\n"),
            (Texts{"f.yaml:1:13: apiVersion: \"v1\" is not tidegate/v1",
                   "f.yaml:3:18: metadata.name: \"Acme\" is not a name: use lower-case letters, "
                   "digits and '-', a letter or digit at both ends"}));
}

TEST(ManifestTest, RefusesKindsThatAreNotBuiltAndUnknownOnes) {
  const auto of_kind = [](const std::string& kind) {
    return "apiVersion: tidegate/v1\nkind: " + kind + "\nmetadata: {name: x}\nspec: {a: b}\n";
  };
  for (const char* kind : {"Sanitizer", "BranchEnvironments", "Notifier"})
    EXPECT_EQ(wrong_with(of_kind(kind)),
              Texts{"f.yaml:2:7: kind: \"" + std::string(kind) + "\" is not supported yet"});
  EXPECT_EQ(wrong_with(of_kind("SiteClas")),
            Texts{"f.yaml:2:7: kind: \"SiteClas\" is not Driver, SiteClass, Site, Environment, "
                  "Policy, Freeze or Grant; "
                  "did you mean \"SiteClass\"?"});
}

TEST(ManifestTest, KnowsWhoseABrokenDocumentIs) {
  const auto owner_of = [](const std::string& text) {
    const ManifestFile file = read_manifest_file("f.yaml", text);
    return file.documents.empty() ? "nobody" : file.documents[0]->key.owner();
  };
  EXPECT_EQ(owner_of("kind: Enviroment\nmetadata: {name: test, site: acme}\n"), "acme");
  EXPECT_EQ(owner_of("kind: Environment\nmetadata: {name: Test, site: acme}\n"), "acme");
  EXPECT_EQ(owner_of("kind: Site\nmetadata: {name: acme, labels: 1}\n"), "acme");
  EXPECT_EQ(owner_of("kind: Environment\nmetadata: {name: test}\n"), "nobody");
  EXPECT_EQ(owner_of("kind: Sanitizer\nmetadata: {name: test, site: acme}\n"), "nobody");
}

TEST(ManifestTest, SuggestsFieldsThatWereMistyped) {
  expect_rejected({
      {environment("cotent: {}"),
       "8: spec.cotent: unknown field \"cotent\"; did you mean "
       "\"content\"?"},
      {environment("zzz: 1"), "8: spec.zzz: unknown field \"zzz\""},
      {site("repository: {ulr: x, url: /srv/x}"),
       "21: spec.repository.ulr: unknown field \"ulr\"; did you mean \"url\"?"},
  });
}

TEST(ManifestTest, RefusesWhatIsNotBuiltYet) {
  expect_rejected({
      {site("content: {databases: [{name: main, engine: postgresql}]}"),
       "51: spec.content.databases[0].engine: \"postgresql\" is not supported yet: write mariadb "
       "or "
       "sqlite"},
      {environment("deletionPolicy: Delete"),
       "8: spec.deletionPolicy: \"deletionPolicy\" is not supported yet"},
      {environment("content: {source: {archive: x}}"),
       "26: spec.content.source: content from an archive is not supported yet: write keep, empty "
       "or an environment's name"},
      {environment("content: {source: backup}"),
       "26: spec.content.source: \"backup\" is not supported yet: write keep, empty or an "
       "environment's name"},
      {environment("content: {sanitizer: x}"),
       "18: spec.content.sanitizer: \"sanitizer\" is not supported yet"},
      {environment("beforeChange: true"),
       "8: spec.beforeChange: \"beforeChange\" is not supported yet"},
      {driver("pantheon: {}"), "8: spec.pantheon: \"pantheon\" is not supported yet"},
      {driver("platformsh: {}"), "8: spec.platformsh: \"platformsh\" is not supported yet"},
      {driver("host: {root: /srv/x, ssh: {}}"), "29: spec.host.ssh: \"ssh\" is not supported yet"},
  });
}

TEST(ManifestTest, TakesExactlyOneCodeTarget) {
  const std::string commit = "9fceb02d0ae598e95dc970b74767f19372d61af8";
  for (const std::string& code :
       {"commit: " + commit, std::string("tag: v1.2"), std::string("branch: main"),
        std::string("from: dev"), "commit: " + std::string(40, '7'),
        "commit: 1234567e" + std::string(32, '0')})
    EXPECT_EQ(wrong_with(environment("code: {" + code + "}")), Texts{}) << code;
  expect_rejected({
      {environment("code: {}"), "14: spec.code: needs exactly one of commit, tag, branch or from"},
      {environment("code: {branch: a, tag: b}"),
       "14: spec.code: needs exactly one of commit, tag, branch or from"},
      {environment("code: {commit: 1234567}"),
       "23: spec.code.commit: \"1234567\" is a shortened commit: write all 40 digits (git "
       "rev-parse "
       "1234567)"},
      {environment("code: {tag: 1.10}"),
       "20: spec.code.tag: 1.10 is a number, text is needed: quote it, \"1.10\""},
      {environment("code: {branch: no}"),
       "23: spec.code.branch: no is a boolean or a number to some readers of YAML, text is needed: "
       "quote it, \"no\""},
  });
}

TEST(ManifestTest, HoldsContentToItsRules) {
  EXPECT_EQ(wrong_with(environment("content: {source: empty, generation: 1}")), Texts{});
  EXPECT_EQ(wrong_with(environment("content: {source: live, generation: 9007199254740991}")),
            Texts{});
  expect_rejected({
      {environment("content: {source: empty}"),
       "26: spec.content.source: \"empty\" is done once per generation: write generation beside "
       "it"},
      {environment("content: {source: adopted}"),
       "26: spec.content.source: \"adopted\" tells of content found in place and cannot be asked "
       "for: write keep"},
      {environment("content: {generation: 0}"),
       "30: spec.content.generation: \"0\" is out of bounds: write a whole number between 1 and "
       "9007199254740991"},
      {environment("content: {generation: 9007199254740992}"),
       "30: spec.content.generation: \"9007199254740992\" is out of bounds: write a whole number "
       "between 1 and 9007199254740991"},
      {environment("content: {generation: \"7\"}"),
       "30: spec.content.generation: \"7\" is text: write the number without quotes"},
      {environment("content: {generation: 014}"),
       "30: spec.content.generation: \"014\" is not spelt in plain decimal digits: write a whole "
       "number between 1 and 9007199254740991"},
      {environment("content: {generation: 1_000}"),
       "30: spec.content.generation: \"1_000\" is not spelt in plain decimal digits: write a whole "
       "number between 1 and 9007199254740991"},
      {environment("content: {include: []}"),
       "27: spec.content.include: is empty: write databases, files or both"},
      {environment("content: {include: [files, files]}"),
       "35: spec.content.include[1]: \"files\" is written twice: remove one"},
      {environment("content: {refresh: {}}"),
       "27: spec.content.refresh: never comes: write at least one of onPromote, every or schedule"},
      {environment("content: {refresh: {every: 1s}}"),
       "35: spec.content.refresh.every: \"1s\" is out of bounds: write 1m to 3650d"},
      {environment("content: {refresh: {every: 1h, timeZone: UTC}}"),
       "49: spec.content.refresh.timeZone: goes with a schedule only: remove it"},
      {environment("content: {refresh: {schedule: \"0 25 * * *\"}}"),
       "38: spec.content.refresh.schedule: \"0 25 * * *\": hour \"25\" is not between 0 and 23"},
  });
}

TEST(ManifestTest, HoldsDeployAndVerifyToTheirBounds) {
  expect_rejected({
      {environment("deploy: {update: yes}"),
       "25: spec.deploy.update: \"yes\" is not a boolean: write true or false"},
      {environment("deploy: {update: \"true\"}"),
       "25: spec.deploy.update: \"true\" is not a boolean: write true or false, without quotes"},
      {environment("deploy: {timeout: 25h}"),
       "26: spec.deploy.timeout: \"25h\" is out of bounds: write 1s to 1d"},
      {environment("deploy: {timeout: 1e400h}"),
       "26: spec.deploy.timeout: \"1e400h\" is not a duration: write a whole number and a unit, "
       "like 90s, 30m, 24h or 7d"},
      {environment("deploy: {maintenance: never}"),
       "30: spec.deploy.maintenance: \"never\" is not auto or always"},
      {environment("verify: {http: [{status: 600}]}"),
       "33: spec.verify.http[0].status: \"600\" is out of bounds: write a whole number between 100 "
       "and 599"},
      {environment("verify: {commands: [\"a 'b\"]}"),
       "28: spec.verify.commands[0]: \"a 'b\" has a ' that is never closed"},
      {environment("verify: {commands: a}"),
       "27: spec.verify.commands: is a single value: write a list"},
      {environment("suspend: {by: me}"),
       "17: spec.suspend.reason: is missing: write why, for those who wait"},
      {environment("suspend: {reason: x, until: tomorrow}"),
       "36: spec.suspend.until: \"tomorrow\" is not a time: write one like 2026-12-01T00:00:00Z"},
  });
}

TEST(ManifestTest, NeverRepeatsAVariablesValue) {
  const std::string number = "314159";
  for (const std::string& text :
       {environment("variables: {A: " + number + "}"),
        environment("variables: {A: \"" + number + "\\n" + number + "\"}")})
    for (const std::string& problem : wrong_with(text))
      EXPECT_EQ(problem.find(number), std::string::npos) << problem;
  expect_rejected({
      {environment("variables: {A: 1}"),
       "23: spec.variables.A: is a number, text is needed: quote it"},
      {environment("variables: {A: null}"),
       "20: spec.variables.A: is empty: write a value, or remove the field"},
      {environment("variables: {PATH: x}"),
       "20: spec.variables.PATH: \"PATH\" is set by Tidegate: choose another name"},
      {environment("variables: {A: x}, secrets: {A: x}"),
       "36: spec.secrets: \"A\" is a variable too: keep it in variables or in secrets"},
  });
}

TEST(ManifestTest, HoldsSitesToTheirRules) {
  expect_rejected({
      {site("stages: []"), "16: spec.stages: is empty: name the site's environments, lowest first"},
      {site("stages: [dev, dev]"), "22: spec.stages[1]: \"dev\" is written twice: remove one"},
      {site("stages: [dev, keep]"),
       "22: spec.stages[1]: \"keep\" is a content source's word: choose another name for the "
       "environment"},
      {site("repository: {}"),
       "20: spec.repository.url: is missing: write the address of a git repository"},
      {site("application: {type: wordpres}"),
       "28: spec.application.type: \"wordpres\" is not wordpress, drupal, magento or custom; did "
       "you mean \"wordpress\"?"},
      {site("application: {writable: [var, var/cache]}"),
       "38: spec.application.writable[1]: \"var/cache\" overlaps \"var\": keep one of them"},
      {site("content: {files: [{name: a, path: x}, {name: b, path: x/y}]}"),
       "62: spec.content.files[1].path: \"x/y\" overlaps \"x\": keep one of them"},
      {site("content: {databases: [{name: a, engine: sqlite}, {name: a, engine: sqlite}]}"),
       "64: spec.content.databases[1].name: \"a\" is declared twice: remove one"},
  });
}

TEST(ManifestTest, HoldsDriversToTheirRules) {
  EXPECT_EQ(wrong_with(driver("host: {root: /srv/sites, sqlite: {}}")), Texts{});
  expect_rejected({
      {driver(""), "7: spec.host: is missing: write host: {root: /path}"},
      {driver("host: {}"),
       "14: spec.host.root: is missing: write the directory that environments "
       "live in"},
      {driver("host: {root: srv}"), "21: spec.host.root: \"srv\" is not an absolute path"},
      {driver("host: {root: /srv, keepReleases: 0}"),
       "41: spec.host.keepReleases: \"0\" is out of bounds: write a whole number between 1 and "
       "100"},
      {driver("host: {root: /srv, sqlite: {a: b}}"), "36: spec.host.sqlite.a: unknown field \"a\""},
      {driver("host: {root: /srv, mariadb: {user: u}}"),
       "36: spec.host.mariadb: needs a socket or a host: write exactly one of them"},
      {driver("host: {root: /srv, mariadb: {user: u, socket: /s, host: h}}"),
       "36: spec.host.mariadb: needs a socket or a host: write exactly one of them"},
      {driver("host: {root: /srv, mariadb: {user: u, socket: /s, port: 1}}"),
       "64: spec.host.mariadb.port: goes with a host only: remove it"},
      {driver("host: {root: /srv, mariadb: {host: h}}"),
       "36: spec.host.mariadb.user: is missing: write the database user to connect as"},
      {driver("host: {root: /srv, mariadb: {host: h, user: u, password: hunter2}}"),
       "65: spec.host.mariadb.password: is a single value: write a mapping (name: value)"},
  });
}

TEST(ManifestTest, FindsEveryProblemOfOneDocument) {
  EXPECT_EQ(
      wrong_with(environment("code: {branch: -x}, url: x, deploy: {update: 1}")),
      (Texts{"f.yaml:4:23: spec.code.branch: \"-x\" is no name git allows: it begins with '-'",
             "f.yaml:4:33: spec.url: \"x\" is not an address: write it with https:// or "
             "http://",
             "f.yaml:4:53: spec.deploy.update: \"1\" is not a boolean: write true or "
             "false"}));
}

TEST(ManifestTest, SaysNothingMoreAboutARefusedAlias) {
  EXPECT_EQ(wrong_with(environment("deploy: {update: *x}")),
            Texts{"f.yaml:4:25: is not YAML: the referenced anchor is not defined"});
  EXPECT_EQ(wrong_with(environment("url: &x \"https://a\", previewUrl: *x")),
            (Texts{"f.yaml:4:13: an anchor (&x) is not allowed: remove it",
                   "f.yaml:4:41: an alias (*name) is not allowed: write the value out"}));
}

}  // namespace
}  // namespace tidegate
