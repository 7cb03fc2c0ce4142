#pragma once
// Strict, bounded YAML: one text to marked trees, one a document, or what is wrong and where. Knows
// nothing of manifests.

#include <cstddef>
#include <string>
#include <vector>

namespace tidegate {

/// Limits of one text. Generous for what people write by hand; small enough that nothing a
/// repository holds can take noticeable time or memory.
inline constexpr std::size_t yaml_bytes_max = 256 * 1024;
inline constexpr std::size_t yaml_documents_max = 1000;
inline constexpr std::size_t yaml_nodes_max = 50'000;
inline constexpr std::size_t yaml_depth_max = 64;
inline constexpr std::size_t yaml_scalar_bytes_max = 8 * 1024;

struct NodeEntry;

/// A value of a document. Lines and columns count from 1, columns in bytes.
struct Node {
  enum class Kind { null, scalar, map, list };
  Kind kind = Kind::null;
  std::string text;      ///< Of a scalar.
  bool plain = false;    ///< A scalar without quotes: it may be a number or a boolean.
  bool refused = false;  ///< An alias or a NUL stood here, already told of: ask no more.
  int line = 1, column = 1;
  std::vector<NodeEntry> entries;  ///< Of a map, in the order written, keys unique.
  std::vector<Node> items;         ///< Of a list.

  const NodeEntry* find(const std::string& key) const;
};
struct NodeEntry {
  std::string key;
  int line = 1, column = 1;  ///< Of the key.
  Node value;
};

struct YamlProblem {
  int line = 1, column = 1;
  std::string text;
};

/// What reading gave. After an error that ends reading (`complete` is false), `documents` has those
/// that came whole before it.
struct YamlText {
  std::vector<Node> documents;
  /// In order; the n-th list belongs to the n-th document and does not end reading: anchors,
  /// aliases, tags, duplicate keys.
  std::vector<std::vector<YamlProblem>> document_problems;
  bool complete = true;
  YamlProblem end;  ///< Why it is not complete.
};
YamlText read_yaml(const std::string& text);

/// One text for each value: the order of a map's keys, comments and layout do not count.
std::string canonical(const Node& node);

/// The type of a scalar by YAML 1.2's core schema. `doubtful`: text here, but a number or a boolean
/// to readers of YAML 1.1 (yes, no, on, off, 1_000); quoted it is plain text to all.
enum class ScalarType { text, null, boolean, integer, real, doubtful };
ScalarType type_of(const Node& scalar);

}  // namespace tidegate
