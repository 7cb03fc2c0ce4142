// Changes are splices at places that the reader marked; each is read again and compared, so that an
// odd layout ends in a refusal and never in another manifest.
#include "schemas/edit.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/document_text.h"

namespace tidegate {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

struct Splice {
  std::size_t at = 0, length = 0;
  std::string text;
};

/// What a field is given: a number, or text.
struct Value {
  std::string text;
  bool number = false;
};
using Fields = std::vector<std::pair<std::string, Value>>;

/// Byte offset of a line and column that count from 1.
std::size_t offset_of(const std::string& text, int line, int column) {
  std::size_t at = line == 1 && text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  for (int i = 1; i < line; ++i) at = text.find('\n', at) + 1;
  return std::min(at + static_cast<std::size_t>(column) - 1, text.size());
}
std::size_t offset_of(const std::string& text, const Node& node) {
  return offset_of(text, node.line, node.column);
}

/// The quote that stands at a place, or 0.
char quote_at(const std::string& text, std::size_t at) {
  return at < text.size() && (text[at] == '"' || text[at] == '\'') ? text[at] : '\0';
}

/// One past the last byte of a scalar that begins at `at`; nothing when it goes over several lines.
std::optional<std::size_t> scalar_end(const std::string& text, std::size_t at,
                                      const std::string& value) {
  const char quote = quote_at(text, at);
  if (!quote) {
    if (text.compare(at, value.size(), value) != 0) return std::nullopt;
    return at + value.size();
  }
  for (++at; at < text.size(); ++at) {
    const bool doubled = quote == '\'' && text.compare(at, 2, "''") == 0;
    if (doubled || (quote == '"' && text[at] == '\\')) {
      ++at;
    } else if (text[at] == quote) {
      return at + 1;
    }
  }
  return std::nullopt;
}

/// One past the last byte of a value written in flow style.
std::optional<std::size_t> flow_end(const std::string& text, const Node& node) {
  const std::size_t begin = offset_of(text, node);
  if (node.kind == Node::Kind::scalar) return scalar_end(text, begin, node.text);
  if (node.kind == Node::Kind::null) return std::nullopt;
  const bool map = node.kind == Node::Kind::map;
  if (begin >= text.size() || text[begin] != (map ? '{' : '[')) return std::nullopt;
  std::optional<std::size_t> at = begin + 1;
  if (map && !node.entries.empty()) at = flow_end(text, node.entries.back().value);
  if (!map && !node.items.empty()) at = flow_end(text, node.items.back());
  if (!at) return std::nullopt;
  for (; *at < text.size(); ++*at) {
    const char c = text[*at];
    if (c == (map ? '}' : ']')) return *at + 1;
    if (c == '#') *at = std::min(text.find('\n', *at), text.size());
  }
  return std::nullopt;
}

Node node_of(const Value& value) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = value.text;
  node.plain = value.number;
  return node;
}

std::string spelled(const Value& value, char quote) {
  if (value.number) return value.text;
  Node plain = node_of(value);
  plain.plain = true;
  if (!quote && type_of(plain) != ScalarType::text) quote = '"';
  return quote ? quote + value.text + quote : value.text;
}

const Node* child(const Node& map, const std::string& key) {
  const NodeEntry* entry = map.find(key);
  return entry ? &entry->value : nullptr;
}

/// The line a value ends on, as far as the reader marked it: lines of a scalar that goes over
/// several are not counted. Nothing for what is written in an unknown way.
std::optional<int> last_line(const std::string& text, const Node& node) {
  const std::size_t begin = offset_of(text, node);
  const bool flow = begin < text.size() && (text[begin] == '{' || text[begin] == '[');
  if (flow && node.kind != Node::Kind::scalar) {
    const auto end = flow_end(text, node);
    if (!end) return std::nullopt;
    const auto written = std::string_view(text).substr(begin, *end - begin);
    return node.line + static_cast<int>(std::ranges::count(written, '\n'));
  }
  if (!node.entries.empty())
    return std::max(node.entries.back().line,
                    last_line(text, node.entries.back().value).value_or(0));
  if (!node.items.empty()) return last_line(text, node.items.back());
  return node.line;
}

/// Where the line after an entry of a block mapping begins: what is indented deeper than its key is
/// its own, comments too; other comments and blank lines are of what follows.
std::optional<std::size_t> after_entry(const std::string& text, const NodeEntry& entry) {
  const auto last = last_line(text, entry.value);
  if (!last) return std::nullopt;
  auto next_line = [&](std::size_t at) {
    const std::size_t end = text.find('\n', at);
    return end == std::string::npos ? text.size() : end + 1;
  };
  const auto indent = static_cast<std::size_t>(entry.column) - 1;
  std::size_t end = next_line(offset_of(text, std::max(*last, entry.line), 1));
  for (std::size_t at = end; at < text.size(); at = next_line(at)) {
    const std::size_t word = text.find_first_not_of(" \t\r", at);
    if (word == std::string::npos) break;
    if (text[word] == '\n') continue;
    if (word - at > indent)
      end = next_line(at);
    else if (text[word] != '#')
      break;
  }
  return end;
}

/// After which entry a new key stands: what it goes with, else the last one.
const NodeEntry& sibling_for(const Node& map, const std::string& key) {
  const NodeEntry* before = map.find(key == "content"      ? "code"
                                     : key == "generation" ? "source"
                                                           : "");
  return before ? *before : map.entries.back();
}

/// Adds a field to a mapping, in its own style; nothing when it has none that is known.
std::optional<Splice> added(const std::string& text, const Node& map, const std::string& key,
                            char quote, const std::string& value) {
  const std::size_t begin = offset_of(text, map);
  const std::string field = (quote ? quote + key + quote : key) + ": " + value;
  if (begin < text.size() && text[begin] == '{') {
    if (map.entries.empty()) return Splice{begin + 1, 0, field};
    const auto end = flow_end(text, map.entries.back().value);
    if (!end) return std::nullopt;
    return Splice{*end, 0, ", " + field};
  }
  if (map.entries.empty()) return std::nullopt;
  const NodeEntry& sibling = sibling_for(map, key);
  const auto at = after_entry(text, sibling);
  if (!at) return std::nullopt;
  const std::size_t line_end = text.find('\n', offset_of(text, sibling.line, 1));
  const bool carriage = line_end != std::string::npos && line_end > 0 && text[line_end - 1] == '\r';
  const std::string newline = carriage ? "\r\n" : "\n";
  const std::string indent(static_cast<std::size_t>(map.entries.front().column) - 1, ' ');
  // Code and content with a line between: git reverts a change of one beside a change of the other.
  const std::string apart = sibling.key == "code" || sibling.key == "content" ? newline : "";
  if (*at > 0 && text[*at - 1] != '\n') return Splice{*at, 0, newline + apart + indent + field};
  return Splice{*at, 0, apart + indent + field + newline};
}

/// A key for a mapping, in quotes where its keys are (JSON is YAML too).
char quotes_of(const std::string& text, const Node& map) {
  if (map.entries.empty()) return '\0';
  return quote_at(text, offset_of(text, map.entries.front().line, map.entries.front().column));
}

std::string in_flow(const Fields& fields, char quote) {
  std::string out;
  for (const auto& [key, value] : fields) {
    out += (out.empty() ? "" : ", ") + spelled({key}, quote) + ": " + spelled(value, quote);
  }
  return "{" + out + "}";
}

/// Ordered by their places; of two at one place the first stands first.
std::string spliced(std::string text, std::vector<Splice> splices) {
  std::ranges::stable_sort(splices, {}, &Splice::at);
  for (auto it = splices.rbegin(); it != splices.rend(); ++it) {
    text.replace(it->at, it->length, it->text);
  }
  return text;
}

/// The mapping below `key`, made when it is missing.
Node& made(Node& map, const std::string& key) {
  map.kind = Node::Kind::map;
  for (NodeEntry& entry : map.entries) {
    if (entry.key == key) return entry.value;
  }
  return map.entries.emplace_back(NodeEntry{key, 1, 1, {}}).value;
}

/// One document of a text, and the way to change fields of spec.FIELD in it.
class Editor {
 public:
  static Result<Editor> open(const std::string& text, const std::string& site,
                             const std::string& environment) {
    Editor out(text, site + "/" + environment);
    const auto found = find_environment(out.yaml_, site, environment);
    if (!found || !out.yaml_.document_problems[*found].empty()) {
      return Error{ErrorKind::invalid, "the document of " + out.where_ + " cannot be read"};
    }
    out.index_ = *found;
    return out;
  }

  const Node* field(const std::string& name) const {
    const Node* spec = child(document(), "spec");
    return spec ? child(*spec, name) : nullptr;
  }

  /// Puts `key` with this value in the place of the only entry of spec.`name`.
  Result<std::string> rename(const std::string& name, const std::string& key,
                             const Value& value) const {
    const NodeEntry& entry = field(name)->entries.front();
    const std::size_t key_at = offset_of(text_, entry.line, entry.column);
    const std::size_t value_at = offset_of(text_, entry.value);
    const auto key_end = scalar_end(text_, key_at, entry.key);
    const auto value_end = scalar_end(text_, value_at, entry.value.text);
    if (entry.value.kind != Node::Kind::scalar || !key_end || !value_end) return refuse();
    Node expected = document();
    Node& changed = made(made(expected, "spec"), name);
    changed.entries.clear();
    made(changed, key) = node_of(value);
    return checked({{key_at, *key_end - key_at, spelled({key}, quote_at(text_, key_at))},
                    {value_at, *value_end - value_at, spelled(value, quote_at(text_, value_at))}},
                   expected);
  }

  /// Sets fields of spec.`name`, all of them given anew or replaced in their places.
  Result<std::string> set(const std::string& name, const Fields& fields) const {
    Node expected = document();
    Node& changed = made(made(expected, "spec"), name);
    for (const auto& [key, value] : fields) made(changed, key) = node_of(value);
    const Node* spec = child(document(), "spec");
    if (!spec)
      return add(document(), "spec", "{" + name + ": " + in_flow(fields, '\0') + "}", expected);
    const Node* map = child(*spec, name);
    if (!map) return add(*spec, name, in_flow(fields, quotes_of(text_, *spec)), expected);
    if (map->kind == Node::Kind::null) {
      return Error{ErrorKind::invalid, name + " of " + where_ + " is empty; change it by hand"};
    }
    if (map->kind != Node::Kind::map) return refuse();
    std::vector<Splice> splices;
    Fields missing;
    for (const auto& [key, value] : fields) {
      const Node* old = child(*map, key);
      if (!old) {
        missing.emplace_back(key, value);
        continue;
      }
      const std::size_t at = offset_of(text_, *old);
      const auto end = scalar_end(text_, at, old->text);
      if (old->kind != Node::Kind::scalar || !end) {
        return Error{ErrorKind::invalid,
                     key + " of " + where_ + " is no plain value; change it by hand"};
      }
      splices.push_back({at, *end - at, spelled(value, quote_at(text_, at))});
    }
    // Into an empty mapping they go as one, for commas stand between them alone.
    const char quote = quotes_of(text_, *map);
    if (map->entries.empty()) {
      const std::string all = in_flow(missing, quote);
      splices.push_back({offset_of(text_, *map) + 1, 0, all.substr(1, all.size() - 2)});
    } else {
      for (const auto& [key, value] : missing) {
        auto splice = added(text_, *map, key, quote, spelled(value, quote));
        if (!splice) return refuse();
        splices.push_back(std::move(*splice));
      }
    }
    return checked(std::move(splices), expected);
  }

  Error refuse() const {
    return {ErrorKind::invalid,
            where_ + " is written in a way that cannot be edited; change it by hand"};
  }

 private:
  Editor(const std::string& text, std::string where)
      : text_(text), where_(std::move(where)), yaml_(read_yaml(text)) {}

  const Node& document() const { return yaml_.documents[index_]; }

  Result<std::string> add(const Node& map, const std::string& key, const std::string& value,
                          const Node& expected) const {
    if (map.kind != Node::Kind::map) return refuse();
    auto splice = added(text_, map, key, quotes_of(text_, map), value);
    if (!splice) return refuse();
    return checked({std::move(*splice)}, expected);
  }

  /// The text with these changes, when it says what is expected and nothing else changed.
  Result<std::string> checked(std::vector<Splice> splices, const Node& expected) const {
    const std::string out = spliced(text_, std::move(splices));
    const YamlText after = read_yaml(out);
    bool good = after.complete == yaml_.complete &&
                after.documents.size() == yaml_.documents.size() &&
                after.document_problems[index_].empty();
    for (std::size_t i = 0; good && i < after.documents.size(); ++i) {
      good = says_the_same(i == index_ ? expected : yaml_.documents[i], after.documents[i]);
    }
    if (!good) return refuse();
    return out;
  }

  std::string text_, where_;
  YamlText yaml_;
  std::size_t index_ = 0;
};

}  // namespace

bool holds_environment(const std::string& text, const std::string& site,
                       const std::string& environment) {
  return find_environment(read_yaml(text), site, environment).has_value();
}

Result<std::string> with_commit(const std::string& text, const std::string& site,
                                const std::string& environment, const CommitId& commit) {
  auto editor = Editor::open(text, site, environment);
  if (!editor) return std::move(editor.error());
  const Node* code = editor->field("code");
  if (code && code->kind == Node::Kind::map && code->entries.size() > 1) return editor->refuse();
  if (code && code->kind == Node::Kind::map && code->entries.size() == 1) {
    return editor->rename("code", "commit", {commit.hex});
  }
  return editor->set("code", {{"commit", {commit.hex}}});
}

Result<std::string> with_content(const std::string& text, const std::string& site,
                                 const std::string& environment, const ContentSource& source,
                                 std::uint64_t generation) {
  auto editor = Editor::open(text, site, environment);
  if (!editor) return std::move(editor.error());
  const Node* content = editor->field("content");
  if (content && child(*content, "refresh") && source.kind != ContentSource::Kind::environment) {
    return Error{
        ErrorKind::invalid,
        site + "/" + environment +
            " has content.refresh, which goes with an environment as the source; remove it first"};
  }
  return editor->set("content", {{"source", {to_string(source)}},
                                 {"generation", {std::to_string(generation), true}}});
}

}  // namespace tidegate
