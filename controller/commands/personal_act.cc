#include "controller/commands/personal_act.h"

#include <unistd.h>

#include <iostream>

#include "controller/commands/input.h"

namespace tidegate {

std::unique_ptr<PersonalAct> PersonalAct::open(const Options& asked, int& exit_code) {
  const auto refuse = [&](const std::string& message) {
    exit_code = fail(message);
    return nullptr;
  };
  exit_code = exit_usage;
  const auto options = with_manifests(asked);
  if (!options) return nullptr;
  auto given = given_fleet(*options);
  if (!given) return refuse(given.error().message);
  std::unique_ptr<PersonalAct> out(new PersonalAct);
  out->verb_ = asked.command;
  out->environment_ = asked.target.environment;
  out->site_ = given->fleet.find(asked.target.site);
  if (!out->site_) return refuse(no_such_site(given->fleet, asked.target.site).message);
  if (!out->site_->find(out->environment_))
    return refuse(asked.target.site + "/" + out->environment_ + " is not declared");
  auto secrets = secrets_directory(*options);
  auto state = state_file(*options);
  if (!secrets) return refuse(secrets.error().message);
  if (!state) return refuse(state.error().message);
  InstallationSettings settings;
  settings.state = *state;
  settings.secrets = *secrets;
  settings.owner = out->verb_ + ", pid " + std::to_string(::getpid());
  settings.runs_once = true;
  settings.log = [](const char* level, const std::string& message, const auto& facts) {
    if (std::string(level) == "error") std::cerr << told_as(message, facts) + "\n";
  };
  auto installation = Installation::open(std::move(settings));
  if (!installation) return refuse(installation.error().message);
  out->installation_ = std::move(*installation);
  return out;
}

Result<void> PersonalAct::begin(const std::string& message) {
  record_.started_at = installation_->clock.now();
  record_.id = verb_ + std::to_string(record_.started_at.time_since_epoch().count()) + "-" +
               std::to_string(::getpid());
  record_.site = site_->name;
  record_.environment = environment_;
  record_.actions = {verb_};
  record_.manifest_revision = site_->revision;
  record_.author = who_asks();
  record_.message = message;
  if (auto put = installation_->store->put_operation(record_); !put) return put;
  installation_->auditor->did(verb_, record_.site, environment_, record_.author, message);
  return {};
}

void PersonalAct::line(const std::string& text) {
  auto kept = installation_->store->append_log(record_.id, installation_->clock.now(), {text});
  if (!kept) std::cerr << kept.error().message << "\n";
}

void PersonalAct::end(const std::string& result, const std::string& message) {
  record_.ended_at = installation_->clock.now();
  record_.result = result;
  record_.message = message;
  if (auto put = installation_->store->put_operation(record_); !put)
    std::cerr << put.error().message << "\n";
}

}  // namespace tidegate
