// Preparing a release beside the running one: its build, its content, its code.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "controller/host/drift.h"
#include "controller/host/files/copy_files.h"
#include "controller/host/files/durable.h"
#include "controller/host/files/remove.h"
#include "controller/host/observe.h"
#include "controller/host/operation.h"
#include "reconcilers/plan.h"

namespace tidegate {
namespace {

Result<void> give(const std::string& path,
                  const std::optional<std::pair<unsigned, unsigned>>& user) {
  if (!user || ::lchown(path.c_str(), user->first, user->second) == 0) return {};
  return Error{ErrorKind::transient, "chown \"" + path + "\": " + std::strerror(errno)};
}

Error found_in_place(const char* what, const std::string& name, const std::string& where) {
  return {ErrorKind::invalid, std::string(what) + " \"" + name + "\": \"" + where +
                                  "\" is there already and no release names it; move it away, or "
                                  "declare the new one by another name"};
}

}  // namespace

const Action* HostOperation::action_on(Part part) const {
  for (const Action& action : step_.actions) {
    if (const auto* a = std::get_if<Sync>(&action); a && a->part == part) return &action;
    if (const auto* a = std::get_if<Wipe>(&action); a && a->part == part) return &action;
    if (const auto* a = std::get_if<Activate>(&action); a && a->part == part) return &action;
  }
  return nullptr;
}

bool HostOperation::promotes() const {
  return std::ranges::any_of(step_.actions,
                             [](const Action& a) { return std::holds_alternative<Promote>(a); });
}

Result<std::shared_ptr<DatabaseEngine>> HostOperation::engine_of(Engine engine) {
  return place_.engines.of(*place_.environment.driver, engine);
}

Result<void> HostOperation::prepare_directories() {
  const auto& layout = place_.layout;
  for (const auto& directory : {layout.releases(), layout.content()}) {
    if (auto made = make_directory(directory, 0755); !made) return made;
  }
  if (!place_.user) return {};
  // The environment's own group may enter, the web server as its member; nobody else.
  if (::chown(layout.directory().c_str(), static_cast<uid_t>(-1), place_.user->second) != 0 ||
      ::chmod(layout.directory().c_str(), 0750) != 0) {
    return Error{ErrorKind::transient,
                 "chown \"" + layout.directory() + "\": " + std::strerror(errno)};
  }
  return {};
}

CommandRun HostOperation::command_run(const char* what, const ReleaseRecord& release) {
  CommandRun run = run_in_release(place_, release, variables_);
  run.what = what;
  run.deadline = deadline_;
  run.stop = [this] { return stopped() && !undoing_; };
  run.on_line = [this](std::string_view text) { say(std::string(text)); };
  run.mask = &mask_;
  return run;
}

Result<void> HostOperation::load_variables(const ReleaseRecord& release) {
  auto variables = place_.variables(release);
  if (!variables) return std::move(variables.error());
  variables_ = std::move(*variables);
  mask_ = Mask(variables_.secrets);
  return {};
}

Result<void> HostOperation::prepare_code() {
  if (journal_.reuses) {
    if (auto r = phase("code"); !r) return r;
    auto changes = changes_in(place_, journal_.prepared, false);
    if (!changes) return std::move(changes.error());
    if (changes->known && changes->none()) {
      say("switches back to kept release " + journal_.prepared.id);
      return load_variables(journal_.prepared);
    }
    say("kept release " + journal_.prepared.id + " is not what it was; a new one is prepared");
    journal_.reuses = false;
    journal_.prepared.id = next_release_id(place_.layout, record_);
    journal_.prepared.created_at = journal_.started_at;
    journal_.prepared.healthy = false;
  }
  if (auto r = phase("build"); !r) return r;
  CommandRun run;
  run.deadline = deadline_;
  run.stop = [this] { return stopped(); };
  run.on_line = [this](std::string_view text) { say(std::string(text)); };
  auto build = ensure_build(place_, step_.commit, run);
  if (!build) return std::move(build.error());
  build_ = std::move(*build);
  journal_.prepared.build = build_->key;
  return {};
}

// ---- content ----

Result<void> HostOperation::prepare_content() {
  if (!journal_.reuses) {
    if (auto r = phase("content"); !r) return r;
    for (Part part : parts) {
      if (auto r = prepare_part(part); !r) return r;
    }
  }
  std::vector<Action> back;
  std::ranges::copy_if(step_.actions, std::back_inserter(back),
                       [](const Action& a) { return std::holds_alternative<Activate>(a); });
  if (!back.empty()) say(describe(back));
  const auto& driver = *place_.environment.driver;
  const std::string missing =
      missing_content(place_.engines, driver, place_.site, journal_.prepared);
  if (missing.empty()) return {};
  return Error{ErrorKind::transient, missing};
}

Result<void> HostOperation::prepare_part(Part part) {
  const auto before = record_.releases.find(journal_.before);
  ContentSet set, was;
  if (before != record_.releases.end() && before->second.content.contains(part))
    set = was = before->second.content.at(part);
  const Timestamp now = place_.services.clock.now();
  const Action* action = action_on(part);
  if (action && std::holds_alternative<Activate>(*action)) {
    const auto& back = std::get<Activate>(*action);
    for (const auto& [id, release] : record_.releases) {
      auto it = release.content.find(part);
      if (it != release.content.end() && it->second.id == back.content) set = it->second;
    }
    if (set.id != back.content)
      return Error{ErrorKind::transient, "content " + back.content + " is not kept any more"};
  } else if (action) {
    set = {journal_.prepared.id, {}, {}, {}};
    if (const auto* sync = std::get_if<Sync>(action)) {
      set.stamp = {ContentSource::from(sync->from), sync->generation, {}, now};
      if (auto r = copy_part(*sync, set); !r) return r;
    } else {
      const auto generation = std::get<Wipe>(*action).generation;
      set.stamp = {
          generation == 0 ? ContentSource::keep() : ContentSource::empty(), generation, {}, now};
    }
    journal_.done[part] = set.stamp.generation;
  }
  // What is not declared any more is left where it is, and named here lest it be nobody's.
  for (const auto& [name, where] : was.items) {
    if (declares(place_.site, part, name) || !set.items.emplace(name, where).second) continue;
    set.declared[name] = was.declared.at(name);
  }
  // What is declared and not there yet is created empty; also what a copy's source does not have.
  if (part == Part::databases) {
    for (const auto& d : place_.site.databases) {
      if (!set.items.contains(d.name))
        if (auto r = create_item(part, d.name, set); !r) return r;
    }
  } else {
    for (const auto& f : place_.site.files) {
      if (!set.items.contains(f.name))
        if (auto r = create_item(part, f.name, set); !r) return r;
    }
  }
  journal_.prepared.content[part] = set;
  return {};
}

// The journal names only what this operation makes: undoing removes that, and nothing it found.
Result<void> HostOperation::about_to_make(const std::string& name, const std::string& directory) {
  struct stat found {};
  if (::lstat(directory.c_str(), &found) == 0) return found_in_place("files", name, directory);
  if (errno != ENOENT)
    return Error{ErrorKind::transient, "look at \"" + directory + "\": " + std::strerror(errno)};
  journal_.directories.push_back(directory);
  return write_journal(place_.layout, journal_);
}

Result<void> HostOperation::about_to_make(const std::string& name, DatabaseEngine& engine,
                                          const CreatedDatabase& database) {
  auto taken = engine.is_taken(database.physical);
  if (!taken) return std::move(taken.error());
  if (*taken) return found_in_place("database", name, database.physical);
  journal_.databases.push_back(database);
  return write_journal(place_.layout, journal_);
}

Result<void> HostOperation::create_item(Part part, const std::string& name, ContentSet& set) {
  if (part == Part::files) {
    const auto& declared = *std::ranges::find(place_.site.files, name, &FilesDeclaration::name);
    const std::string directory = place_.layout.files(set.id, name);
    if (auto r = about_to_make(name, directory); !r) return r;
    if (auto r = make_directory(directory, 0775); !r) return r;
    set.items[name] = directory;
    set.declared[name] = declared.path;
    return give(directory, place_.user);
  }
  const auto& declared =
      *std::ranges::find(place_.site.databases, name, &DatabaseDeclaration::name);
  auto engine = engine_of(declared.engine);
  if (!engine) return std::move(engine.error());
  const std::string physical =
      (*engine)->physical({place_.site.name, place_.environment.name, name, set.id});
  if (auto r = about_to_make(name, **engine, {declared.engine, physical}); !r) return r;
  if (auto r = (*engine)->create(physical, place_.owner()); !r)
    return std::move(r.error()).within("create database \"" + name + "\"");
  set.items[name] = physical;
  set.declared[name] = declared.engine == Engine::mariadb ? "mariadb" : "sqlite";
  say("created database \"" + name + "\" empty");
  return {};
}

Result<void> HostOperation::copy_part(const Sync& sync, ContentSet& set) {
  const Environment* source = place_.site.find(sync.from);
  if (!source || !source->driver)
    return Error{ErrorKind::invalid, "source \"" + sync.from + "\" is not declared"};
  auto from = Place::make(place_.services, place_.engines, place_.site, *source);
  if (!from) return std::move(from.error());
  auto record = known_record(from->layout);
  if (!record) return std::move(record.error());
  if (!*record || (*record)->current.empty())
    return Error{ErrorKind::transient, "source \"" + sync.from + "\" runs no release"};
  if (auto followed = follow_link(from->layout, **record); !followed)
    return std::move(followed.error());
  const ReleaseRecord& release = (*record)->releases[(*record)->current];
  set.stamp.source_release = release.id;
  const auto there = release.content.find(sync.part);
  if (there == release.content.end()) return {};
  for (const auto& [name, where] : there->second.items) {
    const bool declared =
        sync.part == Part::databases
            ? std::ranges::any_of(place_.site.databases,
                                  [&](const auto& d) { return d.name == name; })
            : std::ranges::any_of(place_.site.files, [&](const auto& f) { return f.name == name; });
    if (!declared) continue;
    auto copied = sync.part == Part::databases ? copy_database(sync, name, release, *from, set)
                                               : copy_directory(name, release, set);
    if (!copied)
      return std::move(copied.error())
          .within(std::string("copy ") + to_string(sync.part) + " \"" + name + "\" from " +
                  sync.from);
  }
  return {};
}

Result<void> HostOperation::copy_database(const Sync& sync, const std::string& name,
                                          const ReleaseRecord& source, const Place& from,
                                          ContentSet& set) {
  const auto& declared =
      *std::ranges::find(place_.site.databases, name, &DatabaseDeclaration::name);
  auto engine = engine_of(declared.engine);
  if (!engine) return std::move(engine.error());
  auto theirs = from.engines.of(*from.environment.driver, declared.engine);
  if (!theirs) return std::move(theirs.error());
  if (declared.engine == Engine::mariadb && *theirs != *engine) {
    return Error{ErrorKind::invalid, "copying between two MariaDB servers is not supported yet"};
  }
  const std::string physical =
      (*engine)->physical({place_.site.name, place_.environment.name, name, set.id});
  if (auto r = about_to_make(name, **engine, {declared.engine, physical}); !r) return r;
  auto progress = [&](int percent) {
    place_.services.log.phase(journal_.operation, "content", percent);
  };
  const auto& physical_source = source.content.at(Part::databases).items.at(name);
  auto copied = (*engine)->copy(
      physical_source, physical, place_.owner(),
      [this] { return stopped() || std::chrono::steady_clock::now() > deadline_; }, progress);
  if (!copied) return copied;
  set.items[name] = physical;
  set.declared[name] = declared.engine == Engine::mariadb ? "mariadb" : "sqlite";
  say("copied database \"" + name + "\" from " + sync.from);
  return {};
}

Result<void> HostOperation::copy_directory(const std::string& name, const ReleaseRecord& source,
                                           ContentSet& set) {
  const auto& declared = *std::ranges::find(place_.site.files, name, &FilesDeclaration::name);
  const std::string directory = place_.layout.files(set.id, name);
  if (auto r = about_to_make(name, directory); !r) return r;
  if (auto r = make_directory(directory.substr(0, directory.rfind('/')), 0755); !r) return r;
  CopyOptions options;
  options.owner = place_.user;
  options.add_owner_access = true;
  options.stop = [this] { return stopped() || std::chrono::steady_clock::now() > deadline_; };
  auto report = copy_files(source.content.at(Part::files).items.at(name), directory, options);
  if (!report) return std::move(report.error());
  set.items[name] = directory;
  set.declared[name] = declared.path;
  say("copied files \"" + name + "\": " + std::to_string(report->files) +
      (report->files == 1 ? " file, " : " files, ") + std::to_string(report->bytes) + " bytes");
  for (const auto& path : report->outside_links.first)
    say("left out a link that leads out of the directory: " + path);
  for (const auto& path : report->special.first)
    say("left out what is neither file nor directory: " + path);
  return {};
}

// ---- code ----

Result<void> HostOperation::link_code() {
  if (journal_.reuses) return keep_patch();
  if (auto r = phase("code"); !r) return r;
  const ReleaseRecord& release = journal_.prepared;
  if (auto r = remove_tree(place_.layout.release(release.id), place_.layout.releases()); !r)
    return r;
  if (auto r = make_directory(place_.layout.release(release.id), 0755); !r) return r;
  const auto places = places_of(place_, release);
  if (auto r = check_content_places(build_->manifest, places); !r) return r;
  auto linked = (release.writable ? copy_tree : link_tree)(
      build_->directory, build_->manifest, place_.layout.code(release.id), excluded_paths(places));
  if (!linked) return std::move(linked.error());
  if (auto r = make_content_places(build_->directory, build_->manifest,
                                   place_.layout.code(release.id), places);
      !r)
    return r;
  if (release.writable)
    if (auto r = own_code(); !r) return r;
  if (auto r = keep_patch(); !r) return r;
  // Linking changed the build's ctimes: recorded now, so that later looks need not hash every file.
  auto changes = scan(build_->directory, build_->manifest, {}, false);
  if (changes && build_->manifest.renewed) {
    if (auto r = save(build_->manifest, build_manifest(place_.layout, build_->key)); !r) return r;
  }
  if (auto r = load_variables(release); !r) return r;
  return place_.write_environment_file(release, variables_);
}

/// From here on its owner can write to it.
Result<void> HostOperation::own_code() {
  const ReleaseRecord& release = journal_.prepared;
  const std::string code = place_.layout.code(release.id);
  if (place_.user)
    if (auto r = give_tree(code, *place_.user); !r) return r;
  // With stat records of its own, so that not every scan of it reads every file.
  TreeManifest own = as_writable(build_->manifest);
  auto changes = scan(code, own, excluded_paths(places_of(place_, release)), false);
  if (!changes) return std::move(changes.error());
  return save(own, place_.layout.code_manifest(release.id));
}

/// What was changed by hand in the running release goes into the log before the release is
/// replaced; what people committed is in git.
Result<void> HostOperation::keep_patch() {
  const auto before = record_.releases.find(journal_.before);
  if (!record_.drift || before == record_.releases.end()) return {};
  const auto& by_hand = record_.drift->by_hand;
  if (by_hand && !by_hand->discarded && !by_hand->committed.hex.empty()) return {};
  auto changes = changes_in(place_, before->second, false);
  if (!changes) return std::move(changes.error());
  for (const Change& change : changes->rest)
    say("changed by hand in release " + journal_.before + ": " + to_string(change.kind) + " " +
        change.path);
  auto manifest = manifest_of(place_.layout, before->second);
  if (changes->code.empty() || !manifest || !*manifest) return {};
  say("changed by hand in release " + journal_.before + ", kept here before it is healed:");
  const std::string build = build_directory(place_.layout, before->second.build);
  const std::string patch = patch_of(place_.layout.code(journal_.before), **manifest, changes->code,
                                     originals_in(build, **manifest));
  for (std::size_t at = 0; at < patch.size();) {
    const auto end = std::min(patch.find('\n', at), patch.size());
    say(patch.substr(at, end - at));
    at = end + 1;
  }
  return {};
}

}  // namespace tidegate
