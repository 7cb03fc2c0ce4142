// Manifests signed with real keys, from a real repository to the fleet.

#include <gtest/gtest.h>

#include "controller/service/sources.h"
#include "controller/signatures/test_signers.h"
#include "schemas/test_document.h"

namespace tidegate {
namespace {

class SourcesSignaturesTest : public testing::Test {
 protected:
  SourcesSignaturesTest()
      : tree(directory / "fleet"),
        source(settings(), Secrets(directory / "secrets"), directory / "mirrors") {
    allow("ada");
    tree.write("platform.yaml",
               document("Driver", "name: hosts", "host: {root: /srv/sites}") +
                   document("Policy", "name: gold",
                            "rules: [{name: signed, signedCommits: {manifests: true, "
                            "allowedSigners: {secret: allowed-signers}}}]"));
    write("acme", "main");
    write("beta", "main");
  }
  SourceSettings settings() const {
    SourceSettings settings;
    settings.name = "fleet";
    settings.url = tree.path();
    return settings;
  }
  void allow(const std::string& key) {
    write_file(directory / "secrets/allowed-signers", "*@example.org " + signers.ssh(key).line);
  }
  void write(const std::string& site, const std::string& branch) {
    tree.write(
        site + ".yaml",
        document("Site", "name: " + site,
                 "driver: hosts, repository: {url: /srv/git/x}, stages: [live]") +
            document("Environment", "name: live, site: " + site, "code: {branch: " + branch + "}"));
  }
  void read() {
    auto changes = source.changed_since(revision);
    ASSERT_TRUE(changes && *changes) << (changes ? "nothing" : changes.error().message);
    revision = (*changes)->revision;
    fleet = fleet.with((*changes)->changes, revision, (*changes)->author);
    EXPECT_EQ(fleet.problems(), std::vector<Problem>{});
    ask = (*changes)->signature;
  }
  /// "" when the site is vouched for.
  std::string problem(const std::string& site) {
    const auto fact = fleet.with_signatures(ask).find(site)->manifest_signature;
    return fact.at("allowed-signers").problem;
  }
  static std::string not_signed(const CommitId& commit) {
    return "manifests: commit " + commit.brief() + " is not signed";
  }

  TemporaryDirectory directory;
  TestSigners signers;
  WorkTree tree;
  GitSource source;
  std::string revision;
  Fleet fleet;
  SignatureQuestion ask;
};

TEST_F(SourcesSignaturesTest, OnTheFirstReadingTheTipIsAskedAlone) {
  tree.commit("not signed");
  write("acme", "next");
  signers.commit_ssh(tree, "ada");
  read();
  EXPECT_EQ(problem("acme"), "");
  EXPECT_EQ(problem("beta"), "");
}

TEST_F(SourcesSignaturesTest, AnUnsignedTipIsMendedByALaterOneThatIsSigned) {
  const CommitId tip = tree.commit("not signed");
  read();
  EXPECT_EQ(problem("acme"), not_signed(tip));
  write("beta", "next");
  signers.commit_ssh(tree, "ada");
  read();
  EXPECT_EQ(problem("acme"), "");
}

TEST_F(SourcesSignaturesTest, AnUnsignedCommitInTheMiddleHoldsTheSitesItTouchedAlone) {
  signers.commit_ssh(tree, "ada");
  read();
  write("acme", "theirs");
  const CommitId middle = tree.commit("not signed");
  write("acme", "ours");
  write("beta", "ours");
  signers.commit_ssh(tree, "ada");
  read();
  EXPECT_EQ(problem("acme"), not_signed(middle));
  EXPECT_EQ(problem("beta"), "");
  write("acme", "mended");
  signers.commit_ssh(tree, "ada");
  read();
  EXPECT_EQ(problem("acme"), "");
}

TEST_F(SourcesSignaturesTest, AMergeOfUnsignedCommitsIsUnsignedThoughItIsSignedItself) {
  signers.commit_ssh(tree, "ada");
  read();
  tree.git("checkout -q -b feature");
  write("acme", "feature");
  const CommitId feature = tree.commit("not signed");
  tree.git("checkout -q main");
  tree.git("-c gpg.format=ssh -c user.signingkey='" + signers.ssh("ada").file +
           "' merge -q -S --no-ff -m merge feature");
  read();
  EXPECT_EQ(problem("acme"), not_signed(feature));
  EXPECT_EQ(problem("beta"), "");
}

TEST_F(SourcesSignaturesTest, ARevokedKeyCountsNoMoreAtOnce) {
  const CommitId commit = signers.commit_ssh(tree, "ada");
  read();
  EXPECT_EQ(problem("acme"), "");
  allow("bob");
  EXPECT_EQ(problem("acme"), "manifests: commit " + commit.brief() + " is signed with SSH key " +
                                 signers.ssh("ada").fingerprint +
                                 ", which is not among the allowed signers");
  std::filesystem::remove(directory / "secrets/allowed-signers");
  EXPECT_EQ(problem("acme"), "manifests: secret \"allowed-signers\": cannot read \"" +
                                 directory / "secrets/allowed-signers" +
                                 "\": No such file or directory");
}

}  // namespace
}  // namespace tidegate
