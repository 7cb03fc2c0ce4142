#pragma once
// Tells receivers of transitions: what is to be told lies in the store before anybody is told, and
// leaves it when its receiver has it. So nothing is lost with a process; one message may come twice
// when the process ends between a delivery and its note, with the same id.

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controller/notify/message.h"
#include "controller/notify/receiver.h"
#include "controller/store/store.h"

namespace tidegate {

/// How long a receiver that does not take a message is waited for.
struct NotifyPace {
  Duration first = std::chrono::seconds(1), most = std::chrono::minutes(5);
  Duration give_up = std::chrono::hours(24);  ///< After the transition.
};

class Notifier {
 public:
  /// Level, message, facts, as of a log line for operators.
  using Log = std::function<void(const char* level, const std::string& message,
                                 const std::vector<std::pair<std::string, std::string>>& facts)>;

  /// `outbox` and `store` are of one file. Log lines may come from any thread.
  Notifier(std::unique_ptr<Outbox> outbox, Store& store, Secrets secrets, const Clock& clock,
           Log log, NotifyPace pace = {});
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// Goes on with these receivers, each with a thread of its own and its messages in their order.
  /// Messages for others are given up. Waits until no delivery is under way.
  void serve(std::vector<Receiver> receivers);

  /// What became of a revert, which no status shows. Changes nothing of what is told of looks.
  void told(const Transition& transition);

  /// After each look, in the order of a site's looks. Writes only when there is something to tell;
  /// what cannot be written is told after the next look.
  void told(const SiteStatus& status);

 private:
  /// One receiver's thread and what it waits for.
  struct Worker {
    Receiver receiver;
    bool news = true;  // For mutex_, as is `stop`.
    std::thread thread;
  };

  Origin origin_of(const Transition& transition, const SiteStatus& status);
  std::vector<OutboxMessage> messages_for(const std::vector<Transition>& transitions,
                                          const SiteStatus& status);
  void wake_workers();
  void end_workers();
  void work(Worker& worker);
  bool take_one(Worker& worker, Duration& pause, std::string& problem);
  bool tell(const OutboxMessage& message, const Receiver& receiver, std::string& problem);
  void note_problem(const std::string& problem);
  bool stopping() const;

  const std::unique_ptr<Outbox> outbox_;
  Store& store_;
  const Secrets secrets_;
  const Clock& clock_;
  const Log log_;
  const NotifyPace pace_;
  mutable std::mutex mutex_;  // For everything below.
  std::condition_variable wake_;
  std::vector<Receiver> receivers_;  // Of what is told from now on.
  std::list<Worker> workers_;
  std::map<std::string, SiteUnrest> unrest_;  // Of sites that are not at rest.
  bool stop_ = false;
  std::string broken_;  // The store's last error, told once.
};

}  // namespace tidegate
