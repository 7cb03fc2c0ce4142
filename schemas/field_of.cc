#include "schemas/field_of.h"

#include <algorithm>
#include <charconv>

#include "schemas/effective.h"
#include "schemas/yaml.h"

namespace tidegate {
namespace {

/// One step of a pointer as RFC 6901 spells it.
std::string unescaped(const std::string& token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool escape = token[i] == '~' && i + 1 < token.size();
    out += !escape ? token[i] : token[++i] == '1' ? '/' : '~';
  }
  return out;
}

const Node* item_of(const Node& list, const std::string& token) {
  std::size_t index = 0;
  const char* const end = token.data() + token.size();
  const auto [rest, error] = std::from_chars(token.data(), end, index);
  const bool number = error == std::errc() && rest == end && (token[0] != '0' || token == "0");
  return number && index < list.items.size() ? &list.items[index] : nullptr;
}

const Node* child_of(const Node& node, const std::string& token) {
  if (node.kind == Node::Kind::list) return item_of(node, token);
  const NodeEntry* entry = node.find(token);
  return entry ? &entry->value : nullptr;
}

const Node* find(const Node& document, const std::string& pointer) {
  const Node* node = &document;
  for (std::size_t at = 0; node && at < pointer.size();) {
    if (pointer[at] != '/') return nullptr;
    const std::size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    node = child_of(*node, unescaped(pointer.substr(at + 1, end - at - 1)));
    at = end;
  }
  return node;
}

}  // namespace

std::optional<FieldValue> field_of(const Site& site, const Environment& environment,
                                   const std::string& pointer) {
  const YamlText text = read_yaml(canonical_environment(site.name, environment, true));
  const Node* node = text.documents.empty() ? nullptr : find(text.documents.front(), pointer);
  if (!node) return std::nullopt;
  const bool plain = node->kind == Node::Kind::scalar;
  return FieldValue{node->text, plain,
                    node->text.empty() && node->entries.empty() && node->items.empty()};
}

bool fits(const FieldCondition& condition, const Site& site, const Environment& environment) {
  const auto value = field_of(site, environment, condition.pointer);
  if (!value) return false;
  const bool asks = condition.equals || !condition.one_of.empty() || !condition.matches.empty();
  if (!asks) return !value->empty;
  if (!value->plain) return false;
  if (condition.equals && value->text != *condition.equals) return false;
  if (!condition.matches.empty() && !glob_matches(condition.matches, value->text)) return false;
  return condition.one_of.empty() ||
         std::ranges::find(condition.one_of, value->text) != condition.one_of.end();
}

}  // namespace tidegate
