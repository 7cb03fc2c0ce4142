#pragma once
// One field of the Environment document that `validate --effective` prints, by JSON pointer, and
// whether it is what a platform team's rule asks for.

#include <optional>
#include <string>

#include "schemas/policy.h"

namespace tidegate {

struct FieldValue {
  std::string text;    ///< Of a scalar as it is printed, without quotes.
  bool plain = false;  ///< It is a scalar: not a list, not a map.
  bool empty = false;  ///< null, "", [] or {}.
  bool operator==(const FieldValue&) const = default;
};

/// Nothing when the document has no such field.
std::optional<FieldValue> field_of(const Site& site, const Environment& environment,
                                   const std::string& pointer);

/// A list fits `equals`, `one_of` and `matches` never.
bool fits(const FieldCondition& condition, const Site& site, const Environment& environment);

}  // namespace tidegate
