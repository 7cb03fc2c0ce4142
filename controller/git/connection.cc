// One connection to a remote.

#include "controller/git/connection.h"

#include <git2.h>
#include <openssl/evp.h>

#include <fstream>
#include <iterator>

namespace tidegate {

namespace {

constexpr std::size_t references_max = 200'000;
constexpr std::size_t received_bytes_max = std::size_t{16} << 30;

const char* host_key_type(const git_cert_hostkey& key) {
  if (!(key.type & GIT_CERT_SSH_RAW)) return "key";
  switch (key.raw_type) {
    case GIT_CERT_SSH_RAW_TYPE_RSA:
      return "rsa";
    case GIT_CERT_SSH_RAW_TYPE_DSS:
      return "dsa";
    case GIT_CERT_SSH_RAW_TYPE_KEY_ECDSA_256:
    case GIT_CERT_SSH_RAW_TYPE_KEY_ECDSA_384:
    case GIT_CERT_SSH_RAW_TYPE_KEY_ECDSA_521:
      return "ecdsa";
    case GIT_CERT_SSH_RAW_TYPE_KEY_ED25519:
      return "ed25519";
    default:
      return "key";
  }
}

/// As ssh-keygen -l prints it: base64 without padding.
std::string fingerprint(const git_cert_hostkey& key) {
  if (!(key.type & GIT_CERT_SSH_SHA256)) return "unknown";
  unsigned char text[64] = {};
  EVP_EncodeBlock(text, key.hash_sha256, sizeof key.hash_sha256);
  std::string base64(reinterpret_cast<char*>(text));
  while (!base64.empty() && base64.back() == '=') base64.pop_back();
  return "SHA256:" + base64;
}

/// Whether a private key file holds an RSA key, in OpenSSH's or in PEM form.
bool is_rsa_key(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.find("BEGIN RSA PRIVATE KEY") != text.npos) return true;
  std::erase(text, '\n');
  // "\0\0\0\7ssh-rsa" stands in the first lines, wherever the base64 of three bytes begins.
  for (const char* encoded : {"c3NoLXJzY", "NzaC1yc2", "zc2gtcnNh"})
    if (text.substr(0, 400).find(encoded) != text.npos) return true;
  return false;
}

}  // namespace

struct RemoteConnection::Callbacks {
  static int credentials(git_credential** out, const char* url, const char*, unsigned allowed,
                         void* self) {
    return static_cast<RemoteConnection*>(self)->offer_credentials(out, url ? url : "", allowed);
  }
  static int certificate(git_cert* certificate, int valid, const char*, void* self) {
    return static_cast<RemoteConnection*>(self)->check_identity(*certificate, valid != 0);
  }
  static int progress(const git_indexer_progress* progress, void* self) {
    if (progress->received_bytes <= received_bytes_max) return 0;
    static_cast<RemoteConnection*>(self)->too_large_ = true;
    return GIT_EUSER;
  }
  static int pushed(const char*, const char* status, void* self) {
    if (status) static_cast<RemoteConnection*>(self)->refusal_ = clean_line(status, 200);
    return 0;
  }
  static git_remote_callbacks of(RemoteConnection* connection) {
    git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
    callbacks.credentials = credentials;
    callbacks.certificate_check = certificate;
    callbacks.transfer_progress = progress;
    callbacks.push_update_reference = pushed;
    callbacks.payload = connection;
    return callbacks;
  }
};

RemoteConnection::RemoteConnection(const TransferRequest& request, const RemoteUrl& url,
                                   git_repository* repository)
    : request_(request), url_(url) {
  git_remote_create_options options = GIT_REMOTE_CREATE_OPTIONS_INIT;
  options.repository = repository;
  options.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
  git_remote_create_with_opts(remote_.out(), url.text.c_str(), &options);
}

RemoteConnection::~RemoteConnection() {
  if (remote_) git_remote_disconnect(remote_.get());
}

std::optional<Error> RemoteConnection::connect_to_read() { return connect(false); }
std::optional<Error> RemoteConnection::connect_to_write() { return connect(true); }

std::optional<Error> RemoteConnection::connect(bool to_write) {
  if (!remote_) return Error{ErrorKind::invalid, "not a usable URL: " + libgit2_reason()};
  git_remote_connect_options options = GIT_REMOTE_CONNECT_OPTIONS_INIT;
  options.callbacks = Callbacks::of(this);
  options.proxy_opts.type = GIT_PROXY_AUTO;
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  const int code = git_remote_connect_ext(
      remote_.get(), to_write ? GIT_DIRECTION_PUSH : GIT_DIRECTION_FETCH, &options);
  if (code < 0) return explain(code, "connect");
  return std::nullopt;
}

Result<AdvertisedReferences> RemoteConnection::references() {
  const git_remote_head** heads = nullptr;
  std::size_t count = 0;
  const int code = git_remote_ls(&heads, &count, remote_.get());
  if (code < 0) return explain(code, "list references");
  if (count > references_max)
    return Error{ErrorKind::invalid, "it has more than 200000 branches and tags"};
  AdvertisedReferences references;
  for (std::size_t i = 0; i < count; ++i) {
    std::string name = heads[i]->name;
    const bool peeled = name.ends_with("^{}");
    if (peeled) name.resize(name.size() - 3);
    if (!name.starts_with("refs/heads/") && !name.starts_with("refs/tags/")) continue;
    // What no git would accept as a name would leave its line in the references file.
    int valid = 0;
    if (git_reference_name_is_valid(&valid, name.c_str()) < 0 || !valid) continue;
    (peeled ? references[name].peeled : references[name].oid) = to_hex(heads[i]->oid);
  }
  std::erase_if(references, [](const auto& item) { return item.second.oid.empty(); });
  return references;
}

std::optional<Error> RemoteConnection::download() {
  git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
  options.callbacks = Callbacks::of(this);
  options.proxy_opts.type = GIT_PROXY_AUTO;
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  std::string heads = "+refs/heads/*:refs/heads/*", tags = "+refs/tags/*:refs/tags/*";
  char* specs[] = {heads.data(), tags.data()};
  const git_strarray refspecs{specs, 2};
  const int code = git_remote_download(remote_.get(), &refspecs, &options);
  if (code < 0) return explain(code, "fetch");
  return std::nullopt;
}

std::optional<Error> RemoteConnection::upload(const std::string& source,
                                              const std::string& reference) {
  git_push_options options = GIT_PUSH_OPTIONS_INIT;
  options.callbacks = Callbacks::of(this);
  options.proxy_opts.type = GIT_PROXY_AUTO;
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  std::string spec = source + ":" + reference;
  char* specs[] = {spec.data()};
  const git_strarray refspecs{specs, 1};
  const int code = git_remote_upload(remote_.get(), &refspecs, &options);
  if (code == GIT_ENONFASTFORWARD)
    return Error{ErrorKind::invalid, "commit \"" + request_.commit + "\" does not have what \"" +
                                         reference + "\" points to in its history"};
  if (code < 0) return explain(code, "push");
  return std::nullopt;
}

int RemoteConnection::offer_credentials(git_credential** out, const std::string& url,
                                        unsigned allowed) {
  const auto asking = parse_remote_url(url);
  if (!url.empty() && !(asking && may_share_credentials(url_, *asking))) {
    redirected_to_ =
        asking ? clean_line(asking->host + ":" + std::to_string(asking->port), 200) : "unknown";
    return GIT_EAUTH;
  }
  std::string user = url_.user.empty() ? request_.username : url_.user;
  if (user.empty()) user = "git";
  if (allowed & GIT_CREDENTIAL_USERNAME) return git_credential_username_new(out, user.c_str());
  // Asked again means: refused. Without this count libgit2 would go on asking for ever.
  if (offered_++ > 0) {
    refused_ = true;
    return GIT_EAUTH;
  }
  if ((allowed & GIT_CREDENTIAL_SSH_KEY) && !request_.key_file.empty())
    return git_credential_ssh_key_new(out, user.c_str(), nullptr, request_.key_file.c_str(),
                                      request_.password.c_str());
  if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) && !request_.password.empty())
    return git_credential_userpass_plaintext_new(out, user.c_str(), request_.password.c_str());
  missing_ = true;
  return GIT_EAUTH;
}

int RemoteConnection::check_identity(const git_cert& certificate, bool valid) {
  if (valid) return 0;
  if (certificate.cert_type == GIT_CERT_HOSTKEY_LIBSSH2)
    note_host_key(certificate);
  else
    certificate_bad_ = true;
  return GIT_ECERTIFICATE;
}

void RemoteConnection::note_host_key(const git_cert& certificate) {
  const auto& key = reinterpret_cast<const git_cert_hostkey&>(certificate);
  const std::string type = host_key_type(key);
  host_key_ = "host \"" + url_.host + "\" shows the " + type + " key " + fingerprint(key) +
              ", which is not in \"" + request_.known_hosts_file +
              "\"; make sure that it is the right one, then add it: ssh-keyscan -p " +
              std::to_string(url_.port) + (type == "key" ? "" : " -t " + type) + " " + url_.host +
              " >> " + request_.known_hosts_file;
}

Error RemoteConnection::explain(int code, const std::string& doing) const {
  const git_error* last = git_error_last();
  const int error_class = last ? last->klass : GIT_ERROR_NONE;
  const std::string text = doing + ": " + libgit2_reason();
  if (!redirected_to_.empty())
    return {ErrorKind::invalid, "it redirects to another server, \"" + redirected_to_ +
                                    "\", which does not get the credentials; use that address in "
                                    "the URL"};
  if (!host_key_.empty()) return {ErrorKind::invalid, host_key_};
  if (certificate_bad_ || code == GIT_ECERTIFICATE)
    return {ErrorKind::invalid,
            "the certificate of \"" + url_.host +
                "\" is not valid; if it is the right one, install its authority "
                "with update-ca-certificates"};
  if (too_large_) return {ErrorKind::invalid, "it sends more than 16 GiB"};
  if (refused_ || missing_ || code == GIT_EAUTH) return explain_credentials();
  return explain_class(error_class, ErrorKind::transient, text);
}

Error RemoteConnection::explain_credentials() const {
  if (missing_)
    return {ErrorKind::invalid, "it asks for credentials; name a secret in credentials"};
  std::string message = "it refused the credentials";
  if (url_.transport == Transport::ssh && is_rsa_key(request_.key_file))
    message +=
        "; an RSA key is not accepted by servers of today, make one with ssh-keygen -t ed25519";
  return {ErrorKind::invalid, message};
}

Error RemoteConnection::explain_class(int error_class, ErrorKind kind,
                                      const std::string& text) const {
  switch (error_class) {
    case GIT_ERROR_SSL:
      return {kind, "TLS with \"" + url_.host +
                        "\" failed; TLS 1.2 is spoken here, a server that accepts 1.3 alone cannot "
                        "be used (" +
                        text + ")"};
    case GIT_ERROR_SSH:
      return {kind, "SSH with \"" + url_.host +
                        "\" failed; the repository may not exist there, and a server whose only "
                        "host key is RSA cannot be used (" +
                        text + ")"};
    default:
      return {kind, text};
  }
}

}  // namespace tidegate
