#pragma once
// One field of the Environment document that `validate --effective` prints, by JSON pointer, and
// whether it is what a platform team's rule asks for.

#include <map>
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

/// The document of one environment, which is made when the first field is asked for. For one thread
/// at a time; the site and the environment outlive it.
class EffectiveFields {
 public:
  EffectiveFields(const Site& site, const Environment& environment)
      : site_(site), environment_(environment) {}

  /// Nothing when the document has no such field.
  std::optional<FieldValue> at(const std::string& pointer) const;
  /// A list fits `equals`, `one_of` and `matches` never.
  bool fit(const FieldCondition& condition) const;

 private:
  const Site& site_;
  const Environment& environment_;
  mutable std::string text_;
  mutable std::map<std::string, std::optional<FieldValue>> known_;
};

}  // namespace tidegate
