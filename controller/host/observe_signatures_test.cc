// Who vouches for code, from a real mirror of a real repository.

#include <gtest/gtest.h>

#include "controller/host/layout.h"
#include "controller/host/observe.h"
#include "controller/host/test_host.h"
#include "controller/signatures/test_signers.h"
#include "schemas/policy.h"

namespace tidegate::test {
namespace {

class ObserveSignaturesTest : public testing::Test {
 protected:
  ObserveSignaturesTest()
      : code(directory / "code"),
        repositories(Secrets(directory / "secrets"), Repositories::Mode::refresh, 1h, clock,
                     nullptr) {
    site.name = "acme";
    site.repository.url = code.path();
    site.stages = {"test", "live"};
    auto driver = std::make_shared<HostDriverSpec>();
    driver->root = directory / "sites";
    std::filesystem::create_directories(driver->root + "/.tidegate");  // As in a claimed root.
    for (const auto& stage : site.stages) {
      site.environments[stage].name = stage;
      site.environments[stage].driver = driver;
    }
    site.environments["test"].code = BranchName{"main"};
    site.environments["live"].code = ProvenIn{"test"};
    rule("", true);
    write_file(directory / "secrets/allowed-signers", "bot@example.org " + signers.ssh("ada").line);
  }
  void rule(const std::string& environment, bool code) {
    auto policy = std::make_shared<Policy>();
    if (!environment.empty()) policy->select.environments = {environment};
    policy->rules = {
        {"signed", SignedRule{true, code, {"allowed-signers", SecretRef::Scope::platform}}}};
    auto governance = std::make_shared<Governance>();
    governance->policies = {policy};
    site.governance = governance;
  }
  /// What is told of each commit; the environments are as `out` says.
  std::map<CommitId, std::string> ask(ObservedSite out) { return ask(services, std::move(out)); }
  std::map<CommitId, std::string> ask(const HostServices& whom, ObservedSite out) {
    whom.repositories.look_now(site, mirrors_of(site));
    for (const auto& stage : site.stages) out.environments[stage];
    for (const auto& [name, commit] : *whom.repositories.known(site, mirrors_of(site)).refs)
      out.refs[name] = commit;
    observe_signatures(whom, site, out);
    std::map<CommitId, std::string> problems;
    for (const auto& [commit, facts] : out.signatures) {
      problems[commit] = facts.at("allowed-signers").problem;
      EXPECT_EQ(facts.at("allowed-signers").valid, problems[commit].empty());
    }
    return problems;
  }
  static Proof proof(std::uint64_t turn) {
    Proof proof;
    proof.turn = turn;
    return proof;
  }
  static std::string not_signed(const CommitId& commit) {
    return "commit " + commit.brief() + " is not signed";
  }

  TemporaryDirectory directory;
  TestSigners signers;
  WorkTree code;
  ManualClock clock;
  Repositories repositories;
  RecordedLog log;
  RememberedRoots roots;
  HostServices services{
      clock, Secrets(directory / "secrets"), repositories, log, roots, "test", "", true, {}, {}};
  Site site;
};

TEST_F(ObserveSignaturesTest, AsksForWhatEnvironmentsFollowAndRun) {
  const CommitId runs = code.commit("runs");
  const CommitId wanted = signers.commit_ssh(code, "ada");
  ObservedSite seen;
  seen.environments["test"].commit = runs;
  EXPECT_EQ(ask(seen), (std::map<CommitId, std::string>{{runs, not_signed(runs)}, {wanted, ""}}));
}

TEST_F(ObserveSignaturesTest, AsksNothingWhereNoRuleDoes) {
  code.commit("plain");
  rule("", false);
  EXPECT_TRUE(ask({}).empty());
  rule("live", true);
  EXPECT_TRUE(ask({}).empty()) << "nothing is proven for live yet";
  site.governance = nullptr;
  EXPECT_TRUE(ask({}).empty());
}

TEST_F(ObserveSignaturesTest, AsksForWhatWasProvenBelowSinceTheCommitThatRuns) {
  const CommitId old = code.commit("old");
  const CommitId runs = signers.commit_ssh(code, "ada");
  const CommitId soaking = code.commit("soaking");
  const CommitId newest = signers.commit_ssh(code, "ada");
  rule("live", true);
  ObservedSite seen;
  seen.environments["test"].proven = {
      {old, proof(1)}, {runs, proof(2)}, {soaking, proof(3)}, {newest, proof(4)}};
  seen.environments["test"].last_proven = newest;
  seen.environments["live"].commit = runs;
  EXPECT_EQ(ask(seen), (std::map<CommitId, std::string>{
                           {runs, ""}, {soaking, not_signed(soaking)}, {newest, ""}}));
}

TEST_F(ObserveSignaturesTest, TheTagThatPinsACommitVouchesForIt) {
  const CommitId commit = code.commit("plain");
  signers.tag_ssh(code, "ada", "v1");
  EXPECT_EQ(ask({}), (std::map<CommitId, std::string>{{commit, ""}}));
}

TEST_F(ObserveSignaturesTest, APlanReadsWhatWasNeverFetchedAndKeepsNothing) {
  Repositories looked_up(Secrets(directory / "secrets"), Repositories::Mode::look_up, 1h, clock,
                         nullptr);
  const HostServices plan{
      clock, Secrets(directory / "secrets"), looked_up, log, roots, "test", "", true, {}, {}};
  const CommitId first = signers.commit_ssh(code, "ada");
  EXPECT_EQ(ask(plan, {}), (std::map<CommitId, std::string>{{first, ""}}));
  EXPECT_FALSE(looked_up.open(site, mirrors_of(site)));
  const CommitId second = code.commit("plain");
  EXPECT_EQ(ask({}), (std::map<CommitId, std::string>{{second, not_signed(second)}}));
  signers.tag_ssh(code, "ada", "v1");
  Repositories later(Secrets(directory / "secrets"), Repositories::Mode::look_up, 1h, clock,
                     nullptr);
  const HostServices next{
      clock, Secrets(directory / "secrets"), later, log, roots, "test", "", true, {}, {}};
  EXPECT_EQ(ask(next, {}), (std::map<CommitId, std::string>{{second, ""}}))
      << "the commit is in the mirror, its tag is not";
}

TEST_F(ObserveSignaturesTest, SaysWhenItCannotTell) {
  const CommitId none{std::string(40, '1')};
  code.commit("plain");
  site.environments["test"].code = none;
  EXPECT_EQ(ask({}), (std::map<CommitId, std::string>{
                         {none, "commit \"" + none.hex + "\" is not in the repository"}}));
  std::filesystem::remove(directory / "secrets/allowed-signers");
  EXPECT_EQ(ask({}),
            (std::map<CommitId, std::string>{{none, "secret \"allowed-signers\": cannot read \"" +
                                                        directory / "secrets/allowed-signers" +
                                                        "\": No such file or directory"}}));
}

}  // namespace
}  // namespace tidegate::test
