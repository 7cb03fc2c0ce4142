// Which fields a Policy's rule may name. A rule about a field that no Environment can have would
// hold for ever, or never.
#include <algorithm>
#include <vector>

#include "schemas/checks.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

// As `validate --effective` prints an Environment. `#` stands for a place in a list, `*` for any
// name; what leads to a field is a field too.
const std::vector<std::string_view> fields{
    "/metadata/name",
    "/metadata/site",
    "/spec/driver",
    "/spec/code/commit",
    "/spec/code/tag",
    "/spec/code/branch",
    "/spec/code/from",
    "/spec/code/writable",
    "/spec/content/source",
    "/spec/content/generation",
    "/spec/content/include/#",
    "/spec/content/refresh/onPromote/ifOlderThan",
    "/spec/content/refresh/every",
    "/spec/content/refresh/schedule",
    "/spec/content/refresh/timeZone",
    "/spec/url",
    "/spec/previewUrl",
    "/spec/deploy/update",
    "/spec/deploy/clearCache",
    "/spec/deploy/maintenance",
    "/spec/deploy/note",
    "/spec/deploy/timeout",
    "/spec/verify/http/#/path",
    "/spec/verify/http/#/status",
    "/spec/verify/http/#/contains",
    "/spec/verify/http/#/header/*",
    "/spec/verify/http/#/within",
    "/spec/verify/http/#/certificate/validFor",
    "/spec/verify/commands/#",
    "/spec/verify/compare/paths/#",
    "/spec/verify/compare/titles",
    "/spec/verify/soak/for",
    "/spec/verify/soak/every",
    "/spec/verify/again",
    "/spec/verify/retryFor",
    "/spec/onFailure/rollback",
    "/spec/onFailure/restoreContent",
    "/spec/onFailure/revertManifest/branch",
    "/spec/variables/*",
    "/spec/secrets/*",
    "/spec/suspend/reason",
    "/spec/suspend/by",
    "/spec/suspend/until",
};

// The first part of a pointer, and what follows it.
std::string_view next_part(std::string_view& pointer) {
  const auto end = std::min(pointer.find('/', 1), pointer.size());
  const std::string_view part = pointer.substr(1, end - 1);
  pointer.remove_prefix(end);
  return part;
}

bool is_index(std::string_view part) {
  return !part.empty() && part.size() <= 4 && std::all_of(part.begin(), part.end(), is_digit) &&
         (part.front() != '0' || part.size() == 1);
}

bool is_variable(std::string_view part) {
  return !part.empty() && part.size() <= 255 && !is_digit(part.front()) &&
         std::all_of(part.begin(), part.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

// Whether `pointer` leads to `field`, or to something that holds it.
bool leads_to(std::string_view pointer, std::string_view field) {
  while (!pointer.empty() && !field.empty()) {
    const std::string_view part = next_part(pointer), known = next_part(field);
    const bool fits = known == "#"   ? is_index(part)
                      : known == "*" ? is_variable(part)
                                     : part == known;
    if (!fits) return false;
  }
  return pointer.empty();
}

// Fields whose pointers can be written out, and what leads to any.
std::vector<std::string_view> spelt_out() {
  std::vector<std::string_view> result;
  for (const std::string_view field : fields)
    for (auto end = field.find('/', 1);; end = field.find('/', end + 1)) {
      const std::string_view part = field.substr(0, end);
      if (part.find_first_of("#*") == std::string_view::npos) result.push_back(part);
      if (end == std::string_view::npos) break;
    }
  return result;
}

}  // namespace

std::string wrong_field_pointer(const std::string& text) {
  const bool known = text.size() > 1 && text.front() == '/' && text.back() != '/' &&
                     std::any_of(fields.begin(), fields.end(),
                                 [&](std::string_view field) { return leads_to(text, field); });
  if (known) return "";
  return quote(text) +
         " is no field of an Environment: write a JSON pointer such as \"/spec/verify/http\"" +
         did_you_mean(text, spelt_out());
}

}  // namespace tidegate
