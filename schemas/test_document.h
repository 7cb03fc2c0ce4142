#pragma once
// Documents for tests.

#include <string>

namespace tidegate {

/// `metadata` and `spec` as in a flow mapping, without its braces.
inline std::string document(const std::string& kind, const std::string& metadata,
                            const std::string& spec) {
  return "---\napiVersion: tidegate/v1\nkind: " + kind + "\nmetadata: {" + metadata + "}\nspec: {" +
         spec + "}\n";
}

}  // namespace tidegate
