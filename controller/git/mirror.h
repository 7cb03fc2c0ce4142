#pragma once
// A bare mirror of a remote repository. What it says is what the remote said at the last refresh
// that succeeded. Every transfer runs in a child process that is ended at a deadline.

#include <map>
#include <optional>
#include <string>

#include "controller/git/repository.h"
#include "schemas/result.h"
#include "schemas/site.h"
#include "schemas/time.h"

namespace tidegate {

struct TransferAnswer;
struct TransferRequest;

/// What a remote wants to see. Empty where nothing is needed.
struct Credentials {
  /// http(s): name and password; a token is a password ("git" when no name is given). ssh: the name
  /// when the URL has none ("git" when neither has), and the key's passphrase.
  std::string username{}, password{};
  std::string ssh_private_key_file{};  ///< Absolute path. ed25519 or ecdsa: servers of today refuse
                                       ///< RSA here.
  std::string ssh_known_hosts_file{};  ///< Absolute path; "" is /etc/ssh/ssh_known_hosts.
  bool operator==(const Credentials&) const = default;
};

/// One bare mirror for each (URL, credentials), so nobody reads through another's credentials. A
/// value: copies speak of the same mirror. Safe for several threads and processes: refreshes take
/// turns, reading never waits.
class Mirror {
 public:
  /// `directory` holds all mirrors and is made when missing, in a parent that is there. `url`:
  /// http, https, ssh, file, or an absolute path; anything else is refused by the first call.
  /// `deadline` is for one whole transfer. `program` answers to `git-transfer` by calling
  /// transfer_main (controller/git/transfer.h).
  Mirror(std::string directory, std::string url, Credentials credentials, Duration deadline,
         std::string program = "/proc/self/exe");

  /// The remote's branches and tags by full name, annotated tags as what they lead to. Writes
  /// nothing. Empty for an empty repository. invalid: URL, credentials, host key, certificate, not
  /// a repository. transient: everything the network does.
  Result<std::map<std::string, CommitId>> look_up() const;

  /// Looks, and fetches when a reference moved; deleted references go. True when anything changed.
  /// All references change in one atomic step, after their objects are there: a failure leaves the
  /// last good state. Errors as look_up, and transient when another refresh holds the mirror too
  /// long.
  Result<bool> refresh();

  /// The same repository mirrored in another directory.
  Mirror in(const std::string& directory) const;
  /// Begins this mirror, which is not there yet, with all that `other` holds, whose objects it goes
  /// on to read where they are: what it fetches then is what is new.
  Result<void> begin_with(const Mirror& other) const;

  /// The mirror itself, as last refreshed. invalid before the first refresh.
  Result<GitRepository> open() const;
  std::string path() const;
  const std::string& url() const { return url_; }

  /// Makes `full_ref` of the remote point to a commit of this mirror, if it still points to
  /// `expected` (nothing: if it does not exist), never losing a commit in between. transient, with
  /// "moved" in its message, when it points elsewhere by now. This mirror's own references follow
  /// at the next refresh. A local remote must be bare; its hooks do not run.
  Result<void> push(const CommitId& commit, const std::string& full_ref,
                    const std::optional<CommitId>& expected);

 private:
  Result<TransferAnswer> transfer(TransferRequest request) const;

  std::string directory_, url_;
  Credentials credentials_;
  Duration deadline_;
  std::string program_, name_;
};

}  // namespace tidegate
