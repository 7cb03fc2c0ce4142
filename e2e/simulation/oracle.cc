#include "e2e/simulation/oracle.h"

#include <algorithm>

namespace tidegate {
namespace {

using namespace std::chrono_literals;
using Verdict = std::optional<std::string>;

std::uint64_t highest_of(const Place& place, Part part) {
  auto it = place.highest.find(part);
  return it == place.highest.end() ? 0 : it->second;
}

const Stamp& stamp_of(const Place& place, Part part) {
  static const Stamp none;
  auto it = place.current.content.find(part);
  return it == place.current.content.end() ? none : it->second.stamp;
}

/// Launched once, or declared so and there: its content is sacred.
bool sacred(const Site& site, const Estate& estate, const std::string& e) {
  if (estate.was_authority == e) return true;
  return site.launched && site.stages.back() == e && place_of(estate, e).exists;
}

bool was_launched(const Site& site, const Estate& estate) {
  return site.launched || !estate.was_authority.empty();
}

Verdict code_skips(const Site& site, const Estate& estate, const std::string& e,
                   const CommitId& commit, Timestamp now) {
  const auto at = std::ranges::find(site.stages, e);
  if (at == site.stages.begin() || place_of(estate, e).proven.contains(commit)) return {};
  if (place_of(estate, *(at - 1)).proven.contains(commit)) return {};
  if (is_granted(site, estate, e, Promote{commit}, now)) return {};
  return commit.brief() + " enters " + e + " and was never proven in " + *(at - 1);
}

bool brings_new_commit(const Place& place, const Step& step) {
  return std::ranges::any_of(step.actions, [&](const Action& a) {
    const auto* promote = std::get_if<Promote>(&a);
    return promote && !(place.exists && promote->commit == place.current.commit) &&
           !place.proven.contains(promote->commit);
  });
}

Verdict copy_unasked(const Site& site, const Estate& estate, const Environment& e, const Sync& sync,
                     const Step& step, Timestamp now) {
  const Place& place = place_of(estate, e.name);
  if (e.content.source != ContentSource::from(sync.from))
    return "its manifest names no such source";
  if (!e.content.includes(sync.part)) return "its manifest does not include this part";
  if (sync.generation != e.content.generation) return "its manifest names another generation";
  const auto from = std::ranges::find(site.stages, sync.from);
  const auto to = std::ranges::find(site.stages, e.name);
  if (from < to && was_launched(site, estate) && !is_granted(site, estate, e.name, sync, now))
    return "content flows up after the launch";
  if (!sync.due) {
    if (sync.generation > highest_of(place, sync.part)) return {};
    return "generation " + std::to_string(sync.generation) + " is done already";
  }
  const Stamp& stamp = stamp_of(place, sync.part);
  if (stamp.generation != sync.generation || stamp.source != e.content.source) {
    return "refreshes what is something else";
  }
  if (!e.content.refresh || !stamp.taken_at) return "refreshes what is not to be refreshed";
  const auto due = due_after(*e.content.refresh, *stamp.taken_at);
  if (due && *due <= now) return {};
  const bool promoted = e.content.refresh->on_promote && brings_new_commit(place, step) &&
                        *stamp.taken_at + e.content.refresh->if_older_than <= now;
  return promoted ? Verdict{} : Verdict("refreshes what is not due");
}

Verdict wipe_unasked(const Estate& estate, const Environment& e, const Wipe& wipe) {
  const Place& place = place_of(estate, e.name);
  if (wipe.generation == 0) {
    return place.exists ? Verdict("empties what is there") : Verdict{};
  }
  if (e.content.source != ContentSource::empty() || !e.content.includes(wipe.part)) {
    return "its manifest asks for no wipe";
  }
  if (wipe.generation != e.content.generation) return "its manifest names another generation";
  if (wipe.generation > highest_of(place, wipe.part)) return {};
  return "generation " + std::to_string(wipe.generation) + " is done already";
}

Verdict return_unasked(const Estate& estate, const Environment& e, const Activate& back) {
  if (!e.content.includes(back.part) || back.stamp.generation != e.content.generation ||
      back.stamp.source != e.content.source) {
    return "brings back what its manifest does not name";
  }
  for (const auto& [id, release] : place_of(estate, e.name).kept_releases) {
    auto it = release.content.find(back.part);
    if (it != release.content.end() && it->second.id == back.content) return {};
  }
  return "brings back what is not kept";
}

/// Of the authority by a Grant; of any other once the authority is somewhere else.
Verdict undoes_launch(const Site& site, const Estate& estate, const Environment& e, Timestamp now) {
  if (estate.was_authority != e.name) {
    const bool moved = estate.was_authority == site.stages.back();
    return moved ? Verdict{} : Verdict("undoes the launch of what is no authority");
  }
  if (site.launched) return "undoes a launch that is declared";
  return is_granted(site, estate, e.name, Unlaunch{}, now) ? Verdict{} : Verdict("undoes a launch");
}

Verdict content_forbidden(const Site& site, const Estate& estate, const Environment& e,
                          const Action& action, const Step& step, Timestamp now) {
  const auto* sync = std::get_if<Sync>(&action);
  const auto* wipe = std::get_if<Wipe>(&action);
  const auto* back = std::get_if<Activate>(&action);
  if (!sync && !wipe && !back) return {};
  if (sacred(site, estate, e.name) && !is_granted(site, estate, e.name, action, now))
    return "overwrites the authority of a launched site";
  if (sync) return copy_unasked(site, estate, e, *sync, step, now);
  if (wipe) return wipe_unasked(estate, e, *wipe);
  return return_unasked(estate, e, *back);
}

}  // namespace

std::string made_of(const Site& site, const std::string& inputs, const Step& step) {
  const bool promotes = std::ranges::any_of(
      step.actions, [](const Action& a) { return std::holds_alternative<Promote>(a); });
  const std::string content = content_made_of(site, inputs, step);
  if (!promotes && !content.empty()) return content;
  return step.environment + "|" + site.digest + "|" + site.find(step.environment)->digest + "|" +
         inputs + "|" + step.commit.hex;
}

std::string content_made_of(const Site& site, const std::string& inputs, const Step& step) {
  bool brings = false, asked = false;
  std::optional<Timestamp> due;
  for (const Action& action : step.actions) {
    const auto* sync = std::get_if<Sync>(&action);
    const bool other =
        std::holds_alternative<Wipe>(action) || std::holds_alternative<Activate>(action);
    brings |= sync || other;
    asked |= other || (sync && !sync->due);
    if (sync) due = std::max(due, sync->due);
  }
  if (!brings) return "";
  Step code = step;
  code.actions = {Promote{step.commit}};
  return "content|" + made_of(site, inputs, code) + "|" +
         (asked ? "" : to_rfc3339(due.value_or(Timestamp{})));
}

std::optional<std::string> forbidden(const Site& site, const Estate& estate, const Step& step,
                                     Timestamp now) {
  const Environment* e = site.find(step.environment);
  if (!e) return step.environment + " is not declared";
  const Place& place = place_of(estate, e->name);
  if (!place.gone.empty()) return e->name + " is gone";
  if (e->suspend && (!e->suspend->until || *e->suspend->until > now)) {
    const bool launches = std::holds_alternative<Launch>(step.actions.at(0));
    if (!launches) return e->name + " is suspended";
  }
  if (std::holds_alternative<Launch>(step.actions.at(0)) &&
      may_take_over(site, estate, e->name, now))
    return {};
  if (std::holds_alternative<Unlaunch>(step.actions.at(0)))
    return undoes_launch(site, estate, *e, now);
  // While it is gone nobody can know; its content and what may come from below stay sacred.
  const bool known = place_of(estate, estate.was_authority).gone.empty();
  if (known && !estate.was_authority.empty() && estate.was_authority != site.stages.back()) {
    return "acts while another environment than " + estate.was_authority + " is the authority";
  }
  if (!place.exists && site.launched && e->name == site.stages.back()) {
    return "creates the authority of a launched site";
  }
  for (const Action& action : step.actions) {
    if (const auto* promote = std::get_if<Promote>(&action)) {
      if (auto wrong = code_skips(site, estate, e->name, promote->commit, now)) return wrong;
    }
    if (auto wrong = content_forbidden(site, estate, *e, action, step, now)) return wrong;
  }
  return {};
}

std::optional<std::string> mixes_engines(const Site& site, const Estate& estate, const Step& step) {
  for (const Action& action : step.actions) {
    const auto* sync = std::get_if<Sync>(&action);
    if (!sync || sync->part != Part::databases) continue;
    const auto& declared =
        place_of(estate, sync->from).current.content.at(Part::databases).declared;
    for (const auto& d : site.databases) {
      const char* engine = d.engine == Engine::sqlite ? "sqlite" : "mariadb";
      auto it = declared.find(d.name);
      if (it != declared.end() && it->second != engine)
        return "copies " + d.name + " of another engine";
    }
  }
  return {};
}

std::optional<std::string> overwritten(const Estate& estate) {
  if (estate.was_authority.empty()) return {};
  const Release& visible = place_of(estate, estate.was_authority).visible();
  for (const auto& [part, id] : estate.its_content) {
    auto it = visible.content.find(part);
    if (it == visible.content.end() || it->second.id != id) {
      return "the " + std::string(to_string(part)) + " of " + estate.was_authority +
             " were replaced";
    }
  }
  return {};
}

std::optional<Timestamp> due_after(const Refresh& refresh, Timestamp taken_at) {
  std::optional<Timestamp> due;
  if (refresh.every) due = taken_at + *refresh.every;
  if (refresh.schedule == "0 3 * * *") {
    const auto midnight = std::chrono::floor<std::chrono::days>(taken_at);
    const Timestamp at = midnight + 3h > taken_at ? midnight + 3h : midnight + 27h;
    due = due ? std::min(*due, at) : at;
  }
  return due;
}

std::optional<std::string> unconverged(const Site& site, const Estate& estate,
                                       const std::map<std::string, std::string>& wanted_inputs) {
  for (const auto& [name, e] : site.environments) {
    const Place& place = place_of(estate, name);
    const std::string who = site.name + "/" + name;
    if (!place.exists) return who + " does not exist";
    if (place.running) return who + " is busy";
    CommitId want;
    if (auto* commit = std::get_if<CommitId>(&e.code)) want = *commit;
    if (auto* branch = std::get_if<BranchName>(&e.code))
      want = estate.refs.at("refs/heads/" + branch->text);
    if (auto* from = std::get_if<ProvenIn>(&e.code)) {
      want = place_of(estate, from->environment).last_proven.value_or(CommitId{});
    }
    if (place.current.commit != want) return who + " does not run " + want.brief();
    if (!place.current.healthy) return who + " is unhealthy";
    if (place.drifted) return who + " has drifted";
    if (place.current.inputs != wanted_inputs.at(name)) return who + " has old variables";
    if (site.launched && name == site.stages.back() && !place.launched)
      return who + " is not latched";
    for (Part part : parts) {
      const Stamp& stamp = stamp_of(place, part);
      if (e.content.source != ContentSource::keep() && e.content.includes(part) &&
          (stamp.source != e.content.source || stamp.generation != e.content.generation)) {
        return who + " has other " + to_string(part) + " than declared";
      }
    }
    for (const auto& d : site.databases) {
      if (!place.current.content.at(Part::databases).declared.contains(d.name)) {
        return who + " has no database " + d.name;
      }
    }
  }
  return {};
}

}  // namespace tidegate
