#pragma once
// One Environment document among others of a file, as it is written: byte for byte, comments and
// all.

#include <optional>
#include <string>

#include "schemas/result.h"
#include "schemas/yaml.h"

namespace tidegate {

/// Which document of a text is that environment's; nothing when none is.
std::optional<std::size_t> find_environment(const YamlText& yaml, const std::string& site,
                                            const std::string& environment);

/// Whether two values say the same, however they are written.
bool says_the_same(const Node& left, const Node& right);

/// That environment's document: what stands between the markers ("---") around it. Nothing when it
/// is not there, or cannot be read.
std::optional<std::string> document_text(const std::string& text, const std::string& site,
                                         const std::string& environment);

/// Whether two texts of one document each say the same.
bool same_document(const std::string& left, const std::string& right);
/// Whether they are the same but for blank space around them, which is a file's and no document's.
bool same_text(const std::string& left, const std::string& right);

/// The text with that document in the place of the one it has; all else stays byte for byte.
/// `invalid` when it is not there, or when the result would say anything else.
Result<std::string> with_document(const std::string& text, const std::string& site,
                                  const std::string& environment, const std::string& document);

}  // namespace tidegate
