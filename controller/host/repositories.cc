#include "controller/host/repositories.h"

#include <cstdlib>
#include <filesystem>
#include <random>
#include <utility>

#include "controller/secrets/credentials.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration transfer_deadline =
    10min;  // A first clone of a large site is slow; a hung one is ended.

}  // namespace

Repositories::Repositories(Secrets secrets, Mode mode, Duration interval, const Clock& clock,
                           std::function<void(const std::string& site)> changed,
                           std::function<Result<void>(const std::string& mirrors)> prepare)
    : secrets_(std::move(secrets)),
      mode_(mode),
      interval_(interval),
      clock_(clock),
      changed_(std::move(changed)),
      prepare_(std::move(prepare)),
      signatures_(clock) {}

Repositories::~Repositories() {
  stop();
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

std::shared_ptr<Repositories::Entry> Repositories::entry(const Site& site,
                                                         const std::string& mirrors) {
  auto credentials =
      credentials_for(site.repository.url, site.repository.credentials, secrets_, site.name);
  std::string key = mirrors + "\n" + site.repository.url;
  if (credentials) {
    key += "\n" + credentials->username + "\n" + credentials->password + "\n" +
           credentials->ssh_private_key_file;
  } else {
    key += "\n!" + site.name;
  }
  std::lock_guard lock(mutex_);
  auto& found = entries_[key];
  if (!found) {
    found = std::make_shared<Entry>();
    found->known.refs = std::make_shared<const std::map<std::string, CommitId>>();
    found->known.problem = "repository " + site.repository.url + " has not been looked up yet";
    found->known.pending = true;
    found->due = clock_.now();
    found->mirrors = mirrors;
    if (credentials) {
      found->mirror =
          std::make_unique<Mirror>(mirrors, site.repository.url, *credentials, transfer_deadline);
    } else {
      found->setup_problem = credentials.error().message;
    }
    wake_.notify_one();
  }
  found->sites.insert(site.name);
  return found;
}

KnownRefs Repositories::known(const Site& site, const std::string& mirrors) {
  auto found = entry(site, mirrors);
  std::lock_guard lock(mutex_);
  return found->known;
}

void Repositories::look_now(const Site& site, const std::string& mirrors) {
  auto found = entry(site, mirrors);
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return !found->busy || stopping_; });
    found->busy = true;
  }
  look(*found);
}

void Repositories::look_once(const Site& site, const std::string& mirrors) {
  if (known(site, mirrors).pending) look_now(site, mirrors);
}

void Repositories::look(Entry& entry) {
  KnownRefs fresh;
  std::uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    fresh = entry.known;
    number = ++entry.looks;
  }
  if (!entry.mirror) {
    fresh.pending = false;
    fresh.problem = entry.setup_problem;
  } else {
    std::optional<Error> failed;
    bool moved = fresh.refs->empty() || !fresh.problem.empty();
    if (mode_ == Mode::refresh && prepare_) {
      if (auto prepared = prepare_(entry.mirrors); !prepared) failed = prepared.error();
    }
    if (mode_ == Mode::refresh && !failed) {
      auto refreshed = entry.mirror->refresh();
      if (!refreshed)
        failed = refreshed.error();
      else
        moved |= *refreshed;
      std::error_code unknown;
      const auto written =
          std::filesystem::last_write_time(entry.mirror->path() + "/packed-refs", unknown);
      if (!failed && !unknown && std::exchange(entry.read_at, written) != written) moved = true;
    }
    if (!failed && (moved || mode_ == Mode::look_up)) {
      if (mode_ == Mode::look_up) {
        auto refs = entry.mirror->look_up();
        if (refs)
          fresh.refs = std::make_shared<const std::map<std::string, CommitId>>(std::move(*refs));
        else
          failed = refs.error();
      } else if (auto repository = entry.mirror->open()) {
        std::map<std::string, CommitId> refs;
        for (const auto& name : repository->references()) {
          if (auto commit = repository->resolve(name)) refs[name] = *commit;
        }
        fresh.refs = std::make_shared<const std::map<std::string, CommitId>>(std::move(refs));
      } else {
        failed = repository.error();
      }
    }
    fresh.pending = false;
    fresh.problem = failed ? failed->message : "";
    if (!failed) fresh.complete = mode_ == Mode::refresh;
  }
  std::set<std::string> tell;
  {
    std::lock_guard lock(mutex_);
    if (*fresh.refs != *entry.known.refs || fresh.problem != entry.known.problem)
      tell = entry.sites;
    const bool reached = fresh.problem.empty();
    entry.known = std::move(fresh);
    thread_local std::minstd_rand jitter{std::random_device{}()};
    entry.due = clock_.now() + interval_ * (90 + jitter() % 21) / 100;
    for (const auto& [commit, before] : entry.missed) {
      if (reached && before >= number) entry.due = clock_.now();
      if (reached && before >= entry.looked && before < number) tell = entry.sites;
    }
    if (reached) entry.looked = number;
    entry.busy = false;
  }
  wake_.notify_all();
  if (changed_)
    for (const auto& site : tell) changed_(site);
}

/// The repository to read a commit from; `newest`: with the tags of now.
Result<GitRepository> Repositories::open_for(Entry& entry, const CommitId& commit, bool newest) {
  auto repository = entry.mirror->open();
  const bool there = !newest && repository && repository->has(commit);
  if (mode_ == Mode::refresh || there) return repository;
  {
    std::lock_guard lock(mutex_);
    if (!entry.known.problem.empty()) return repository;  // Nor could anything be fetched.
  }
  std::call_once(entry.fetched, [&] { fetch_beside(entry); });
  return entry.beside ? entry.beside->open() : std::move(repository);
}

void Repositories::fetch_beside(Entry& entry) {
  {
    std::lock_guard lock(mutex_);
    std::string pattern = std::filesystem::temp_directory_path() / "tidegate-plan-XXXXXX";
    if (temporary_.empty() && ::mkdtemp(pattern.data())) temporary_ = pattern;
    if (temporary_.empty()) return;
  }
  auto beside = std::make_unique<Mirror>(entry.mirror->in(temporary_));
  if (entry.mirror->open() && !beside->begin_with(*entry.mirror)) return;
  if (beside->refresh()) entry.beside = std::move(beside);
}

Result<GitRepository> Repositories::open(const Site& site, const std::string& mirrors) {
  auto found = entry(site, mirrors);
  if (!found->mirror) return Error{ErrorKind::invalid, found->setup_problem};
  return found->mirror->open();
}

Result<Mirror> Repositories::mirror(const Site& site, const std::string& mirrors) {
  auto found = entry(site, mirrors);
  if (!found->mirror) return Error{ErrorKind::invalid, found->setup_problem};
  return *found->mirror;
}

std::optional<bool> Repositories::has(const Site& site, const std::string& mirrors,
                                      const CommitId& commit) {
  auto found = entry(site, mirrors);
  {
    std::lock_guard lock(mutex_);
    if (found->present.contains(commit.hex)) return true;
  }
  if (!found->mirror) return std::nullopt;
  auto repository = open_for(*found, commit);
  if (!repository) return std::nullopt;
  if (repository->has(commit)) {
    std::lock_guard lock(mutex_);
    found->present.insert(commit.hex);
    found->missed.erase(commit.hex);
    return true;
  }
  std::lock_guard lock(mutex_);
  const bool complete = found->known.complete || found->beside;
  if (!complete || !found->known.problem.empty()) return std::nullopt;
  return looks_for(*found, commit.hex) ? std::nullopt : std::optional(false);
}

bool Repositories::looks_for(const Site& site, const std::string& mirrors,
                             const std::string& name) {
  auto found = entry(site, mirrors);
  std::lock_guard lock(mutex_);
  return looks_for(*found, name);
}

/// Under mutex_.
bool Repositories::looks_for(Entry& entry, const std::string& name) {
  if (!running_ || !entry.known.problem.empty()) return false;
  const auto [missed, first] = entry.missed.try_emplace(name, entry.looks);
  if (first && !entry.busy) {
    entry.due = clock_.now();
    wake_.notify_one();
  }
  return entry.looked <= missed->second;
}

std::string Repositories::tracked(const Site& site, const std::string& mirrors,
                                  const CommitId& commit, const std::vector<std::string>& paths) {
  auto found = entry(site, mirrors);
  std::string key = commit.hex;
  for (const auto& path : paths) key += "\n" + path;
  {
    std::lock_guard lock(mutex_);
    if (auto it = found->tracked.find(key); it != found->tracked.end()) return it->second;
  }
  if (!found->mirror) return "";
  auto repository = open_for(*found, commit);
  if (!repository || !repository->has(commit)) return "";
  std::string in_the_way;
  for (const auto& path : paths) {
    if (in_the_way.empty() && repository->has_path(commit, path)) in_the_way = path;
  }
  std::lock_guard lock(mutex_);
  return found->tracked[key] = in_the_way;
}

SignatureFact Repositories::signature(const Site& site, const std::string& mirrors,
                                      const CommitId& commit, const std::string& tag,
                                      const std::string& allowed_signers) {
  auto found = entry(site, mirrors);
  if (!found->mirror) return {false, "", found->setup_problem};
  SignatureFact fact;
  // What no mirror has been told of yet may be a new tag of a commit that it has.
  for (const bool newest : {false, true}) {
    if (newest && (fact.valid || tag.empty() || mode_ == Mode::refresh)) break;
    auto repository = open_for(*found, commit, newest);
    if (!repository) return {false, "", std::move(repository.error().message)};
    fact = signatures_.of(*repository, commit, allowed_signers, tag);
  }
  return fact;
}

void Repositories::run(unsigned threads) {
  {
    std::lock_guard lock(mutex_);
    running_ = true;
  }
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

void Repositories::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void Repositories::wake(const Site& site, const std::string& mirrors) {
  auto found = entry(site, mirrors);
  std::lock_guard lock(mutex_);
  found->due = clock_.now();
  wake_.notify_one();
}

void Repositories::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const Timestamp now = clock_.now();
    Timestamp next = now + 1s;
    std::shared_ptr<Entry> due;
    for (auto& [key, entry] : entries_) {
      if (entry->busy) continue;
      if (entry->due <= now && (!due || entry->due < due->due)) due = entry;
      next = std::min(next, entry->due);
    }
    if (!due) {
      wake_.wait_for(lock, std::max<Duration>(next - now, 10ms));
      continue;
    }
    due->busy = true;
    lock.unlock();
    look(*due);
    lock.lock();
  }
}

}  // namespace tidegate
