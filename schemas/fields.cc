#include "schemas/fields.h"

#include <algorithm>

#include "schemas/text.h"

namespace tidegate {
namespace {

std::string path_below(const std::string& path, const std::string& name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-';
  });
  if (!plain) return path + "[" + quote(name) + "]";
  return path.empty() ? name : path + "." + name;
}

const char* kind_name(const Node& node) {
  switch (node.kind) {
    case Node::Kind::map:
      return "a mapping";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::scalar:
      return "a single value";
    case Node::Kind::null:
      break;
  }
  return "empty";
}

// What a plain scalar is to YAML readers when it is not text.
const char* type_name(ScalarType type) {
  switch (type) {
    case ScalarType::boolean:
      return "a boolean";
    case ScalarType::integer:
    case ScalarType::real:
      return "a number";
    case ScalarType::null:
      return "nothing";
    case ScalarType::doubtful:
      return "a boolean or a number to some readers of YAML";
    case ScalarType::text:
      break;
  }
  return "text";
}

// As people write them, of any size and sign.
bool is_whole_number(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  return !text.empty() && (text.front() != '0' || text.size() == 1) &&
         std::all_of(text.begin(), text.end(), is_digit);
}

std::optional<std::int64_t> decimal(const std::string& text) {
  if (text.empty() || text.size() > 18 || (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

void Value::wrong_at(int line, int column, const std::string& path, const std::string& text) const {
  problems_->push_back({*file_, line, column, path, text});
}

void Value::wrong(const std::string& text) const {
  // What stood here was refused already; more words about it would only confuse.
  if (!node_->refused) wrong_at(node_->line, node_->column, path_, text);
}

Value Value::below(const Node& node, const std::string& path) const {
  return Value(node, path, *file_, *problems_);
}

std::string Value::shown() const {
  return node_->kind == Node::Kind::scalar ? quote(node_->text) : kind_name(*node_);
}

std::optional<std::string> Value::raw_text(bool hidden) const {
  if (node_->kind == Node::Kind::null) {
    wrong("is empty: write a value, or remove the field");
    return std::nullopt;
  }
  if (node_->kind != Node::Kind::scalar) {
    wrong("is " + std::string(kind_name(*node_)) + ": write a single value");
    return std::nullopt;
  }
  const ScalarType type = type_of(*node_);
  if (type == ScalarType::text) return node_->text;
  const std::string value = hidden ? "" : node_->text + " ";
  wrong(value + "is " + type_name(type) + ", text is needed: quote it" +
        (hidden ? "" : ", " + quote(node_->text)));
  return std::nullopt;
}

std::optional<std::string> Value::text(Check check) const {
  auto text = raw_text(false);
  if (!text) return std::nullopt;
  const std::string problem = check(*text);
  if (problem.empty()) return text;
  wrong(problem);
  return std::nullopt;
}

std::optional<std::string> Value::hidden_text(Check check) const {
  auto text = raw_text(true);
  if (!text) return std::nullopt;
  const std::string problem = check(*text);
  if (problem.empty()) return text;
  wrong(problem);
  return std::nullopt;
}

std::optional<std::string> Value::scalar(Check check) const {
  const ScalarType type = node_->kind == Node::Kind::scalar ? type_of(*node_) : ScalarType::text;
  if (type == ScalarType::boolean && node_->text != "true" && node_->text != "false") {
    wrong(shown() + " is not spelt as a boolean: write true or false");
    return std::nullopt;
  }
  if (type != ScalarType::boolean && type != ScalarType::integer && type != ScalarType::real)
    return text(check);
  const std::string problem = check(node_->text);
  if (problem.empty()) return node_->text;
  wrong(problem);
  return std::nullopt;
}

std::optional<std::string> Value::one_of(const std::vector<std::string_view>& words,
                                         const std::vector<std::string_view>& later) const {
  auto text = raw_text(false);
  if (!text) return std::nullopt;
  if (std::find(words.begin(), words.end(), *text) != words.end()) return text;
  if (std::find(later.begin(), later.end(), *text) != later.end())
    wrong(quote(*text) + " is not supported yet: write " + alternatives(words));
  else
    wrong(quote(*text) + " is not " + alternatives(words) + did_you_mean(*text, words));
  return std::nullopt;
}

std::optional<bool> Value::boolean() const {
  if (node_->kind == Node::Kind::scalar && node_->plain) {
    if (node_->text == "true") return true;
    if (node_->text == "false") return false;
  }
  wrong(shown() + " is not a boolean: write true or false" +
        (node_->kind == Node::Kind::scalar && !node_->plain ? ", without quotes" : ""));
  return std::nullopt;
}

std::optional<std::int64_t> Value::integer(std::int64_t least, std::int64_t most) const {
  const std::string range =
      "write a whole number between " + std::to_string(least) + " and " + std::to_string(most);
  const bool scalar = node_->kind == Node::Kind::scalar;
  const auto value = scalar ? decimal(node_->text) : std::nullopt;
  if (value && node_->plain && *value >= least && *value <= most) return value;
  if (value && !node_->plain)
    wrong(shown() + " is text: write the number without quotes");
  else if (scalar && node_->plain && is_whole_number(node_->text))
    wrong(shown() + " is out of bounds: " + range);
  else if (scalar && node_->plain && type_of(*node_) != ScalarType::text)
    wrong(shown() + " is not spelt in plain decimal digits: " + range);
  else
    wrong(shown() + " is not a number: " + range);
  return std::nullopt;
}

std::optional<Duration> Value::duration(Duration least, Duration most) const {
  if (node_->kind != Node::Kind::scalar || (node_->plain && type_of(*node_) != ScalarType::text)) {
    wrong(shown() +
          " is not a duration: write a whole number and a unit, like 90s, 30m, 24h or 7d");
    return std::nullopt;
  }
  const auto length = parse_duration(node_->text);
  if (!length) {
    wrong(shown() +
          " is not a duration: write a whole number and a unit, like 90s, 30m, 24h or 7d");
  } else if (*length < least || *length > most) {
    wrong(shown() + " is out of bounds: write " + to_string(least) + " to " + to_string(most));
  } else {
    return length;
  }
  return std::nullopt;
}

std::optional<std::vector<Value>> Value::items() const {
  if (node_->kind != Node::Kind::list) {
    wrong("is " + std::string(kind_name(*node_)) + ": write a list");
    return std::nullopt;
  }
  std::vector<Value> result;
  for (std::size_t i = 0; i < node_->items.size(); ++i)
    result.push_back(below(node_->items[i], path_ + "[" + std::to_string(i) + "]"));
  return result;
}

std::optional<std::vector<std::string>> Value::texts(Check check, std::size_t count_max) const {
  const auto list = items();
  if (!list) return std::nullopt;
  if (list->size() > count_max) {
    wrong("has more than " + std::to_string(count_max) + " items: remove some");
    return std::nullopt;
  }
  std::vector<std::string> result;
  for (const Value& item : *list)
    if (auto text = item.text(check)) result.push_back(std::move(*text));
  return result;
}

bool Value::is_map() const {
  if (node_->kind == Node::Kind::map) return true;
  wrong("is " + std::string(kind_name(*node_)) + ": write a mapping (name: value)");
  return false;
}

std::vector<std::pair<std::string, Value>> Value::entries(Check check) const {
  std::vector<std::pair<std::string, Value>> result;
  if (!is_map()) return result;
  for (const NodeEntry& entry : node_->entries) {
    const std::string path = path_below(path_, entry.key);
    const std::string problem = check(entry.key);
    if (!problem.empty())
      wrong_at(entry.line, entry.column, path, problem);
    else
      result.emplace_back(entry.key, below(entry.value, path));
  }
  return result;
}

Fields::Fields(const Value& value, const std::vector<std::string_view>& known,
               const std::vector<std::string_view>& later)
    : value_(value), is_map_(value.is_map()) {
  if (!is_map_) return;
  for (const NodeEntry& entry : value.node().entries) {
    const std::string& key = entry.key;
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string path = path_below(value.path(), key);
    if (std::find(later.begin(), later.end(), key) != later.end())
      value.wrong_at(entry.line, entry.column, path, quote(key) + " is not supported yet");
    else
      value.wrong_at(entry.line, entry.column, path,
                     "unknown field " + quote(key) + did_you_mean(key, known));
  }
}

std::optional<Value> Fields::find(std::string_view name) const {
  if (!is_map_) return std::nullopt;
  const std::string key(name);
  const NodeEntry* entry = value_.node().find(key);
  if (entry == nullptr) return std::nullopt;
  return value_.below(entry->value, path_below(value_.path(), key));
}

std::optional<Value> Fields::need(std::string_view name, const std::string& mend) const {
  auto found = find(name);
  if (!found && is_map_)
    value_.wrong_at(value_.node().line, value_.node().column,
                    path_below(value_.path(), std::string(name)), "is missing: " + mend);
  return found;
}

std::size_t Fields::count(const std::vector<std::string_view>& names) const {
  std::size_t result = 0;
  for (const std::string_view name : names) result += find(name) ? 1 : 0;
  return result;
}

}  // namespace tidegate
