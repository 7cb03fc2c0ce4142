// The site's own commands on a prepared release, updates of kept content with the way back, and
// verification before and after the switch.

#include <algorithm>
#include <thread>

#include "controller/host/files/durable.h"
#include "controller/host/operation.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;
constexpr Duration drain =
    5s;  // Requests that began before the maintenance file come to their end.

}  // namespace

Result<void> HostOperation::commands(const char* what, const std::vector<std::string>& lines,
                                     const ReleaseRecord& release) {
  return run_site_commands(place_, lines, command_run(what, release));
}

Result<void> HostOperation::run_hooks() {
  const auto& commands_of = place_.site.application.commands;
  const auto& prepared = journal_.prepared;
  bool copied = false, databases_empty = false, files_empty = false;
  for (Part part : parts) {
    const Action* action = action_on(part);
    if (!action) continue;
    copied |= std::holds_alternative<Sync>(*action);
    if (std::holds_alternative<Wipe>(*action))
      (part == Part::databases ? databases_empty : files_empty) = true;
  }
  if (copied && !commands_of.after_copy.empty()) {
    if (auto r = phase("afterCopy"); !r) return r;
    if (auto r = commands("afterCopy", commands_of.after_copy, prepared); !r) return r;
  }
  // An installer fills databases: it runs where they are new and empty, never on ones that are
  // kept.
  const bool installs = place_.site.databases.empty() ? files_empty : databases_empty;
  if (installs && !commands_of.install.empty()) {
    if (auto r = phase("install"); !r) return r;
    if (auto r = commands("install", commands_of.install, prepared); !r) return r;
  }
  if (!step_.update || commands_of.update.empty()) return {};
  auto pending = update_is_pending();
  if (!pending) return std::move(pending.error());
  return *pending ? update_databases() : Result<void>{};
}

Result<bool> HostOperation::update_is_pending() {
  const auto& asks = place_.site.application.commands.update_pending;
  if (asks.empty()) {
    const auto before = record_.releases.find(journal_.before);
    return before == record_.releases.end() || before->second.commit != step_.commit ||
           action_on(Part::databases);
  }
  if (auto r = phase("updatePending"); !r) return std::move(r.error());
  for (const auto& line : asks) {
    auto code = run_site_command(place_, line, command_run("updatePending", journal_.prepared));
    if (!code) return std::move(code.error());
    if (*code == 1) return true;
    if (*code != 0) {
      return Error{ErrorKind::site, "updatePending: \"" + line + "\": exit code " +
                                        std::to_string(*code) +
                                        "; 0 means nothing to do, 1 something"};
    }
  }
  return false;
}

/// What this step copied or created can be made anew; all else is saved first, to go back to.
/// Visitors are kept out of what they see, which what is brought back is not.
Result<void> HostOperation::update_databases() {
  const auto& commands_of = place_.site.application.commands;
  const auto& prepared = journal_.prepared;
  const Action* action = action_on(Part::databases);
  const bool seen = !action && !journal_.before.empty();
  if (seen)
    if (auto r = close_for_visitors(); !r) return r;
  if (seen || (action && std::holds_alternative<Activate>(*action)))
    if (auto r = save_databases(); !r) return r;
  journal_.maintenance_on = seen && !commands_of.maintenance_on.empty();
  journal_.prepared.updated = seen;
  if (auto r = phase("update"); !r) return r;
  if (!seen) return commands("update", commands_of.update, prepared);
  if (auto r = commands("maintenanceOn", commands_of.maintenance_on, prepared); !r) return r;
  if (auto r = commands("update", commands_of.update, prepared); !r) return r;
  return commands("maintenanceOff", commands_of.maintenance_off, prepared);
}

Result<void> HostOperation::close_for_visitors() {
  if (journal_.before.empty()) return {};
  journal_.maintenance = true;
  if (auto r = phase("maintenance"); !r) return r;
  return shut_visitors_out();
}

Result<void> HostOperation::shut_visitors_out() {
  if (auto r = write_durably(place_.layout.maintenance(), "operation " + journal_.operation + "\n",
                             0644);
      !r)
    return r;
  say("maintenance page is shown");
  auto until = std::chrono::steady_clock::now() + drain;
  if (!undoing_) until = std::min(until, deadline_);
  while ((undoing_ || !stopped()) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(100ms);
  return {};
}

/// All copies are whole before the journal says that there is something to put back.
Result<void> HostOperation::save_databases() {
  std::vector<SavedDatabase> saved;
  const auto& set = journal_.prepared.content.at(Part::databases);
  for (const auto& [name, physical] : set.items) {
    if (!declares(place_.site, Part::databases, name)) continue;
    const Engine kind = engine_named(set.declared.at(name));
    auto engine = engine_of(kind);
    if (!engine) return std::move(engine.error());
    saved.push_back({kind, physical, (*engine)->saved_name(physical)});
    journal_.databases.push_back({kind, saved.back().saved_as});
    if (auto r = write_journal(place_.layout, journal_); !r) return r;
    // What an earlier operation could not take away again.
    if (auto r = (*engine)->drop(saved.back().saved_as); !r) return r;
    auto copied = (*engine)->save(physical, saved.back().saved_as, [this] { return stopped(); });
    if (!copied) return std::move(copied.error()).within("save database \"" + name + "\"");
  }
  journal_.saved = std::move(saved);
  return {};
}

/// What visitors see while the release before still runs, and no maintenance page stands before it.
Result<void> HostOperation::remember_pages() {
  const auto& e = place_.environment;
  if (e.verify.compare.paths.empty() || e.url.empty() || journal_.before.empty()) return {};
  if (auto r = phase("compare"); !r) return r;
  journal_.pages = pages_answering(e.verify.compare.paths, e.url, [this] { return stopped(); });
  for (auto& page : journal_.pages) {
    say("before the switch: " + page.path + " answers, with title \"" + page.title + "\"");
    if (ran_before()) page.title.clear();  // A new title is a reason to go back, and no obstacle.
  }
  return {};
}

/// The code ran healthily on this content: it goes back to it, or is made anew as it was.
bool HostOperation::ran_before() const {
  const auto databases = journal_.prepared.content.find(Part::databases);
  const auto ran = record_.ran_on.find(journal_.prepared.commit);
  return databases != journal_.prepared.content.end() && ran != record_.ran_on.end() &&
         ran->second.contains(databases->second.id);
}

/// Code that goes back may find its configuration changed by what came after.
bool HostOperation::asks_configuration() const {
  return !place_.site.application.commands.config_status.empty() && !ran_before();
}

Result<void> HostOperation::verified(const std::function<Result<void>(Verification&)>& look) {
  Verification verification(place_, command_run("verify", journal_.prepared),
                            [this](const std::string& text) { say(text); });
  auto result = look(verification);
  if (!result && !stopped()) journal_.evidence = verification.evidence();
  return result;
}

Result<void> HostOperation::verify_prepared() {
  if (auto r = phase("verify"); !r) return r;
  if (auto r = point_link(place_.layout.next(), "releases/" + journal_.prepared.id); !r) return r;
  return verified(
      [this](Verification& v) { return v.prepared(journal_.pages, asks_configuration()); });
}

Result<void> HostOperation::verify_live() {
  const auto& verify = place_.environment.verify;
  if (verify.http.empty() && verify.commands.empty() && journal_.pages.empty() &&
      !asks_configuration())
    return {};
  if (auto r = phase("verifyLive"); !r) return r;
  return verified([this](Verification& v) { return v.live(journal_.pages, asks_configuration()); });
}

Result<void> HostOperation::soak() {
  if (!place_.environment.verify.soak) return {};
  if (auto r = phase("soak"); !r) return r;
  return verified([](Verification& v) { return v.soak(); });
}

}  // namespace tidegate
