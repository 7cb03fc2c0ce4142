// Which commits a site rests on, and who vouches for them.
#include <gtest/gtest.h>

#include "schemas/fleet.h"
#include "schemas/test_document.h"

namespace tidegate {
namespace {

using Commits = std::vector<CommitId>;

CommitId commit(char digit) { return {std::string(40, digit)}; }

std::string platform(const std::string& timeout = "5m") {
  return document("Driver", "name: hosts", "host: {root: /srv/sites}") +
         document("SiteClass", "name: plain",
                  "driver: hosts, environments: {deploy: {timeout: " + timeout + "}}");
}
std::string policy(const std::string& rule = "manifests: true") {
  return document("Policy", "name: gold",
                  "rules: [{name: signed, signedCommits: {" + rule +
                      ", allowedSigners: {secret: allowed-signers}}}]");
}
std::string site(const std::string& name) {
  return document("Site", "name: " + name,
                  "class: plain, repository: {url: /srv/git/x}, stages: [test, live]");
}
std::string environment(const std::string& name, const std::string& branch = "main") {
  return document("Environment", "name: " + name + ", site: acme",
                  "code: {branch: " + branch + "}");
}

/// Everything in a file of its own, brought by commit 1.
Fleet start(const std::string& rules = policy()) {
  return Fleet().with({{"platform.yaml", platform(), {commit('1')}},
                       {"policy.yaml", rules, {commit('1')}},
                       {"acme.yaml", site("acme") + environment("live"), {commit('1')}},
                       {"test.yaml", environment("test"), {commit('1')}},
                       {"beta.yaml", site("beta"), {commit('1')}}},
                      "r1", "ann");
}
Commits commits_of(const Fleet& fleet, const std::string& site = "acme") {
  const auto found = fleet.find(site);
  return found ? found->manifest_commits : Commits{};
}

TEST(FleetCommitsTest, ASiteRestsOnEveryFileThatSpeaksOfIt) {
  const Fleet first = start();
  EXPECT_EQ(first.find("acme")->invalid, "");
  EXPECT_EQ(commits_of(first), Commits{commit('1')});
  const Fleet own =
      first.with({{"test.yaml", environment("test", "next"), {commit('2')}}}, "r2", "");
  EXPECT_EQ(commits_of(own), (Commits{commit('1'), commit('2')}));
  EXPECT_EQ(own.find("beta"), first.find("beta"));
  const Fleet shared = first.with({{"platform.yaml", platform("6m"), {commit('2')}}}, "r2", "");
  EXPECT_EQ(commits_of(shared), (Commits{commit('1'), commit('2')}));
  EXPECT_EQ(commits_of(shared, "beta"), (Commits{commit('1'), commit('2')}));
  const Fleet freeze = first.with(
      {{"freeze.yaml", document("Freeze", "name: peak", "reason: peak"), {commit('2')}}}, "r2", "");
  EXPECT_EQ(commits_of(freeze), (Commits{commit('1'), commit('2')}));
}

TEST(FleetCommitsTest, ASiteRestsOnWhoTookADocumentAway) {
  const Fleet gone = start().with({{"test.yaml", std::nullopt, {commit('2')}}}, "r2", "");
  EXPECT_EQ(commits_of(gone), (Commits{commit('1'), commit('2')}));
  const Fleet emptied = start().with({{"test.yaml", "# nothing\n", {commit('2')}}}, "r2", "");
  EXPECT_EQ(commits_of(emptied), (Commits{commit('1'), commit('2')}));
}

TEST(FleetCommitsTest, ANewCommitThatSaysTheSameIsNewsWhereItIsAskedFor) {
  const Fleet before = start();
  const std::vector<FileChange> again{
      {"test.yaml", "# again\n" + environment("test"), {commit('2')}}};
  const Fleet after = before.with(again, "r2", "");
  EXPECT_EQ(commits_of(after), (Commits{commit('1'), commit('2')}));
  EXPECT_EQ(Fleet::changed(before, after), std::set<std::string>{"acme"});
  EXPECT_EQ(after.find("acme")->revision, "r1") << "its value is the same";
  const Fleet plain = start(policy("code: true"));
  EXPECT_EQ(commits_of(plain), Commits{});
  EXPECT_EQ(plain.with(again, "r2", "").find("acme"), plain.find("acme"));
}

TEST(FleetCommitsTest, WhatNoCommitBroughtIsTold) {
  const Fleet fleet = Fleet().with(
      {{"all.yaml", platform() + policy() + site("acme") + environment("live")}}, "", "");
  EXPECT_EQ(commits_of(fleet), Commits{CommitId{}});
  const auto signed_by_all = [](const CommitId&, const SecretRef&) {
    return SignatureFact{true, "ann", ""};
  };
  EXPECT_EQ(
      fleet.with_signatures(signed_by_all).find("acme")->manifest_signature,
      (std::map<std::string, SignatureFact>{
          {"allowed-signers", {false, "", "manifests: no commit is known to have brought them"}}}));
}

TEST(FleetCommitsTest, OneUnsignedCommitAmongThemIsEnough) {
  const Fleet fleet = start().with(
      {{"test.yaml", environment("test", "next"), {commit('3'), commit('2')}}}, "r3", "");
  const auto only = [](const std::string& unsigned_digits) {
    return [unsigned_digits](const CommitId& id,
                             const SecretRef& list) -> std::optional<SignatureFact> {
      EXPECT_EQ(list.name, "allowed-signers");
      if (id == commit('1')) return SignatureFact{true, "ann", ""};
      if (unsigned_digits.find(id.hex[0]) == std::string::npos)
        return SignatureFact{true, "bob", ""};
      return SignatureFact{false, "", "commit " + id.brief() + " is not signed"};
    };
  };
  const auto fact = [&](const SignatureQuestion& ask) {
    return fleet.with_signatures(ask).find("acme")->manifest_signature.at("allowed-signers");
  };
  EXPECT_EQ(fact(only("")), (SignatureFact{true, "ann, bob", ""}));
  EXPECT_EQ(fact(only("2")), (SignatureFact{false, "", "manifests: commit 2222222 is not signed"}));
  EXPECT_EQ(fact([](const CommitId&, const SecretRef&) { return std::nullopt; }),
            (SignatureFact{false, "", "manifests: commit 1111111 is in no source"}));
  EXPECT_EQ(fleet.with_signatures(only("2")).find("beta")->manifest_signature.at("allowed-signers"),
            (SignatureFact{true, "ann", ""}));
}

}  // namespace
}  // namespace tidegate
