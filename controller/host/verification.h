#pragma once
// What must hold of a release: commands in it exit 0, its configuration is the code's, pages of it
// are as wanted. What each check saw goes into the log and is kept, secrets masked.

#include <functional>
#include <string>
#include <vector>

#include "controller/host/place.h"
#include "controller/http/check.h"
#include "reconcilers/state.h"

namespace tidegate {

inline constexpr std::size_t evidence_max = 20;          ///< The last ones are kept.
inline constexpr std::size_t evidence_bytes_max = 1024;  ///< Of what one check saw.

/// Errors: `site` for what does not hold, `transient` when it was stopped or could not be asked.
class Verification {
 public:
  /// `run`: how commands of the release are run; its `stop` ends the looks at pages too.
  Verification(const Place& place, CommandRun run, std::function<void(const std::string&)> say);

  /// Before visitors see the release: commands in it, and pages where `previewUrl` shows it.
  /// `before`: the pages to compare with. `configuration`: configStatus is asked.
  Result<void> prepared(const std::vector<PageBefore>& before, bool configuration);
  /// Where visitors look.
  Result<void> live(const std::vector<PageBefore>& before, bool configuration);
  /// The http checks, for as long as verify.soak says.
  Result<void> soak();
  /// The http checks and configStatus of a release that runs for a while already.
  Result<void> again(Duration retry_for);

  /// Of the checks so far, the last `evidence_max`.
  const std::vector<Evidence>& evidence() const { return evidence_; }

 private:
  Result<void> commands(bool configuration);
  Result<void> command(const char* what, const std::string& line);
  Result<void> configuration();
  Result<void> pages(const std::vector<PageBefore>& before, const std::string& base,
                     const std::string& host, const std::string& where);
  Result<void> judge(const std::vector<PageLook>& looks, const std::string& where);
  void note(Evidence evidence);
  Evidence seen(const PageLook& look) const;
  void tell(const Evidence& evidence) const;
  bool stopped() const { return run_.stop && run_.stop(); }
  bool wait(Duration length) const;
  std::string masked(const std::string& text) const;

  const Place& place_;
  const Verify& wanted_;
  const CommandRun run_;
  const std::function<void(const std::string&)> say_;
  std::vector<Evidence> evidence_;
  bool quiet_ = false;  // What passed is not told line by line.
};

}  // namespace tidegate
