// Freeze: the emergency stop. Grant: one exception, used once.
#include "schemas/checks.h"
#include "schemas/digest.h"
#include "schemas/manifest_kinds.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

constexpr std::size_t id_digits = 16;  // Of the digest; enough to tell a name's versions apart.
const std::vector<std::string_view> granted_actions{"promote", "sync", "wipe", "unlaunch",
                                                    "authority"};

std::uint64_t read_generation(const Fields& fields) {
  const auto generation = fields.need("generation", "write the generation that the manifest names");
  const auto number = generation ? generation->integer(1, generation_max) : std::nullopt;
  return static_cast<std::uint64_t>(number.value_or(0));
}

std::string read_environment_name(const Fields& fields, std::string_view name) {
  const auto value = fields.need(name, "write an environment's name");
  return value ? value->text(wrong_environment_name).value_or("") : "";
}

GrantedAction read_action(std::string_view kind, const Value& value) {
  if (kind == "promote") {
    const Fields fields(value, {"commit"});
    const auto commit = fields.need("commit", "write the commit in 40 digits");
    return GrantedPromote{commit ? read_commit(*commit).value_or(CommitId{}) : CommitId{}};
  }
  if (kind == "sync") {
    const Fields fields(value, {"source", "generation"});
    return GrantedSync{read_environment_name(fields, "source"), read_generation(fields)};
  }
  if (kind == "wipe") return GrantedWipe{read_generation(Fields(value, {"generation"}))};
  if (kind == "authority")
    return GrantedAuthority{read_environment_name(Fields(value, {"from"}), "from")};
  Fields(value, {});
  return GrantedUnlaunch{};
}

GrantedAction read_allow(const Value& value) {
  const Fields fields(value, granted_actions);
  if (value.node().kind == Node::Kind::map && fields.count(granted_actions) != 1)
    value.wrong("needs exactly one of " + alternatives(granted_actions));
  GrantedAction action;
  for (const std::string_view kind : granted_actions)
    if (const auto found = fields.find(kind)) action = read_action(kind, *found);
  return action;
}

std::string spelt(const GrantedAction& action) {
  struct Spelling {
    std::string operator()(const GrantedPromote& it) const { return "promote " + it.commit.hex; }
    std::string operator()(const GrantedSync& it) const {
      return "sync " + it.source + " " + std::to_string(it.generation);
    }
    std::string operator()(const GrantedWipe& it) const {
      return "wipe " + std::to_string(it.generation);
    }
    std::string operator()(const GrantedUnlaunch&) const { return "unlaunch"; }
    std::string operator()(const GrantedAuthority& it) const { return "authority " + it.from; }
  };
  return std::visit(Spelling{}, action);
}

// No text of a Grant holds a line break.
std::string id_of(const Grant& grant) {
  const std::string all = grant.site + "\n" + grant.environment + "\n" + spelt(grant.allow) + "\n" +
                          grant.reason + "\n" + grant.by + "\n" + to_rfc3339(grant.expires);
  return grant.name + "@" + sha256_hex(all).substr(0, id_digits);
}

std::string read_line(const Fields& fields, std::string_view name, const std::string& mend) {
  const auto value = fields.need(name, mend);
  return value ? value->text(wrong_line).value_or("") : "";
}

}  // namespace

Freeze read_freeze(const Value& spec, const std::string& name) {
  const Fields fields(spec, {"select", "from", "until", "reason", "except"});
  Freeze freeze;
  freeze.name = name;
  freeze.digest = sha256_hex(canonical(spec.node()));
  if (const auto select = fields.find("select")) freeze.select = read_selector(*select);
  if (const auto from = fields.find("from")) freeze.from = read_time(*from);
  const auto until = fields.find("until");
  if (until) freeze.until = read_time(*until);
  if (freeze.from && freeze.until && *freeze.until <= *freeze.from)
    until->wrong("is not after from: nothing would be frozen");
  freeze.reason = read_line(fields, "reason", "write why, for those who wait");
  if (const auto except = fields.find("except")) freeze.except = read_verbs(*except);
  return freeze;
}

GrantManifest read_grant(const Value& spec, const std::string& name) {
  const Fields fields(spec, {"site", "environment", "allow", "reason", "by", "expires"});
  GrantManifest result;
  Grant& grant = result.grant;
  grant.name = name;
  if (const auto site = fields.need("site", "write the site's name")) {
    grant.site = site->text(wrong_name).value_or("");
    result.site = mark_of(*site, {});
  }
  if (const auto environment = fields.need("environment", "write an environment's name")) {
    grant.environment = environment->text(wrong_environment_name).value_or("");
    result.environment = mark_of(*environment, {});
  }
  if (const auto allow = fields.need("allow", "write the one action that is allowed"))
    grant.allow = read_allow(*allow);
  grant.reason = read_line(fields, "reason", "write why, for those who read the history");
  grant.by = read_line(fields, "by", "write who allows it");
  if (const auto expires = fields.need("expires", "write the point in time when it ends"))
    grant.expires = read_time(*expires).value_or(Timestamp{});
  grant.id = id_of(grant);
  return result;
}

}  // namespace tidegate
