#include "schemas/policy_case.h"

#include <algorithm>

#include "schemas/checks.h"
#include "schemas/manifest_kinds.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

constexpr std::size_t texts_max = 1000;
const std::vector<std::string_view> verbs{"promote", "sync", "wipe", "create", "activate"};
const std::vector<std::string_view> reasons{
    "NotProven",    "Soaking",     "WindowClosed", "Unsigned",  "ContentRefused", "BackupMissing",
    "LimitReached", "BlastRadius", "Required",     "Forbidden", "Frozen",         "PolicyBroken"};

std::string wrong_target(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos || !wrong_name(text.substr(0, slash)).empty() ||
      !wrong_environment_name(text.substr(slash + 1)).empty())
    return quote(text) + " names no environment: write SITE/ENV";
  return "";
}

std::string wrong_rule(const std::string& text) {
  const auto slash = text.find('/');
  const bool of_policy = slash != std::string::npos;
  if (!wrong_name(text.substr(0, slash)).empty() ||
      (of_policy && !wrong_name(text.substr(slash + 1)).empty()))
    return quote(text) + " names no rule: write POLICY/RULE, or the name of a Freeze";
  return "";
}

std::string any_path(const std::string& text) {
  return text.empty() || text.find('\0') != std::string::npos ? "must be a path" : "";
}

CaseTarget target_of(const Value& value, const std::string& text) {
  const auto slash = text.find('/');
  return {text.substr(0, slash), slash == std::string::npos ? "" : text.substr(slash + 1),
          value.node().line, value.node().column, value.path()};
}

std::vector<std::string> read_names(const Fields& fields, std::string_view name, Check check) {
  const auto value = fields.find(name);
  return value ? value->texts(check, texts_max).value_or(std::vector<std::string>{})
               : std::vector<std::string>{};
}

std::optional<std::uint64_t> read_generation(const Fields& fields) {
  const auto value = fields.find("generation");
  const auto number = value ? value->integer(0, generation_max) : std::nullopt;
  return number ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

std::optional<Timestamp> read_time_of(const Fields& fields, std::string_view name) {
  const auto value = fields.find(name);
  return value ? read_time(*value) : std::nullopt;
}

std::optional<CommitId> read_commit_of(const Fields& fields) {
  const auto value = fields.find("commit");
  return value ? read_commit(*value) : std::nullopt;
}

std::string wrong_stamp_source(const std::string& text) {
  return text == "keep" || text == "empty" || text == "adopted" ? "" : wrong_environment_name(text);
}

std::vector<CaseProof> read_proofs(const Value& value) {
  std::vector<CaseProof> proofs;
  const auto items = value.items();
  for (const Value& item : items ? *items : std::vector<Value>{}) {
    const Fields fields(item, {"commit", "since", "contentTakenAt"});
    CaseProof proof;
    if (const auto commit = fields.need("commit", "write which commit was proven"))
      proof.commit = read_commit(*commit).value_or(CommitId{});
    proof.since = read_time_of(fields, "since");
    proof.content_taken_at = read_time_of(fields, "contentTakenAt");
    proofs.push_back(std::move(proof));
  }
  return proofs;
}

CaseEnvironment read_environment(const Value& value, const std::string& name) {
  const Fields fields(value, {"exists", "commit", "proven", "content", "usedGrants"});
  CaseEnvironment out;
  out.target = target_of(value, name);
  if (const auto exists = fields.find("exists")) out.exists = exists->boolean().value_or(true);
  out.commit = read_commit_of(fields);
  if (const auto proven = fields.find("proven")) out.proven = read_proofs(*proven);
  out.used_grants = read_names(fields, "usedGrants", wrong_name);
  const auto content = fields.find("content");
  if (!content) return out;
  const Fields stamp(*content, {"source", "generation", "takenAt"});
  if (const auto source = stamp.find("source"))
    if (const auto text = source->text(wrong_stamp_source))
      out.source = ContentSource::parse(*text);
  out.generation = read_generation(stamp);
  out.taken_at = read_time_of(stamp, "takenAt");
  return out;
}

Expectation read_expectation(const Value& value) {
  const Fields fields(value, {"environment", "verb", "commit", "source", "generation", "verdict",
                              "reason", "rule", "opensAt"});
  Expectation out;
  if (const auto e = fields.need("environment", "write SITE/ENV"))
    out.target = target_of(*e, e->text(wrong_target).value_or(""));
  if (const auto verb = fields.need("verb", "write " + alternatives(verbs)))
    out.verb = verb->one_of(verbs).value_or("");
  if (const auto verdict = fields.need("verdict", "write allowed or held"))
    out.held = verdict->one_of({"allowed", "held"}).value_or("") == "held";
  out.commit = read_commit_of(fields);
  if (const auto source = fields.find("source")) out.source = source->text(wrong_stamp_source);
  out.generation = read_generation(fields);
  const auto reason = fields.find("reason"), opens = fields.find("opensAt");
  if (reason) out.reason = reason->one_of(reasons).value_or("");
  if (const auto rule = fields.find("rule")) out.rule = rule->text(wrong_rule).value_or("");
  if (opens) out.opens_at = read_time(*opens);
  for (const auto& field : {reason, opens})
    if (field && !out.held) field->wrong("goes with verdict: held only: remove it");
  if (out.commit && out.verb != "promote")
    fields.find("commit")->wrong("goes with verb: promote only: remove it");
  return out;
}

CaseStrike read_strike(const Value& value) {
  const Fields fields(value, {"commit", "sites", "acknowledged"});
  CaseStrike out;
  out.commit = read_commit_of(fields).value_or(CommitId{std::string(40, '0')});
  fields.need("sites", "write the sites that it removes, wipes or moves");
  out.sites = read_names(fields, "sites", wrong_name);
  if (const auto flag = fields.find("acknowledged"))
    out.acknowledged = flag->boolean().value_or(false);
  return out;
}

void read_fleet(const Fields& fields, PolicyCase& out) {
  if (const auto running = fields.find("running")) {
    const auto items = running->items();
    for (const Value& item : items ? *items : std::vector<Value>{})
      if (const auto text = item.text(wrong_target)) out.running.push_back(target_of(item, *text));
  }
  if (const auto wiped = fields.find("wiped"))
    for (const auto& [site, times] : wiped->entries(wrong_name)) {
      const auto items = times.items();
      for (const Value& item : items ? *items : std::vector<Value>{})
        if (const auto at = read_time(item)) out.wiped[site].push_back(*at);
    }
  if (const auto struck = fields.find("struck")) out.struck = read_strike(*struck);
  const auto nobody = fields.find("unsigned");
  if (!nobody) return;
  const Fields what(*nobody, {"manifests", "commits"});
  out.unsigned_sites = read_names(what, "manifests", wrong_name);
  const auto commits = what.find("commits");
  const auto items = commits ? commits->items() : std::nullopt;
  for (const Value& item : items ? *items : std::vector<Value>{})
    if (auto commit = read_commit(item)) out.unsigned_commits.push_back(std::move(*commit));
}

void read_spec(const Value& spec, PolicyCase& out) {
  const Fields fields(
      spec, {"manifests", "now", "observed", "unsigned", "running", "wiped", "struck", "expect"});
  out.manifests = read_names(fields, "manifests", any_path);
  if (const auto now = fields.need("now", "write the point in time at which it is asked"))
    out.now = read_time(*now).value_or(Timestamp{});
  if (const auto observed = fields.find("observed"))
    for (const auto& [name, entry] : observed->entries(wrong_target))
      out.observed.push_back(read_environment(entry, name));
  read_fleet(fields, out);
  const auto expect = fields.need("expect", "write a list of {environment, verb, verdict}");
  const auto items = expect ? expect->items() : std::nullopt;
  if (items && items->empty()) expect->wrong("is empty: write at least one expectation");
  for (const Value& item : items ? *items : std::vector<Value>{})
    out.expect.push_back(read_expectation(item));
}

PolicyCase read_case(const Value& root) {
  PolicyCase out;
  const Fields fields(root, {"apiVersion", "kind", "metadata", "spec"});
  if (const auto version = fields.need("apiVersion", "write tidegate/v1"))
    version->one_of({"tidegate/v1"});
  if (const auto kind = fields.need("kind", "write PolicyTest")) kind->one_of({"PolicyTest"});
  if (const auto metadata = fields.need("metadata", "write metadata: {name: …}")) {
    const Fields known(*metadata, {"name"});
    if (const auto name = known.need("name", "write a name"))
      out.name = name->text(wrong_name).value_or("");
  }
  if (const auto spec = fields.need("spec", "write spec: {…}")) read_spec(*spec, out);
  return out;
}

}  // namespace

PolicyCaseFile read_policy_cases(const std::string& file, const std::string& text) {
  PolicyCaseFile out;
  const YamlText yaml = read_yaml(text);
  const auto tell = [&](const YamlProblem& p) {
    out.problems.push_back({file, p.line, p.column, "", p.text});
  };
  for (std::size_t i = 0; i < yaml.documents.size(); ++i) {
    std::ranges::for_each(yaml.document_problems[i], tell);
    const Node& root = yaml.documents[i];
    if (root.kind == Node::Kind::null && yaml.document_problems[i].empty()) continue;
    const Value value(root, "", file, out.problems);
    if (!value.is_map()) continue;
    out.cases.push_back(read_case(value));
    out.cases.back().file = file;
  }
  if (!yaml.complete) tell(yaml.end);
  if (out.cases.empty() && out.problems.empty())
    tell({1, 1, "holds no document of kind PolicyTest"});
  std::ranges::sort(out.problems);
  return out;
}

}  // namespace tidegate
