// The only place where yaml-cpp is met: its parser's events, never its nodes. A repository's text
// is untrusted: one byte (",") makes yaml-cpp's own loader allocate for ever.
#include "schemas/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "schemas/text.h"

namespace tidegate {
namespace {

// Ends reading from inside an event.
struct Stop {
  YamlProblem problem;
};

// Whether what begins with a quote has its other one. What begins otherwise needs none.
bool is_closed(std::string_view text) {
  const char quote = text.empty() ? ' ' : text.front();
  if (quote != '"' && quote != '\'') return true;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return true;
      ++i;
    }
  }
  return false;
}

// Builds one tree a document. A container under construction is a Frame; when it ends it moves into
// the one around it, so nothing is ever pointed to.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(YamlText& result) : result_(result) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp reports one document after another at a byte it cannot consume.
    if (mark.pos <= last_document_) stop(mark, "is not YAML: nothing can begin here");
    last_document_ = mark.pos;
    if (result_.documents.size() == yaml_documents_max)
      stop(mark, "has more than " + std::to_string(yaml_documents_max) +
                     " documents: spread them over several files");
    frames_.clear();
    problems_.clear();
    root_ = Node{};
    set_place(root_, mark);
  }
  void OnDocumentEnd() override {
    result_.documents.push_back(std::move(root_));
    result_.document_problems.push_back(std::move(problems_));
    problems_.clear();
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { place(begin(mark)); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problem(mark, "an alias (*name) is not allowed: write the value out");
    Node node = begin(mark);
    node.refused = true;
    place(std::move(node));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    check_tag(mark, tag);
    Node node = begin(mark);
    node.kind = Node::Kind::scalar;
    node.plain = tag == "?";
    if (value.size() > yaml_scalar_bytes_max)
      stop(mark, "is longer than " + std::to_string(yaml_scalar_bytes_max) + " bytes");
    if (tag == "!") last_quote_ = mark;
    if (value.find('\0') != std::string::npos) {
      problem(mark, "a NUL character is not allowed in a value");
      node.refused = true;
    }
    node.text = value;
    place(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(mark, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(mark, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }

  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    problem(mark, "an anchor (&" + name.substr(0, 40) + ") is not allowed: remove it");
  }

  /// yaml-cpp takes a quote that is never closed for closed by the end of the text.
  void refuse_unclosed(std::string_view text) {
    if (!last_quote_ ||
        is_closed(text.substr(std::min(static_cast<std::size_t>(last_quote_->pos), text.size()))))
      return;
    result_.documents.pop_back();
    result_.document_problems.pop_back();
    stop(*last_quote_, "is not YAML: a quote is never closed");
  }

 private:
  struct Frame {
    Node node;
    std::set<std::string> keys;
    std::optional<NodeEntry> entry;  // a map's key that waits for its value
    bool dropped = false;            // that key was refused, and so is its value
  };

  static void set_place(Node& node, const YAML::Mark& mark) {
    node.line = mark.line + 1;
    node.column = mark.column + 1;
  }
  [[noreturn]] static void stop(const YAML::Mark& mark, std::string text) {
    throw Stop{{mark.line + 1, mark.column + 1, std::move(text)}};
  }
  void problem(const YAML::Mark& mark, std::string text) {
    problems_.push_back({mark.line + 1, mark.column + 1, std::move(text)});
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag == "?" || tag == "!" || tag.empty()) return;
    problem(mark, "the tag " + quote(tag) + " is not allowed: remove it");
  }

  Node begin(const YAML::Mark& mark) {
    if (++nodes_ > yaml_nodes_max)
      stop(mark, "has more than " + std::to_string(yaml_nodes_max) +
                     " values: spread them over several files");
    Node node;
    set_place(node, mark);
    return node;
  }

  void open(const YAML::Mark& mark, Node::Kind kind) {
    if (frames_.size() == yaml_depth_max)
      stop(mark, "is nested deeper than " + std::to_string(yaml_depth_max) + " levels");
    Frame frame;
    frame.node = begin(mark);
    frame.node.kind = kind;
    frames_.push_back(std::move(frame));
  }

  void close() {
    Node node = std::move(frames_.back().node);
    frames_.pop_back();
    place(std::move(node));
  }

  void place(Node node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.kind == Node::Kind::list) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.entry) {
      take_key(frame, std::move(node));
    } else {
      // An empty value has no place of its own.
      if (node.kind == Node::Kind::null && !node.refused) {
        node.line = frame.entry->line;
        node.column = frame.entry->column;
      }
      frame.entry->value = std::move(node);
      if (!frame.dropped) frame.node.entries.push_back(std::move(*frame.entry));
      frame.entry.reset();
    }
  }

  void take_key(Frame& frame, Node key) {
    frame.entry = NodeEntry{std::move(key.text), key.line, key.column, {}};
    frame.dropped = true;
    if (key.refused) return;
    if (key.kind != Node::Kind::scalar) return refuse_key(*frame.entry, "a key must be plain text");
    if (key.plain && frame.entry->key == "<<")
      return refuse_key(*frame.entry, "a merge key (<<) is not allowed: write the fields out");
    if (!frame.keys.insert(frame.entry->key).second)
      return refuse_key(*frame.entry,
                        "the key " + quote(frame.entry->key) + " is written twice: remove one");
    frame.dropped = false;
  }
  void refuse_key(const NodeEntry& entry, std::string text) {
    problems_.push_back({entry.line, entry.column, std::move(text)});
  }

  YamlText& result_;
  std::vector<Frame> frames_;
  std::vector<YamlProblem> problems_;
  Node root_;
  std::size_t nodes_ = 0;
  int last_document_ = -1;
  std::optional<YAML::Mark> last_quote_;  // where the last scalar in quotes (or a block) begins
};

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 when there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const std::size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : byte(0) >= 0xC2 ? 2 : 0;
  if (length == 0 || byte(0) > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const bool overlong = (byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xF0 && byte(1) < 0x90);
  const bool surrogate = byte(0) == 0xED && byte(1) >= 0xA0;
  const bool too_large = byte(0) == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

// What no YAML text may hold, found before the parser sees it.
std::optional<YamlProblem> refuse_bytes(std::string_view text) {
  int line = 1, column = 1;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = sequence_length(text.substr(i));
    if (c == '\0') return YamlProblem{line, column, "a NUL character is not allowed"};
    if (length == 0) return YamlProblem{line, column, "is not UTF-8: save the file as UTF-8"};
    if (is_control(c) && c != '\t' && c != '\n' && c != '\r')
      return YamlProblem{line, column, "a control character is not allowed: remove it"};
    if (text.substr(i, 3) == "\xEF\xBB\xBF")
      return YamlProblem{line, column,
                         "a byte order mark is allowed at the start of the file only: remove it"};
    column = c == '\n' ? 1 : column + static_cast<int>(length);
    line += c == '\n' ? 1 : 0;
    i += length;
  }
  return std::nullopt;
}

bool all_digits(std::string_view text) {
  for (const char c : text)
    if (!is_digit(c)) return false;
  return !text.empty();
}

bool in(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words)
    if (text == word) return true;
  return false;
}

std::string_view without_sign(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return text;
}

bool based_integer(std::string_view text, std::string_view prefix, std::string_view digits) {
  if (text.size() <= prefix.size() || text.substr(0, prefix.size()) != prefix) return false;
  return text.find_first_not_of(digits, prefix.size()) == std::string_view::npos;
}

bool is_real(std::string_view text) {
  if (in(text, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})) return true;
  const auto exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos && !all_digits(without_sign(text.substr(exponent + 1))))
    return false;
  const std::string_view mantissa = text.substr(0, exponent);
  const auto dot = mantissa.find('.');
  const std::string_view whole = mantissa.substr(0, dot);
  const std::string_view fraction = dot == std::string_view::npos ? "" : mantissa.substr(dot + 1);
  if (whole.empty()) return all_digits(fraction);
  return all_digits(whole) && (fraction.empty() || all_digits(fraction));
}

// Numbers of YAML 1.1 that are text in 1.2: 1_000, 0b11, 12:30:45.
bool is_old_number(std::string_view text) {
  if (based_integer(text, "0b", "01_")) return true;
  if (text.empty() || !is_digit(text.front())) return false;
  const bool digits = text.find_first_not_of("0123456789_.") == std::string_view::npos;
  const bool sixties = text.find_first_not_of("0123456789:") == std::string_view::npos;
  return (digits && text.find('_') != std::string_view::npos) ||
         (sixties && text.back() != ':' && text.find("::") == std::string_view::npos);
}

}  // namespace

const NodeEntry* Node::find(const std::string& key) const {
  for (const NodeEntry& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

ScalarType type_of(const Node& scalar) {
  if (scalar.kind == Node::Kind::null) return ScalarType::null;
  if (!scalar.plain) return ScalarType::text;
  const std::string_view text = scalar.text;
  if (in(text, {"", "~", "null", "Null", "NULL"})) return ScalarType::null;
  if (in(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) return ScalarType::boolean;
  if (in(text, {"yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"}))
    return ScalarType::doubtful;
  if (all_digits(without_sign(text)) || based_integer(text, "0o", "01234567") ||
      based_integer(text, "0x", "0123456789abcdefABCDEF"))
    return ScalarType::integer;
  if (is_real(without_sign(text))) return ScalarType::real;
  return is_old_number(without_sign(text)) ? ScalarType::doubtful : ScalarType::text;
}

std::string canonical(const Node& node) {
  // Each text with its length before it, so that no two values read the same.
  const auto counted = [](const std::string& text) {
    return std::to_string(text.size()) + ":" + text;
  };
  std::string out;
  switch (node.kind) {
    case Node::Kind::null:
      return "~";
    case Node::Kind::scalar:
      return (type_of(node) == ScalarType::text ? "t" : "v") + counted(node.text);
    case Node::Kind::list:
      for (const Node& item : node.items) out += canonical(item);
      return "[" + out + "]";
    case Node::Kind::map: {
      std::map<std::string, std::string> sorted;
      for (const NodeEntry& entry : node.entries) sorted[entry.key] = canonical(entry.value);
      for (const auto& [key, value] : sorted) out += counted(key) + value;
      return "{" + out + "}";
    }
  }
  return out;
}

YamlText read_yaml(const std::string& text) {
  YamlText result;
  const auto end = [&](YamlProblem problem) {
    result.complete = false;
    result.end = std::move(problem);
  };
  if (text.size() > yaml_bytes_max) {
    end({1, 1,
         "is larger than " + std::to_string(yaml_bytes_max / 1024) +
             " KiB: spread it over several files"});
    return result;
  }
  const bool marked = text.compare(0, 3, "\xEF\xBB\xBF") == 0;
  const std::string body = marked ? text.substr(3) : text;
  if (auto problem = refuse_bytes(body)) {
    end(std::move(*problem));
    return result;
  }
  TreeBuilder builder(result);
  try {
    std::istringstream stream(body);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    builder.refuse_unclosed(body);
  } catch (const Stop& stop) {
    end(stop.problem);
  } catch (const YAML::Exception& error) {
    end({error.mark.line + 1, error.mark.column + 1, "is not YAML: " + error.msg});
  }
  if (result.end.line < 1) result.end.line = result.end.column = 1;
  return result;
}

}  // namespace tidegate
