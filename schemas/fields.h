#pragma once
// Reading a marked tree field by field. Every reader returns the value, or tells what is wrong at
// its place and returns nothing, so that one pass finds every problem.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/fleet.h"
#include "schemas/time.h"
#include "schemas/yaml.h"

namespace tidegate {

/// See checks.h: "" for a good value, else what is wrong.
using Check = std::string (*)(const std::string& text);

/// A node, the path that leads to it, and where problems with it are told. Refers to the node and
/// the list of problems: use it while both live.
class Value {
 public:
  Value(const Node& node, std::string path, const std::string& file, std::vector<Problem>& problems)
      : node_(&node), path_(std::move(path)), file_(&file), problems_(&problems) {}

  const Node& node() const { return *node_; }
  const std::string& path() const { return path_; }

  /// Tells a problem here.
  void wrong(const std::string& text) const;
  void wrong_at(int line, int column, const std::string& path, const std::string& text) const;

  /// Text that no YAML reader takes for anything else, and that `check` finds well.
  std::optional<std::string> text(Check check) const;
  /// The same for a value that must not be repeated in messages.
  std::optional<std::string> hidden_text(Check check) const;
  /// A text, a flag or a number, as written.
  std::optional<std::string> scalar(Check check) const;
  /// One of the words; those in `later` are refused as not supported yet.
  std::optional<std::string> one_of(const std::vector<std::string_view>& words,
                                    const std::vector<std::string_view>& later = {}) const;
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> integer(std::int64_t least, std::int64_t most) const;
  std::optional<Duration> duration(Duration least, Duration most) const;

  /// The items of a list, each with its path ("stages[0]").
  std::optional<std::vector<Value>> items() const;
  /// A list whose items `check` finds well. `count_max` bounds it.
  std::optional<std::vector<std::string>> texts(Check check, std::size_t count_max) const;
  /// The entries of a map with free keys that `check` finds well; bad ones are left out.
  std::vector<std::pair<std::string, Value>> entries(Check check) const;
  Value below(const Node& node, const std::string& path) const;

  bool is_map() const;  ///< Tells when it is not.

 private:
  std::optional<std::string> raw_text(bool hidden) const;
  std::string shown() const;

  const Node* node_;
  std::string path_;
  const std::string* file_;
  std::vector<Problem>* problems_;
};

/// One mapping with known fields. Unknown fields, and those of parts that are not built yet, are
/// told of at once. What is no mapping has no fields.
class Fields {
 public:
  Fields(const Value& value, const std::vector<std::string_view>& known,
         const std::vector<std::string_view>& later = {});

  std::optional<Value> find(std::string_view name) const;
  /// Tells of a field that is not there, naming what to write.
  std::optional<Value> need(std::string_view name, const std::string& mend) const;
  /// How many of `names` are there.
  std::size_t count(const std::vector<std::string_view>& names) const;
  const Value& value() const { return value_; }

 private:
  Value value_;
  bool is_map_;
};

}  // namespace tidegate
