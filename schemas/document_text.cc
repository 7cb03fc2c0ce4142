#include "schemas/document_text.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace tidegate {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::string_view blank = " \t\r\n";

struct Span {
  std::size_t begin = 0, end = 0;
};

std::string scalar_at(const Node& node, std::initializer_list<const char*> path) {
  const Node* at = &node;
  for (const char* key : path) {
    const NodeEntry* entry = at->find(key);
    if (!entry) return "";
    at = &entry->value;
  }
  return at->text;
}

/// YAML knows these at the beginning of a line only, and there as nothing else.
bool is_marker(std::string_view text, std::size_t at) {
  const auto word = text.substr(at, 3);
  if (word != "---" && word != "...") return false;
  return at + 3 == text.size() || blank.find(text[at + 3]) != blank.npos;
}

std::vector<Span> spans_of(const std::string& text) {
  std::vector<Span> out;
  std::size_t begin = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  for (std::size_t line = begin; line < text.size();) {
    if (is_marker(text, line)) {
      out.push_back({begin, line});
      begin = line + 3;
    }
    const std::size_t end = text.find('\n', line);
    line = end == text.npos ? text.size() : end + 1;
  }
  out.push_back({begin, text.size()});
  return out;
}

std::optional<Span> span_of(const std::string& text, const YamlText& yaml, std::size_t index) {
  const Node& document = yaml.documents[index];
  std::size_t at =
      text.starts_with(byte_order_mark) && document.line == 1 ? byte_order_mark.size() : 0;
  for (int line = 1; line < document.line; ++line) at = text.find('\n', at) + 1;
  at += static_cast<std::size_t>(document.column) - 1;
  for (const Span& span : spans_of(text))
    if (span.begin <= at && at < span.end) return span;
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blank);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

/// The document so that it can stand there: markers are lines of their own.
std::string fitted(const std::string& text, const Span& span, std::string document) {
  const bool after_marker = span.begin >= 3 && is_marker(text, span.begin - 3);
  if (after_marker && (document.empty() || blank.find(document.front()) == blank.npos))
    document.insert(0, "\n");
  if (span.end < text.size() && !document.ends_with('\n')) document += '\n';
  return document;
}

}  // namespace

std::optional<std::size_t> find_environment(const YamlText& yaml, const std::string& site,
                                            const std::string& environment) {
  for (std::size_t i = 0; i < yaml.documents.size(); ++i) {
    const Node& document = yaml.documents[i];
    if (scalar_at(document, {"kind"}) == "Environment" &&
        scalar_at(document, {"metadata", "name"}) == environment &&
        scalar_at(document, {"metadata", "site"}) == site) {
      return i;
    }
  }
  return std::nullopt;
}

bool says_the_same(const Node& left, const Node& right) {
  if (left.kind != right.kind || left.text != right.text || type_of(left) != type_of(right) ||
      left.entries.size() != right.entries.size() || left.items.size() != right.items.size()) {
    return false;
  }
  for (const NodeEntry& entry : left.entries) {
    const NodeEntry* other = right.find(entry.key);
    if (!other || !says_the_same(entry.value, other->value)) return false;
  }
  return std::ranges::equal(left.items, right.items, says_the_same);
}

std::optional<std::string> document_text(const std::string& text, const std::string& site,
                                         const std::string& environment) {
  const YamlText yaml = read_yaml(text);
  const auto index = find_environment(yaml, site, environment);
  if (!index || !yaml.document_problems[*index].empty()) return std::nullopt;
  const auto span = span_of(text, yaml, *index);
  if (!span) return std::nullopt;
  return text.substr(span->begin, span->end - span->begin);
}

bool same_document(const std::string& left, const std::string& right) {
  const YamlText one = read_yaml(left), other = read_yaml(right);
  return one.documents.size() == 1 && other.documents.size() == 1 &&
         says_the_same(one.documents[0], other.documents[0]);
}

bool same_text(const std::string& left, const std::string& right) {
  return trimmed(left) == trimmed(right);
}

Result<std::string> with_document(const std::string& text, const std::string& site,
                                  const std::string& environment, const std::string& document) {
  const auto refuse = [&](const char* why) {
    return Error{ErrorKind::invalid, "the document of " + site + "/" + environment + " " + why};
  };
  const YamlText before = read_yaml(text), wanted = read_yaml(document);
  const auto index = find_environment(before, site, environment);
  if (!index) return refuse("is not there");
  const auto span = span_of(text, before, *index);
  if (!span || wanted.documents.size() != 1) return refuse("cannot be put in its place");
  std::string out = text;
  out.replace(span->begin, span->end - span->begin, fitted(text, *span, document));
  const YamlText after = read_yaml(out);
  bool good =
      after.complete == before.complete && after.documents.size() == before.documents.size();
  for (std::size_t i = 0; good && i < after.documents.size(); ++i)
    good =
        says_the_same(after.documents[i], i == *index ? wanted.documents[0] : before.documents[i]);
  if (!good) return refuse("cannot be put in its place");
  return out;
}

}  // namespace tidegate
