#include "e2e/simulation/people.h"

#include <algorithm>

#include "e2e/simulation/world.h"

namespace tidegate {
namespace {

std::string head(const char* kind, const std::string& name) {
  return std::string("apiVersion: tidegate/v1\nkind: ") + kind + "\nmetadata: {name: " + name;
}

std::string list(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
  return "[" + out + "]";
}

std::string site_text(const std::string& name, const WrittenSite& site) {
  if (site.broken) return head("Site", name) + "}\nspec:\n  stages: dev and test\n";
  std::vector<std::string> databases;
  for (const auto& d : site.databases) {
    databases.push_back("{name: " + d + ", engine: " + (d == "main" ? site.engine : "sqlite") +
                        "}");
  }
  return head("Site", name) +
         "}\nspec:\n  driver: hosts\n  repository: {url: \"https://git.example.org/" + name +
         ".git\"}\n  stages: " + list(site.stages) +
         "\n  launched: " + (site.launched ? "true" : "false") +
         "\n  content:\n    databases: " + list(databases) +
         "\n    files: [{name: uploads, path: web/uploads}]\n";
}

std::string environment_text(const std::string& site, const std::string& name,
                             const WrittenEnvironment& e) {
  std::string text = head("Environment", name) + ", site: " + site + "}\nspec:\n  code: {" +
                     e.code + "}\n  content: {" + e.content + "}\n  variables: {V: \"" +
                     e.variable +
                     "\"}\n  onFailure: {rollback: " + (e.rollback ? "true" : "false") +
                     ", revertManifest: " + (e.reverts ? "true" : "false") + "}\n";
  if (e.secret) text += "  secrets: {S: token}\n";
  if (!e.suspend.empty()) text += "  suspend: {" + e.suspend + "}\n";
  return text;
}

/// Of what was done here, and of what is being done.
std::uint64_t highest_generation(const Place& place) {
  std::uint64_t highest = 0;
  for (const auto& [part, g] : place.highest) highest = std::max(highest, g);
  if (!place.running) return highest;
  for (const auto& [part, g] : place.running->done) highest = std::max(highest, g);
  return highest;
}

/// What one person does to one site.
class Person {
 public:
  Person(World& world, std::string name)
      : world_(world),
        random_(world.random),
        name_(std::move(name)),
        site_(world.people.sites[name_]) {}

  std::string act() {
    if (site_.stages.empty()) return "";
    if (site_.stages != world_.people.stages[name_] && random_.chance(300)) {
      site_.stages = world_.people.stages[name_];
      for (const auto& stage : site_.stages) site_.environments[stage];
      return "stages are as they were";
    }
    if ((site_.broken || site_.removed) && random_.chance(500)) {
      site_.broken = site_.removed = false;
      return "mended";
    }
    const std::string e = random_.pick(site_.stages);
    WrittenEnvironment& written = site_.environments[e];
    switch (random_.below(28)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return promote(e);
      case 4:
        written.code = "branch: main";
        return e + " follows main";
      case 5:
        written.code = "tag: v1";
        return e + " follows a tag";
      case 6:
        return follow(e);
      case 7:
      case 8:
      case 9:
      case 10:
        return sync(e);
      case 11:
        written.content = "source: keep";
        return e + " keeps its content";
      case 12:
        written.content = "source: empty, generation: " + generation(e);
        return "wipe of " + e;
      case 13:
        return suspend(e);
      case 14:
        site_.launched = !site_.launched;
        return "launched toggled";
      case 15:
        return reorder();
      case 16:
        return drop(e);
      case 17:
        return declare();
      case 18:
        written.variable = std::to_string(random_.below(9));
        return "variable of " + e;
      case 19:
        written.rollback = !written.rollback;
        return "rollback of " + e;
      case 20:
        written.secret = !written.secret;
        return "secret of " + e;
      case 21:
        site_.broken = !site_.broken;
        return "broken toggled";
      case 22:
        site_.removed = !site_.removed;
        return "removed toggled";
      case 23:
        return revert();
      case 24:
        written.reverts = !written.reverts;
        return "revertManifest of " + e;
      default:
        return go_back(e);
    }
  }

 private:
  std::string generation(const std::string& e) {
    const std::uint64_t highest = highest_generation(world_.place(name_, e));
    if (random_.chance(700)) return std::to_string(highest + 1);
    return std::to_string(1 + random_.below(highest + 2));
  }
  std::string promote(const std::string& e) {
    auto& estate = world_.estate(name_);
    const CommitId commit =
        random_.chance(400) ? random_.pick(estate.commits) : world_.new_commit(name_, false);
    const bool below = random_.chance(800);
    for (const auto& stage : site_.stages) {
      if (stage == e || below) site_.environments[stage].code = "commit: " + commit.hex;
      if (stage == e) break;
    }
    return "promote " + commit.brief() + " up to " + e;
  }
  std::string follow(const std::string& e) {
    const auto at = std::ranges::find(site_.stages, e) - site_.stages.begin();
    if (at == 0) return "";
    const auto& below = site_.stages[random_.below(static_cast<std::uint64_t>(at))];
    site_.environments[e].code = "from: " + below;
    return e + " follows " + below;
  }
  std::string sync(const std::string& e) {
    const std::string& source =
        random_.chance(700) ? site_.stages.back() : random_.pick(site_.stages);
    if (source == e) return "";
    std::string text = "source: " + source + ", generation: " + generation(e);
    if (random_.chance(250))
      text += random_.chance(500) ? ", include: [files]" : ", include: [databases]";
    static const std::vector<std::string> refreshes{
        "every: 2h", "schedule: \"0 3 * * *\"", "onPromote: true", "onPromote: {ifOlderThan: 1h}"};
    if (random_.chance(400)) text += ", refresh: {" + random_.pick(refreshes) + "}";
    site_.environments[e].content = text;
    return e + " gets " + text;
  }
  std::string suspend(const std::string& e) {
    auto& text = site_.environments[e].suspend;
    text = text.empty() ? "reason: INC-1, by: on-call" : "";
    if (!text.empty() && random_.chance(600)) {
      text += ", until: " + to_rfc3339(world_.time + random_.between(std::chrono::minutes(1),
                                                                     std::chrono::hours(2)));
    }
    return "suspend of " + e;
  }
  std::string reorder() {
    std::swap(site_.stages[random_.below(site_.stages.size())],
              site_.stages[random_.below(site_.stages.size())]);
    return "stages are " + list(site_.stages);
  }
  std::string drop(const std::string& e) {
    site_.environments.erase(e);
    if (random_.chance(500) && site_.stages.size() > 1) std::erase(site_.stages, e);
    return e + " is let go";
  }
  std::string declare() {
    if (random_.chance(300)) {
      site_.engine = site_.engine == "sqlite" ? "mariadb" : "sqlite";
      return "engine changed";
    }
    if (site_.databases.size() > 1) {
      site_.databases.pop_back();
    } else {
      site_.databases.push_back("extra");
    }
    return "databases are " + list(site_.databases);
  }
  /// One environment, or its content alone, as it once was.
  std::string go_back(const std::string& e) {
    const WrittenSite& then = random_.pick(world_.people.past[name_]);
    auto was = then.environments.find(e);
    if (was == then.environments.end()) return "";
    if (random_.chance(600)) {
      site_.environments[e].content = was->second.content;
    } else {
      site_.environments[e] = was->second;
    }
    return e + " goes back to " + was->second.code + ", " + was->second.content;
  }
  std::string revert() {
    site_ = random_.pick(world_.people.past[name_]);
    return "revert";
  }

  World& world_;
  Random& random_;
  const std::string name_;
  WrittenSite& site_;
};

/// One engine for "main" that fits what is there, or no "main" any more.
void settle_databases(const Estate& estate, WrittenSite& site) {
  std::set<std::string> engines;
  for (const auto& [name, place] : estate.places) {
    for (const Release* r : {&place.current, place.running ? &place.running->prepared : nullptr}) {
      if (!r || !r->content.contains(Part::databases)) continue;
      const auto& declared = r->content.at(Part::databases).declared;
      if (auto it = declared.find("main"); it != declared.end()) engines.insert(it->second);
    }
  }
  site.databases = {"main"};
  if (engines.size() > 1) site.databases = {"moved"};
  if (engines.size() == 1) site.engine = *engines.begin();
}

void align_site(World& world, const std::string& name, WrittenSite& site) {
  Estate& estate = world.estate(name);
  site.stages = world.people.stages[name];
  if (!estate.was_authority.empty()) {
    std::erase(site.stages, estate.was_authority);
    site.stages.push_back(estate.was_authority);
  }
  const std::string authority = site.stages.back();
  site.broken = site.removed = false;
  site.launched = !estate.was_authority.empty() || estate.places[authority].exists;
  settle_databases(estate, site);
  const CommitId commit = world.new_commit(name);
  std::string below;
  for (const auto& stage : site.stages) {
    WrittenEnvironment& e = site.environments[stage];
    const std::uint64_t highest = highest_generation(estate.places[stage]);
    e.code = "commit: " + commit.hex;
    if (world.random.chance(300)) e.code = below.empty() ? "branch: main" : "from: " + below;
    e.content = "source: keep";
    if (stage != authority) {
      e.content = "source: " + authority + ", generation: " + std::to_string(highest + 1);
      if (world.random.chance(300))
        e.content += ", refresh: {every: 2h}";
      else if (world.random.chance(200))
        e.content += ", refresh: {schedule: \"0 3 * * *\"}";
    }
    e.rollback = true;
    e.suspend.clear();
    below = stage;
  }
}

}  // namespace

std::map<std::string, std::string> People::files() const {
  std::map<std::string, std::string> out;
  out["drivers.yaml"] = head("Driver", "hosts") +
                        "}\nspec: {host: {root: /srv/sites, mariadb: "
                        "{socket: /run/mysqld/mysqld.sock, user: tidegate}}}\n";
  for (const auto& [name, site] : sites) {
    if (site.removed) continue;
    out[name + "/site.yaml"] = site_text(name, site);
    for (const auto& [stage, e] : site.environments) {
      if (std::ranges::find(site.stages, stage) == site.stages.end()) continue;
      out[name + "/" + stage + ".yaml"] = environment_text(name, stage, e);
    }
  }
  auto write = [&](const char* kind, const std::map<std::string, std::string>& specs) {
    for (const auto& [name, spec] : specs)
      out[std::string("platform/") + kind + "-" + name + ".yaml"] =
          head(kind, name) + "}\nspec: {" + spec + "}\n";
  };
  write("Policy", rules.policies);
  write("Freeze", rules.freezes);
  write("Grant", rules.grants);
  return out;
}

void commit_something(World& world) {
  std::vector<std::string> names;
  for (const auto& [name, site] : world.people.sites) names.push_back(name);
  const std::string name = world.random.pick(names);
  const auto what = world.random.below(11);
  if (what == 10) return commit_a_rule(world);
  if (what == 0) {
    auto& estate = world.estate(name);
    estate.refs["refs/tags/v1"] = world.random.pick(estate.commits);
    return world.note(name + ": tag v1 is " + estate.refs["refs/tags/v1"].brief());
  }
  if (what < 4) {
    world.new_commit(name);
    return;
  }
  const std::string did = Person(world, name).act();
  if (!did.empty()) world.commit(name + ": " + did);
}

void align(World& world) {
  world.people.rules = {};
  world.commit("the rules go");
  for (auto& [name, site] : world.people.sites) {
    align_site(world, name, site);
    if (site.stages.size() > 1 && world.random.chance(500))
      world.people.rules.policies["soak-" + name] = soak_rule(name, site.stages.front());
  }
  world.commit("everything is aligned");
}

}  // namespace tidegate
