#pragma once
// Who vouches for a commit: SSH and OpenPGP signatures of commits and of annotated tags, held
// against the signers that the platform team allows.

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "controller/git/repository.h"
#include "reconcilers/driver.h"

namespace tidegate {

/// Where ssh-keygen and gpg are looked for.
inline constexpr const char* signature_programs = "/usr/local/bin:/usr/bin:/bin";

/// Whether `commit` carries a valid signature of one of the allowed signers, now. What is verified
/// is the object with that id, read from the object database (which checks the id), never what a
/// reference points at by the time of the question.
///
/// `tag`: the full name of a tag that pins the commit ("refs/tags/v1"), or "". Its signature counts
/// for the commit too, when it is annotated, bears that very name, and leads to this very commit; a
/// tag that was moved says nothing about it.
///
/// `allowed_signers` is the text of the secret. Its lines, in any order and number:
///   alice@example.org,*@ci.example.org [options] ssh-ed25519 AAAA…   as in ssh-keygen(1), ALLOWED
///       SIGNERS: principals, then cert-authority, namespaces="git", valid-after="…",
///       valid-before="…" (UTC unless they say otherwise), then the key
///   -----BEGIN PGP PUBLIC KEY BLOCK----- …  ASCII armour, with as many keys as are in it
///   @revoked ssh-ed25519 AAAA…   this SSH key, or everything this certificate authority signed
///   @revoked SHA256:…            the SSH key with this fingerprint
///   @revoked 9C6F…               the OpenPGP key or subkey with this fingerprint (40 hex digits)
///   # and empty lines are comments
/// Anything else that can be told to be wrong fails every question, naming the line.
///
/// The principal is the committer's e-mail (a tag's: the tagger's), and must match, letter by
/// letter: a pattern of the SSH key's line (and the certificate's principals), or the e-mail of a
/// user id of the OpenPGP key that is not revoked. A key counts while it is valid at the time of
/// the question, since the date in a commit is whatever its author wrote: what an expired key
/// signed counts no more. Refused as weak: DSA, RSA below 2048 bits, and digests below SHA-224.
///
/// `problem` of an invalid one is a whole sentence part that names the commit: "commit 1234567 is
/// not signed".
SignatureFact verify_commit(const GitRepository& repository, const CommitId& commit,
                            const std::string& allowed_signers, const std::string& tag = "",
                            const std::string& programs = signature_programs);

/// Remembers verdicts for an hour, by commit, tag and the text of the allowed signers: a removed or
/// revoked key counts at once, one that expires at the latest after that hour. What could not be
/// told (a program is missing, no such commit) is asked again every time. Any thread.
class Signatures {
 public:
  explicit Signatures(const Clock& clock, std::string programs = signature_programs)
      : clock_(clock), programs_(std::move(programs)) {}

  SignatureFact of(const GitRepository& repository, const CommitId& commit,
                   const std::string& allowed_signers, const std::string& tag = "");

 private:
  struct Verdict {
    SignatureFact fact;
    Timestamp until{};
  };
  const Clock& clock_;
  const std::string programs_;
  std::mutex mutex_;
  std::map<std::string, Verdict> known_;
};

/// What this machine lacks to verify signatures of these signers, and the mend; "" for nothing.
std::string signature_lack(const std::string& allowed_signers,
                           const std::string& programs = signature_programs);

}  // namespace tidegate
