#pragma once
// What the host driver needs of the rest of the controller.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "controller/host/repositories.h"
#include "controller/secrets/secrets.h"
#include "reconcilers/driver.h"

namespace tidegate {

/// Where operations tell what they do. Any thread. Failing to write is the implementation's own
/// business: no operation stops because its history cannot be kept.
class OperationLog {
 public:
  struct Started {
    std::string id, site, environment;
    std::vector<std::string> actions;
    std::string revision, author;
    Timestamp at{};
  };
  virtual ~OperationLog() = default;
  virtual void started(const Started& operation) = 0;
  virtual void phase(const std::string& id, const std::string& phase,
                     std::optional<int> percent) = 0;
  virtual void line(const std::string& id, const std::string& text) = 0;
  /// `result`: succeeded | failed | undone.
  virtual void ended(const std::string& id, const std::string& result,
                     const std::string& message) = 0;
};

/// Which roots were once seen, by path → id. Losing it is allowed.
class RootMemory {
 public:
  virtual ~RootMemory() = default;
  virtual std::optional<std::string> recall(const std::string& root) = 0;
  virtual void remember(const std::string& root, const std::string& id) = 0;
};

/// What a command reads from and writes to, where a person runs it.
struct Conversation {
  std::optional<int> input_fd;
  std::function<void(std::string_view)> on_output, on_error;  ///< As it comes, but for secrets.
  std::function<bool()> enough;                               ///< It is to end.
};

/// Why a step may not go on.
struct Refusal {
  std::string message;
  /// Held or against a rule by now: nobody's failure. Else that could not be found out: backs off.
  bool forbidden = true;
};

struct HostServices {
  const Clock& clock;
  Secrets secrets;
  Repositories& repositories;
  OperationLog& log;
  RootMemory& roots;
  std::string owner;              ///< For people: "controller, pid 812".
  std::string state_directory;    ///< Hidden from every command of a site.
  bool renews_stat_cache = true;  ///< False for commands that run once and must leave no trace.
  /// Asked under the environment's lock, at the start and right before the switch.
  std::function<std::optional<Refusal>(const Site&, const Step&, const std::string& operation)>
      gate;
  /// A site's look is worth repeating: one of its operations ended.
  std::function<void(const std::string& site)> changed;
  /// Told, under the environment's lock, before anything of a step is done. `operation`: "" for
  /// what is recorded at once.
  std::function<void(const Site&, const Step&, const std::string& operation)> begins{};
};

}  // namespace tidegate
