#pragma once
// One connection to a remote, as the transfer process uses it: credentials offered once, host keys
// and certificates checked, what went wrong told by what happened and not by libgit2's texts.
// Internal to the folder.

#include <optional>
#include <string>

#include "controller/git/handles.h"
#include "controller/git/remote_url.h"
#include "controller/git/transfer_protocol.h"

struct git_credential;
struct git_cert;

namespace tidegate {

class RemoteConnection {
 public:
  /// `repository`: what objects are read from or written to; null for a look. All must outlive it.
  RemoteConnection(const TransferRequest& request, const RemoteUrl& url,
                   git_repository* repository);
  RemoteConnection(const RemoteConnection&) = delete;
  RemoteConnection& operator=(const RemoteConnection&) = delete;
  ~RemoteConnection();

  std::optional<Error> connect_to_read();
  std::optional<Error> connect_to_write();
  /// Branches and tags, when connected. invalid above 200 000 of them.
  Result<AdvertisedReferences> references();
  /// Fetches what branches and tags need and the repository lacks. Moves no reference.
  std::optional<Error> download();
  /// Sends what the repository's reference `source` points to, and asks for `reference` to be moved
  /// to it from where it was advertised.
  std::optional<Error> upload(const std::string& source, const std::string& reference);
  /// What the remote said when it refused to move the reference; "" when it did not refuse.
  const std::string& refusal() const { return refusal_; }

 private:
  std::optional<Error> connect(bool to_write);
  Error explain(int code, const std::string& doing) const;
  Error explain_class(int error_class, ErrorKind kind, const std::string& text) const;
  Error explain_credentials() const;
  int offer_credentials(git_credential** out, const std::string& url, unsigned allowed);
  int check_identity(const git_cert& certificate, bool valid);
  void note_host_key(const git_cert& certificate);

  struct Callbacks;
  const TransferRequest& request_;
  const RemoteUrl& url_;
  GitHandle<git_remote> remote_;
  int offered_ = 0;
  bool refused_ = false, missing_ = false, certificate_bad_ = false, too_large_ = false;
  std::string host_key_, redirected_to_, refusal_;
};

}  // namespace tidegate
