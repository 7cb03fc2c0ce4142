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

const char* engine_text(Engine engine);
std::string code_text(const CodeDifference& difference, const ObservedEnvironment& seen);
/// What content with this stamp is: "of live (generation 6)".
std::string stamp_text(const Stamp& stamp);
std::string used_text(std::uint64_t generation, const Stamp& stamp);
std::string gone_text(const ContentSpec& spec, const std::string& parts, std::uint64_t highest);
std::string suspend_text(const Suspend& suspend);
std::string quarantine_text(const std::string& site, const std::string& environment,
                            const Failure& failure);

}  // namespace tidegate
