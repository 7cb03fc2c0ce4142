#pragma once
// For the tests of this folder: a site with a real repository, real SQLite databases and a real
// host driver below a directory of its own; its clock and its log are the test's.

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controller/git/test_repository.h"
#include "controller/host/host_driver.h"
#include "controller/host/records.h"
#include "controller/host/roots.h"
#include "reconcilers/diff.h"
#include "reconcilers/plan.h"
#include "schemas/fleet.h"

namespace tidegate::test {

using namespace std::chrono_literals;

inline bool is_root() { return ::geteuid() == 0; }

class ManualClock : public Clock {
 public:
  Timestamp now() const override { return Timestamp(Duration(now_.load())); }
  void pass(Duration length) { now_ += length.count(); }

 private:
  std::atomic<std::int64_t> now_{1'770'000'000'000};
};

/// No cron in these tests.
class NoCalendar : public Calendar {
 public:
  std::optional<Timestamp> next(const std::string&, const std::string&, Timestamp) const override {
    return std::nullopt;
  }
};

/// What one operation told.
struct Told {
  std::string id, environment, result, message;
  std::vector<std::string> actions, phases, lines;
  bool has(const std::string& piece) const {
    for (const auto& line : lines)
      if (line.find(piece) != std::string::npos) return true;
    return false;
  }
  std::string all() const {
    std::string out;
    for (const auto& line : lines) out += line + "\n";
    return out;
  }
};

class RecordedLog : public OperationLog {
 public:
  void started(const Started& operation) override {
    std::lock_guard lock(mutex_);
    Told& told = told_[operation.id];
    told.id = operation.id;
    told.environment = operation.environment;
    told.actions = operation.actions;
  }
  void phase(const std::string& id, const std::string& phase, std::optional<int> percent) override {
    if (on_phase && !percent) on_phase(phase);
    std::lock_guard lock(mutex_);
    if (!percent) told_[id].phases.push_back(phase);
  }
  void line(const std::string& id, const std::string& text) override {
    std::lock_guard lock(mutex_);
    told_[id].lines.push_back(text);
  }
  void ended(const std::string& id, const std::string& result,
             const std::string& message) override {
    std::lock_guard lock(mutex_);
    Told& told = told_[id];
    told.id = id;
    told.result = result;
    told.message = message;
    ended_.push_back(told);
    changed_.notify_all();
  }
  std::size_t count() {
    std::lock_guard lock(mutex_);
    return ended_.size();
  }
  /// The operation that ended as the `number`-th, counted from 0, waited for.
  Told wait(std::size_t number) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 60s, [&] { return ended_.size() > number; })) {
      ADD_FAILURE() << "no operation ended";
      return {};
    }
    return ended_[number];
  }
  /// Called on the operation's own thread when a phase begins. Set while none runs.
  std::function<void(const std::string& phase)> on_phase;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Told> told_;
  std::vector<Told> ended_;
};

class RememberedRoots : public RootMemory {
 public:
  std::optional<std::string> recall(const std::string& root) override {
    std::lock_guard lock(mutex_);
    auto it = roots_.find(root);
    return it == roots_.end() ? std::nullopt : std::optional(it->second);
  }
  void remember(const std::string& root, const std::string& id) override {
    std::lock_guard lock(mutex_);
    roots_[root] = id;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> roots_;
};

/// "sh -c '…'" as a list item of a manifest; the script holds no quotes of either kind.
inline std::string sh(const std::string& script) { return "\"sh -c '" + script + "'\""; }

class TestHost {
 public:
  TestHost() : code(directory / "code") {
    std::filesystem::create_directories(root());
    std::filesystem::create_directories(secrets());
    ::chmod(directory.path().c_str(), 0755);
    code.write("web/index.html", "first\n");
    code.write("lib/a.txt", "a\n");
    first = code.commit("first");
    restart();
  }
  ~TestHost() { driver.reset(); }

  std::string root() const { return directory / "sites"; }
  std::string secrets() const { return directory / "secrets"; }

  /// What the driver is given, for tests that ask one part of it alone.
  HostServices services(bool renews_stat_cache = true) {
    return {clock, Secrets(secrets()), *repositories, log, roots, "test", "", renews_stat_cache, {},
            {}};
  }

  /// A new process, as far as the driver is concerned.
  void restart() {
    driver.reset();
    repositories = std::make_unique<Repositories>(
        Secrets(secrets()), Repositories::Mode::refresh, 1h, clock, nullptr,
        [this](const std::string&) { return claim_and_remember(roots, root()); });
    HostServices all = services();
    all.owner = "test, pid 1";
    all.state_directory = directory / "state.db";
    all.gate = [this](const Site& s, const Step& step,
                      const std::string& id) -> std::optional<Refusal> {
      return gate ? gate(s, step, id) : std::nullopt;
    };
    driver = std::make_unique<HostDriver>(std::move(all), 2);
  }

  std::string manifests() const {
    const std::string user = is_root() ? ", runAs: www-data" : "";
    std::string text =
        "apiVersion: tidegate/v1\nkind: Driver\nmetadata: {name: host}\nspec: {host: {root: " +
        root() + user + ", keepReleases: " + std::to_string(keep_releases) + driver_settings +
        "}}\n---\n"
        "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: acme}\nspec:\n  driver: host\n"
        "  repository: {url: " +
        code.path() +
        "}\n  stages: [dev, test, live]\n  launched: " + (launched ? "true" : "false") +
        "\n  application: {type: custom, docroot: web, writable: [" + writable +
        "], buildSecrets: {" + build_secrets + "}, commands: {" + commands + "}}\n  content: {" +
        content + "}\n";
    for (const auto& [name, spec] : environments) {
      text += "---\napiVersion: tidegate/v1\nkind: Environment\nmetadata: {name: " + name +
              ", site: acme}\nspec: {" + spec + "}\n";
    }
    return text + more;
  }
  /// The site as the manifests are now; each call is a new reading.
  std::shared_ptr<const Site> site() {
    const Fleet fleet =
        Fleet().with({{"fleet.yaml", manifests()}}, std::string(40, 'a'), "Ada <ada@example.org>");
    for (const auto& problem : fleet.problems())
      if (!problem.warning) ADD_FAILURE() << to_string(problem) << "\n" << manifests();
    return fleet.find("acme");
  }

  ObservedSite observe() {
    const auto s = site();
    repositories->look_now(*s, mirrors_of(*s));
    auto seen = driver->observe(*s);
    EXPECT_TRUE(seen) << seen.error().message;
    return seen ? *seen : ObservedSite{};
  }
  ObservedEnvironment seen(const std::string& environment) {
    return observe().environments[environment];
  }
  Plan plan(const std::set<std::string>& retries = {}) {
    const auto s = site();
    return make_plan(*s, observe(), calendar, clock.now(), retries);
  }
  /// The step that is ready for an environment; a failure when none is.
  Step step(const std::string& environment, const std::set<std::string>& retries = {}) {
    const Plan now = plan(retries);
    for (const Step& s : now.ready)
      if (s.environment == environment) return s;
    std::string why;
    for (const auto& h : now.held)
      why += h.environment + " held " + h.reason + ": " + h.message + "\n";
    for (const auto& w : now.waiting) why += w.environment + " waits: " + w.because + "\n";
    ADD_FAILURE() << "nothing is ready for " << environment << "\n" << why;
    return {};
  }
  Told run(const Step& step) {
    const std::size_t before = log.count();
    const auto started = driver->start(*site(), step);
    EXPECT_TRUE(started) << started.error().message;
    return started ? log.wait(before) : Told{};
  }
  /// Carries out what is ready in one environment.
  Told run(const std::string& environment, const std::set<std::string>& retries = {}) {
    return run(step(environment, retries));
  }
  /// As above, and it must go well.
  Told succeed(const std::string& environment) {
    const Told told = run(environment);
    EXPECT_EQ(told.result, "succeeded") << told.message << "\n" << told.all();
    return told;
  }
  /// Everything that is ready, until nothing is.
  void converge() {
    for (int i = 0; i < 10; ++i) {
      const Plan now = plan();
      if (now.ready.empty()) return;
      for (const Step& s : now.ready) {
        if (s.actions.size() == 1 && std::holds_alternative<Launch>(s.actions[0])) {
          EXPECT_TRUE(driver->start(*site(), s));
        } else {
          EXPECT_EQ(run(s).result, "succeeded");
        }
      }
    }
    ADD_FAILURE() << "never converges";
  }

  EnvironmentLayout layout(const std::string& environment) const {
    return {root(), "acme", environment};
  }
  EnvironmentRecord record(const std::string& environment) const {
    auto read = read_record(layout(environment));
    EXPECT_TRUE(read) << read.error().message;
    return read && *read ? **read : EnvironmentRecord{};
  }
  bool has_journal(const std::string& environment) const {
    return std::filesystem::exists(layout(environment).journal());
  }
  ReleaseRecord release(const std::string& environment) const {
    const auto r = record(environment);
    auto it = r.releases.find(r.current);
    return it == r.releases.end() ? ReleaseRecord{} : it->second;
  }
  /// The journal of a promotion, of release 2 after release 1, as a process that died in a phase
  /// would have left it.
  Journal interrupted(const std::string& environment, const CommitId& commit,
                      const std::string& phase) const {
    Journal j;
    j.operation = "op-1";
    j.actions = {"promote"};
    j.phase = phase;
    j.started_at = clock.now();
    j.owner = "controller, pid 812";
    j.digest = "digest of the step";
    j.before = "1";
    j.prepared = release(environment);
    j.prepared.id = "2";
    j.prepared.commit = commit;
    j.prepared.healthy = false;
    return j;
  }
  std::string database(const std::string& environment) const {
    return release(environment).content.at(Part::databases).items.at("main");
  }
  std::string uploads(const std::string& environment) const {
    return release(environment).content.at(Part::files).items.at("uploads");
  }
  std::string page(const std::string& environment) const {
    return read_file(layout(environment).current() + "/code/web/index.html");
  }
  /// The commit of a changed page.
  CommitId push(const std::string& page) {
    code.write("web/index.html", page);
    return code.commit(page);
  }

  TemporaryDirectory directory;
  WorkTree code;
  CommitId first;
  std::map<std::string, std::string> environments{
      {"dev", "code: {branch: main}, content: {source: live}"}};
  std::string commands, build_secrets, writable;
  std::string more;             ///< Further documents, each after its "---".
  std::string driver_settings;  ///< ", mariadb: {…}"
  std::string content =
      "databases: [{name: main, engine: sqlite}], files: [{name: uploads, path: web/uploads}]";
  bool launched = false;
  int keep_releases = 3;
  std::function<std::optional<Refusal>(const Site&, const Step&, const std::string&)> gate;

  ManualClock clock;
  NoCalendar calendar;
  RecordedLog log;
  RememberedRoots roots;
  std::unique_ptr<Repositories> repositories;
  std::unique_ptr<HostDriver> driver;
};

/// The rows of a query, "a|b" each; or what is wrong with it.
inline std::string sql(const std::string& file, const std::string& statement) {
  sqlite3* opened = nullptr;
  std::string out;
  if (sqlite3_open_v2(file.c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK) {
    char* problem = nullptr;
    const auto row = [](void* to, int columns, char** values, char**) {
      auto& text = *static_cast<std::string*>(to);
      if (!text.empty()) text += "\n";
      for (int i = 0; i < columns; ++i)
        text += (i ? "|" : "") + std::string(values[i] ? values[i] : "null");
      return 0;
    };
    if (sqlite3_exec(opened, statement.c_str(), row, &out, &problem) != SQLITE_OK)
      out = std::string("error: ") + problem;
    sqlite3_free(problem);
  } else {
    out = std::string("error: ") + sqlite3_errmsg(opened);
  }
  sqlite3_close(opened);
  return out;
}

/// Every path below a directory with its kind, size and mtime in nanoseconds: equal when nothing
/// was written.
inline std::map<std::string, std::string> state_of(const std::string& directory) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat s {};
    ::lstat(entry.path().c_str(), &s);
    out[entry.path()] = std::to_string(s.st_ino) + " " + std::to_string(s.st_mode) + " " +
                        std::to_string(s.st_size) + " " + std::to_string(s.st_mtim.tv_sec) + "." +
                        std::to_string(s.st_mtim.tv_nsec);
  }
  return out;
}

}  // namespace tidegate::test
