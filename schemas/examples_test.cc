// The examples and the field reference say what the program accepts; and nothing made from them by
// chance makes it fall over.

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "schemas/fleet.h"
#include "schemas/policy.h"

namespace tidegate {
namespace {

const std::filesystem::path manifests = std::filesystem::path(TIDEGATE_SOURCE_DIR) / "manifests";

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<FileChange> examples() {
  std::vector<FileChange> files;
  for (const auto& entry : std::filesystem::directory_iterator(manifests / "examples")) {
    files.push_back({entry.path().filename().string(), read(entry.path())});
  }
  EXPECT_GE(files.size(), 7u);
  return files;
}

Fleet fleet_of(const std::vector<FileChange>& files) {
  return Fleet{}.with(files, "0123456789012345678901234567890123456789", "Ann <ann@example.org>");
}

std::string told(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += to_string(problem) + "\n";
  return text;
}

TEST(ExamplesTest, EachIsValidWithoutAWarning) {
  for (const FileChange& file : examples()) {
    const Fleet fleet = fleet_of({file});
    EXPECT_EQ(told(fleet.problems()), "") << file.path;
    EXPECT_FALSE(fleet.sites().empty()) << file.path;
  }
}

TEST(ExamplesTest, AllTogetherAreOneValidTree) {
  const Fleet fleet = fleet_of(examples());
  EXPECT_EQ(told(fleet.problems()), "");
  EXPECT_EQ(fleet.sites().size(), fleet.named_sites().size());
}

TEST(ExamplesTest, TheirWindowsTwinsReadTheSame) {
  for (FileChange file : examples()) {
    const Fleet plain = fleet_of({file});
    std::string twin = "\xEF\xBB\xBF";
    for (const char c : *file.text) twin += c == '\n' ? std::string("\r\n") : std::string(1, c);
    file.text = twin;
    const Fleet windows = fleet_of({file});
    EXPECT_EQ(told(windows.problems()), "") << file.path;
    ASSERT_EQ(windows.sites().size(), plain.sites().size()) << file.path;
    for (const auto& [name, site] : plain.sites()) {
      EXPECT_EQ(effective_yaml(*windows.find(name)), effective_yaml(*site)) << file.path;
    }
  }
}

TEST(ExamplesTest, EveryFieldMeansWhatItSays) {
  const auto site =
      fleet_of({{"every-field.yaml", read(manifests / "examples/every-field.yaml")}}).find("shop");
  ASSERT_TRUE(site);
  EXPECT_EQ(site->labels, (std::map<std::string, std::string>{{"team", "web"}, {"tier", "gold"}}));
  EXPECT_EQ(site->repository.credentials, (SecretRef{"git-token", SecretRef::Scope::site}));
  const auto& secrets = site->application.build_secrets;
  EXPECT_EQ(secrets.at("COMPOSER_AUTH"), (SecretRef{"composer-auth", SecretRef::Scope::platform}));
  EXPECT_EQ(secrets.at("NPM_TOKEN"), (SecretRef{"npm", SecretRef::Scope::site}));
  EXPECT_EQ(site->application.commands.build.size(), 3u);

  const Environment& test = *site->find("test");
  EXPECT_EQ(test.driver->root, "/srv/shop");
  EXPECT_EQ(test.driver->keep_releases, 5);
  EXPECT_EQ(test.code, CodeTarget(CommitId{"9fceb02d0ae598e95dc970b74767f19372d61af8"}));
  EXPECT_EQ(test.content.source, ContentSource::from("live"));
  EXPECT_EQ(test.content.generation, 7u);
  EXPECT_EQ(test.content.refresh->if_older_than, std::chrono::hours(24));
  EXPECT_EQ(test.content.refresh->time_zone, "Europe/Berlin");
  EXPECT_EQ(test.deploy.timeout, std::chrono::minutes(30));
  EXPECT_EQ(test.verify.http.at(1).status, 302);
  EXPECT_EQ(test.verify.retry_for, std::chrono::seconds(10));
  EXPECT_EQ(test.variables.at("APP_DEBUG"), "1");
  EXPECT_EQ(test.secrets.at("LICENCE_KEY"), (SecretRef{"licence", SecretRef::Scope::platform}));
  EXPECT_EQ(test.secrets.at("SMTP_PASSWORD"), (SecretRef{"smtp", SecretRef::Scope::site}));
  EXPECT_EQ(to_rfc3339(*test.suspend->until), "2026-12-01T00:00:00Z");

  const Environment& live = *site->find("live");
  EXPECT_EQ(live.deploy.timeout, std::chrono::minutes(45));
  EXPECT_EQ(live.variables.at("APP_DEBUG"), "0");
  EXPECT_TRUE(live.deploy.maintenance_always);
  EXPECT_FALSE(live.rollback);
  EXPECT_EQ(live.verify.http, (std::vector<HttpCheck>{{"/", std::nullopt, ""}}));

  const HostDriverSpec& remote = *site->find("dev")->driver;
  EXPECT_FALSE(remote.sandbox);
  EXPECT_EQ(remote.mariadb->host, "db.example.org");
  EXPECT_EQ(remote.mariadb->port, 3307);
}

TEST(ExamplesTest, EveryRuleMeansWhatItSays) {
  const auto site =
      fleet_of({{"every-field.yaml", read(manifests / "examples/every-field.yaml")}}).find("shop");
  ASSERT_TRUE(site && site->governance->policies.size() == 1);
  using std::chrono::hours;
  const Policy& policy = *site->governance->policies[0];
  EXPECT_EQ(
      policy.select,
      (Selector{{"shop", "shop-*"}, {{"tier", "gold"}}, {"l?ve", "test"}, {"test", "live"}, true}));
  const std::vector<Rule> rules{
      {"soaked", ProvenRule{"test", hours(2), hours(7 * 24)}},
      {"office-hours", WindowsRule{{{"0 9 * * 1-4", hours(8), "Europe/Berlin"}},
                                   {{"0 12 * * *", std::chrono::minutes(45), "UTC"}}}},
      {"signed", SignedRule{true, true, {"allowed-signers", SecretRef::Scope::platform}}},
      {"from-live", ContentRule{{"keep", "live"}, true, hours(30 * 24)}},
      {"backed-up", BackupRule{hours(24)}},
      {"few-at-once", LimitsRule{5, 4, 1, 20, 2}},
      {"small-steps", BlastRadiusRule{20}},
      {"smoke-test", RequireRule{{"/spec/verify/http", {}, {}, ""}, "an HTTP check is required"}},
      {"quick",
       RequireRule{{"/spec/deploy/timeout", {}, {"30m", "45m"}, ""}, "at most 45 minutes"}},
      {"no-wipe", ForbidRule{{"wipe", "import"}, {}, "ask the platform team"}},
      {"always-updated",
       ForbidRule{{}, FieldCondition{"/spec/deploy/update", "false", {}, ""}, "updates must run"}},
      {"no-branches", ForbidRule{{"promote"},
                                 FieldCondition{"/spec/code/branch", {}, {}, "*"},
                                 "pin a commit or a tag"}}};
  ASSERT_EQ(policy.rules.size(), rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i)
    EXPECT_EQ(policy.rules[i], rules[i]) << rules[i].name;

  const Freeze& freeze = *site->governance->freezes.at(0);
  EXPECT_EQ(to_rfc3339(*freeze.from), "2026-11-27T00:00:00Z");
  EXPECT_EQ(to_rfc3339(*freeze.until), "2026-11-29T23:00:00Z");
  EXPECT_EQ(freeze.reason, "peak sales");
  EXPECT_EQ(freeze.except, (std::vector<std::string>{"backup", "restore"}));

  std::map<std::string, GrantedAction> allowed;
  for (const auto& grant : site->governance->grants) allowed[grant->name] = grant->allow;
  EXPECT_EQ(allowed, (std::map<std::string, GrantedAction>{
                         {"inc-4711", GrantedPromote{{"9fceb02d0ae598e95dc970b74767f19372d61af8"}}},
                         {"content-up", GrantedSync{"test", 8}},
                         {"empty-test", GrantedWipe{8}},
                         {"back-to-building", GrantedUnlaunch{}},
                         {"moved", GrantedAuthority{"test"}}}));
}

/// The pages of the field reference, one after the other.
std::string field_reference() {
  std::string text;
  for (const char* page :
       {"driver", "siteclass", "site", "environment", "policy", "freeze", "grant"})
    text += read(manifests / (std::string(page) + ".md"));
  return text;
}

/// The blocks of the field reference that are whole documents, and where each begins.
std::vector<FileChange> reference_blocks() {
  std::istringstream lines(field_reference());
  std::vector<FileChange> blocks;
  std::string line, block;
  bool inside = false;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!inside && line == "```yaml") {
      inside = true;
      block.clear();
    } else if (inside && line == "```") {
      inside = false;
      if (block.starts_with("apiVersion:")) {
        blocks.push_back({"block-before-line-" + std::to_string(number) + ".yaml", block});
      }
    } else if (inside) {
      block += line + "\n";
    }
  }
  return blocks;
}

TEST(ExamplesTest, TheFieldReferenceShowsValidDocuments) {
  const std::vector<FileChange> blocks = reference_blocks();
  EXPECT_GE(blocks.size(), 7u);
  // Warnings are of the environments that it does not show.
  for (const Problem& problem : fleet_of(blocks).problems())
    EXPECT_TRUE(problem.warning) << to_string(problem);
}

/// What the field reference shows `tidegate validate` answering, by file.
std::map<std::string, std::string> reference_answers() {
  std::istringstream lines(field_reference());
  const std::string command = "$ tidegate validate manifests/rejected/";
  std::map<std::string, std::string> answers;
  std::string file;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("$ ") || line.starts_with("```")) {
      file = line.starts_with(command) ? line.substr(command.size()) : "";
    } else if (!file.empty()) {
      answers[file] += line + "\n";
    }
  }
  return answers;
}

TEST(ExamplesTest, TheFieldReferenceShowsRealAnswers) {
  const auto answers = reference_answers();
  EXPECT_GE(answers.size(), 4u);
  for (const auto& [file, answer] : answers) {
    const Fleet fleet =
        fleet_of({{"manifests/rejected/" + file, read(manifests / "rejected" / file)}});
    EXPECT_EQ(told(fleet.problems()), answer);
  }
}

/// The preset's commands as the field reference writes them out, below the type's heading.
std::string preset_block(const std::string& type) {
  const std::string text = read(manifests / "application.md");
  const std::string fence = "```yaml\n";
  const std::size_t heading = text.find("\n### " + type + "\n");
  const std::size_t start = text.find(fence, heading) + fence.size();
  EXPECT_NE(heading, std::string::npos) << type;
  std::istringstream lines(text.substr(start, text.find("```", start) - start));
  std::string block;
  for (std::string line; std::getline(lines, line);) block += "    " + line + "\n";
  return block;
}

TEST(ExamplesTest, TheFieldReferenceWritesThePresetsOut) {
  const std::string head = "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: ";
  const std::string spec =
      "}\nspec:\n  driver: here\n  repository: {url: /a}\n  stages: [live]\n  application:\n";
  const std::string live =
      "---\napiVersion: tidegate/v1\nkind: Environment\nspec: {code: {branch: main}}\n"
      "metadata: {name: live, site: ";
  for (const std::string type : {"wordpress", "drupal", "magento"}) {
    const Fleet fleet = fleet_of(
        {{"a.yaml", head + "preset" + spec + "    type: " + type + "\n" + live + "preset}\n"},
         {"b.yaml", head + "written" + spec + preset_block(type) + live + "written}\n"}});
    const auto preset = fleet.find("preset"), written = fleet.find("written");
    ASSERT_TRUE(preset && written) << type << "\n" << told(fleet.problems());
    EXPECT_EQ(written->application.commands, preset->application.commands) << type;
    EXPECT_NE(preset->application.commands, Commands{}) << type;
  }
}

/// One change by chance: a byte, a line dropped, doubled or moved, a piece of another example.
std::string mutated(std::string text, const std::vector<FileChange>& pool,
                    std::mt19937_64& random) {
  static const std::string_view pieces[] = {"{",           "}",
                                            "[",           "]",
                                            ",",           ":",
                                            "- ",          "&a ",
                                            "*a",          "!!str ",
                                            "---\n",       "...\n",
                                            "\"",          "'",
                                            "#",           "|\n",
                                            ">-\n",        "? ",
                                            "\t",          "\r\n",
                                            "~",           "<<: ",
                                            "\xff",        "\xEF\xBB\xBF",
                                            "%YAML 1.1\n", "99999999999999999999",
                                            "-1",          "yes",
                                            "0x1F",        "..",
                                            "\\0"};
  for (auto rounds = 1 + random() % 4; rounds > 0; --rounds) {
    const std::size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 6) {
      case 0:
        if (!text.empty()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.insert(at, pieces[random() % std::size(pieces)]);
        break;
      case 2:
        text.erase(at, 1 + random() % 40);
        break;
      case 3:
        text.insert(at, text.substr(text.empty() ? 0 : random() % text.size(), random() % 60));
        break;
      case 4:
        text.resize(at);
        break;
      default: {
        const std::string& other = *pool[random() % pool.size()].text;
        text.insert(at, other.substr(random() % other.size(), random() % 200));
      }
    }
  }
  return text;
}

TEST(ExamplesTest, NothingMadeFromThemByChanceMakesItFallOver) {
  const std::vector<FileChange> pool = examples();
  const Fleet before = fleet_of(pool);
  std::mt19937_64 random(20261121);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const FileChange& original = pool[random() % pool.size()];
    const Fleet after =
        before.with({{original.path, mutated(*original.text, pool, random)}}, "next", "Bob");
    for (const Problem& problem : after.problems()) {
      refused += !problem.warning;
      ASSERT_GE(problem.line, 1) << round;
      ASSERT_GE(problem.column, 1) << round;
      ASSERT_EQ(to_string(problem).find_first_of("\n\r"), std::string::npos) << round;
      ASSERT_FALSE(problem.text.empty()) << round;
    }
  }
  EXPECT_GT(refused, 10'000);
}

TEST(ExamplesTest, TenThousandFilesAreReadInSeconds) {
  std::vector<FileChange> files{{"driver.yaml",
                                 "apiVersion: tidegate/v1\nkind: Driver\n"
                                 "metadata: {name: here}\nspec: {host: {root: /srv/sites}}\n"}};
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "site-" + std::to_string(i);
    const std::string head = "---\napiVersion: tidegate/v1\nkind: ";
    const std::string of = ", site: " + name + "}\nspec: {code: ";
    files.push_back({"sites/" + name + ".yaml",
                     head + "Site\nmetadata: {name: " + name +
                         "}\nspec:\n  driver: here\n  repository: {url: /srv/git/" + name +
                         ".git}\n  stages: [dev, live]\n" + head +
                         "Environment\nmetadata: {name: dev" + of +
                         "{branch: main}, content: {source: live}}\n" + head +
                         "Environment\nmetadata: {name: live" + of + "{from: dev}}\n"});
  }
  const auto start = std::chrono::steady_clock::now();
  const Fleet fleet = fleet_of(files);
  const auto read = std::chrono::steady_clock::now();
  files[5'000].text->append("# touched\n");
  const auto next = std::chrono::steady_clock::now();
  const Fleet touched = fleet.with({files[5'000]}, "next", "Bob");
  const auto end = std::chrono::steady_clock::now();
  EXPECT_EQ(told(fleet.problems()), "");
  EXPECT_EQ(fleet.sites().size(), 10'000u);
  EXPECT_EQ(touched.find("site-4999"), fleet.find("site-4999"));
  using Milliseconds = std::chrono::duration<double, std::milli>;
  std::cout << "10 000 files in " << Milliseconds(read - start).count()
            << " ms, one of them changed in " << Milliseconds(end - next).count() << " ms\n";
}

}  // namespace
}  // namespace tidegate
