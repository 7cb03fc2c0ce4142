// Environment: what one place should run, and where its content comes from.
#include "schemas/checks.h"
#include "schemas/manifest_kinds.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t checks_max = 100, compared_max = 20;

/// Wherever code is said, this is said too: a class's does not go with another's branch.
Marked<bool> read_writable(const Fields& code, const Origin& origin) {
  const auto writable = code.find("writable");
  if (!writable) return {false, mark_of(code.value(), origin)};
  if (!code.find("branch"))
    writable->wrong("goes with a branch only: what is changed by hand is committed there");
  return {writable->boolean().value_or(false), mark_of(*writable, origin)};
}

std::optional<CodeTarget> read_code(const Value& value, const Origin& origin,
                                    EnvironmentFields& environment) {
  const Fields fields(value, {"commit", "tag", "branch", "from", "writable"});
  if (value.node().kind != Node::Kind::map) return std::nullopt;
  if (fields.count({"commit", "tag", "branch", "from"}) != 1)
    value.wrong("needs exactly one of commit, tag, branch or from");
  std::optional<CodeTarget> target;
  if (const auto tag = fields.find("tag"))
    if (auto text = tag->text(wrong_ref)) target = TagName{std::move(*text)};
  if (const auto branch = fields.find("branch"))
    if (auto text = branch->text(wrong_ref)) target = BranchName{std::move(*text)};
  if (const auto from = fields.find("from"))
    if (auto text = from->text(wrong_environment_name)) target = ProvenIn{std::move(*text)};
  if (const auto commit = fields.find("commit"))
    if (auto id = read_commit(*commit)) target = std::move(*id);
  environment.writable = read_writable(fields, origin);
  return target;
}

void read_source(const Value& value, const Origin& origin, EnvironmentFields& environment) {
  if (value.node().kind == Node::Kind::map) {
    const NodeEntry* archive = value.node().find("archive");
    const NodeEntry* backup = value.node().find("backup");
    if (archive || backup)
      return value.wrong(std::string("content from ") + (archive ? "an archive" : "a backup") +
                         " is not supported yet: write keep, empty or an environment's name");
  }
  const auto word = value.text([](const std::string& text) {
    return text == "archive" || text == "backup"
               ? quote(text) + " is not supported yet: write keep, empty or an environment's name"
           : text == "adopted"
               ? "\"adopted\" tells of content found in place and cannot be asked for: write keep"
               : wrong_name(text);
  });
  if (word) environment.source = {ContentSource::parse(*word), mark_of(value, origin)};
}

std::optional<std::pair<bool, bool>> read_include(const Value& value) {
  const auto items = value.items();
  if (!items) return std::nullopt;
  if (items->empty()) value.wrong("is empty: write databases, files or both");
  std::pair<bool, bool> include{false, false};
  for (const Value& item : *items) {
    const auto word = item.one_of({"databases", "files"});
    if (!word) continue;
    bool& part = *word == "databases" ? include.first : include.second;
    if (part) item.wrong(quote(*word) + " is written twice: remove one");
    part = true;
  }
  return include;
}

void read_on_promote(const Value& value, Refresh& refresh) {
  if (value.node().kind != Node::Kind::map) {
    refresh.on_promote = value.boolean().value_or(true);
    return;
  }
  const Fields fields(value, {"ifOlderThan"});
  refresh.on_promote = true;
  if (const auto age =
          fields.need("ifOlderThan", "write a duration such as 24h, or onPromote: true"))
    refresh.if_older_than = age->duration(Duration{}, length_max).value_or(Duration{});
}

std::optional<Refresh> read_refresh(const Value& value, const Origin& origin) {
  const Fields fields(value, {"onPromote", "every", "schedule", "timeZone"});
  if (value.node().kind != Node::Kind::map) return std::nullopt;
  Refresh refresh;
  const auto on_promote = fields.find("onPromote");
  if (on_promote) read_on_promote(*on_promote, refresh);
  const auto every = fields.find("every"), schedule = fields.find("schedule");
  if (every) refresh.every = every->duration(minutes(1), length_max);
  if (schedule) refresh.schedule = schedule->text(wrong_schedule).value_or("");
  if (const auto zone = fields.find("timeZone")) {
    refresh.time_zone = read_time_zone(*zone, origin.knows_zone).value_or(refresh.time_zone);
    if (!schedule) zone->wrong("goes with a schedule only: remove it");
  }
  if (!refresh.on_promote && !every && !schedule)
    value.wrong("never comes: write at least one of onPromote, every or schedule");
  return refresh;
}

void read_content(const Value& value, const Origin& origin, EnvironmentFields& environment) {
  const Fields fields(value, {"source", "generation", "include", "refresh"},
                      {"sanitizer", "beforeChange"});
  const auto source = fields.find("source");
  if (source) read_source(*source, origin, environment);
  const auto generation = fields.find("generation");
  if (generation) {
    if (const auto number = generation->integer(1, generation_max))
      environment.generation = static_cast<std::uint64_t>(*number);
  } else if (environment.source && environment.source->value == ContentSource::empty()) {
    source->wrong("\"empty\" is done once per generation: write generation beside it");
  }
  if (const auto include = fields.find("include")) environment.include = read_include(*include);
  if (const auto refresh = fields.find("refresh"))
    if (auto read = read_refresh(*refresh, origin))
      environment.refresh = {std::move(*read), mark_of(*refresh, origin)};
}

void read_deploy(const Value& value, EnvironmentFields& environment) {
  const Fields fields(value, {"update", "clearCache", "maintenance", "note", "timeout"},
                      {"beforeChange"});
  if (const auto update = fields.find("update")) environment.update = update->boolean();
  if (const auto clear = fields.find("clearCache")) environment.clear_cache = clear->boolean();
  if (const auto maintenance = fields.find("maintenance"))
    if (const auto word = maintenance->one_of({"auto", "always"}))
      environment.maintenance_always = *word == "always";
  if (const auto note = fields.find("note")) environment.note = note->text(wrong_line);
  if (const auto timeout = fields.find("timeout"))
    environment.timeout = timeout->duration(seconds(1), hours(24));
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text;
}

std::map<std::string, std::string> read_header(const Value& value) {
  std::map<std::string, std::string> header;
  for (const auto& [name, entry] : value.entries(wrong_http_header)) {
    auto text = entry.text(wrong_line);
    if (!text) continue;
    if (!header.emplace(lower(name), std::move(*text)).second)
      entry.wrong(quote(name) + " is written twice: letter case makes no other header");
  }
  return header;
}

Mark mark_of_entry(const Value& map, const char* name, const Origin& origin) {
  const NodeEntry* entry = map.node().find(name);
  return mark_of(entry ? map.below(entry->value, "") : map, origin);
}

HttpCheck read_http_check(const Value& value) {
  const Fields fields(value, {"path", "status", "contains", "header", "within", "certificate"});
  HttpCheck check;
  if (const auto path = fields.find("path"))
    check.path = path->text(wrong_http_path).value_or(check.path);
  if (const auto status = fields.find("status"))
    if (const auto number = status->integer(100, 599)) check.status = static_cast<int>(*number);
  if (const auto contains = fields.find("contains"))
    check.contains = contains->text(wrong_line).value_or("");
  if (const auto header = fields.find("header")) check.header = read_header(*header);
  if (const auto within = fields.find("within"))
    check.within = within->duration(milliseconds(1), seconds(30));
  if (const auto certificate = fields.find("certificate")) {
    const Fields facts(*certificate, {"validFor"});
    if (const auto length = facts.need("validFor", "write a duration such as 14d"))
      check.certificate_valid_for = length->duration(Duration{}, length_max);
  }
  return check;
}

std::optional<Comparison> read_compare(const Value& value) {
  const Fields fields(value, {"paths", "titles"});
  Comparison compare;
  if (const auto paths = fields.need("paths", "list the pages to compare, such as /")) {
    compare.paths = paths->texts(wrong_http_path, compared_max).value_or(compare.paths);
    if (paths->node().kind == Node::Kind::list && paths->node().items.empty())
      paths->wrong("is empty: list the pages to compare, such as /");
  }
  if (const auto titles = fields.find("titles"))
    if (const auto word = titles->one_of({"same", "ignore"})) compare.titles = *word == "same";
  return compare;
}

std::optional<Soak> read_soak(const Value& value) {
  const Fields fields(value, {"for", "every"});
  Soak soak;
  if (const auto length = fields.need("for", "write a duration such as 2m"))
    soak.length = length->duration(seconds(1), hours(1)).value_or(soak.length);
  if (const auto every = fields.find("every"))
    soak.every = every->duration(seconds(1), minutes(10)).value_or(soak.every);
  return soak;
}

void read_verify(const Value& value, const Origin& origin, EnvironmentFields& environment) {
  const Fields fields(value, {"http", "commands", "compare", "soak", "again", "retryFor"});
  if (const auto http = fields.find("http")) {
    std::vector<HttpCheck> checks;
    const auto items = http->items();
    if (items && items->size() > checks_max)
      http->wrong("has more than " + std::to_string(checks_max) + " items: remove some");
    for (const Value& item : items ? *items : std::vector<Value>{}) {
      checks.push_back(read_http_check(item));
      if (checks.back().certificate_valid_for && !environment.certificate)
        environment.certificate = {checks.size() - 1, mark_of_entry(item, "certificate", origin)};
    }
    environment.http = {std::move(checks), mark_of(*http, origin)};
  }
  if (const auto commands = fields.find("commands"))
    environment.verify_commands = commands->texts(wrong_command, checks_max);
  if (const auto compare = fields.find("compare"))
    if (auto read = read_compare(*compare))
      environment.compare = {std::move(*read), mark_of(*compare, origin)};
  if (const auto soak = fields.find("soak"))
    if (auto read = read_soak(*soak)) environment.soak = {*read, mark_of(*soak, origin)};
  if (const auto again = fields.find("again"))
    environment.again = again->duration(minutes(1), length_max);
  if (const auto retry = fields.find("retryFor"))
    environment.retry_for = retry->duration(Duration{}, minutes(10));
}

std::optional<RevertManifest> read_revert(const Value& value) {
  if (value.node().kind != Node::Kind::map) {
    const auto wanted = value.boolean();
    if (!wanted) return std::nullopt;
    return RevertManifest{*wanted, ""};
  }
  const Fields fields(value, {"branch"});
  const auto branch = fields.need("branch", "write a branch, or revertManifest: true");
  if (!branch) return std::nullopt;
  auto text = branch->text(wrong_ref);
  if (!text) return std::nullopt;
  return RevertManifest{true, std::move(*text)};
}

void read_on_failure(const Value& value, const Origin& origin, EnvironmentFields& environment) {
  const Fields fields(value, {"rollback", "restoreContent", "revertManifest"});
  if (const auto rollback = fields.find("rollback")) environment.rollback = rollback->boolean();
  if (const auto restore = fields.find("restoreContent"))
    if (const auto word = restore->one_of({"never", "whenUpdated"}))
      environment.restore_content = {*word == "whenUpdated", mark_of(*restore, origin)};
  if (const auto revert = fields.find("revertManifest"))
    environment.revert_manifest = read_revert(*revert);
}

std::map<std::string, std::string> read_variables(const Value& value) {
  std::map<std::string, std::string> variables;
  for (const auto& [name, entry] : value.entries(wrong_variable))
    if (auto text = entry.hidden_text(wrong_variable_value)) variables[name] = std::move(*text);
  return variables;
}

std::optional<Suspend> read_suspend(const Value& value) {
  const Fields fields(value, {"reason", "by", "until"});
  Suspend suspend;
  if (const auto reason = fields.need("reason", "write why, for those who wait"))
    suspend.reason = reason->text(wrong_line).value_or("");
  if (const auto by = fields.find("by")) suspend.by = by->text(wrong_line).value_or("");
  if (const auto until = fields.find("until")) suspend.until = read_time(*until);
  return suspend;
}

void refuse_both(const Fields& fields, const EnvironmentFields& environment) {
  for (const auto& [name, secret] : environment.secrets)
    if (environment.variables.count(name) > 0)
      fields.find("secrets")->wrong(quote(name) +
                                    " is a variable too: keep it in variables or in secrets");
}

}  // namespace

EnvironmentFields read_environment(const Value& spec, const Origin& origin) {
  const Fields fields(spec,
                      {"driver", "code", "content", "url", "previewUrl", "deploy", "verify",
                       "onFailure", "variables", "secrets", "suspend"},
                      {"deletionPolicy", "beforeChange", "backup", "backups"});
  EnvironmentFields environment;
  if (const auto driver = fields.find("driver"))
    if (auto name = driver->text(wrong_name))
      environment.driver = {std::move(*name), mark_of(*driver, origin)};
  if (const auto code = fields.find("code"))
    if (auto target = read_code(*code, origin, environment)) {
      const NodeEntry* from = code->node().find("from");
      const Value& place = from ? code->below(from->value, "") : *code;
      environment.code = {std::move(*target), mark_of(place, origin)};
    }
  if (const auto content = fields.find("content")) read_content(*content, origin, environment);
  if (const auto url = fields.find("url")) environment.url = url->text(wrong_web_url);
  if (const auto preview = fields.find("previewUrl"))
    environment.preview_url = preview->text(wrong_web_url);
  if (const auto deploy = fields.find("deploy")) read_deploy(*deploy, environment);
  if (const auto verify = fields.find("verify")) read_verify(*verify, origin, environment);
  if (const auto failure = fields.find("onFailure")) {
    read_on_failure(*failure, origin, environment);
  }
  if (const auto variables = fields.find("variables"))
    environment.variables = read_variables(*variables);
  if (const auto secrets = fields.find("secrets"))
    environment.secrets = read_secrets(*secrets, origin);
  if (const auto suspend = fields.find("suspend")) environment.suspend = read_suspend(*suspend);
  refuse_both(fields, environment);
  return environment;
}

}  // namespace tidegate
