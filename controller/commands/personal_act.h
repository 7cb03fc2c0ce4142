#pragma once
// What a person does to one environment by hand with a command of its own: told of in its history
// and in the audit, with who asked.

#include <memory>
#include <string>

#include "controller/commands/options.h"
#include "controller/service/installation.h"

namespace tidegate {

class PersonalAct {
 public:
  /// `asked`: with the target and where manifests, secrets and store are. Problems were told;
  /// `exit_code` says how to end.
  static std::unique_ptr<PersonalAct> open(const Options& asked, int& exit_code);

  const Site& site() const { return *site_; }
  const Environment& environment() const { return *site_->find(environment_); }
  Installation& installation() const { return *installation_; }
  std::string name() const { return site_->name + "/" + environment_; }

  /// From here on it is in the history.
  Result<void> begin(const std::string& message);
  void line(const std::string& text);
  void end(const std::string& result, const std::string& message);

 private:
  PersonalAct() = default;
  std::string verb_, environment_;
  std::shared_ptr<const Site> site_;
  std::unique_ptr<Installation> installation_;
  OperationRecord record_;
};

}  // namespace tidegate
