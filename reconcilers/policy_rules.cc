#include "reconcilers/policy_rules.h"

#include <algorithm>

#include "reconcilers/plan_text.h"

namespace tidegate {
namespace {

/// A commit that never ran healthily here, and does not run now.
bool enters(const ObservedEnvironment& seen, const CommitId& commit) {
  return seen.commit != commit && !seen.proven.contains(commit);
}

bool replaces(const StepSoFar& step, Part part) {
  return std::ranges::any_of(step.actions, [&](const Action& action) {
    const auto* sync = std::get_if<Sync>(&action);
    const auto* wipe = std::get_if<Wipe>(&action);
    return (sync && sync->part == part) || (wipe && wipe->part == part);
  });
}

Said freshness(const ProvenRule& rule, const Proof& proof, const std::string& commit,
               Timestamp now) {
  const std::string mend = ": bring content from above to " + rule.environment;
  const std::string where = commit + " was proven in " + rule.environment;
  if (!proof.content_taken_at)
    return held("NotProven", where + " on content that is from no stage above" + mend);
  if (now - *proof.content_taken_at > *rule.content_max_age) {
    return held("NotProven", where + " on content of " + to_rfc3339(*proof.content_taken_at) +
                                 ", older than " + to_string(*rule.content_max_age) + mend);
  }
  return {};
}

/// Of a signature that is asked for; nothing when it is good.
Said signature(const std::map<std::string, SignatureFact>& facts, const SignedRule& rule,
               const std::string& what, std::vector<std::string>& signers) {
  const auto fact = facts.find(rule.allowed_signers.name);
  if (fact == facts.end()) return held("Unsigned", "it is not known yet who signed " + what);
  if (!fact->second.valid) return held("Unsigned", fact->second.problem);
  signers.push_back(what + " is signed by " + fact->second.signer);
  return {};
}

Said source_says(const ContentRule& rule, const std::string& source, bool copied) {
  if (!rule.sources.empty() && std::ranges::find(rule.sources, source) == rule.sources.end()) {
    return held("ContentRefused", "content \"" + source + "\" is not allowed here; allowed: " +
                                      join(rule.sources, ", "));
  }
  if (rule.sanitizer_required && copied) {
    return held("ContentRefused", "content of " + source +
                                      " must pass a sanitizer, and sanitizers are not supported "
                                      "yet");
  }
  return passed("content \"" + source + "\" is allowed here");
}

Said age_says(const RuleQuestion& q, const ContentRule& rule, const CommitId& commit) {
  if (!rule.max_age || !q.seen().exists || !enters(q.seen(), commit)) return {};
  for (Part part : parts) {
    const Stamp& stamp = part_of(q.seen(), part).stamp;
    if (stamp.source.kind != ContentSource::Kind::environment || replaces(q.step, part)) continue;
    const bool old = !stamp.taken_at || q.now - *stamp.taken_at > *rule.max_age;
    if (!old) continue;
    return held("ContentRefused",
                std::string("its ") + to_string(part) + " are of " +
                    (stamp.taken_at ? to_rfc3339(*stamp.taken_at) : "an unknown time") +
                    ", older than " + to_string(*rule.max_age) +
                    " may be under a new commit; "
                    "ask for content from " +
                    to_string(stamp.source) + " anew");
  }
  return passed("its content is new enough for " + commit.brief());
}

}  // namespace

Said proofs_say(const Site& site, const ObservedSite& observed, const Environment& environment,
                const CommitId& commit, Timestamp now, const ProvenRule& rule) {
  const ObservedEnvironment& seen = observed_of(observed, environment.name);
  const std::string brief = commit.brief();
  if (seen.commit == commit) return passed(brief + " runs here already");
  if (!enters(seen, commit)) return passed(brief + " ran healthily here before");
  const std::size_t stage = site.stage_of(rule.environment);
  if (stage == site.stages.size()) {
    return held("NotProven", site.name + " has no stage \"" + rule.environment +
                                 "\" in which a commit could be proven");
  }
  if (stage >= site.stage_of(environment.name)) return {};
  Step alone;
  alone.environment = environment.name;
  alone.actions = {Promote{commit}};
  if (!grants_for(site, observed, alone, now).empty())
    return passed("a Grant lets " + brief + " in");
  const ObservedEnvironment& below = observed_of(observed, rule.environment);
  const auto proof = below.proven.find(commit);
  if (proof == below.proven.end())
    return held("NotProven", unproven_text(commit, rule.environment, below));
  const std::string since =
      brief + " is proven in " + rule.environment + " since " + to_rfc3339(proof->second.at);
  if (rule.content_max_age) {
    if (Said said = freshness(rule, proof->second, brief, now); !said.text.empty()) return said;
  }
  const Timestamp soaked = proof->second.at + rule.soak;
  if (soaked > now)
    return held("Soaking", since + " and has to be for " + to_string(rule.soak), soaked);
  return passed(since);
}

Said signatures_say(const RuleQuestion& q, const SignedRule& rule) {
  std::vector<std::string> signers;
  if (rule.manifests) {
    Said said = signature(q.site.manifest_signature, rule, "the manifest commit", signers);
    if (!said.text.empty()) return said;
  }
  const auto* promote = rule.code ? std::get_if<Promote>(&q.action) : nullptr;
  if (promote) {
    static const std::map<std::string, SignatureFact> nothing;
    const auto facts = q.observed.signatures.find(promote->commit);
    Said said = signature(facts == q.observed.signatures.end() ? nothing : facts->second, rule,
                          "commit " + promote->commit.brief(), signers);
    if (!said.text.empty()) return said;
  }
  return passed(join(signers, "; "));
}

Said content_says(const RuleQuestion& q, const ContentRule& rule) {
  if (const auto* promote = std::get_if<Promote>(&q.action)) {
    return age_says(q, rule, promote->commit);
  }
  if (const auto* sync = std::get_if<Sync>(&q.action)) return source_says(rule, sync->from, true);
  if (const auto* wipe = std::get_if<Wipe>(&q.action)) {
    return wipe->generation == 0 ? Said{} : source_says(rule, "empty", false);
  }
  if (const auto* back = std::get_if<Activate>(&q.action)) {
    const ContentSource& source = back->stamp.source;
    return source_says(rule, to_string(source), source.kind == ContentSource::Kind::environment);
  }
  return {};
}

std::optional<Timestamp> taken_from_above(const Site& site, const std::string& environment,
                                          const std::map<Part, Stamp>& content) {
  std::optional<Timestamp> oldest;
  for (const auto& [part, stamp] : content) {
    if (stamp.source.kind != ContentSource::Kind::environment || !stamp.taken_at) continue;
    const std::size_t from = site.stage_of(stamp.source.environment);
    if (from == site.stages.size() || from <= site.stage_of(environment)) continue;
    if (!oldest || *stamp.taken_at < *oldest) oldest = stamp.taken_at;
  }
  return oldest;
}

}  // namespace tidegate
