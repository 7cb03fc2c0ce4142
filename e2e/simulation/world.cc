// The world around the loop: its ports, its clock, what people and fate do.

#include "e2e/simulation/world.h"

#include <algorithm>

#include "e2e/simulation/oracle.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

const std::vector<std::vector<std::string>> possible_stages{
    {"dev", "test", "live"},
    {"main-site"},
    {"staging", "production"},
    {"integration", "qa", "staging", "live"},
    {"d1", "d2", "test", "pre-live", "www"}};

}  // namespace

World::World(std::uint64_t seed, int sites) : random(seed) {
  for (int i = 0; i < sites; ++i) {
    const std::string name = "site" + std::to_string(i);
    found(name, random.pick(possible_stages), random.chance(700));
  }
  commit("the beginning");
  restart();
}

World::World(std::uint64_t seed, const std::vector<std::string>& stages, bool launched)
    : random(seed) {
  found("acme", stages, launched);
  commit("the beginning");
  restart();
}

/// A launched site has its authority from before; everything else is to be made.
void World::found(const std::string& name, const std::vector<std::string>& stages, bool launched) {
  WrittenSite site;
  site.stages = stages;
  site.launched = launched;
  for (const auto& stage : stages) site.environments[stage];
  people.stages[name] = stages;
  people.sites[name] = site;
  const CommitId commit = new_commit(name);
  site.environments[stages.back()].code = "commit: " + commit.hex;
  people.sites[name] = site;
  if (!launched) return;
  Place& place = estates[name].places[stages.back()];
  place.exists = true;
  place.last_release = 1;
  place.current = {"1", commit, "", {}, true, false};
  place.current.content[Part::databases] = {"1", {{}, 0, {}, time}, {{"main", "sqlite"}}};
  place.current.content[Part::files] = {"1", {{}, 0, {}, time}, {{"uploads", "web/uploads"}}};
  place.proven = {{commit, {}}};
  place.last_proven = commit;
  place.ran_on[commit] = {"1"};
}

void World::restart() {
  LoopSettings settings;
  settings.sources.intervals = {poll_interval};
  settings.cadence = {15s, 30min};
  settings.writer = this;
  controller = std::make_unique<Controller>(
      std::vector<ManifestSource*>{this}, *this, *this, *this, *this,
      [this] { return static_cast<double>(random.below(1000)) / 1000.0; }, settings);
}

void World::crash() {
  note("the controller dies");
  for (auto& [site, estate] : estates) {
    for (auto& [e, place] : estate.places) {
      if (place.running) place.running->interrupted = true;
    }
  }
  controller.reset();
  opens.clear();
  restart();
}

// ---- the history ----

void World::note(const std::string& text) { history_.push_back(to_rfc3339(time) + " " + text); }

void World::fault(const std::string& text) {
  note("WRONG: " + text);
  if (wrong.empty()) wrong = text;
}

std::string World::history(std::size_t lines) const {
  std::string out;
  const std::size_t from = history_.size() > lines ? history_.size() - lines : 0;
  for (std::size_t i = from; i < history_.size(); ++i) out += history_[i] + "\n";
  return out;
}

// ---- what people and fate do ----

void World::commit(const std::string& what) {
  for (const auto& [name, site] : people.sites) people.past[name].push_back(site);
  revisions_.push_back(people.files());
  note("commit " + std::to_string(revisions_.size()) + ": " + what);
}

CommitId World::new_commit(const std::string& site, bool on_main) {
  Estate& estate = estates[site];
  CommitId commit;
  for (int i = 0; i < 40; ++i) commit.hex += "0123456789abcdef"[random.below(16)];
  estate.commits.push_back(commit);
  if (faults.site_fails > 0 && random.chance(150)) estate.bad.insert(commit);
  if (on_main) {
    estate.refs["refs/heads/main"] = commit;
    if (!estate.refs.contains("refs/tags/v1")) estate.refs["refs/tags/v1"] = commit;
    note(site + ": main is " + commit.brief() +
         (estate.bad.contains(commit) ? ", which fails" : ""));
  }
  return commit;
}

void World::set_gone(const std::string& site, const std::string& e, bool gone) {
  Place& there = place(site, e);
  if (gone == !there.gone.empty()) return;
  there.gone = gone ? "\"/srv/sites/" + site + "/" + e + "\" lost what it held" : "";
  if (gone && there.running) there.running->interrupted = true;
  note(site + "/" + e + (gone ? " is gone" : " is back"));
}

void World::verify_again(const std::string& site, const std::string& e) {
  Place& there = place(site, e);
  const auto manifest = known(site);
  if (!manifest || !there.exists || there.running) return;
  const bool fails = there.current.healthy;
  if (!fails && !there.fails_again()) return;
  fails ? there.lose_proof(time) : there.prove(*manifest, e, time);
  ++tally[fails ? "fails again" : "passes again"];
  note(site + "/" + e + (fails ? " fails its verification again" : " passes its verification"));
  tell_end(site);
}

void World::mishap() {
  auto somewhere = [&]() -> std::pair<std::string, std::string> {
    auto site = estates.begin();
    std::advance(site, static_cast<long>(random.below(estates.size())));
    const auto& stages = people.stages[site->first];
    return {site->first, random.pick(stages)};
  };
  if (random.chance(faults.commits)) commit_something(*this);
  if (random.chance(faults.drift)) {
    const auto [site, e] = somewhere();
    Place& there = place(site, e);
    if (there.exists && !there.running) {
      there.drifted = true;
      note(site + "/" + e + " is changed by hand");
    }
  }
  // What is broken is mended sooner than what works breaks, or nothing else would ever happen.
  auto strikes = [&](int fault, bool broken) {
    return fault > 0 && random.chance(broken ? 150 : fault);
  };
  if (strikes(faults.git, !git_reachable)) {
    git_reachable = !git_reachable;
    note(git_reachable ? "manifests are reachable" : "manifests are unreachable");
  }
  for (auto& [site, there] : estates) {
    if (strikes(faults.code_git, !there.repository_reachable)) {
      there.repository_reachable = !there.repository_reachable;
      note(site + ": its repository is " +
           (there.repository_reachable ? "reachable" : "unreachable"));
    }
    if (strikes(faults.secret, there.secret == 0)) {
      there.secret = there.secret > 0 && random.chance(300) ? 0 : ++secrets_;
      note(site + ": its secret is " + std::to_string(there.secret));
    }
    for (auto& [e, place] : there.places) {
      if (place.exists && strikes(faults.gone, !place.gone.empty()))
        set_gone(site, e, place.gone.empty());
      const bool fails = place.fails_again();
      if (strikes(faults.fails_again, fails) || (mended && fails)) verify_again(site, e);
    }
  }
  if (random.chance(faults.retry)) {
    const auto [site, e] = somewhere();
    note("retry of " + site + "/" + e);
    asked[site].insert(e);
  }
  if (random.chance(faults.crash)) crash();
}

void World::heal() {
  note("everything outside is well again");
  faults = {};
  calm = mended = true;
  git_reachable = true;
  for (auto& [site, estate] : estates) {
    estate.repository_reachable = true;
    if (estate.secret == 0) estate.secret = 1;
    for (auto& [e, place] : estate.places) set_gone(site, e, false);
  }
}

// ---- running it ----

void World::turn() {
  advance();
  mishap();
  int looks = 0;
  while (controller->run_one()) {
    if (++looks > 10'000) return fault("the loop never comes to rest");
  }
  for (const auto& [site, estate] : estates) {
    if (auto why = overwritten(estate)) fault(site + ": " + *why);
  }
  for (const auto& [site, at] : opens) {
    if (at <= time) fault(site + ": a hold opened and nobody looked");
  }
  const Timestamp next = std::min(controller->next_due(), next_event());
  if (next <= time) fault("the loop spins");
  time = std::max(next, time + 1ms);
}

void World::run_for(Duration length) {
  const Timestamp until = time + length;
  while (wrong.empty() && time < until) turn();
}

Timestamp World::next_event() const {
  Timestamp next = Timestamp::max();
  for (const auto& [site, estate] : estates) {
    for (const auto& [e, place] : estate.places) {
      const auto& r = place.running;
      if (!r || r->interrupted) continue;
      next = std::min(next, r->switched || r->recovering ? r->ends : r->switches);
    }
  }
  return next;
}

std::shared_ptr<const Site> World::known(const std::string& site) const {
  return controller->find(site);
}

bool World::knows_everything() const {
  return controller->fleet()->revision() == "r" + std::to_string(revisions_.size());
}

// ---- ports but the driver ----

Result<ManifestChanges> World::as_of(const std::string& revision) {
  if (lost_request()) return Error{ErrorKind::transient, "git: input/output error"};
  ManifestChanges out;
  out.revision = revision;
  out.author = "ada";
  out.complete = true;
  for (const auto& [path, text] : revisions_.at(std::stoul(revision.substr(1)) - 1))
    out.changes.push_back({path, text});
  return out;
}

/// The manifest commits after a revision that changed a file.
std::vector<CommitId> World::commits_of(const std::string& path, const std::string& after) const {
  const auto text = [&](std::size_t revision) -> std::optional<std::string> {
    const auto found = revisions_[revision].find(path);
    if (found == revisions_[revision].end()) return std::nullopt;
    return found->second;
  };
  std::vector<CommitId> commits;
  for (std::size_t i = std::stoul(after.substr(1)); i < revisions_.size(); ++i)
    if (text(i) != text(i - 1)) commits.push_back({"r" + std::to_string(i + 1)});
  return commits;
}

Result<std::optional<ManifestChanges>> World::changed_since(const std::string& revision) {
  if (lost_request() || !git_reachable) return Error{ErrorKind::transient, "git fetch: timeout"};
  const std::string newest = "r" + std::to_string(revisions_.size());
  if (revision == newest) return std::optional<ManifestChanges>{};
  ManifestChanges out;
  out.revision = newest;
  out.author = "ada";
  const auto& files = revisions_.back();
  out.complete = revision.empty();
  static const std::map<std::string, std::string> nothing;
  const auto& before = out.complete ? nothing : revisions_.at(std::stoul(revision.substr(1)) - 1);
  for (const auto& [path, text] : files) {
    auto it = before.find(path);
    if (it == before.end() || it->second != text) out.changes.push_back({path, text});
  }
  for (const auto& [path, text] : before) {
    if (!files.contains(path)) out.changes.push_back({path, std::nullopt});
  }
  if (!out.complete)
    for (auto& change : out.changes) change.commits = commits_of(change.path, revision);
  return std::optional(out);
}

std::optional<Timestamp> World::next(const std::string& cron, const std::string&,
                                     Timestamp after) const {
  const auto minute = std::chrono::minutes(std::stoi(cron));
  const std::string hour = cron.substr(cron.find(' ') + 1);
  const Duration turn = hour[0] == '*' ? Duration(1h) : Duration(24h);
  const Duration offset = minute + (hour[0] == '*' ? 0h : std::chrono::hours(std::stoi(hour)));
  const Timestamp base = hour[0] == '*' ? Timestamp(std::chrono::floor<std::chrono::hours>(after))
                                        : Timestamp(std::chrono::floor<std::chrono::days>(after));
  return base + offset > after ? base + offset : base + offset + turn;
}

void World::told(const SiteStatus& status, const Plan& plan) {
  opens.erase(status.name);
  for (const auto& hold : plan.held) {
    ++tally["held " + hold.reason];
    if (!hold.opens_at) continue;
    auto& first = opens.try_emplace(status.name, *hold.opens_at).first->second;
    first = std::min(first, *hold.opens_at);
  }
  for (const auto& waiting : plan.waiting)
    ++tally[waiting.until ? "waiting for a time" : "waiting"];
  if (!plan.warnings.empty()) ++tally["warned"];
  std::string text = status.name + " launched " + (status.launched ? "yes" : "no");
  auto add = [&](const std::vector<Condition>& conditions) {
    for (const auto& c : conditions) {
      text += "; " + c.type + " " + c.status + " " + c.reason + " " + c.message + " " +
              to_rfc3339(c.last_transition);
    }
  };
  add(status.conditions);
  for (const auto& e : status.environments) {
    text += "\n" + e.name;
    if (e.conditions.empty() || e.ready().type != "Ready") fault(e.name + " has no Ready");
    add(e.conditions);
    for (const auto& hold : e.holds) text += "; held " + hold.reason + " " + hold.message;
    for (const auto& warning : e.warnings) text += "; " + warning;
  }
  std::string& before = statuses[status.name];
  if (before == text) return;
  before = text;
  ++status_changes[status.name];
}

void World::happened(const Event& event) {
  note("  " + event.site + "/" + event.environment + " " + event.type + " " + event.message);
}

void World::let_go(const std::string& site) {
  statuses.erase(site);
  opens.erase(site);
}

void World::retried(const std::string& site, const std::string& e) { asked[site].erase(e); }

void World::log(const char* level, const std::string& message,
                const std::vector<std::pair<std::string, std::string>>& facts) {
  if (message.find("bug") == std::string::npos) return;
  std::string text = std::string(level) + " " + message;
  for (const auto& [key, value] : facts) text += " " + key + "=" + value;
  fault(text);
}

}  // namespace tidegate
