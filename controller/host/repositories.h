#pragma once
// The code repositories of all sites: one mirror for each URL and credentials, looked up in the
// background. Asking never waits for the network.

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "controller/git/mirror.h"
#include "controller/secrets/secrets.h"
#include "controller/signatures/signatures.h"
#include "reconcilers/driver.h"

namespace tidegate {

/// What is known of a site's repository now.
struct KnownRefs {
  std::shared_ptr<const std::map<std::string, CommitId>>
      refs;               ///< Never null; empty before the first look.
  std::string problem;    ///< Why refs may be old or are not known yet; "" when they are fresh.
  bool pending = false;   ///< It was never looked up: `problem` only says so.
  bool complete = false;  ///< Commits can be looked up: the mirror is there and was refreshed.
};

class Repositories {
 public:
  enum class Mode {
    look_up,  ///< Ask the remote what its refs are, and write nothing to stay (`plan`): commits
              ///< that no mirror has are fetched into a temporary one, which is waited for.
    refresh,  ///< Fetch what is new.
  };
  /// `directory`: where mirrors are kept for a site. `changed`: called with the sites that follow a
  /// repository of which something changed; from a background thread. `interval`: between two looks
  /// at one repository, ±10 % of jitter.
  /// `prepare` is asked before anything is written below a directory of mirrors.
  Repositories(Secrets secrets, Mode mode, Duration interval, const Clock& clock,
               std::function<void(const std::string& site)> changed,
               std::function<Result<void>(const std::string& mirrors)> prepare = {});
  ~Repositories();

  /// What is known, at once. The first question about a repository starts a look in the background.
  KnownRefs known(const Site& site, const std::string& mirrors);
  /// Looks now, and waits.
  void look_now(const Site& site, const std::string& mirrors);
  /// The same, unless the repository was looked up before, for whichever site (commands that run
  /// once).
  void look_once(const Site& site, const std::string& mirrors);
  /// The mirror to read from; `transient` before it was fetched.
  Result<GitRepository> open(const Site& site, const std::string& mirrors);
  /// To write to the repository as the site may.
  Result<Mirror> mirror(const Site& site, const std::string& mirrors);
  /// Whether a commit is there; nothing when that cannot be told yet, or while it is looked for.
  /// Remembers what was there.
  std::optional<bool> has(const Site& site, const std::string& mirrors, const CommitId& commit);
  /// Whether what is not there, a commit or the full name of a reference, may have been pushed
  /// since the last look: that is so, while run() looks, until a look that began after the first
  /// question has ended. It is hurried, and its end told as a change.
  bool looks_for(const Site& site, const std::string& mirrors, const std::string& name);
  /// The first of `paths` under which the commit has tracked files; "" for none or unknown.
  std::string tracked(const Site& site, const std::string& mirrors, const CommitId& commit,
                      const std::vector<std::string>& paths);
  /// Whether one of the allowed signers vouches for the commit, or for the tag of that full name
  /// (or "") that leads to it. Remembers verdicts as Signatures does.
  SignatureFact signature(const Site& site, const std::string& mirrors, const CommitId& commit,
                          const std::string& tag, const std::string& allowed_signers);
  /// Starts looking at intervals, with this many threads at once.
  void run(unsigned threads);
  void stop();
  /// A fresh look is wanted (a commit was pushed).
  void wake(const Site& site, const std::string& mirrors);

 private:
  struct Entry {
    std::unique_ptr<Mirror> mirror;
    std::string mirrors;             ///< The directory it lies in.
    std::unique_ptr<Mirror> beside;  ///< In Mode::look_up: the temporary one, once it is fetched.
    std::once_flag fetched;
    std::string setup_problem;  ///< Credentials that could not be read.
    std::set<std::string> sites;
    KnownRefs known;
    std::filesystem::file_time_type
        read_at{};  ///< Of the mirror's references: another process refreshes it too.
    std::set<std::string> present;  ///< Commits seen in the mirror.
    std::map<std::string, std::uint64_t>
        missed;  ///< What was looked for in vain, with how many looks had begun.
    std::uint64_t looks = 0, looked = 0;  ///< Begun; and the last that reached the remote.
    std::map<std::string, std::string> tracked;
    Timestamp due{};
    bool busy = false;
  };
  std::shared_ptr<Entry> entry(const Site& site, const std::string& mirrors);
  void look(Entry& entry);
  bool looks_for(Entry& entry, const std::string& name);
  Result<GitRepository> open_for(Entry& entry, const CommitId& commit, bool newest = false);
  void fetch_beside(Entry& entry);
  void work();

  const Secrets secrets_;
  const Mode mode_;
  const Duration interval_;
  const Clock& clock_;
  const std::function<void(const std::string&)> changed_;
  const std::function<Result<void>(const std::string&)> prepare_;
  Signatures signatures_;
  std::mutex mutex_;  // Over everything below but the mirrors' own work.
  std::condition_variable wake_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
  std::vector<std::thread> threads_;
  std::string
      temporary_;  ///< Directory of what was fetched only to be read; "" while there is none.
  bool running_ = false, stopping_ = false;
};

}  // namespace tidegate
