#pragma once
// Changes one field of an Environment document in its text: the smallest edit, comments and layout
// kept.

#include <string>

#include "schemas/result.h"
#include "schemas/site.h"

namespace tidegate {

/// Whether `text` holds the Environment document of that site and environment, readable.
bool holds_environment(const std::string& text, const std::string& site,
                       const std::string& environment);

/// The text with `spec.code` naming this commit, whatever it named. `invalid` when the document is
/// not there, or is written in a way that cannot be edited safely (then by hand, the message says
/// what).
Result<std::string> with_commit(const std::string& text, const std::string& site,
                                const std::string& environment, const CommitId& commit);

/// The text with `spec.content.source` and `generation` as given; other fields of content stay.
/// `invalid` as above, and when there is a `refresh` and the source is no environment.
Result<std::string> with_content(const std::string& text, const std::string& site,
                                 const std::string& environment, const ContentSource& source,
                                 std::uint64_t generation);

}  // namespace tidegate
