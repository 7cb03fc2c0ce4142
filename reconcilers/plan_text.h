#pragma once
// How decisions are told to people: one line, the cause first, what would mend it last.

#include <optional>
#include <string>
#include <vector>

#include "reconcilers/diff.h"

namespace tidegate {

/// Why something is done: a whole clause ("it is new"), or what a part of the content is ("of
/// live").
struct Reason {
  std::string text;
  std::optional<Part> part = {};
};
/// One sentence with each reason once; what is true of both parts is said of them together: "it
/// runs 1111111, and its databases and files are of live (generation 6)".
std::string sentence(const std::vector<Reason>& reasons);

std::string join(const std::vector<std::string>& texts, const std::string& between);
/// "a", "a and b", "a, b and c".
std::string enumerate(const std::vector<std::string>& texts);

/// What a step does, with the kept release that it switches back to and whether content stays.
std::string step_text(const Step& step);

const char* engine_text(Engine engine);
std::string code_text(const CodeDifference& difference, const ObservedEnvironment& seen);
/// What content with this stamp is: "of live (generation 6)".
std::string stamp_text(const Stamp& stamp);
std::string used_text(std::uint64_t generation, const Stamp& stamp);
std::string gone_text(const ContentSpec& spec, const std::string& parts, std::uint64_t highest);
/// Why a commit may not come from `below` yet, and the mend.
std::string unproven_text(const CommitId& commit, const std::string& below,
                          const ObservedEnvironment& seen);
/// "its verification failed again at …: GET …".
std::string revocation_text(const Revocation& revocation);
/// What onFailure.restoreContent may cost, said before.
std::string loss_text(const Verify& verify);
std::string suspend_text(const Suspend& suspend);
std::string uncommitted_text(const std::string& site, const std::string& environment,
                             const std::string& changes);
std::string quarantine_text(const std::string& site, const std::string& environment,
                            const Failure& failure);

}  // namespace tidegate
