#include "controller/service/configuration.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "controller/service/receivers.h"
#include "schemas/checks.h"
#include "schemas/fields.h"

namespace tidegate {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t allowed_max = 1000;

std::string any_path(const std::string& text) {
  return text.empty() || text.find('\0') != std::string::npos ? "must be a path" : "";
}
std::string any_source_path(const std::string& text) {
  return text == "." ? "" : wrong_relative_path(text);
}

std::string absolute(const std::string& base, const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  const auto folder = std::filesystem::absolute(std::filesystem::path(base)).parent_path();
  return (folder / path).lexically_normal();
}

// What a source of site teams may speak of. Lists that are absent allow nothing.
void read_allow(const Value& value, SourceRole& role) {
  const Fields fields(value, {"sites", "classes", "drivers", "localRepositories"});
  const auto list = [&](const char* name, Check check) {
    const auto field = fields.find(name);
    const auto texts = field ? field->texts(check, allowed_max) : std::nullopt;
    return texts.value_or(std::vector<std::string>{});
  };
  if (auto sites = fields.need("sites", "write patterns of their names, such as [\"acme-*\"]"))
    if (sites->node().kind == Node::Kind::list && sites->node().items.empty())
      sites->wrong("is empty: write at least one pattern of names");
  role.sites = list("sites", wrong_name_pattern);
  role.classes = list("classes", wrong_name);
  role.drivers = list("drivers", wrong_name);
  if (auto local = fields.find("localRepositories"))
    role.local_repositories = local->boolean().value_or(false);
}

void read_role(const Fields& fields, SourceRole& role) {
  if (auto word = fields.find("role"))
    role.platform = word->one_of({"platform", "sites"}).value_or("platform") == "platform";
  const auto allow = fields.find("allow");
  if (allow) read_allow(*allow, role);
  if (allow && role.platform) allow->wrong("goes with role: sites only: remove it");
  if (!allow && !role.platform) fields.need("allow", "write allow: {sites: [\"acme-*\"]}");
}

std::optional<SourceSettings> source(const Value& value, const std::string& file) {
  SourceSettings out;
  const Fields fields(value,
                      {"name", "url", "ref", "path", "interval", "credentials", "role", "allow"});
  read_role(fields, out.role);
  auto name = fields.need("name", "name: fleet");
  auto url = fields.need("url", "url: \"https://git.example.org/fleet.git\"");
  if (name)
    if (auto text = name->text(wrong_name)) out.name = out.role.name = *text;
  if (url) {
    if (auto text = url->text(any_path)) {
      out.url = text->find(':') == std::string::npos ? absolute(file, *text) : *text;
      if (const auto wrong = wrong_repository_url(out.url); !wrong.empty()) url->wrong(wrong);
    }
  }
  if (auto ref = fields.find("ref"))
    if (auto text = ref->text(wrong_ref)) out.ref = *text;
  if (auto path = fields.find("path"))
    if (auto text = path->text(any_source_path)) out.path = *text;
  if (auto interval = fields.find("interval"))
    if (auto length = interval->duration(1s, 24h)) out.interval = *length;
  if (auto credentials = fields.find("credentials")) {
    const Fields secret(*credentials, {"secret"});
    if (auto named = secret.need("secret", "secret: git-token")) {
      if (auto text = named->hidden_text(wrong_secret_name))
        out.credentials = SecretRef{*text, SecretRef::Scope::platform};
    }
  }
  return out;
}

void read_fields(const Fields& fields, const std::string& file, Configuration& out) {
  if (auto sources = fields.need("sources", "sources: [{name: fleet, url: …}]")) {
    std::set<std::string> names;
    if (auto items = sources->items()) {
      for (const Value& item : *items) {
        if (!item.is_map()) continue;
        auto one = source(item, file);
        if (!one->name.empty() && !names.insert(one->name).second)
          item.wrong("\"" + one->name + "\" is the name of two sources");
        out.sources.push_back(std::move(*one));
      }
      if (items->empty()) sources->wrong("must name at least one source");
      const bool platform = std::ranges::any_of(
          out.sources, [](const SourceSettings& one) { return one.role.platform; });
      if (!out.sources.empty() && !platform)
        sources->wrong("need one whose role is platform: drivers come from there");
    }
  }
  if (auto v = fields.find("secretsDirectory"))
    if (auto text = v->text(any_path)) out.secrets_directory = absolute(file, *text);
  if (auto v = fields.find("state")) {
    if (auto text = v->text(any_path)) {
      if (text->starts_with("postgresql:"))
        v->wrong("a store in PostgreSQL is not supported yet; name a file");
      out.state = absolute(file, *text);
    }
  }
  if (auto v = fields.find("workers"))
    if (auto n = v->integer(1, 256)) out.workers = static_cast<int>(*n);
  if (auto v = fields.find("resync"))
    if (auto length = v->duration(1s, 24h * 7)) out.resync = *length;
  if (auto v = fields.find("log")) {
    const Fields log(*v, {"level", "format"});
    if (auto level = log.find("level"))
      if (auto word = level->one_of({"debug", "info", "warn", "error"})) out.log_level = *word;
    if (auto format = log.find("format"))
      if (auto word = format->one_of({"logfmt", "json"})) out.log_json = *word == "json";
  }
  if (auto v = fields.find("notify")) out.notify = read_receivers(*v);
}

}  // namespace

ConfigurationFile parse_configuration(const std::string& file, const std::string& text) {
  ConfigurationFile out;
  const YamlText yaml = read_yaml(text);
  auto tell = [&](int line, int column, const std::string& problem) {
    out.problems.push_back({file, line, column, "", problem, false});
  };
  for (const auto& list : yaml.document_problems) {
    for (const auto& p : list) tell(p.line, p.column, p.text);
  }
  if (!yaml.complete) tell(yaml.end.line, yaml.end.column, yaml.end.text);
  if (!out.problems.empty()) return out;
  if (yaml.documents.size() != 1) {
    tell(1, 1, "must hold exactly one document of kind Configuration");
    return out;
  }
  const Value root(yaml.documents[0], "", file, out.problems);
  if (!root.is_map()) return out;
  const Fields fields(
      root,
      {"apiVersion", "kind", "sources", "secretsDirectory", "state", "workers", "resync", "log",
       "notify"},
      {"listen"});
  if (auto v = fields.need("apiVersion", "apiVersion: tidegate/v1")) v->one_of({"tidegate/v1"});
  if (auto v = fields.need("kind", "kind: Configuration")) v->one_of({"Configuration"});
  read_fields(fields, file, out.configuration);
  return out;
}

}  // namespace tidegate
