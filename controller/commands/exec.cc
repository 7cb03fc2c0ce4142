#include <unistd.h>

#include <iostream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/service/installation.h"

namespace tidegate {

int run_exec(const Options& options) {
  auto given = given_fleet(options);
  if (!given) return fail(given.error().message);
  const auto site = given->fleet.find(options.target.site);
  if (!site) return fail("no manifest declares site \"" + options.target.site + "\"");
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return fail(secrets.error().message);
  if (!state) return fail(state.error().message);
  InstallationSettings settings;
  settings.state = *state;
  settings.secrets = *secrets;
  settings.owner = "exec, pid " + std::to_string(::getpid());
  auto installation = Installation::open(std::move(settings));
  if (!installation) return fail(installation.error().message);
  OperationRecord record;
  record.started_at = (*installation)->clock.now();
  record.id = "exec" + std::to_string(record.started_at.time_since_epoch().count()) + "-" +
              std::to_string(::getpid());
  record.site = site->name;
  record.environment = options.target.environment;
  record.actions = {"exec"};
  record.manifest_revision = site->revision;
  for (const auto& word : options.words)
    record.message += (record.message.empty() ? "" : " ") + word;
  Store& store = *(*installation)->store;
  if (auto put = store.put_operation(record); !put) return fail(put.error().message);
  auto code = (*installation)
                  ->driver->execute(
                      *site, options.target.environment, options.words, [&](std::string_view line) {
                        std::cout << line << "\n" << std::flush;
                        if (auto kept = store.append_log(record.id, (*installation)->clock.now(),
                                                         {std::string(line)});
                            !kept)
                          std::cerr << kept.error().message << "\n";
                      });
  record.ended_at = (*installation)->clock.now();
  record.result = code && *code == 0 ? "succeeded" : "failed";
  if (!code) record.message += ": " + code.error().message;
  if (auto put = store.put_operation(record); !put) std::cerr << put.error().message << "\n";
  if (!code) return fail(code.error().message);
  if (*code != 0) std::cerr << "tidegate: exit code " << *code << "\n";
  return *code == 0 ? exit_done : exit_failed;
}

}  // namespace tidegate
