#include "reconcilers/plan_text.h"

#include <algorithm>
#include <set>

#include "reconcilers/plan.h"
#include "schemas/match.h"

namespace tidegate {
namespace {

std::string generation_text(std::uint64_t generation) {
  return generation == 0 ? "" : " (generation " + std::to_string(generation) + ")";
}

/// Texts around the name of a part; those that differ in nothing else become one.
class PartTexts {
 public:
  void add(const std::string& text) { add(text, {}, ""); }
  void add(const std::string& before, std::optional<Part> part, const std::string& after) {
    auto same = std::ranges::find_if(
        texts_, [&](const Text& t) { return t.before == before && t.after == after; });
    if (same == texts_.end()) same = texts_.insert(texts_.end(), {before, {}, after});
    if (part) same->parts.insert(*part);
  }
  std::vector<std::string> all() const {
    std::vector<std::string> out;
    for (const Text& text : texts_) {
      std::vector<std::string> names;
      for (Part part : text.parts) names.emplace_back(to_string(part));
      out.push_back(text.before + enumerate(names) + text.after);
    }
    return out;
  }

 private:
  struct Text {
    std::string before;
    std::set<Part> parts;
    std::string after;
  };
  std::vector<Text> texts_;
};

void tell(PartTexts& told, const Activate& a) {
  const std::string generation = generation_text(a.stamp.generation);
  if (a.stamp.source.kind == ContentSource::Kind::adopted) {
    return told.add("bring back adopted ", a.part, generation);
  }
  told.add("bring back ", a.part,
           " of " +
               (a.stamp.source == ContentSource::empty() ? "a wipe" : to_string(a.stamp.source)) +
               generation);
}

}  // namespace

std::string join(const std::vector<std::string>& texts, const std::string& between) {
  std::string out;
  for (const auto& text : texts) out += (out.empty() ? "" : between) + text;
  return out;
}

std::string enumerate(const std::vector<std::string>& texts) {
  if (texts.size() < 2) return join(texts, "");
  return join({texts.begin(), texts.end() - 1}, ", ") + " and " + texts.back();
}

std::string sentence(const std::vector<Reason>& reasons) {
  PartTexts clauses;
  for (const Reason& r : reasons) {
    r.part ? clauses.add("its ", r.part, " are " + r.text) : clauses.add(r.text);
  }
  auto texts = clauses.all();
  if (texts.size() > 1) texts.back() = "and " + texts.back();
  return join(texts, ", ");
}

const char* verb(const Action& action) {
  return std::visit(
      Match{[](const Promote&) { return "promote"; }, [](const Sync&) { return "sync"; },
            [](const Wipe& a) { return a.generation == 0 ? "create" : "wipe"; },
            [](const Activate&) { return "activate"; }, [](const Declare&) { return "create"; },
            [](const Launch&) { return "launch"; }, [](const Unlaunch&) { return "unlaunch"; },
            [](const Recover&) { return "recover"; }},
      action);
}

std::string describe(const std::vector<Action>& actions) {
  PartTexts told;
  const Match add{
      [&](const Promote& a) { told.add("promote " + a.commit.brief()); },
      [&](const Sync& a) {
        told.add(a.due ? "refresh " : "sync ", a.part,
                 " from " + a.from + generation_text(a.generation));
      },
      [&](const Wipe& a) {
        told.add(a.generation == 0 ? "create empty " : "wipe ", a.part,
                 generation_text(a.generation));
      },
      [&](const Activate& a) { tell(told, a); },
      [&](const Declare& a) {
        told.add((a.part == Part::databases ? "create database \"" : "create files \"") + a.name +
                 "\"");
      },
      [&](const Launch&) { told.add("record the launch"); },
      [&](const Unlaunch&) { told.add("undo the launch"); },
      [&](const Recover& a) { told.add("recover operation " + a.operation); }};
  for (const Action& action : actions) std::visit(add, action);
  return join(told.all(), ", ");
}

std::string step_text(const Step& step) {
  if (step.reuse.empty()) return describe(step.actions);
  const bool brings_back = std::ranges::any_of(
      step.actions, [](const Action& a) { return std::holds_alternative<Activate>(a); });
  return describe(step.actions) + ", switching back to kept release " + step.reuse +
         (brings_back ? "" : "; content stays");
}

const char* engine_text(Engine engine) { return engine == Engine::mariadb ? "mariadb" : "sqlite"; }

std::string code_text(const CodeDifference& difference, const ObservedEnvironment& seen) {
  switch (difference.cause) {
    case CodeCause::none:
      return "";
    case CodeCause::created:
      return "it is new";
    case CodeCause::commit:
      return "it runs " + (seen.commit ? seen.commit->brief() : std::string("nothing"));
    case CodeCause::inputs:
      return "its variables, secrets or build have changed";
    case CodeCause::drift:
      return "its code was changed by hand";
    case CodeCause::unhealthy:
      return "its release has not passed verification";
  }
  return "";
}

std::string stamp_text(const Stamp& stamp) {
  std::string text = "its own";
  switch (stamp.source.kind) {
    case ContentSource::Kind::environment:
      text = "of " + stamp.source.environment;
      break;
    case ContentSource::Kind::keep:
      break;
    case ContentSource::Kind::empty:
      text += " since a wipe";
      break;
    case ContentSource::Kind::adopted:
      text = "adopted";
      break;
  }
  return text + generation_text(stamp.generation);
}

std::string used_text(std::uint64_t generation, const Stamp& stamp) {
  const std::string brought = stamp.source.kind == ContentSource::Kind::environment
                                  ? "brought content from " + stamp.source.environment
                                  : "wiped content";
  return "generation " + std::to_string(generation) + " already " + brought +
         "; raise it to ask for something else";
}

std::string gone_text(const ContentSpec& spec, const std::string& parts, std::uint64_t highest) {
  return parts + " of " + to_string(spec.source) + ", generation " +
         std::to_string(spec.generation) + ", are not kept here; raise the generation to " +
         std::to_string(highest + 1) + " to ask anew";
}

std::string unproven_text(const CommitId& commit, const std::string& below,
                          const ObservedEnvironment& seen) {
  const auto revoked = seen.revoked.find(commit);
  if (revoked == seen.revoked.end())
    return commit.brief() + " has not been proven in " + below + "; let " + below + " run it first";
  return commit.brief() + " is not proven in " + below +
         " any more: " + revocation_text(revoked->second) + "; it is once that passes there";
}

std::string revocation_text(const Revocation& revocation) {
  return "its verification failed again at " + to_rfc3339(revocation.at) + ": " +
         revocation.message;
}

std::string loss_text(const Verify& verify) {
  const std::string lasts = verify.soak ? "soak for " + to_string(verify.soak->length)
                                        : "retryFor " + to_string(verify.retry_for);
  return "a failure after the switch would put the databases back as they were before update; what "
         "visitors write while verification lasts (" +
         lasts + ") would be lost";
}

std::string suspend_text(const Suspend& suspend) {
  std::string text = "suspended";
  if (!suspend.by.empty()) text += " by " + suspend.by;
  return text + ": " + suspend.reason +
         (suspend.until ? "; until " + to_rfc3339(*suspend.until) : "; remove suspend to go on");
}

std::string uncommitted_text(const std::string& site, const std::string& environment,
                             const std::string& changes) {
  const std::string where = site + "/" + environment;
  return changes + "; `tidegate commit " + where + " -m …` keeps them, `tidegate discard " + where +
         "` drops them";
}

std::string quarantine_text(const std::string& site, const std::string& environment,
                            const Failure& failure) {
  return failure.message + "; change the commit or the manifest, or run: tidegate retry " + site +
         "/" + environment;
}

}  // namespace tidegate
