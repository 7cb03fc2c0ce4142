// Site and SiteClass: what a web site is made of.
#include <algorithm>
#include <set>

#include "schemas/checks.h"
#include "schemas/manifest_kinds.h"
#include "schemas/presets.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

// Bounds of lists: far above what a site has, low enough to keep looks quick.
constexpr std::size_t stages_max = 32, declarations_max = 64, paths_max = 256, commands_max = 100;

const std::vector<std::string_view> site_fields{"driver",   "repository",  "stages",
                                                "launched", "application", "content"};
const std::vector<std::string_view> site_fields_later{"sanitizer", "backup", "backups"};

Marked<Repository> read_repository(const Value& value, const Origin& origin) {
  const Fields fields(value, {"url", "credentials"});
  Marked<Repository> repository{{}, mark_of(value, origin)};
  if (const auto url = fields.need("url", "write the address of a git repository")) {
    repository.value.url = url->text(wrong_repository_url).value_or("");
    repository.mark = mark_of(*url, origin);
  }
  if (const auto credentials = fields.find("credentials"))
    repository.value.credentials = read_secret(*credentials, origin);
  return repository;
}

std::optional<std::vector<Marked<std::string>>> read_stages(const Value& value,
                                                            const Origin& origin) {
  const auto items = value.items();
  if (!items) return std::nullopt;
  if (items->empty()) value.wrong("is empty: name the site's environments, lowest first");
  if (items->size() > stages_max)
    value.wrong("has more than " + std::to_string(stages_max) + " items: remove some");
  std::vector<Marked<std::string>> stages;
  std::set<std::string> seen;
  for (const Value& item : *items) {
    const auto name = item.text(wrong_environment_name);
    if (!name) continue;
    if (!seen.insert(*name).second) item.wrong(quote(*name) + " is written twice: remove one");
    stages.push_back({*name, mark_of(item, origin)});
  }
  return stages;
}

// Two of one kind that would lie on top of each other.
template <class T, class PathOf>
void refuse_overlaps(const std::vector<Value>& items, const std::vector<Marked<T>>& read,
                     PathOf path_of) {
  if (items.size() != read.size()) return;
  for (std::size_t i = 0; i < read.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (paths_overlap(path_of(read[j].value), path_of(read[i].value))) {
        items[i].wrong(quote(path_of(read[i].value)) + " overlaps " +
                       quote(path_of(read[j].value)) + ": keep one of them");
        break;
      }
}

std::optional<std::vector<Marked<std::string>>> read_writable(const Value& value,
                                                              const Origin& origin) {
  const auto items = value.items();
  if (!items) return std::nullopt;
  if (items->size() > paths_max) {
    value.wrong("has more than " + std::to_string(paths_max) + " items: remove some");
    return std::nullopt;
  }
  std::vector<Marked<std::string>> paths;
  for (const Value& item : *items)
    if (auto path = item.text(wrong_relative_path))
      paths.push_back({std::move(*path), mark_of(item, origin)});
  refuse_overlaps(*items, paths, [](const std::string& path) { return path; });
  return paths;
}

void read_commands(const Value& value, SiteFields& site) {
  const Fields fields(value, command_names());
  for (const std::string_view name : command_names())
    if (const auto commands = fields.find(name))
      if (auto lines = commands->texts(wrong_command, commands_max))
        site.commands[std::string(name)] = std::move(*lines);
}

void read_application(const Value& value, const Origin& origin, SiteFields& site) {
  const Fields fields(value, {"type", "docroot", "writable", "buildSecrets", "commands"});
  if (const auto type = fields.find("type")) site.type = type->one_of(application_types());
  if (const auto docroot = fields.find("docroot")) {
    site.docroot = docroot->text(wrong_docroot);
    if (site.docroot == ".") site.docroot = "";
  }
  if (const auto writable = fields.find("writable"))
    site.writable = read_writable(*writable, origin);
  if (const auto secrets = fields.find("buildSecrets"))
    site.build_secrets = read_secrets(*secrets, origin);
  if (const auto commands = fields.find("commands")) read_commands(*commands, site);
}

// The name of a declared part, unique among its kind.
std::string read_part_name(const Fields& fields, std::set<std::string>& seen) {
  const auto field = fields.need("name", "write a name of your own, such as main");
  if (!field) return "";
  const auto name = field->text(wrong_name);
  if (name && !seen.insert(*name).second)
    field->wrong(quote(*name) + " is declared twice: remove one");
  return name.value_or("");
}

std::optional<std::vector<Value>> read_declarations(const Value& value) {
  auto items = value.items();
  if (!items || items->size() <= declarations_max) return items;
  value.wrong("has more than " + std::to_string(declarations_max) + " items: remove some");
  return std::nullopt;
}

std::optional<std::vector<Marked<DatabaseDeclaration>>> read_databases(const Value& value,
                                                                       const Origin& origin) {
  const auto items = read_declarations(value);
  if (!items) return std::nullopt;
  std::vector<Marked<DatabaseDeclaration>> databases;
  std::set<std::string> seen;
  for (const Value& item : *items) {
    const Fields fields(item, {"name", "engine"});
    DatabaseDeclaration database;
    database.name = read_part_name(fields, seen);
    if (const auto engine = fields.need("engine", "write mariadb or sqlite")) {
      const auto word = engine->one_of({"mariadb", "sqlite"}, {"mysql", "postgresql"});
      if (word == "mariadb") database.engine = Engine::mariadb;
    }
    databases.push_back({std::move(database), mark_of(item, origin)});
  }
  return databases;
}

std::optional<std::vector<Marked<FilesDeclaration>>> read_files(const Value& value,
                                                                const Origin& origin) {
  const auto items = read_declarations(value);
  if (!items) return std::nullopt;
  std::vector<Marked<FilesDeclaration>> result;
  std::vector<Value> placed;
  std::set<std::string> seen;
  for (const Value& item : *items) {
    const Fields fields(item, {"name", "path"});
    FilesDeclaration files;
    files.name = read_part_name(fields, seen);
    const auto path = fields.need("path", "write where they lie below the code tree");
    if (path) files.path = path->text(wrong_relative_path).value_or("");
    if (files.path.empty()) continue;
    placed.push_back(*path);
    result.push_back({std::move(files), mark_of(*path, origin)});
  }
  refuse_overlaps(placed, result, [](const FilesDeclaration& files) { return files.path; });
  return result;
}

void read_site_fields(const Fields& fields, const Origin& origin, SiteFields& site) {
  if (const auto driver = fields.find("driver"))
    if (auto name = driver->text(wrong_name))
      site.driver = {std::move(*name), mark_of(*driver, origin)};
  if (const auto repository = fields.find("repository"))
    site.repository = read_repository(*repository, origin);
  if (const auto stages = fields.find("stages")) site.stages = read_stages(*stages, origin);
  if (const auto launched = fields.find("launched")) site.launched = launched->boolean();
  if (const auto application = fields.find("application"))
    read_application(*application, origin, site);
  const auto content = fields.find("content");
  if (!content) return;
  const Fields parts(*content, {"databases", "files"}, {"sanitizer"});
  if (const auto databases = parts.find("databases"))
    site.databases = read_databases(*databases, origin);
  if (const auto files = parts.find("files")) site.files = read_files(*files, origin);
}

}  // namespace

SiteManifest read_site(const Value& spec) {
  std::vector<std::string_view> known = site_fields;
  known.push_back("class");
  const Fields fields(spec, known, site_fields_later);
  SiteManifest site;
  if (const auto name = fields.find("class"))
    if (auto text = name->text(wrong_name))
      site.site_class = {std::move(*text), mark_of(*name, {})};
  read_site_fields(fields, {}, site.fields);
  return site;
}

SiteClassManifest read_site_class(const Value& spec, KnowsZone knows_zone) {
  const Origin origin{SecretRef::Scope::platform, true, knows_zone};
  std::vector<std::string_view> known = site_fields;
  known.push_back("environments");
  const Fields fields(spec, known, site_fields_later);
  SiteClassManifest site_class;
  read_site_fields(fields, origin, site_class.site);
  if (const auto environments = fields.find("environments"))
    site_class.environments = read_environment(*environments, origin);
  return site_class;
}

}  // namespace tidegate
