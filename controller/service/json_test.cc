// The JSON that scripts rely on, key by key: what is absent is null and never a missing key.

#include "controller/service/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "schemas/fleet.h"

namespace tidegate {
namespace {

using Json = nlohmann::json;

const Timestamp noon = *parse_rfc3339("2026-11-20T03:00:00Z");
const CommitId one{std::string(40, '1')};

SiteStatus status() {
  EnvironmentStatus test;
  test.name = "test";
  test.stage = 1;
  test.desired_commit = one;
  test.desired_content = {ContentSource::from("live"), 7, true, true, {}};
  test.observed.exists = true;
  test.observed.release = "12";
  test.observed.commit = one;
  test.observed.content[Part::databases].stamp = {ContentSource::from("live"), 7, "3", noon};
  test.observed.content[Part::files].stamp = {ContentSource::adopted(), 6, "", {}};
  test.conditions = {{"Ready", "True", "Converged", "", noon}};
  SiteStatus site;
  site.name = "acme";
  site.revision = std::string(40, 'a');
  site.environments = {test};
  site.next_look = noon + Duration(300'000);
  site.because = "resync";
  return site;
}

TEST(JsonTest, AStatusHasExactlyTheKeysOfTheContract) {
  const Json expected = Json::parse(R"({
    "name": "acme", "revision": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "launched": true, "conditions": [],
    "environments": [{
      "name": "test", "stage": 1,
      "desired": {"commit": "1111111111111111111111111111111111111111",
                  "content": {"source": "live", "generation": 7, "include": ["databases", "files"]}},
      "observed": {"commit": "1111111111111111111111111111111111111111", "release": "12", "healthy": true, "drifted": false,
                   "content": {"databases": {"source": "live", "generation": 7, "takenAt": "2026-11-20T03:00:00Z", "sanitizer": null},
                               "files": {"source": "adopted", "generation": 6, "takenAt": null, "sanitizer": null}}},
      "conditions": [{"type": "Ready", "status": "True", "reason": "Converged", "message": "", "lastTransitionTime": "2026-11-20T03:00:00Z"}],
      "operation": null, "holds": [], "warnings": [], "triedAgainAt": null,
      "nextLook": {"at": "2026-11-20T03:05:00Z", "because": "resync"}}]})");
  EXPECT_EQ(Json::parse(site_json(status())), expected);
}

TEST(JsonTest, WhatIsAbsentIsNull) {
  SiteStatus site = status();
  site.revision = "";
  EnvironmentStatus& test = site.environments[0];
  test.desired_commit.reset();
  test.desired_content = {};
  test.desired_content.databases = false;
  test.observed = {};
  const Json json = Json::parse(site_json(site));
  EXPECT_TRUE(json.at("revision").is_null());
  const Json& e = json.at("environments").at(0);
  EXPECT_TRUE(e.at("desired").at("commit").is_null());
  EXPECT_EQ(e.at("desired").at("content"),
            Json::parse(R"({"source": "keep", "generation": 0, "include": ["files"]})"));
  EXPECT_EQ(e.at("observed"),
            Json::parse(R"({"commit": null, "release": null, "healthy": false, "drifted": false,
                                              "content": {"databases": null, "files": null}})"));
}

TEST(JsonTest, AnOperationAndAHoldAreTold) {
  SiteStatus site = status();
  EnvironmentStatus& test = site.environments[0];
  test.observed.operation = Operation{"op-1", {"promote", "sync"},   "update", noon,
                                      40,     "controller, pid 812", false,    false};
  test.holds = {{"test", "WindowClosed", "opens on Monday", noon},
                {"test", "NotProven", "dev has not proven it", {}}};
  Json e = Json::parse(site_json(site)).at("environments").at(0);
  EXPECT_EQ(e.at("operation"),
            Json::parse(R"({"id": "op-1", "actions": ["promote", "sync"], "phase": "update",
      "startedAt": "2026-11-20T03:00:00Z", "percent": 40, "owner": "controller, pid 812"})"));
  EXPECT_EQ(
      e.at("holds"),
      Json::parse(
          R"([{"reason": "WindowClosed", "message": "opens on Monday", "opensAt": "2026-11-20T03:00:00Z"},
      {"reason": "NotProven", "message": "dev has not proven it", "opensAt": null}])"));
  test.observed.operation->percent.reset();
  EXPECT_TRUE(Json::parse(site_json(site))
                  .at("environments")
                  .at(0)
                  .at("operation")
                  .at("percent")
                  .is_null());
  test.observed.operation->as_source = true;
  EXPECT_TRUE(Json::parse(site_json(site)).at("environments").at(0).at("operation").is_null())
      << "being read is no operation of its own";
}

TEST(JsonTest, AWholeStatusLeavesOutWhatCannotBeRead) {
  const Json json = Json::parse(status_json("", {site_json(status()), "{damaged"}));
  EXPECT_TRUE(json.at("revision").is_null());
  ASSERT_EQ(json.at("sites").size(), 1u);
  EXPECT_EQ(json.at("sites").at(0), Json::parse(site_json(status())));
  EXPECT_EQ(Json::parse(status_json("abc", {})),
            Json::parse(R"({"revision": "abc", "sites": []})"));
}

TEST(JsonTest, ConditionsComeBackFromATold) {
  SiteStatus site = status();
  site.conditions = {{"Invalid", "True", "Broken", "fleet.yaml:3:1", noon}};
  site.environments[0].observed.operation =
      Operation{"op-1", {"promote"}, "update", noon, {}, "controller, pid 812", false, false};
  const auto back = conditions_from_json(site_json(site));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, "acme");
  EXPECT_EQ(back->conditions, site.conditions);
  ASSERT_EQ(back->environments.size(), 1u);
  EXPECT_EQ(back->environments[0].conditions, site.environments[0].conditions);
  EXPECT_EQ(back->environments[0].observed.operation.value_or(Operation{}).id, "op-1");
  EXPECT_FALSE(conditions_from_json("{}"));
  EXPECT_FALSE(conditions_from_json("not json"));
  EXPECT_FALSE(conditions_from_json(
      R"({"name": "acme", "conditions": [], "environments": [{"name": "test", "conditions": []}]})"));
}

TEST(JsonTest, SaysWhetherARetryIsOfAnyUse) {
  SiteStatus site = status();
  EnvironmentStatus& test = site.environments[0];
  EXPECT_EQ(failed_in(site_json(site), "test"), false);
  EXPECT_EQ(failed_in(site_json(site), "live"), std::nullopt);
  test.holds = {{"test", "NotProven", "nobody proved it", {}}};
  EXPECT_EQ(failed_in(site_json(site), "test"), false);
  test.holds.push_back({"test", "Quarantined", "update: exit code 1", {}});
  EXPECT_EQ(failed_in(site_json(site), "test"), true);
  test.holds.clear();
  test.tried_again_at = noon;
  EXPECT_EQ(failed_in(site_json(site), "test"), true);
  EXPECT_EQ(failed_in("{", "test"), std::nullopt);
}

TEST(JsonTest, BytesThatAreNoTextAreReplaced) {
  SiteStatus site = status();
  site.environments[0].conditions[0].message = "half \xC3";
  EXPECT_EQ(
      Json::parse(site_json(site)).at("environments").at(0).at("conditions").at(0).at("message"),
      "half \xEF\xBF\xBD");
}

// ---- plans ----

class PlanJsonTest : public testing::Test {
 protected:
  PlanJsonTest() {
    site.name = "acme";
    site.digest = "site";
    site.environments["test"].digest = "environment";
    observed.environments["test"].exists = true;
    observed.environments["test"].commit = one;
    Step step;
    step.environment = "test";
    step.commit = one;
    step.because = "is new";
    step.actions = {Promote{one}, Sync{Part::databases, "live", 7, {}},
                    Sync{Part::files, "live", 7, {}}};
    plan.ready = {step};
    plan.waiting = {{"live", {}, "waits for test", {}}};
    plan.held = {{"dev", "NotProven", "nobody proved it", {}}, {"", "Invalid", "broken", noon}};
    plan.warnings = {"test: mind this"};
  }
  std::vector<PlannedSite> sites() const { return {{&site, &observed, &plan, ""}}; }
  std::string id() const { return plan_id(sites()); }
  Site site;
  ObservedSite observed;
  Plan plan;
};

TEST_F(PlanJsonTest, HasExactlyTheKeysOfTheContract) {
  const Json json = Json::parse(plan_json(sites()));
  EXPECT_EQ(json.at("id"), id());
  EXPECT_TRUE(id().starts_with("sha256:"));
  EXPECT_EQ(id().size(), 7u + 64u);
  EXPECT_EQ(json.at("converged"), false);
  EXPECT_EQ(
      json.at("ready"),
      Json::parse(R"([{"site": "acme", "environment": "test", "because": "is new", "release": null, "actions": [
      {"verb": "promote", "commit": "1111111111111111111111111111111111111111"},
      {"verb": "sync", "from": "live", "generation": 7, "parts": ["databases", "files"]}]}])"));
  EXPECT_EQ(
      json.at("waiting"),
      Json::parse(
          R"([{"site": "acme", "environment": "live", "actions": [], "because": "waits for test", "until": null}])"));
  EXPECT_EQ(json.at("held"), Json::parse(R"([
      {"site": "acme", "environment": "dev", "reason": "NotProven", "message": "nobody proved it", "opensAt": null},
      {"site": "acme", "environment": null, "reason": "Invalid", "message": "broken", "opensAt": "2026-11-20T03:00:00Z"}])"));
  EXPECT_EQ(json.at("warnings"),
            Json::parse(R"([{"site": "acme", "message": "test: mind this"}])"));
  EXPECT_EQ(json.at("problems"), Json::array());
}

TEST_F(PlanJsonTest, SpellsEveryAction) {
  plan.ready[0].actions = {Wipe{Part::databases, 3},
                           Wipe{Part::files, 4},
                           Activate{Part::files, "2", {ContentSource::from("live"), 6, "", {}}},
                           Sync{Part::files, "live", 7, noon},
                           Declare{Part::databases, "search"},
                           Launch{},
                           Recover{"op-1"}};
  EXPECT_EQ(Json::parse(plan_json(sites())).at("ready").at(0).at("actions"), Json::parse(R"([
      {"verb": "wipe", "generation": 3, "parts": ["databases"]}, {"verb": "wipe", "generation": 4, "parts": ["files"]},
      {"verb": "activate", "from": "live", "generation": 6, "parts": ["files"]},
      {"verb": "sync", "from": "live", "generation": 7, "refresh": true, "parts": ["files"]},
      {"verb": "create", "name": "search", "parts": ["databases"]}, {"verb": "launch"}, {"verb": "recover", "operation": "op-1"}])"));
}

TEST_F(PlanJsonTest, HasWhatEachPolicySaid) {
  plan.verdicts["live"] = {{"gold", "soaked", {}, "proven"},
                           {"peak", "", Hold{"live", "Frozen", "peak: sale", noon}, "sale"}};
  EXPECT_EQ(Json::parse(plan_json(sites())).at("policies"), Json::parse(R"([
      {"site": "acme", "environment": "live", "policy": "gold", "rule": "soaked", "holds": false,
       "said": "proven", "opensAt": null},
      {"site": "acme", "environment": "live", "policy": "peak", "rule": null, "holds": true,
       "said": "sale", "opensAt": "2026-11-20T03:00:00Z"}])"));
}

TEST_F(PlanJsonTest, ConvergedMeansThatNothingIsLeftOrUnknown) {
  plan = {};
  EXPECT_EQ(Json::parse(plan_json(sites())).at("converged"), true);
  const std::vector<PlannedSite> broken{{&site, &observed, &plan, "observe: no"}};
  EXPECT_EQ(Json::parse(plan_json(broken)).at("converged"), false);
  EXPECT_EQ(Json::parse(plan_json(broken)).at("problems"),
            Json::parse(R"([{"site": "acme", "message": "observe: no"}])"));
}

TEST_F(PlanJsonTest, ManifestsThatBelongToNoSiteKeepItFromHavingConverged) {
  const std::string text = plan_json({}, {"a.yaml:1:1: no YAML"});
  EXPECT_NE(text.find("\"converged\": false"), std::string::npos) << text;
  EXPECT_NE(text.find("\"site\": null,\n   \"message\": \"a.yaml:1:1: no YAML\""),
            std::string::npos)
      << text;
}

TEST_F(PlanJsonTest, ItsIdStaysUnderWhatDoesNotMatter) {
  const std::string before = id();
  site.revision = "another commit of the manifests";
  site.author = "somebody else";
  plan.ready[0].because = "told in other words";
  plan.warnings.clear();
  plan.waiting[0].because = "told in other words";
  plan.waiting[0].until = noon;
  plan.held[0].message = "told in other words";
  plan.look_again_at = noon;
  observed.refs["refs/heads/unrelated"] = one;
  observed.repository_problem = "git is slow";
  observed.environments["test"].proven[one];
  EXPECT_EQ(id(), before);
}

TEST_F(PlanJsonTest, ItsIdChangesWithWhateverItRestsOn) {
  std::set<std::string> seen{id()};
  auto changed = [&](const char* what) { EXPECT_TRUE(seen.insert(id()).second) << what; };
  site.digest = "changed";
  changed("the site");
  site.environments["test"].digest = "changed";
  changed("an environment");
  observed.environments["test"].commit = CommitId{std::string(40, '2')};
  changed("what runs");
  observed.environments["test"].wanted_inputs = "changed";
  changed("a secret");
  observed.environments["test"].launched = true;
  changed("the launch");
  observed.environments["test"].content[Part::files].stamp.generation = 8;
  changed("content");
  std::get<Sync>(plan.ready[0].actions[1]).generation = 8;
  changed("an action");
  plan.held.pop_back();
  changed("a hold");
  plan.waiting.clear();
  changed("what waits");
  const std::vector<PlannedSite> twice{sites()[0], sites()[0]};
  EXPECT_TRUE(seen.insert(plan_id(twice)).second) << "which sites it covers";
}

TEST(JsonTest, AHistoryHasExactlyTheKeysOfTheContract) {
  OperationRecord done{"op-1",
                       "acme",
                       "test",
                       {"promote"},
                       std::string(40, 'a'),
                       "Ada <ada@example.org>",
                       noon,
                       noon + Duration(1000),
                       "succeeded",
                       "",
                       "",
                       {}};
  OperationRecord running = done;
  running.id = "op-2";
  running.manifest_revision = running.author = running.result = "";
  running.ended_at.reset();
  EXPECT_EQ(Json::parse(history_json({running, done})), Json::parse(R"({"operations": [
      {"id": "op-2", "site": "acme", "environment": "test", "actions": ["promote"], "manifestRevision": null, "author": null,
       "startedAt": "2026-11-20T03:00:00Z", "endedAt": null, "result": null, "message": ""},
      {"id": "op-1", "site": "acme", "environment": "test", "actions": ["promote"],
       "manifestRevision": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "author": "Ada <ada@example.org>",
       "startedAt": "2026-11-20T03:00:00Z", "endedAt": "2026-11-20T03:00:01Z", "result": "succeeded", "message": ""}]})"));
  EXPECT_EQ(
      Json::parse(events_json({{1, noon, "acme", "", "LetGo", "gone"}})),
      Json::parse(
          R"({"events": [{"at": "2026-11-20T03:00:00Z", "site": "acme", "environment": null, "type": "LetGo", "message": "gone"}]})"));
}

}  // namespace
}  // namespace tidegate
