#pragma once
// What exactly was signed of a git object. Internal to the folder.

#include <string>

#include "schemas/result.h"

namespace tidegate {

struct SignedText {
  std::string text;       ///< What the signature is over.
  std::string signature;  ///< Armoured; "" when there is none.
  std::string mail;       ///< Of the committer, or tagger; "" when it has none that can be read.
  std::string tag;        ///< The name a tag gives itself.
};

/// From the bytes of a commit. invalid: bytes that are no commit as git writes it (no header, a NUL
/// byte, two signatures).
Result<SignedText> read_signed_commit(const std::string& object);
/// From the bytes of an annotated tag.
Result<SignedText> read_signed_tag(const std::string& object);

}  // namespace tidegate
