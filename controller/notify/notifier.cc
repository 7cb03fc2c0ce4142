#include "controller/notify/notifier.h"

#include <algorithm>

namespace tidegate {

Notifier::Notifier(std::unique_ptr<Outbox> outbox, Store& store, Secrets secrets,
                   const Clock& clock, Log log, NotifyPace pace)
    : outbox_(std::move(outbox)),
      store_(store),
      secrets_(std::move(secrets)),
      clock_(clock),
      log_(std::move(log)),
      pace_(pace) {
  auto known = outbox_->unrest();
  if (!known) note_problem(known.error().message);
  if (known)
    for (const auto& [site, texts] : *known) unrest_[site] = unrest_from(texts);
}

Notifier::~Notifier() { end_workers(); }

bool Notifier::stopping() const {
  std::lock_guard lock(mutex_);
  return stop_;
}

void Notifier::end_workers() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (Worker& worker : workers_) worker.thread.join();
  std::lock_guard lock(mutex_);
  workers_.clear();
  stop_ = false;
}

void Notifier::serve(std::vector<Receiver> receivers) {
  end_workers();
  {
    // What happens from here on is for these.
    std::lock_guard lock(mutex_);
    receivers_ = receivers;
  }
  std::vector<std::string> names;
  for (const Receiver& receiver : receivers) names.push_back(receiver.name);
  if (auto gone = outbox_->keep_only(names); !gone)
    note_problem(gone.error().message);
  else if (*gone > 0)
    log_("warn", "notifications for receivers that are not configured any more are given up",
         {{"notifications", std::to_string(*gone)}});
  std::lock_guard lock(mutex_);
  for (Receiver& receiver : receivers) {
    Worker& worker = workers_.emplace_back();
    worker.receiver = std::move(receiver);
    worker.thread = std::thread([this, &worker] { work(worker); });
  }
}

// ---- what is to be told ----

/// An operation that failed knows whose commit asked for it.
Origin Notifier::origin_of(const Transition& transition, const SiteStatus& status) {
  if (!transition.operation.empty()) {
    const auto found = store_.operation(transition.operation);
    if (found && *found) return {(*found)->manifest_revision, (*found)->author};
  }
  return {status.revision, status.author};
}

std::vector<OutboxMessage> Notifier::messages_for(const std::vector<Transition>& transitions,
                                                  const SiteStatus& status) {
  std::vector<Receiver> receivers;
  {
    std::lock_guard lock(mutex_);
    receivers = receivers_;
  }
  std::vector<OutboxMessage> out;
  for (const Transition& transition : transitions) {
    OutboxMessage message = message_of(transition, origin_of(transition, status), clock_.now());
    for (const Receiver& receiver : receivers) {
      if (!wants(receiver, transition)) continue;
      message.receiver = receiver.name;
      out.push_back(message);
    }
  }
  return out;
}

void Notifier::told(const SiteStatus& status) {
  SiteUnrest before;
  {
    std::lock_guard lock(mutex_);
    if (const auto it = unrest_.find(status.name); it != unrest_.end()) before = it->second;
  }
  TransitionsTold now = transitions_between(before, status);
  if (status.environments.empty() && !status.broken) now = {};  // It was let go.
  if (now.transitions.empty() && now.unrest == before) return;
  const auto messages = messages_for(now.transitions, status);
  auto written = outbox_->put(status.name, to_texts(now.unrest), messages);
  note_problem(written ? "" : written.error().message);
  if (!written) return;
  std::lock_guard lock(mutex_);
  if (now.unrest.empty())
    unrest_.erase(status.name);
  else
    unrest_[status.name] = std::move(now.unrest);
  if (!messages.empty()) wake_workers();
}

void Notifier::told(const Transition& transition) {
  const auto messages = messages_for({transition}, {});
  if (messages.empty()) return;
  auto written = outbox_->add(messages);
  note_problem(written ? "" : written.error().message);
  std::lock_guard lock(mutex_);
  wake_workers();
}

void Notifier::wake_workers() {
  for (Worker& worker : workers_) worker.news = true;
  wake_.notify_all();
}

void Notifier::note_problem(const std::string& problem) {
  {
    std::lock_guard lock(mutex_);
    if (problem == broken_) return;
    broken_ = problem;
  }
  if (problem.empty())
    log_("info", "notifications are kept again", {});
  else
    log_("error", "notifications cannot be kept", {{"problem", problem}});
}

// ---- telling it ----

void Notifier::work(Worker& worker) {
  Duration pause = pace_.first;
  std::string problem;  // Told last.
  while (!stopping()) {
    if (take_one(worker, pause, problem)) continue;
    std::unique_lock lock(mutex_);
    if (problem.empty()) {
      wake_.wait(lock, [&] { return stop_ || worker.news; });
    } else {
      wake_.wait_for(lock, pause, [&] { return stop_; });
      pause = std::min(pause * 2, pace_.most);
    }
  }
}

/// Delivers the oldest message. False: there is none, or (`problem`) it is to be tried again.
bool Notifier::take_one(Worker& worker, Duration& pause, std::string& problem) {
  {
    std::lock_guard lock(mutex_);
    worker.news = false;
  }
  auto message = outbox_->first(worker.receiver.name);
  if (!message) {
    note_problem(problem = message.error().message);
    return false;
  }
  if (!*message) {
    problem.clear();
    return false;
  }
  const std::string before = problem;
  if (!tell(**message, worker.receiver, problem)) return false;
  if (!before.empty() && problem.empty())
    log_("info", "notifications are delivered again", {{"receiver", worker.receiver.name}});
  problem.clear();
  pause = pace_.first;
  if (auto removed = outbox_->remove((*message)->sequence); !removed) {
    note_problem(problem = removed.error().message);
    return false;
  }
  return true;
}

/// Whether a message is done with: delivered, or (`problem`) given up.
bool Notifier::tell(const OutboxMessage& message, const Receiver& receiver, std::string& problem) {
  const auto delivered = deliver(receiver, message.body, secrets_, [this] { return stopping(); });
  if (delivered) {
    problem.clear();
    return true;
  }
  if (stopping()) return false;
  const std::string& error = delivered.error().message;
  const std::vector<std::pair<std::string, std::string>> facts{
      {"receiver", receiver.name}, {"id", message.id}, {"error", error}};
  if (clock_.now() - message.at > pace_.give_up) {
    log_("error", "a notification is given up", facts);
    problem = error;
    return true;
  }
  if (problem != error)
    log_("warn", "a notification could not be delivered; it is tried again", facts);
  problem = error;
  return false;
}

}  // namespace tidegate
