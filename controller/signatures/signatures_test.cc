// Commits and tags signed with real keys, by git, ssh-keygen and gpg.

#include "controller/signatures/signatures.h"

#include <gtest/gtest.h>

#include "controller/signatures/test_signers.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

class ManualClock : public Clock {
 public:
  Timestamp now() const override { return now_; }
  void pass(Duration length) { now_ += length; }

 private:
  Timestamp now_{1'770'000'000'000ms};
};

class SignaturesTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { signers_ = std::make_unique<TestSigners>(); }
  static void TearDownTestSuite() { signers_.reset(); }
  SignaturesTest() : code(directory / "code") { code.write("index.php", "1"); }

  TestSigners& signers() { return *signers_; }
  SignatureFact ask(const CommitId& commit, const std::string& allowed,
                    const std::string& tag = "") {
    auto repository = GitRepository::open(code.path());
    return verify_commit(*repository, commit, allowed, tag);
  }
  std::string problem(const CommitId& commit, const std::string& allowed,
                      const std::string& tag = "") {
    const SignatureFact fact = ask(commit, allowed, tag);
    EXPECT_EQ(fact.valid, fact.problem.empty());
    return fact.problem;
  }
  std::string allow(const std::string& key, const std::string& principal = "bot@example.org",
                    const std::string& options = "") {
    return principal + " " + options + " " + signers().ssh(key).line + "\n";
  }
  /// Puts an object that git itself would not write into the repository, as a commit.
  CommitId plant(const std::string& object) {
    write_file(directory / "object", object);
    return {code.git("hash-object -t commit -w --literally '" + directory / "object" + "'")};
  }
  std::string object_of(const CommitId& commit) {
    return code.run("git cat-file commit " + commit.hex) + "\n";
  }

  TemporaryDirectory directory;
  WorkTree code;

 private:
  static std::unique_ptr<TestSigners> signers_;
};
std::unique_ptr<TestSigners> SignaturesTest::signers_;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << text;
  return text.replace(at, from.size(), to);
}

TEST_F(SignaturesTest, RefusesACommitThatIsNotSigned) {
  const CommitId commit = code.commit("plain");
  EXPECT_EQ(problem(commit, allow("ada")), "commit " + commit.brief() + " is not signed");
}

TEST_F(SignaturesTest, TakesASshSignatureOfAnAllowedSigner) {
  const CommitId commit = signers().commit_ssh(code, "ada");
  const SignatureFact fact = ask(commit, "# the team\n\n" + allow("ada"));
  EXPECT_EQ(fact, (SignatureFact{true, "bot@example.org (" + signers().ssh("ada").fingerprint + ")",
                                 ""}));
  EXPECT_TRUE(ask(commit, allow("bob") + allow("ada", "*@example.org,!eve@example.org")).valid);
  EXPECT_TRUE(ask(commit, allow("ada", "bot@example.org", "namespaces=\"git\"")).valid);
}

TEST_F(SignaturesTest, TakesAnOpenPgpSignatureOfAnAllowedSigner) {
  const CommitId commit = signers().commit_gpg(code, "bot");
  const SignatureFact fact = ask(commit, allow("ada") + signers().gpg("bot").block);
  EXPECT_EQ(fact, (SignatureFact{true, "bot@example.org (" + signers().gpg("bot").fingerprint + ")",
                                 ""}));
  EXPECT_TRUE(ask(commit, signers().gpg("eve").block + signers().gpg("bot").block).valid);
}

TEST_F(SignaturesTest, RefusesASshKeyNobodyAllowed) {
  const CommitId commit = signers().commit_ssh(code, "ada");
  const std::string unknown = "commit " + commit.brief() + " is signed with SSH key " +
                              signers().ssh("ada").fingerprint +
                              ", which is not among the allowed signers";
  EXPECT_EQ(problem(commit, allow("bob")), unknown);
  EXPECT_EQ(problem(commit, ""), unknown);
}

TEST_F(SignaturesTest, RefusesASshKeyOfAnotherPrincipal) {
  const CommitId commit = signers().commit_ssh(code, "ada");
  const std::string other = "commit " + commit.brief() + " is signed with SSH key " +
                            signers().ssh("ada").fingerprint +
                            ", which is not allowed to sign as \"bot@example.org\"";
  EXPECT_EQ(problem(commit, allow("ada", "ada@example.org")), other);
  EXPECT_EQ(problem(commit, allow("ada", "Bot@example.org")), other) << "letter by letter";
  EXPECT_EQ(problem(commit, allow("ada", "*,!bot@example.org")), other);
  EXPECT_EQ(problem(commit, allow("ada", "bot@example.org", "namespaces=\"file\"")), other);
}

TEST_F(SignaturesTest, RefusesASshKeyOutsideOfItsTimeOrItsUse) {
  const CommitId commit = signers().commit_ssh(code, "ada");
  const std::string not_now = "commit " + commit.brief() + " is signed with SSH key " +
                              signers().ssh("ada").fingerprint +
                              ", which its line in the allowed signers does not let count now";
  // The commit says 2026-02-03 of itself: its own date is nobody's proof.
  for (const char* options :
       {"valid-before=\"20260301Z\"", "valid-after=\"20990101\"", "valid-before=\"20200101\""})
    EXPECT_EQ(problem(commit, allow("ada", "bot@example.org", options)), not_now) << options;
  EXPECT_TRUE(
      ask(commit, allow("ada", "*", "valid-after=\"20200101\",valid-before=\"20990101\"")).valid);
}

TEST_F(SignaturesTest, RefusesARevokedSshKeyHoweverThatIsSaid) {
  const CommitId commit = signers().commit_ssh(code, "ada");
  const std::string revoked = "commit " + commit.brief() + " is signed with SSH key " +
                              signers().ssh("ada").fingerprint + ", which is revoked";
  EXPECT_EQ(problem(commit, allow("ada") + "@revoked " + signers().ssh("ada").line), revoked);
  EXPECT_EQ(problem(commit, "@revoked " + signers().ssh("ada").fingerprint + "\n" + allow("ada")),
            revoked);
  EXPECT_EQ(problem(commit, "@revoked " + signers().ssh("ada").line), revoked);
  EXPECT_TRUE(ask(commit, allow("ada") + "@revoked " + signers().ssh("bob").line).valid);
}

TEST_F(SignaturesTest, TakesACertificateOfAnAllowedAuthorityUntilThatIsRevoked) {
  const CommitId commit = signers().commit_ssh(code, "carl");
  const std::string authority = allow("authority", "*@example.org", "cert-authority");
  EXPECT_TRUE(ask(commit, authority).valid) << problem(commit, authority);
  EXPECT_NE(problem(commit, allow("bob", "*@example.org", "cert-authority")), "");
  EXPECT_NE(problem(commit, allow("authority", "*@example.org")), "")
      << "an authority's line says that it is one";
  EXPECT_EQ(problem(commit, authority + "@revoked " + signers().ssh("authority").line),
            "commit " + commit.brief() + " is signed with SSH key " +
                signers().ssh("carl").fingerprint + ", which is revoked");
  const CommitId stranger = signers().commit_ssh(code, "dora");  // Certified for another name.
  EXPECT_NE(problem(stranger, authority), "");
}

TEST_F(SignaturesTest, RefusesWeakSshKeys) {
  const CommitId rsa = signers().commit_ssh(code, "weak-rsa");
  EXPECT_EQ(problem(rsa, allow("weak-rsa")),
            "commit " + rsa.brief() + " is signed with an RSA key of 1024 bits, which is too weak");
  const CommitId dsa = signers().commit_ssh(code, "weak-dsa");
  EXPECT_EQ(problem(dsa, allow("weak-dsa")),
            "commit " + dsa.brief() + " is signed with a DSA key, which is too weak");
  EXPECT_TRUE(ask(signers().commit_ssh(code, "good-rsa"), allow("good-rsa")).valid);
  EXPECT_TRUE(ask(signers().commit_ssh(code, "good-ecdsa"), allow("good-ecdsa")).valid);
}

TEST_F(SignaturesTest, RefusesOpenPgpKeysThatDoNotCount) {
  const CommitId commit = signers().commit_gpg(code, "bot");
  const std::string what = "commit " + commit.brief() + " is signed with OpenPGP key ";
  const std::string fingerprint = signers().gpg("bot").fingerprint;
  EXPECT_EQ(problem(commit, signers().gpg("eve").block),
            what + fingerprint.substr(24) + ", which is not among the allowed signers");
  EXPECT_EQ(problem(commit, ""),
            what + fingerprint.substr(24) + ", which is not among the allowed signers");
  EXPECT_EQ(problem(commit, signers().gpg("bot").block + "@revoked " + fingerprint),
            what + fingerprint + ", which is revoked");
  EXPECT_EQ(problem(commit, signers().gpg_revoked("bot")),
            what + fingerprint.substr(24) + ", which is revoked");
  const CommitId by_eve = signers().commit_gpg(code, "eve");
  EXPECT_EQ(problem(by_eve, signers().gpg("eve").block),
            "commit " + by_eve.brief() + " is signed with OpenPGP key " +
                signers().gpg("eve").fingerprint + ", which is not of \"bot@example.org\"");
}

TEST_F(SignaturesTest, RefusesExpiredOpenPgpKeysThoughTheyWereGoodThen) {
  const CommitId commit = signers().commit_gpg(code, "old", "--faked-system-time 20200101T120000!");
  EXPECT_EQ(problem(commit, signers().gpg("old").block),
            "commit " + commit.brief() + " is signed with OpenPGP key " +
                signers().gpg("old").fingerprint.substr(24) + ", which has expired");
}

TEST_F(SignaturesTest, RefusesWeakOpenPgpSignatures) {
  const CommitId weak = signers().commit_gpg(code, "weak");
  EXPECT_EQ(problem(weak, signers().gpg("weak").block),
            "commit " + weak.brief() + " is signed with OpenPGP key " +
                signers().gpg("weak").fingerprint +
                ", which is too weak (DSA, or RSA below 2048 bits)");
  const CommitId sha1 = signers().commit_gpg(code, "bot", "--digest-algo SHA1");
  EXPECT_EQ(problem(sha1, signers().gpg("bot").block),
            "commit " + sha1.brief() + " is signed with OpenPGP key " +
                signers().gpg("bot").fingerprint + " over a digest that is too weak");
}

TEST_F(SignaturesTest, RefusesACommitThatWasTamperedWith) {
  for (const bool ssh : {true, false}) {
    const CommitId good =
        ssh ? signers().commit_ssh(code, "ada") : signers().commit_gpg(code, "bot");
    const std::string allowed = allow("ada") + signers().gpg("bot").block;
    const std::string kind = ssh ? "an SSH" : "an OpenPGP";
    ASSERT_TRUE(ask(good, allowed).valid);
    const std::string object = object_of(good);
    const CommitId other = plant(replaced(object, "signed", "forged"));
    EXPECT_EQ(problem(other, allowed),
              "commit " + other.brief() + " has " + kind + " signature that does not fit it");
    const CommitId person = plant(replaced(object, "committer Bot <bot@", "committer Bot <ada@"));
    EXPECT_EQ(problem(person, allowed),
              "commit " + person.brief() + " has " + kind + " signature that does not fit it");
    // The signature in the message is no signature of the commit.
    const std::size_t begin = object.find("gpgsig "), end = object.find("\n\n");
    const CommitId moved = plant(object.substr(0, begin) + object.substr(end + 1) +
                                 object.substr(begin, end - begin) + "\n");
    EXPECT_EQ(problem(moved, allowed), "commit " + moved.brief() + " is not signed");
    const CommitId twice = plant(object.substr(0, end + 1) + object.substr(begin, end + 1 - begin) +
                                 object.substr(end + 1));
    EXPECT_EQ(
        problem(twice, allowed),
        "commit " + twice.brief() + " is not written as git writes it: it holds two signatures");
  }
}

TEST_F(SignaturesTest, RefusesASignatureThatIsNone) {
  const std::string object = object_of(signers().commit_ssh(code, "ada"));
  const std::size_t begin = object.find("gpgsig "), end = object.find("\n\n");
  const auto with = [&](const std::string& signature) {
    return plant(object.substr(0, begin) + "gpgsig " + signature + object.substr(end));
  };
  const CommitId x509 = with("-----BEGIN SIGNED MESSAGE-----\n MIIB");
  EXPECT_EQ(problem(x509, allow("ada")),
            "commit " + x509.brief() + " has a signature that is neither SSH nor OpenPGP");
  const CommitId ssh = with("-----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----");
  EXPECT_EQ(problem(ssh, allow("ada")),
            "commit " + ssh.brief() + " has an SSH signature that cannot be read");
  const CommitId pgp =
      with("-----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----");
  EXPECT_EQ(problem(pgp, signers().gpg("bot").block),
            "commit " + pgp.brief() +
                " has an OpenPGP signature that cannot be read, or is of an algorithm gpg refuses");
}

TEST_F(SignaturesTest, RefusesAMergeThatIsNotSignedWhateverItMerges) {
  const CommitId base = signers().commit_ssh(code, "ada");
  code.git("checkout -q -b feature");
  code.write("feature", "1");
  signers().commit_ssh(code, "ada");
  code.git("checkout -q main");
  code.git("merge -q --no-ff --no-gpg-sign -m merge feature");
  const CommitId merge{code.git("rev-parse HEAD")};
  EXPECT_EQ(problem(merge, allow("ada")), "commit " + merge.brief() + " is not signed");
  EXPECT_TRUE(ask(base, allow("ada")).valid);
}

TEST_F(SignaturesTest, TakesASignedTagForItsCommit) {
  const CommitId commit = code.commit("plain");
  signers().tag_ssh(code, "ada", "v1");
  signers().tag_gpg(code, "bot", "v2");
  const std::string allowed = allow("ada") + signers().gpg("bot").block;
  EXPECT_TRUE(ask(commit, allowed, "refs/tags/v1").valid);
  EXPECT_TRUE(ask(commit, allowed, "refs/tags/v2").valid);
  EXPECT_EQ(problem(commit, allowed), "commit " + commit.brief() + " is not signed");
  EXPECT_EQ(problem(commit, allow("bob"), "refs/tags/v1"),
            "tag \"v1\" is signed with SSH key " + signers().ssh("ada").fingerprint +
                ", which is not among the allowed signers");
  code.git("tag light");
  code.git("tag -a -m annotated annotated");
  for (const char* name : {"light", "annotated", "none"})
    EXPECT_EQ(problem(commit, allowed, std::string("refs/tags/") + name),
              "commit " + commit.brief() + " is not signed");
}

TEST_F(SignaturesTest, ATagThatWasMovedSaysNothingOfTheCommitThatWasSeen) {
  const CommitId seen = code.commit("seen under the tag");
  signers().tag_ssh(code, "ada", "v1");
  ASSERT_TRUE(ask(seen, allow("ada"), "refs/tags/v1").valid);
  const CommitId later = code.commit("the tag goes here");
  code.git("tag -d v1");
  signers().tag_ssh(code, "ada", "v1");
  EXPECT_EQ(problem(seen, allow("ada"), "refs/tags/v1"),
            "commit " + seen.brief() + " is not signed");
  EXPECT_TRUE(ask(later, allow("ada"), "refs/tags/v1").valid);
}

TEST_F(SignaturesTest, ATagUnderAnotherNameThanItWasSignedForDoesNotCount) {
  const CommitId commit = code.commit("an old release");
  signers().tag_ssh(code, "ada", "v1");
  code.git("update-ref refs/tags/v9 refs/tags/v1");
  EXPECT_EQ(problem(commit, allow("ada"), "refs/tags/v9"),
            "tag \"v9\" bears the name \"v1\" where it is signed");
}

TEST_F(SignaturesTest, SaysWhatIsWrongWithTheAllowedSigners) {
  const CommitId commit = signers().commit_ssh(code, "ada");
  EXPECT_EQ(problem(commit, allow("ada") + "@revoked everything\n"),
            "line 2 of the allowed signers is neither \"@revoked\" and an SSH public key nor "
            "\"@revoked\" and a fingerprint (SHA256:…, or 40 hex digits of OpenPGP)");
  EXPECT_EQ(problem(commit, "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n"),
            "line 1 of the allowed signers begins something that is no OpenPGP public key block");
  EXPECT_EQ(problem(commit, "\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDM\n"),
            "line 2 of the allowed signers begins an OpenPGP public key block that does not end");
  const CommitId openpgp = signers().commit_gpg(code, "bot");
  EXPECT_EQ(problem(openpgp,
                    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDM\n"
                    "-----END PGP PUBLIC KEY BLOCK-----\n"),
            "the signature of commit " + openpgp.brief() +
                ": the allowed signers hold an OpenPGP key gpg cannot read");
}

TEST_F(SignaturesTest, SaysWhichProgramIsMissing) {
  const CommitId openpgp = signers().commit_gpg(code, "bot");
  const CommitId ssh = signers().commit_ssh(code, "ada");
  const std::string allowed = allow("ada") + signers().gpg("bot").block;
  auto repository = GitRepository::open(code.path());
  const std::string empty = directory / "no-programs";
  EXPECT_EQ(verify_commit(*repository, openpgp, allowed, "", empty).problem,
            "the signature of commit " + openpgp.brief() +
                ": gpg is not installed (apt-get install gnupg)");
  EXPECT_EQ(verify_commit(*repository, ssh, allowed, "", empty).problem,
            "the signature of commit " + ssh.brief() +
                ": ssh-keygen is not installed (apt-get install openssh-client)");
  EXPECT_EQ(signature_lack(allowed), "");
  EXPECT_EQ(signature_lack(allowed, empty),
            "ssh-keygen is not installed (apt-get install openssh-client)");
  EXPECT_EQ(signature_lack(signers().gpg("bot").block, empty),
            "gpg is not installed (apt-get install gnupg)");
}

TEST_F(SignaturesTest, SaysThatACommitIsNotThere) {
  code.commit("one");
  const CommitId none{std::string(40, '1')};
  EXPECT_EQ(problem(none, allow("ada")), "commit \"" + none.hex + "\" is not in the repository");
}

TEST_F(SignaturesTest, LeavesNothingBehind) {
  const auto count = [] { return shell("ls -d /tmp/tidegate-signature-* 2>/dev/null | wc -l"); };
  const std::string before = count();
  ask(signers().commit_gpg(code, "bot"), signers().gpg("bot").block);
  ask(signers().commit_ssh(code, "ada"), allow("ada"));
  EXPECT_EQ(count(), before);
}

TEST_F(SignaturesTest, RemembersVerdictsForAnHourButNotWhatCouldNotBeTold) {
  ManualClock clock;
  const std::string programs = directory / "programs";
  const CommitId commit = signers().commit_ssh(code, "ada");
  auto repository = GitRepository::open(code.path());
  Signatures signatures(clock, programs);
  EXPECT_FALSE(signatures.of(*repository, commit, allow("ada")).valid) << "no program yet";
  std::filesystem::create_directories(programs);
  std::filesystem::create_symlink("/usr/bin/ssh-keygen", programs + "/ssh-keygen");
  EXPECT_TRUE(signatures.of(*repository, commit, allow("ada")).valid);
  std::filesystem::remove(programs + "/ssh-keygen");
  EXPECT_TRUE(signatures.of(*repository, commit, allow("ada")).valid) << "remembered";
  EXPECT_FALSE(signatures.of(*repository, commit, allow("bob")).valid) << "other signers";
  clock.pass(1h);
  EXPECT_FALSE(signatures.of(*repository, commit, allow("ada")).valid) << "asked anew";
}

TEST_F(SignaturesTest, RemembersAVerdictOfATagWithTheTagItRestsOn) {
  ManualClock clock;
  const CommitId seen = code.commit("seen under the tag");
  signers().tag_ssh(code, "ada", "v1");
  Signatures signatures(clock);
  auto repository = GitRepository::open(code.path());
  EXPECT_TRUE(signatures.of(*repository, seen, allow("ada"), "refs/tags/v1").valid);
  code.commit("the tag goes here");
  code.git("tag -d v1");
  signers().tag_ssh(code, "ada", "v1");
  EXPECT_FALSE(signatures.of(*repository, seen, allow("ada"), "refs/tags/v1").valid);
}

}  // namespace
}  // namespace tidegate
