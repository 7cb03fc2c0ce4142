#include "reconcilers/plan_text.h"

#include "reconcilers/plan.h"

namespace tidegate {
namespace {

template <class... F>
struct Match : F... {
  using F::operator()...;
};
template <class... F>
Match(F...) -> Match<F...>;

std::string generation_text(std::uint64_t generation) {
  return generation == 0 ? "" : " (generation " + std::to_string(generation) + ")";
}

std::string text_of(const Action& action) {
  return std::visit(Match{[](const Promote& a) { return "promote " + a.commit.brief(); },
                          [](const Sync& a) {
                            return std::string(a.due ? "refresh " : "sync ") + to_string(a.part) +
                                   " from " + a.from + generation_text(a.generation);
                          },
                          [](const Wipe& a) {
                            return std::string(a.generation == 0 ? "create empty " : "wipe ") +
                                   to_string(a.part) + generation_text(a.generation);
                          },
                          [](const Activate& a) {
                            return std::string("bring back ") + to_string(a.part) + " of " +
                                   to_string(a.stamp.source) + generation_text(a.stamp.generation);
                          },
                          [](const Declare& a) {
                            return std::string("create ") + to_string(a.part) + " \"" + a.name +
                                   "\"";
                          },
                          [](const Launch&) { return std::string("record the launch"); },
                          [](const Unlaunch&) { return std::string("undo the launch"); },
                          [](const Recover& a) { return "recover operation " + a.operation; }},
                    action);
}

}  // namespace

std::string join(const std::vector<std::string>& texts, const std::string& between) {
  std::string out;
  for (const auto& text : texts) out += (out.empty() ? "" : between) + text;
  return out;
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
  std::vector<std::string> texts;
  for (const Action& action : actions) texts.push_back(text_of(action));
  return join(texts, ", ");
}

const char* engine_text(Engine engine) { return engine == Engine::mariadb ? "mariadb" : "sqlite"; }

std::string code_text(const CodeDifference& difference, const ObservedEnvironment& seen) {
  switch (difference.cause) {
    case CodeCause::none:
      return "";
    case CodeCause::created:
      return "is new";
    case CodeCause::commit:
      return "runs " + (seen.commit ? seen.commit->brief() : std::string("nothing"));
    case CodeCause::inputs:
      return "its variables, secrets or build have changed";
    case CodeCause::drift:
      return "its code was changed by hand";
    case CodeCause::unhealthy:
      return "its release has not passed verification";
  }
  return "";
}

std::string stamp_text(Part part, const Stamp& stamp) {
  std::string text = std::string("its ") + to_string(part) + " are ";
  switch (stamp.source.kind) {
    case ContentSource::Kind::environment:
      text += "of " + stamp.source.environment;
      break;
    case ContentSource::Kind::keep:
      text += "its own";
      break;
    case ContentSource::Kind::empty:
      text += "its own since a wipe";
      break;
    case ContentSource::Kind::adopted:
      text += "adopted";
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

std::string gone_text(const ContentSpec& spec, Part part, std::uint64_t highest) {
  return std::string(to_string(part)) + " of " + to_string(spec.source) + ", generation " +
         std::to_string(spec.generation) + ", are not kept any more; raise the generation to " +
         std::to_string(highest + 1) + " to ask anew";
}

std::string suspend_text(const Suspend& suspend) {
  std::string text = "suspended";
  if (!suspend.by.empty()) text += " by " + suspend.by;
  return text + ": " + suspend.reason +
         (suspend.until ? "; until " + to_rfc3339(*suspend.until) : "; remove suspend to go on");
}

std::string quarantine_text(const std::string& site, const std::string& environment,
                            const Failure& failure) {
  return failure.message + "; change the commit or the manifest, or run: tidegate retry " + site +
         "/" + environment;
}

}  // namespace tidegate
