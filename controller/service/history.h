#pragma once
// What happened, kept in the store: the loop's chronicle, the log of operations, and the memory of
// roots. A store that cannot be written is told of once and stops nobody.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "controller/host/in_force.h"
#include "controller/host/services.h"
#include "controller/loop/ports.h"
#include "controller/store/store.h"

namespace tidegate {

/// Where lines for operators go: level, message, facts.
using LogLineWriter =
    std::function<void(const char* level, const std::string& message,
                       const std::vector<std::pair<std::string, std::string>>& facts)>;
/// Who else wants to know how an operation goes on (a terminal), or what a look saw. May be empty.
struct OperationWatcher {
  std::function<void(const OperationRecord&)> changed;
  std::function<void(const OperationRecord&, const std::string& line)> line;
  std::function<void(const SiteStatus&)> told{};  ///< A site that was let go has no environments.
};

class History : public Chronicle, public OperationLog, public RootMemory {
 public:
  /// Nothing of these is null or ends before it.
  History(Store& store, const Clock& clock, LogLineWriter log, OperationWatcher watcher = {});

  void told(const SiteStatus& status, const Plan& plan) override;
  void happened(const Event& event) override;
  void let_go(const std::string& site) override;
  std::optional<SiteStatus> last(const std::string& site) override;
  std::set<std::string> retries(const std::string& site) override;
  void retried(const std::string& site, const std::string& environment) override;
  std::string in_force(const std::string& source) override;
  std::string in_force_below(const std::set<std::string>& roots,
                             const std::string& source) override;
  void now_in_force(const std::string& source, const std::string& revision) override;
  void log(const char* level, const std::string& message,
           const std::vector<std::pair<std::string, std::string>>& facts) override;

  void started(const Started& operation) override;
  void phase(const std::string& id, const std::string& phase, std::optional<int> percent) override;
  void line(const std::string& id, const std::string& text) override;
  void ended(const std::string& id, const std::string& result, const std::string& message) override;

  std::optional<std::string> recall(const std::string& root) override;
  void remember(const std::string& root, const std::string& id) override;

  /// The revision of the one source there is, for `status`; "" for none or several.
  void set_revision(const std::string& revision);
  /// Starts of operations that wiped since then, by site: of the last 1 000 operations there were.
  std::map<std::string, std::vector<Timestamp>> wipes_since(Timestamp since);
  /// Operations of this process that ended otherwise than well.
  std::vector<OperationRecord> failed() const;

 private:
  void check(Result<void> written);
  OperationRecord& record(const std::string& id);
  void note_who_asked(const std::string& site, const std::string& environment,
                      const std::string& who);
  void note_below(const std::string& root);

  Store& store_;
  const Clock& clock_;
  const LogLineWriter log_;
  const OperationWatcher watcher_;
  mutable std::mutex mutex_;  // For everything below.
  std::map<std::string, OperationRecord> running_;
  std::map<std::string, std::string> retried_for_;  // Who asked, by operation.
  std::vector<OperationRecord> failed_;
  std::string broken_;  // The store's last error, told once.
  std::set<std::string> roots_;              // That were claimed.
  std::map<std::string, InForce> in_force_;  // By source;
  std::map<std::string, std::map<std::string, std::string>> noted_;  // and below which root by now.
};

}  // namespace tidegate
