#include "schemas/effective_fields.h"

#include <algorithm>
#include <charconv>
#include <string_view>

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

FieldValue value_of(const Node& node) {
  return {node.text, node.kind == Node::Kind::scalar,
          node.text.empty() && node.entries.empty() && node.items.empty()};
}

/// An entry of a block mapping whose keys stand at `indent`: its line and those below it.
std::optional<std::string_view> entry_of(std::string_view block, std::size_t indent,
                                         const std::string& key) {
  const std::string margin(indent, ' '), begin = margin + key + ":", deeper = margin + ' ';
  std::size_t from = std::string_view::npos;
  for (std::size_t at = 0; at < block.size(); at = block.find('\n', at) + 1) {
    const bool begins_entry = !block.substr(at).starts_with(deeper);
    if (from != std::string_view::npos && begins_entry) return block.substr(from, at - from);
    if (block.substr(at).starts_with(begin)) from = at;
  }
  return from == std::string_view::npos ? std::nullopt : std::optional(block.substr(from));
}

/// What stands behind a key on its line, where that can be told without reading YAML.
std::optional<FieldValue> simple_value(std::string_view spelt) {
  const std::size_t begin = spelt.find(": ") + 2;
  spelt = spelt.substr(begin, spelt.size() - 1 - begin);
  if (spelt == "[]" || spelt == "{}") return FieldValue{"", false, true};
  if (spelt[0] == '[' || spelt[0] == '{') return FieldValue{};
  if (spelt[0] == '"' || spelt.find(' ') != std::string_view::npos) return std::nullopt;
  return FieldValue{std::string(spelt), true, false};
}

/// Descends block mappings by their lines, which canonical_environment() writes all alike; YAML is
/// read of what is left, for reading all of it costs more than a whole look.
std::optional<FieldValue> value_at(std::string_view block, const std::string& pointer) {
  for (std::size_t at = 0, indent = 0; at < pointer.size(); indent += 2) {
    if (pointer[at] != '/') return std::nullopt;
    const std::size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    const auto entry = entry_of(block, indent, unescaped(pointer.substr(at + 1, end - at - 1)));
    if (!entry) return std::nullopt;
    const std::size_t line = entry->find('\n') + 1;
    const bool has_block = (*entry)[line - 2] == ':';
    const std::string_view below = entry->substr(line);
    if (!has_block && end == pointer.size())
      if (const auto simple = simple_value(entry->substr(0, line))) return simple;
    if (!has_block || below.size() < indent + 3 || below[indent + 2] == '-') {
      const YamlText text = read_yaml(std::string(*entry));
      const Node* node =
          text.documents.empty() ? nullptr : find(text.documents[0], pointer.substr(at));
      return node ? std::optional(value_of(*node)) : std::nullopt;
    }
    block = below;
    at = end;
  }
  return FieldValue{};
}

}  // namespace

std::optional<FieldValue> EffectiveFields::at(const std::string& pointer) const {
  const auto [known, first] = known_.try_emplace(pointer);
  if (!first) return known->second;
  if (text_.empty()) text_ = canonical_environment(site_.name, environment_, true);
  return known->second = value_at(text_, pointer);
}

bool EffectiveFields::fit(const FieldCondition& condition) const {
  const auto value = at(condition.pointer);
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
