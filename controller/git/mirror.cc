// The parent's side of a mirror: where it lies, who may refresh it now, and the child that does it.

#include "controller/git/mirror.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "controller/git/remote_url.h"
#include "controller/git/transfer_protocol.h"
#include "controller/process/process.h"
#include "schemas/digest.h"

namespace tidegate {

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{64} << 20;  // 200 000 references fit.
constexpr std::chrono::milliseconds lock_retry{20};
constexpr std::chrono::seconds termination_grace{2};
constexpr const char* system_known_hosts = "/etc/ssh/ssh_known_hosts";

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The end of the URL in characters every file system takes, for people who look into the
/// directory.
std::string readable(const std::string& url) {
  std::string text = url.substr(url.size() > 40 ? url.size() - 40 : 0);
  for (char& c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
      c = '-';
  text.erase(0, text.find_first_not_of('-'));
  return text;
}

std::string name_of(const std::string& url, const Credentials& credentials) {
  std::string whole;
  for (const std::string& part :
       {url, credentials.username, credentials.password,
        credentials.ssh_private_key_file.empty() ? ""
                                                 : content_of(credentials.ssh_private_key_file),
        credentials.ssh_private_key_file, credentials.ssh_known_hosts_file})
    whole += std::to_string(part.size()) + ":" + part;
  return readable(url) + "-" + sha256_hex(whole).substr(0, 16);
}

/// An open-file-description lock: its owner is this object, and it dies with the process.
class Lock {
 public:
  static Result<Lock> take(const std::string& path, Duration patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    Lock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.file_ < 0)
      return Error{ErrorKind::transient, "open \"" + path + "\": " + std::strerror(errno)};
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    while (::fcntl(lock.file_, F_OFD_SETLK, &whole) < 0) {
      if (errno != EAGAIN && errno != EACCES && errno != EINTR)
        return Error{ErrorKind::transient, "lock \"" + path + "\": " + std::strerror(errno)};
      if (std::chrono::steady_clock::now() >= until)
        return Error{ErrorKind::transient, "another refresh holds \"" + path + "\" too long"};
      std::this_thread::sleep_for(lock_retry);
    }
    return lock;
  }
  Lock(Lock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  explicit Lock(int file) : file_(file) {}
  int file_;
};

/// A home directory for the child that holds nothing but the known hosts to check against: the one
/// place where libgit2 looks for them, also to choose which of a server's keys to ask for.
class KnownHostsHome {
 public:
  static Result<KnownHostsHome> make(const std::string& known_hosts_file) {
    KnownHostsHome home(std::filesystem::temp_directory_path().string() + "/tidegate-ssh-XXXXXX");
    std::error_code failure;
    if (!::mkdtemp(home.path_.data())) failure.assign(errno, std::generic_category());
    if (!failure) std::filesystem::create_directory(home.path_ + "/.ssh", failure);
    if (!failure)
      std::filesystem::create_symlink(known_hosts_file, home.path_ + "/.ssh/known_hosts", failure);
    if (failure)
      return Error{ErrorKind::transient,
                   "make temporary directory \"" + home.path_ + "\": " + failure.message()};
    return home;
  }
  KnownHostsHome(KnownHostsHome&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  KnownHostsHome& operator=(KnownHostsHome&&) = delete;
  ~KnownHostsHome() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit KnownHostsHome(std::string pattern) : path_(std::move(pattern)) {}
  std::string path_;
};

std::optional<Error> ssh_problem(const TransferRequest& request) {
  const auto unreadable = [](const std::string& what, const std::string& path) {
    return Error{ErrorKind::invalid,
                 what + " \"" + path + "\" cannot be read: " + std::strerror(errno)};
  };
  if (::access(request.known_hosts_file.c_str(), R_OK) < 0)
    return unreadable("known hosts file", request.known_hosts_file);
  if (!request.key_file.empty() && ::access(request.key_file.c_str(), R_OK) < 0)
    return unreadable("private key", request.key_file);
  return std::nullopt;
}

std::map<std::string, std::string> environment_of_child() {
  std::map<std::string, std::string> environment;
  for (const char* name : {"SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy",
                           "HTTPS_PROXY", "no_proxy", "NO_PROXY"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  return environment;
}

}  // namespace

Mirror::Mirror(std::string directory, std::string url, Credentials credentials, Duration deadline,
               std::string program)
    : directory_(std::move(directory)),
      url_(std::move(url)),
      credentials_(std::move(credentials)),
      deadline_(deadline),
      program_(std::move(program)),
      name_(name_of(url_, credentials_)) {}

std::string Mirror::path() const { return directory_ + "/" + name_; }

Result<TransferAnswer> Mirror::transfer(TransferRequest request) const {
  const std::string doing = "git repository \"" + url_ + "\"";
  // Not repeated where it cannot be taken apart: it may hold a password.
  const auto url = parse_remote_url(url_);
  if (!url) return url.error();
  request.url = url_;
  request.mirror = path();
  request.username = credentials_.username;
  request.password = credentials_.password;
  std::optional<KnownHostsHome> home;
  ProcessRequest process;
  process.environment = environment_of_child();
  if (url->transport == Transport::ssh) {
    request.key_file = credentials_.ssh_private_key_file;
    request.known_hosts_file = credentials_.ssh_known_hosts_file.empty()
                                   ? system_known_hosts
                                   : credentials_.ssh_known_hosts_file;
    if (auto problem = ssh_problem(request)) return std::move(*problem).within(doing);
    auto made = KnownHostsHome::make(request.known_hosts_file);
    if (!made) return std::move(made.error()).within(doing);
    process.environment["HOME"] = made->path();
    home.emplace(std::move(*made));
  }
  auto input = encode(request);
  if (!input) return std::move(input.error()).within(doing);
  process.argv = {program_, "git-transfer"};
  process.input = std::move(*input);
  process.deadline = deadline_;
  process.grace = termination_grace;
  process.output_max = answer_bytes_max;
  const auto ended = run_process(process);
  if (!ended) return Error(ended.error()).within(doing);
  if (ended->timed_out)
    return Error{ErrorKind::transient, "no answer within " + to_string(deadline_)}.within(doing);
  auto answer = decode_answer(ended->output);
  if (!answer && !ended->succeeded() && ended->output.empty())
    return Error{ErrorKind::transient, "the transfer ended by " + ending_of(*ended)}.within(doing);
  if (!answer) return std::move(answer.error()).within(doing);
  return answer;
}

Result<std::map<std::string, CommitId>> Mirror::look_up() const {
  const auto answer = transfer({.action = TransferRequest::Action::look});
  if (!answer) return answer.error();
  std::map<std::string, CommitId> commits;
  for (const auto& [name, reference] : answer->references) commits[name] = {reference.target()};
  return commits;
}

Result<bool> Mirror::refresh() {
  std::error_code failure;
  // Its parent too would mean writing where a file system is not mounted by now.
  if (std::filesystem::create_directory(directory_, failure))
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all, failure);
  if (failure)
    return Error{ErrorKind::transient,
                 "make directory \"" + directory_ + "\": " + failure.message()};
  const auto lock = Lock::take(path() + ".lock", deadline_);
  if (!lock) return lock.error();
  const auto answer = transfer({.action = TransferRequest::Action::refresh});
  if (!answer) return answer.error();
  return answer->changed;
}

Mirror Mirror::in(const std::string& directory) const {
  Mirror out = *this;
  out.directory_ = directory;
  return out;
}

Result<void> Mirror::begin_with(const Mirror& other) const {
  namespace fs = std::filesystem;
  std::error_code failure;
  for (const char* folder : {"/objects/info", "/objects/pack", "/refs"})
    if (!failure) fs::create_directories(path() + folder, failure);
  for (const char* file : {"/HEAD", "/config", "/packed-refs"})
    if (!failure && fs::exists(other.path() + file, failure))
      fs::copy_file(other.path() + file, path() + file, failure);
  std::ofstream alternates(path() + "/objects/info/alternates");
  alternates << other.path() << "/objects\n" << std::flush;
  if (!failure && alternates) return {};
  return Error{ErrorKind::transient, "make mirror \"" + path() + "\": " + failure.message()};
}

Result<GitRepository> Mirror::open() const {
  auto repository = GitRepository::open(path());
  if (!repository)
    return Error{ErrorKind::invalid, "git repository \"" + url_ + "\" was never read yet"};
  return repository;
}

Result<void> Mirror::push(const CommitId& commit, const std::string& full_ref,
                          const std::optional<CommitId>& expected) {
  const auto lock = Lock::take(path() + ".lock", deadline_);
  if (!lock) return lock.error();
  const auto answer = transfer({.action = TransferRequest::Action::push,
                                .reference = full_ref,
                                .commit = commit.hex,
                                .expected = expected ? expected->hex : ""});
  if (!answer) return answer.error();
  return {};
}

}  // namespace tidegate
