// The transfer process: one request, one answer, no state but the mirror.

#include "controller/git/transfer.h"

#include <git2.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "controller/git/connection.h"
#include "controller/git/consolidate.h"
#include "controller/git/handles.h"
#include "controller/git/packed_references.h"
#include "controller/git/transfer_protocol.h"

namespace tidegate {

namespace {

constexpr std::size_t request_bytes_max = 64 << 10;

/// A hostile remote must not take the machine's memory: this process ends first.
void bound_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlimit limit{std::uint64_t{4} << 30, std::uint64_t{4} << 30};
  setrlimit(RLIMIT_DATA, &limit);
#endif
  std::ofstream("/proc/self/oom_score_adj") << "500";
}

void use_network() {
  use_libgit2();
  // Objects are all that is taken from a local repository: nothing it configures is ever run here,
  // so it may belong to another user, as it does when the controller is root.
  git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
  git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, std::size_t{20'000'000});
  // libgit2 looks for .ssh/known_hosts where it would look for .gitconfig.
  if (const char* home = std::getenv("HOME"))
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, home);
  const char* file = std::getenv("SSL_CERT_FILE");
  const char* folder = std::getenv("SSL_CERT_DIR");
  if (file || folder) git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, file, folder);
}

/// Opens the local repository that is the remote, to say clearly what is wrong with it.
Result<GitHandle<git_repository>> open_local(const RemoteUrl& url) {
  GitHandle<git_repository> repository;
  if (::access(url.path.c_str(), R_OK | X_OK) < 0)
    return Error{errno == ENOENT || errno == EACCES ? ErrorKind::invalid : ErrorKind::transient,
                 std::strerror(errno)};
  const int code = git_repository_open_ext(repository.out(), url.path.c_str(),
                                           GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr);
  if (code == GIT_ENOTFOUND) return Error{ErrorKind::invalid, "it is not a git repository"};
  if (code < 0) return Error{ErrorKind::invalid, "it cannot be used: " + libgit2_reason()};
  if (git_repository_is_shallow(repository.get()) == 1)
    return Error{ErrorKind::invalid,
                 "it is a shallow clone; complete it there with git fetch --unshallow"};
  return repository;
}

Result<GitHandle<git_repository>> open_mirror(const std::string& path) {
  GitHandle<git_repository> repository;
  if (git_repository_open_bare(repository.out(), path.c_str()) == 0) return repository;
  git_repository_init_options options = GIT_REPOSITORY_INIT_OPTIONS_INIT;
  options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
  options.mode = 0700;
  options.initial_head = "main";
  if (git_repository_init_ext(repository.out(), path.c_str(), &options) < 0)
    return Error{ErrorKind::transient, "make mirror \"" + path + "\": " + libgit2_reason()};
  return repository;
}

/// What a killed transfer left behind. Nobody else fetches or pushes now: the parent holds the
/// lock.
void clear_leftovers(const std::string& mirror) {
  std::error_code ignored;
  std::filesystem::remove_all(mirror + "/refs/tidegate", ignored);
  for (const auto& file : std::filesystem::directory_iterator(mirror + "/objects/pack", ignored)) {
    const std::string name = file.path().filename();
    if (name.find("_git2_") != name.npos) std::filesystem::remove(file.path(), ignored);
  }
}

std::optional<Error> check_received(git_repository* mirror,
                                    const AdvertisedReferences& references) {
  GitHandle<git_odb> odb;
  if (git_repository_odb(odb.out(), mirror) < 0)
    return Error{ErrorKind::transient, "read the mirror: " + libgit2_reason()};
  for (const auto& [name, reference] : references) {
    for (const std::string& hex : {reference.oid, reference.target()}) {
      git_oid oid;
      if (!from_hex(hex, oid) || !git_odb_exists(odb.get(), &oid))
        return Error{ErrorKind::transient, "it did not send \"" + hex + "\" of \"" + name + "\""};
    }
  }
  return std::nullopt;
}

Result<TransferAnswer> look(const TransferRequest& request, const RemoteUrl& url) {
  RemoteConnection connection(request, url, nullptr);
  if (auto error = connection.connect_to_read()) return std::move(*error);
  auto references = connection.references();
  if (!references) return std::move(references.error());
  return TransferAnswer{std::move(*references), false};
}

Result<TransferAnswer> refresh(const TransferRequest& request, const RemoteUrl& url) {
  auto mirror = open_mirror(request.mirror);
  if (!mirror) return std::move(mirror.error());
  clear_leftovers(request.mirror);
  RemoteConnection connection(request, url, mirror->get());
  if (auto error = connection.connect_to_read()) return std::move(*error);
  const auto references = connection.references();
  if (!references) return references.error();
  const std::string before = read_packed_references(request.mirror);
  const std::string after = packed_references(*references);
  if (before == after) return TransferAnswer{};
  if (!references->empty()) {
    if (auto error = connection.download()) return std::move(*error);
    if (auto error = check_received(mirror->get(), *references)) return std::move(*error);
  }
  if (auto error = write_packed_references(request.mirror, after)) return std::move(*error);
  // What was fetched counts, whether or not this works: the next fetch tries again.
  static_cast<void>(consolidate(mirror->get(), request.mirror));
  // The first look at an empty repository writes a file without references: nothing changed by it.
  return TransferAnswer{{}, !before.empty() || !references->empty()};
}

/// A reference of our own, in the mirror or the remote, while a push needs it: libgit2 sends what a
/// reference points to, never a bare commit.
class StagingReference {
 public:
  StagingReference(git_repository* repository, const std::string& commit)
      : repository_(repository), name_("refs/tidegate/" + commit) {}
  ~StagingReference() { git_reference_remove(repository_, name_.c_str()); }
  StagingReference(const StagingReference&) = delete;
  StagingReference& operator=(const StagingReference&) = delete;
  std::optional<Error> create(const git_oid& commit) {
    GitHandle<git_reference> reference;
    if (git_reference_create(reference.out(), repository_, name_.c_str(), &commit, 1, nullptr) == 0)
      return std::nullopt;
    return Error{ErrorKind::transient, "stage the commit: " + libgit2_reason()};
  }
  const std::string& name() const { return name_; }

 private:
  git_repository* repository_;
  std::string name_;
};

Error moved(const TransferRequest& request, const std::string& to) {
  return {ErrorKind::transient,
          "\"" + request.reference + "\" moved: it points to " +
              (to.empty() ? "nothing" : "\"" + to + "\"") + ", not to " +
              (request.expected.empty() ? "nothing" : "\"" + request.expected + "\"")};
}

/// libgit2 moves references of a local remote without looking; so it is given a reference of our
/// own first, and the real one is moved in one step that looks.
Result<TransferAnswer> push_to_local(const TransferRequest& request, const RemoteUrl& url,
                                     git_repository* mirror, const std::string& source) {
  auto remote = open_local(url);
  if (!remote) return std::move(remote.error());
  if (!git_repository_is_bare(remote->get()))
    return Error{ErrorKind::invalid,
                 "it has a work tree, which a push would leave behind; use a bare repository"};
  const StagingReference staging(remote->get(), request.commit);
  RemoteConnection connection(request, url, mirror);
  if (auto error = connection.connect_to_write()) return std::move(*error);
  if (auto error = connection.upload(source, staging.name())) return std::move(*error);
  git_oid commit, expected;
  from_hex(request.commit, commit);
  GitHandle<git_reference> reference;
  const int code =
      from_hex(request.expected, expected)
          ? git_reference_create_matching(reference.out(), remote->get(), request.reference.c_str(),
                                          &commit, 1, &expected, "tidegate: push")
          : git_reference_create(reference.out(), remote->get(), request.reference.c_str(), &commit,
                                 0, "tidegate: push");
  const Error failure{ErrorKind::transient, "push: " + libgit2_reason()};
  if (code == 0) return TransferAnswer{{}, true};
  if (code != GIT_EMODIFIED && code != GIT_EEXISTS && code != GIT_ENOTFOUND) return failure;
  git_oid now;
  const bool exists = git_reference_name_to_id(&now, remote->get(), request.reference.c_str()) == 0;
  if (exists && git_oid_equal(&now, &commit)) return TransferAnswer{{}, true};
  return moved(request, exists ? to_hex(now) : "");
}

Result<std::string> advertised(RemoteConnection& connection, const std::string& reference) {
  auto references = connection.references();
  if (!references) return std::move(references.error());
  return (*references)[reference].oid;
}

Result<TransferAnswer> push(const TransferRequest& request, const RemoteUrl& url) {
  GitHandle<git_repository> mirror;
  if (git_repository_open_bare(mirror.out(), request.mirror.c_str()) < 0)
    return Error{ErrorKind::invalid, "the mirror \"" + request.mirror + "\" was never refreshed"};
  clear_leftovers(request.mirror);
  git_oid commit;
  StagingReference source(mirror.get(), request.commit);
  if (!from_hex(request.commit, commit))
    return Error{ErrorKind::invalid, "\"" + request.commit + "\" is no commit"};
  if (auto error = source.create(commit)) return std::move(*error);
  if (url.transport == Transport::file)
    return push_to_local(request, url, mirror.get(), source.name());
  RemoteConnection connection(request, url, mirror.get());
  if (auto error = connection.connect_to_write()) return std::move(*error);
  const auto now = advertised(connection, request.reference);
  if (!now) return now.error();
  if (*now == request.commit) return TransferAnswer{{}, true};
  // The server compares once more, under its lock, with what it advertised on this very connection.
  if (*now != request.expected) return moved(request, *now);
  if (auto error = connection.upload(source.name(), request.reference)) return std::move(*error);
  if (connection.refusal().empty()) return TransferAnswer{{}, true};
  RemoteConnection second(request, url, mirror.get());
  if (auto error = second.connect_to_read()) return std::move(*error);
  const auto after = advertised(second, request.reference);
  if (!after) return after.error();
  if (*after != request.expected) return moved(request, *after);
  return Error{ErrorKind::invalid,
               "it refused to change \"" + request.reference + "\": " + connection.refusal()};
}

Result<TransferAnswer> serve(const std::string& text) {
  const auto request = decode_request(text);
  if (!request) return request.error();
  auto url = parse_remote_url(request->url);
  if (!url) return std::move(url.error());
  if (url->transport == Transport::file) {
    if (auto local = open_local(*url); !local) return std::move(local.error());
    url->text = url->path;
  }
  switch (request->action) {
    case TransferRequest::Action::look:
      return look(*request, *url);
    case TransferRequest::Action::refresh:
      return refresh(*request, *url);
    case TransferRequest::Action::push:
      return push(*request, *url);
  }
  return Error{ErrorKind::invalid, "unknown action"};
}

}  // namespace

int transfer_main(int, char**) {
  std::string text((std::istreambuf_iterator<char>(std::cin)), {});
  if (text.size() > request_bytes_max) return 64;
  bound_memory();
  use_network();
  std::cout << encode(serve(text)) << std::flush;
  return std::cout ? 0 : 1;
}

}  // namespace tidegate
