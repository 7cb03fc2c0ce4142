// Policy: what a platform team allows. Its secrets are the platform's.
#include <algorithm>
#include <set>

#include "schemas/checks.h"
#include "schemas/digest.h"
#include "schemas/manifest_kinds.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

using std::chrono::days;
using std::chrono::minutes;

constexpr std::size_t rules_max = 100, globs_max = 100, labels_max = 64, stages_max = 32;
constexpr std::size_t windows_max = 50, texts_max = 100;
constexpr int sites_max = 1'000'000, operations_max = 10'000, wipes_max = 1'000;
const std::vector<std::string_view> rule_kinds{"provenIn",    "windows", "signedCommits",
                                               "content",     "backup",  "limits",
                                               "blastRadius", "require", "forbid"};
const std::vector<std::string_view> verbs{"promote", "sync",   "wipe",   "import",  "restore",
                                          "backup",  "create", "remove", "activate"};

std::vector<std::string> read_globs(const Value& value) {
  auto globs = value.texts(wrong_name_pattern, globs_max);
  if (globs && value.node().items.empty())
    value.wrong("is empty: write at least one pattern, or remove the field to select all");
  return globs.value_or(std::vector<std::string>{});
}

void read_site_selector(const Value& value, Selector& selector) {
  const Fields fields(value, {"names", "matchLabels"});
  if (const auto names = fields.find("names")) selector.sites = read_globs(*names);
  const auto labels = fields.find("matchLabels");
  if (!labels) return;
  if (labels->node().entries.size() > labels_max)
    labels->wrong("has more than " + std::to_string(labels_max) + " entries: remove some");
  for (const auto& [key, entry] : labels->entries(wrong_label_key))
    if (auto text = entry.text(wrong_label_value)) selector.labels[key] = std::move(*text);
}

void read_environment_selector(const Value& value, Selector& selector) {
  const Fields fields(value, {"names", "stages", "authority"});
  if (const auto names = fields.find("names")) selector.environments = read_globs(*names);
  if (const auto stages = fields.find("stages")) {
    const auto list = stages->texts(wrong_environment_name, stages_max);
    if (list && stages->node().items.empty())
      stages->wrong("is empty: write at least one stage, or remove the field to select all");
    selector.stages = list.value_or(std::vector<std::string>{});
  }
  if (const auto authority = fields.find("authority")) selector.authority = authority->boolean();
}

std::optional<Duration> read_length(const Fields& fields, std::string_view name, Duration least) {
  const auto value = fields.find(name);
  return value ? value->duration(least, length_max) : std::nullopt;
}

std::optional<int> read_count(const Fields& fields, std::string_view name, int least, int most) {
  const auto value = fields.find(name);
  const auto number = value ? value->integer(least, most) : std::nullopt;
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

ProvenRule read_proven(const Value& value) {
  const Fields fields(value, {"environment", "for", "contentMaxAge"});
  ProvenRule rule;
  if (const auto environment = fields.need("environment", "name the environment it must pass"))
    rule.environment = environment->text(wrong_environment_name).value_or("");
  rule.soak = read_length(fields, "for", Duration{}).value_or(Duration{});
  rule.content_max_age = read_length(fields, "contentMaxAge", minutes(1));
  return rule;
}

std::vector<Window> read_window_list(const Value& value, KnowsZone knows_zone) {
  std::vector<Window> windows;
  const auto items = value.items();
  if (items && items->size() > windows_max)
    value.wrong("has more than " + std::to_string(windows_max) + " items: remove some");
  for (const Value& item : items ? *items : std::vector<Value>{}) {
    const Fields fields(item, {"cron", "duration", "timeZone"});
    Window window;
    if (const auto cron = fields.need("cron", "write when it opens, such as \"0 9 * * 1-4\""))
      window.cron = cron->text(wrong_schedule).value_or("");
    if (const auto length = fields.need("duration", "write how long it is open, such as 8h"))
      window.duration = length->duration(minutes(1), days(31)).value_or(Duration{});
    if (const auto zone = fields.find("timeZone"))
      window.time_zone = read_time_zone(*zone, knows_zone).value_or(window.time_zone);
    windows.push_back(std::move(window));
  }
  return windows;
}

WindowsRule read_windows(const Value& value, KnowsZone knows_zone) {
  const Fields fields(value, {"allow", "deny"});
  WindowsRule rule;
  const auto allow = fields.find("allow"), deny = fields.find("deny");
  if (allow) rule.allow = read_window_list(*allow, knows_zone);
  if (deny) rule.deny = read_window_list(*deny, knows_zone);
  const auto empty = [](const std::optional<Value>& list) {
    return !list || (list->node().kind == Node::Kind::list && list->node().items.empty());
  };
  if (value.node().kind == Node::Kind::map && empty(allow) && empty(deny))
    value.wrong("has no window: write at least one below allow or deny");
  return rule;
}

SignedRule read_signed(const Value& value) {
  const Fields fields(value, {"manifests", "code", "allowedSigners"});
  SignedRule rule;
  const auto manifests = fields.find("manifests"), code = fields.find("code");
  const auto asked = [](const std::optional<Value>& flag) {
    return flag && flag->boolean().value_or(true);
  };
  rule.manifests = asked(manifests);
  rule.code = asked(code);
  if (value.node().kind == Node::Kind::map && !rule.manifests && !rule.code)
    value.wrong("asks for no signature: write manifests: true, code: true or both");
  if (const auto signers =
          fields.need("allowedSigners", "write {secret: NAME} of the file of allowed signers"))
    rule.allowed_signers =
        read_secret(*signers, {SecretRef::Scope::platform, false}).value_or(SecretRef{});
  return rule;
}

std::string wrong_allowed_source(const std::string& text) {
  if (text == "keep" || text == "empty") return "";
  if (text == "archive" || text == "backup")
    return quote(text) + " is not supported yet: write keep, empty or an environment's name";
  return wrong_environment_name(text);
}

std::string wrong_sanitizer(const std::string& text) {
  return text == "required" ? "" : quote(text) + " says nothing here: write required";
}

ContentRule read_content_rule(const Value& value) {
  const Fields fields(value, {"sources", "sanitizer", "maxAge"});
  ContentRule rule;
  if (value.node().kind == Node::Kind::map && value.node().entries.empty())
    value.wrong("says nothing: write at least one of sources, sanitizer or maxAge");
  if (const auto sources = fields.find("sources")) {
    const auto list = sources->texts(wrong_allowed_source, texts_max);
    if (list && sources->node().items.empty())
      sources->wrong("is empty: write keep, empty or environments' names");
    rule.sources = list.value_or(std::vector<std::string>{});
  }
  if (const auto sanitizer = fields.find("sanitizer"))
    rule.sanitizer_required = sanitizer->text(wrong_sanitizer).has_value();
  rule.max_age = read_length(fields, "maxAge", minutes(1));
  return rule;
}

BackupRule read_backup(const Value& value) {
  const Fields fields(value, {"newerThan"});
  fields.need("newerThan", "write how old it may be, such as 24h");
  return {read_length(fields, "newerThan", minutes(1)).value_or(Duration{})};
}

LimitsRule read_limits(const Value& value) {
  const Fields fields(value, {"environments", "operations", "wipesPerHour"});
  LimitsRule rule;
  if (value.node().kind == Node::Kind::map && value.node().entries.empty())
    value.wrong("says nothing: write at least one of environments, operations or wipesPerHour");
  rule.environments = read_count(fields, "environments", 1, static_cast<int>(stages_max));
  rule.wipes_per_hour = read_count(fields, "wipesPerHour", 1, wipes_max);
  const auto operations = fields.find("operations");
  if (!operations) return rule;
  const Fields at_once(*operations, {"perDriver", "perSite", "inFleet"});
  if (operations->node().kind == Node::Kind::map && operations->node().entries.empty())
    operations->wrong("says nothing: write at least one of perDriver, perSite or inFleet");
  rule.per_driver = read_count(at_once, "perDriver", 1, operations_max);
  rule.per_site = read_count(at_once, "perSite", 1, operations_max);
  rule.in_fleet = read_count(at_once, "inFleet", 1, operations_max);
  return rule;
}

BlastRadiusRule read_blast_radius(const Value& value) {
  const Fields fields(value, {"maxSites", "acknowledge"});
  fields.need("maxSites", "write how many sites one commit may empty or move");
  BlastRadiusRule rule{read_count(fields, "maxSites", 0, sites_max).value_or(0), {}};
  const auto acknowledge = fields.find("acknowledge");
  const auto commits = acknowledge ? acknowledge->items() : std::nullopt;
  if (commits && commits->size() > texts_max)
    acknowledge->wrong("has more than " + std::to_string(texts_max) + " items: remove some");
  for (const Value& commit : commits ? *commits : std::vector<Value>{})
    rule.acknowledge.push_back(read_commit(commit).value_or(CommitId{}));
  return rule;
}

std::string wrong_scalar(const std::string& text) { return text.empty() ? "" : wrong_line(text); }

// The field and its condition, which lie beside each other in a rule.
std::optional<FieldCondition> read_condition(const Fields& fields) {
  FieldCondition condition;
  const auto field = fields.find("field");
  if (field) condition.pointer = field->text(wrong_field_pointer).value_or("");
  const auto equals = fields.find("equals"), one_of = fields.find("oneOf"),
             matches = fields.find("matches");
  if (equals) condition.equals = equals->scalar(wrong_scalar);
  if (matches) condition.matches = matches->text(wrong_line).value_or("");
  if (one_of) {
    const auto items = one_of->items();
    if (items && items->empty()) one_of->wrong("is empty: write at least one value");
    if (items && items->size() > texts_max)
      one_of->wrong("has more than " + std::to_string(texts_max) + " items: remove some");
    for (const Value& item : items ? *items : std::vector<Value>{})
      if (auto text = item.scalar(wrong_scalar)) condition.one_of.push_back(std::move(*text));
  }
  if (fields.count({"equals", "oneOf", "matches"}) > 1)
    fields.value().wrong("needs at most one of equals, oneOf or matches");
  if (!field && fields.count({"equals", "oneOf", "matches"}) > 0)
    fields.value().wrong("has a condition and no field: write the field that it is about");
  return field ? std::optional(std::move(condition)) : std::nullopt;
}

std::string read_message(const Fields& fields) {
  const auto message = fields.find("message");
  return message ? message->text(wrong_line).value_or("") : "";
}

RequireRule read_require(const Value& value) {
  const Fields fields(value, {"field", "equals", "oneOf", "matches", "message"});
  fields.need("field", "write a JSON pointer such as /spec/verify/http");
  return {read_condition(fields).value_or(FieldCondition{}), read_message(fields)};
}

ForbidRule read_forbid(const Value& value) {
  const Fields fields(value, {"verbs", "field", "equals", "oneOf", "matches", "message"});
  ForbidRule rule;
  if (value.node().kind == Node::Kind::map && fields.count({"verbs", "field"}) == 0)
    value.wrong("would forbid everything: write verbs, a field, or both");
  if (const auto verbs = fields.find("verbs")) {
    rule.verbs = read_verbs(*verbs);
    if (verbs->node().kind == Node::Kind::list && verbs->node().items.empty())
      verbs->wrong("is empty: write at least one verb, or remove the field");
  }
  rule.field = read_condition(fields);
  rule.message = read_message(fields);
  return rule;
}

RuleSpec read_rule_spec(std::string_view kind, const Value& value, KnowsZone knows_zone) {
  if (kind == "provenIn") return read_proven(value);
  if (kind == "windows") return read_windows(value, knows_zone);
  if (kind == "signedCommits") return read_signed(value);
  if (kind == "content") return read_content_rule(value);
  if (kind == "backup") return read_backup(value);
  if (kind == "limits") return read_limits(value);
  if (kind == "blastRadius") return read_blast_radius(value);
  if (kind == "require") return read_require(value);
  return read_forbid(value);
}

Rule read_rule(const Value& value, std::set<std::string>& names, KnowsZone knows_zone) {
  std::vector<std::string_view> known = rule_kinds;
  known.push_back("name");
  const Fields fields(value, known);
  Rule rule;
  if (const auto name = fields.need("name", "write a name for people to read in holds")) {
    rule.name = name->text(wrong_name).value_or("");
    if (!rule.name.empty() && !names.insert(rule.name).second)
      name->wrong(quote(rule.name) + " is declared twice: choose another name for this rule");
  }
  if (value.node().kind == Node::Kind::map && fields.count(rule_kinds) != 1)
    value.wrong("needs exactly one of " + alternatives(rule_kinds));
  for (const std::string_view kind : rule_kinds)
    if (const auto spec = fields.find(kind)) rule.spec = read_rule_spec(kind, *spec, knows_zone);
  return rule;
}

}  // namespace

Selector read_selector(const Value& value) {
  const Fields fields(value, {"sites", "environments"});
  Selector selector;
  if (const auto sites = fields.find("sites")) read_site_selector(*sites, selector);
  if (const auto environments = fields.find("environments"))
    read_environment_selector(*environments, selector);
  return selector;
}

std::vector<std::string> read_verbs(const Value& value) {
  std::vector<std::string> result;
  const auto items = value.items();
  for (const Value& item : items ? *items : std::vector<Value>{}) {
    const auto verb = item.one_of(verbs);
    if (!verb) continue;
    if (std::find(result.begin(), result.end(), *verb) != result.end())
      item.wrong(quote(*verb) + " is written twice: remove one");
    result.push_back(*verb);
  }
  return result;
}

Policy read_policy(const Value& spec, const std::string& name, KnowsZone knows_zone) {
  const Fields fields(spec, {"select", "rules"});
  Policy policy;
  policy.name = name;
  policy.digest = sha256_hex(canonical(spec.node()));
  if (const auto select = fields.find("select")) policy.select = read_selector(*select);
  const auto rules = fields.need("rules", "write a list of rules");
  const auto items = rules ? rules->items() : std::nullopt;
  if (items && items->empty()) rules->wrong("is empty: write at least one rule");
  if (items && items->size() > rules_max)
    rules->wrong("has more than " + std::to_string(rules_max) + " items: remove some");
  std::set<std::string> names;
  for (const Value& item : items ? *items : std::vector<Value>{})
    policy.rules.push_back(read_rule(item, names, knows_zone));
  return policy;
}

}  // namespace tidegate
