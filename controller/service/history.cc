#include "controller/service/history.h"

#include <algorithm>

#include "controller/service/json.h"
#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

constexpr const char* root_prefix = "root ";
constexpr const char* in_force_prefix = "in force ";

}  // namespace

History::History(Store& store, const Clock& clock, LogLineWriter log, OperationWatcher watcher)
    : store_(store), clock_(clock), log_(std::move(log)), watcher_(std::move(watcher)) {}

void History::check(Result<void> written) {
  const std::string problem = written ? "" : written.error().message;
  {
    std::lock_guard lock(mutex_);
    if (problem == broken_) return;
    broken_ = problem;
  }
  if (problem.empty())
    log("info", "history is kept again", {});
  else
    log("error", "history cannot be kept", {{"problem", problem}});
}

void History::log(const char* level, const std::string& message,
                  const std::vector<std::pair<std::string, std::string>>& facts) {
  if (log_) log_(level, message, facts);
}

void History::told(const SiteStatus& status, const Plan&) {
  if (watcher_.told) watcher_.told(status);
  if (!status.broken) return check(store_.put_status(status.name, site_json(status)));
  auto before = store_.status(status.name);
  check(store_.put_status(status.name,
                          site_json_with_conditions(before && *before ? **before : "", status)));
}

void History::happened(const Event& event) {
  log("info", "event",
      {{"site", event.site},
       {"environment", event.environment},
       {"type", event.type},
       {"message", event.message}});
  check(
      store_.append_event({0, event.at, event.site, event.environment, event.type, event.message}));
}

void History::let_go(const std::string& site) {
  check(store_.remove_status(site));
  happened(
      {clock_.now(), site, "", "LetGo", "no manifest declares it any more; what is there stays"});
  SiteStatus nothing;
  nothing.name = site;
  if (watcher_.told) watcher_.told(nothing);
}

std::optional<SiteStatus> History::last(const std::string& site) {
  auto text = store_.status(site);
  if (!text || !*text) return std::nullopt;
  return conditions_from_json(**text);
}

std::map<std::string, std::vector<Timestamp>> History::wipes_since(Timestamp since) {
  constexpr std::size_t far_back = 1000;
  std::map<std::string, std::vector<Timestamp>> out;
  const auto operations = store_.operations("", "", far_back);
  if (!operations) return out;
  for (const OperationRecord& o : *operations) {
    const bool wiped = std::ranges::find(o.actions, "wipe") != o.actions.end();
    if (wiped && o.started_at > since) out[o.site].push_back(o.started_at);
  }
  return out;
}

std::set<std::string> History::retries(const std::string& site) {
  std::set<std::string> out;
  if (auto asked = store_.retries(site))
    for (const auto& request : *asked) out.insert(request.environment);
  return out;
}

void History::retried(const std::string& site, const std::string& environment) {
  auto taken = store_.take_retry(site, environment);
  if (!taken || !*taken) return;
  happened(
      {clock_.now(), site, environment, "Retried", "quarantine lifted once for " + (*taken)->who});
  note_who_asked(site, environment, (*taken)->who);
}

/// The operation that the request started tells of it: one that runs, or has ended already.
void History::note_who_asked(const std::string& site, const std::string& environment,
                             const std::string& who) {
  const std::string text = "retried for " + who;
  auto latest = store_.operations(site, environment, 1);
  if (!latest || latest->empty()) return;
  OperationRecord& found = latest->front();
  {
    std::lock_guard lock(mutex_);
    auto running = running_.find(found.id);
    if (running != running_.end()) {
      retried_for_[found.id] = text;
      running->second.message = text;
      found = running->second;
    } else {
      found.message = text + (found.message.empty() ? "" : ": " + found.message);
    }
  }
  check(store_.put_operation(found));
}

OperationRecord& History::record(const std::string& id) {
  auto it = running_.find(id);
  if (it != running_.end()) return it->second;
  // One that another process began, taken up again.
  OperationRecord& found = running_[id];
  if (auto stored = store_.operation(id); stored && *stored) found = **stored;
  found.id = id;
  found.ended_at.reset();
  found.result.clear();
  return found;
}

void History::started(const Started& operation) {
  OperationRecord copy;
  {
    std::lock_guard lock(mutex_);
    OperationRecord& r = running_[operation.id];
    r = {operation.id,
         operation.site,
         operation.environment,
         operation.actions,
         operation.revision,
         operation.author,
         operation.at,
         {},
         "",
         "",
         "queued",
         {}};
    copy = r;
  }
  check(store_.put_operation(copy));
  if (watcher_.changed) watcher_.changed(copy);
}

void History::phase(const std::string& id, const std::string& phase, std::optional<int> percent) {
  OperationRecord copy;
  {
    std::lock_guard lock(mutex_);
    OperationRecord& r = record(id);
    if (r.phase == phase && r.percent == percent) return;
    r.phase = phase;
    r.percent = percent;
    copy = r;
  }
  check(store_.put_operation(copy));
  if (watcher_.changed) watcher_.changed(copy);
}

void History::line(const std::string& id, const std::string& text) {
  check(store_.append_log(id, clock_.now(), {text}));
  if (!watcher_.line) return;
  OperationRecord copy;
  {
    std::lock_guard lock(mutex_);
    copy = record(id);
  }
  watcher_.line(copy, text);
}

void History::ended(const std::string& id, const std::string& result, const std::string& message) {
  OperationRecord copy;
  {
    std::lock_guard lock(mutex_);
    OperationRecord& r = record(id);
    r.message = message;
    if (auto asked = retried_for_.extract(id))
      r.message = asked.mapped() + (message.empty() ? "" : ": " + message);
    r.result = result;
    r.percent.reset();
    if (!result.empty()) {
      r.ended_at = clock_.now();
      r.phase.clear();
    }
    copy = r;
    if (result != "succeeded") failed_.push_back(r);
    running_.erase(id);
  }
  check(store_.put_operation(copy));
  if (watcher_.changed) watcher_.changed(copy);
  const char* type = result == "succeeded" ? "Succeeded"
                     : result == "undone"  ? "Undone"
                     : result == "failed"  ? "Failed"
                                           : "Parked";
  happened({clock_.now(), copy.site, copy.environment, type,
            join(copy.actions, ", ") + (message.empty() ? "" : ": " + message)});
}

std::optional<std::string> History::recall(const std::string& root) {
  auto value = store_.recall(root_prefix + root);
  return value ? *value : std::nullopt;
}

void History::remember(const std::string& root, const std::string& id) {
  check(store_.remember(root_prefix + root, id));
  note_below(root);
}

std::string History::in_force(const std::string& source) {
  auto value = store_.recall(in_force_prefix + source);
  return value && *value ? **value : "";
}

void History::now_in_force(const std::string& source, const std::string& revision) {
  check(store_.remember(in_force_prefix + source, revision));
  std::set<std::string> roots;
  {
    std::lock_guard lock(mutex_);
    in_force_[source] = {revision, clock_.now()};
    roots = roots_;
  }
  for (const std::string& root : roots) note_below(root);
}

std::string History::in_force_below(const std::set<std::string>& roots,
                                    const std::string& source) {
  std::optional<InForce> newest;
  for (const std::string& root : roots) {
    const auto found = noted_in_force(root, source);
    if (found && (!newest || found->at > newest->at)) newest = found;
  }
  return newest ? newest->revision : "";
}

/// Of a root that is not there for a while it is done when it is claimed again.
void History::note_below(const std::string& root) {
  std::map<std::string, InForce> missing;
  {
    std::lock_guard lock(mutex_);
    roots_.insert(root);
    for (const auto& [source, in_force] : in_force_)
      if (noted_[root][source] != in_force.revision) missing[source] = in_force;
  }
  for (const auto& [source, in_force] : missing) {
    const auto noted = note_in_force(root, source, in_force);
    if (!noted)
      log("warn", "which manifests are in force cannot be noted below a root",
          {{"root", root}, {"source", source}, {"problem", noted.error().message}});
    std::lock_guard lock(mutex_);
    if (noted && *noted) noted_[root][source] = in_force.revision;
  }
}

void History::set_revision(const std::string& revision) {
  check(store_.remember("revision", revision));
}

std::vector<OperationRecord> History::failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}

}  // namespace tidegate
