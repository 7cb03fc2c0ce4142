#include "schemas/site.h"

#include <algorithm>

namespace tidegate {

const char* to_string(Part part) { return part == Part::databases ? "databases" : "files"; }

ContentSource ContentSource::parse(const std::string& text) {
  if (text == "keep") return keep();
  if (text == "empty") return empty();
  if (text == "adopted") return adopted();
  return from(text);
}

std::string to_string(const ContentSource& source) {
  switch (source.kind) {
    case ContentSource::Kind::keep:
      return "keep";
    case ContentSource::Kind::empty:
      return "empty";
    case ContentSource::Kind::adopted:
      return "adopted";
    case ContentSource::Kind::environment:
      break;
  }
  return source.environment;
}

const Environment* Site::find(const std::string& environment) const {
  const auto found = environments.find(environment);
  return found == environments.end() ? nullptr : &found->second;
}

std::size_t Site::stage_of(const std::string& environment) const {
  return static_cast<std::size_t>(std::find(stages.begin(), stages.end(), environment) -
                                  stages.begin());
}

}  // namespace tidegate
