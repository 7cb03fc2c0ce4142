#include "schemas/edit.h"

#include <algorithm>
#include <vector>

#include "schemas/yaml.h"

namespace tidegate {
namespace {

/// Byte offset of a line and column that count from 1.
std::size_t offset_of(const std::string& text, int line, int column) {
  std::size_t at = 0;
  for (int i = 1; i < line; ++i) at = text.find('\n', at) + 1;
  return at + static_cast<std::size_t>(column) - 1;
}

/// One past the last byte of a scalar that begins at `at`.
std::size_t scalar_end(const std::string& text, std::size_t at, const Node& scalar) {
  if (scalar.plain) return at + scalar.text.size();
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') ++at;
    else if (text[at] == quote && quote == '\'' && at + 1 < text.size() && text[at + 1] == '\'') ++at;
    else if (text[at] == quote) return at + 1;
  }
  return text.size();
}

bool is_flow(const std::string& text, const Node& map) { return text[offset_of(text, map.line, map.column)] == '{'; }

/// The closing brace of a flow mapping, quotes, comments and nesting minded.
std::size_t flow_end(const std::string& text, std::size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      Node quoted;
      at = scalar_end(text, at, quoted) - 1;
    } else if (c == '#' && std::isspace(static_cast<unsigned char>(text[at - 1]))) {
      at = text.find('\n', at);
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return at;
    }
  }
  return std::string::npos;
}

const Node* child(const Node& map, const std::string& key) {
  const NodeEntry* entry = map.find(key);
  return entry ? &entry->value : nullptr;
}

std::string scalar_at(const Node& node, const std::vector<std::string>& path) {
  const Node* at = &node;
  for (const auto& key : path) {
    at = child(*at, key);
    if (!at) return "";
  }
  return at->text;
}

const Node* find_document(const YamlText& yaml, const std::string& site, const std::string& environment) {
  for (const Node& document : yaml.documents) {
    if (document.kind != Node::Kind::map) continue;
    if (scalar_at(document, {"kind"}) == "Environment" && scalar_at(document, {"metadata", "name"}) == environment &&
        scalar_at(document, {"metadata", "site"}) == site) {
      return &document;
    }
  }
  return nullptr;
}

/// Adds `key: value` at the end of a mapping, in its own style.
std::string added(const std::string& text, const Node& map, const std::string& key, const std::string& value) {
  std::string out = text;
  if (is_flow(text, map)) {
    std::size_t end = flow_end(text, offset_of(text, map.line, map.column));
    while (end > 0 && std::isspace(static_cast<unsigned char>(text[end - 1]))) --end;
    return out.insert(end, (map.entries.empty() ? "" : ", ") + key + ": " + value);
  }
  // Before the first key, where neither comments nor nested lines can be in the way.
  const NodeEntry& first = map.entries.front();
  const std::size_t line = offset_of(text, first.line, 1);
  const std::string indent = text.substr(line, static_cast<std::size_t>(first.column) - 1);
  if (indent.find_first_not_of(' ') == std::string::npos) return out.insert(line, indent + key + ": " + value + "\n");
  const std::string spaces(static_cast<std::size_t>(first.column) - 1, ' ');
  return out.insert(offset_of(text, first.line, first.column), key + ": " + value + "\n" + spaces);
}

std::string replaced(const std::string& text, const Node& scalar, const std::string& value) {
  const std::size_t at = offset_of(text, scalar.line, scalar.column);
  return text.substr(0, at) + value + text.substr(scalar_end(text, at, scalar));
}

/// Replaces key and value of an entry whose value is a scalar.
std::string renamed(const std::string& text, const NodeEntry& entry, const std::string& key, const std::string& value) {
  const std::string with_value = replaced(text, entry.value, value);
  const std::size_t at = offset_of(text, entry.line, entry.column);
  Node name;
  name.text = entry.key;
  name.plain = text[at] != '"' && text[at] != '\'';
  return with_value.substr(0, at) + key + with_value.substr(scalar_end(text, at, name));
}

/// A mapping below `parent`, made when it is missing.
Result<std::string> set_scalar(std::string text, const std::string& site, const std::string& environment,
                               const std::vector<std::string>& path, const std::string& value) {
  const YamlText yaml = read_yaml(text);
  const Node* at = find_document(yaml, site, environment);
  if (!at) return Error{ErrorKind::invalid, "the document of " + site + "/" + environment + " cannot be read"};
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (at->kind != Node::Kind::map || (at->entries.empty() && !is_flow(text, *at))) {
      return Error{ErrorKind::invalid, site + "/" + environment + " is written in a way that cannot be edited; change it by hand"};
    }
    const Node* next = child(*at, path[i]);
    if (!next || next->kind == Node::Kind::null) {
      std::string rest = value;
      for (std::size_t j = path.size() - 1; j > i; --j) rest = "{" + path[j] + ": " + rest + "}";
      if (next) return Error{ErrorKind::invalid, path[i] + " of " + site + "/" + environment + " is empty; change it by hand"};
      return added(text, *at, path[i], rest);
    }
    at = next;
  }
  if (at->kind != Node::Kind::scalar) {
    return Error{ErrorKind::invalid, path.back() + " of " + site + "/" + environment + " is no plain value; change it by hand"};
  }
  return replaced(text, *at, value);
}

}  // namespace

bool holds_environment(const std::string& text, const std::string& site, const std::string& environment) {
  return find_document(read_yaml(text), site, environment) != nullptr;
}

Result<std::string> with_commit(const std::string& text, const std::string& site,
                                const std::string& environment, const CommitId& commit) {
  const YamlText yaml = read_yaml(text);
  const Node* document = find_document(yaml, site, environment);
  if (!document) return Error{ErrorKind::invalid, "the document of " + site + "/" + environment + " cannot be read"};
  const Node* spec = child(*document, "spec");
  const Node* code = spec ? child(*spec, "code") : nullptr;
  // A commit of digits alone would be read as a number.
  const bool digits = std::ranges::all_of(commit.hex, [](char c) { return c >= '0' && c <= '9'; });
  const std::string value = digits || commit.hex.find_first_not_of("0123456789e") == std::string::npos ? "\"" + commit.hex + "\"" : commit.hex;
  if (code && code->kind == Node::Kind::map && code->entries.size() == 1) {
    return renamed(text, code->entries.front(), "commit", value);
  }
  return set_scalar(text, site, environment, {"spec", "code", "commit"}, value);
}

Result<std::string> with_content(const std::string& text, const std::string& site,
                                 const std::string& environment, const ContentSource& source,
                                 std::uint64_t generation) {
  const YamlText yaml = read_yaml(text);
  const Node* document = find_document(yaml, site, environment);
  const Node* spec = document ? child(*document, "spec") : nullptr;
  const Node* content = spec ? child(*spec, "content") : nullptr;
  if (spec && (!content || content->kind == Node::Kind::null)) {
    return set_scalar(text, site, environment, {"spec", "content"},
                      "{source: " + to_string(source) + ", generation: " + std::to_string(generation) + "}");
  }
  if (content && child(*content, "refresh") && source.kind != ContentSource::Kind::environment) {
    return Error{ErrorKind::invalid, site + "/" + environment + " has content.refresh, which goes with an environment as the source; remove it first"};
  }
  auto edited = set_scalar(text, site, environment, {"spec", "content", "generation"}, std::to_string(generation));
  if (!edited) return edited;
  return set_scalar(*edited, site, environment, {"spec", "content", "source"}, to_string(source));
}

}  // namespace tidegate
