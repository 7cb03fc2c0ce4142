#pragma once
// Writes the audit: which step was begun and what it rests on, which manifest commit was taken
// back, and what people did by hand.

#include <memory>
#include <string>

#include "controller/service/history.h"
#include "controller/store/audit.h"
#include "reconcilers/reverts.h"

namespace tidegate {

class Auditor {
 public:
  /// `as`: who acts, "controller, pid 812". Nothing of these is null or ends before it.
  Auditor(std::unique_ptr<AuditTrail> trail, std::string as, const Clock& clock, LogLineWriter log);

  /// A step is about to be begun. `operation`: "" for one that is none. What cannot be written is
  /// logged and keeps nothing back.
  void begins(const Site& site, const Step& step, const std::string& operation);

  /// A commit that takes a manifest commit back is about to be pushed to a reference.
  void takes_back(const Revert& revert, const Asked& asked, const CommitId& commit,
                  const std::string& reference);
  /// What became of it, or that nothing was written: the type and message of the event.
  void told(const Revert& revert, const std::string& type, const std::string& message);

  /// What a person did with a command: `act` is its name, `said` what it was given.
  void did(const std::string& act, const std::string& site, const std::string& environment,
           const std::string& who, const std::string& said);

 private:
  void append(const std::string& facts, const std::string& site, const std::string& environment);

  const std::unique_ptr<AuditTrail> trail_;
  const std::string as_;
  const Clock& clock_;
  const LogLineWriter log_;
};

/// `tidegate audit verify -o json`.
std::string audit_json(const AuditWalk& walk);

}  // namespace tidegate
