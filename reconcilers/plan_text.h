#pragma once
// How decisions are told to people: one line, the cause first, what would mend it last.

#include <string>
#include <vector>

#include "reconcilers/diff.h"

namespace tidegate {

std::string join(const std::vector<std::string>& texts, const std::string& between);
const char* engine_text(Engine engine);
std::string code_text(const CodeDifference& difference, const ObservedEnvironment& seen);
/// "content is of live, generation 6".
std::string stamp_text(Part part, const Stamp& stamp);
std::string used_text(std::uint64_t generation, const Stamp& stamp);
std::string gone_text(const ContentSpec& spec, Part part, std::uint64_t highest);
std::string suspend_text(const Suspend& suspend);
std::string quarantine_text(const std::string& site, const std::string& environment,
                            const Failure& failure);

}  // namespace tidegate
