#include "schemas/yaml.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

std::string spell(const YamlProblem& problem) {
  return std::to_string(problem.line) + ":" + std::to_string(problem.column) + ": " + problem.text;
}

// Everything wrong with a text, the end last.
std::vector<std::string> wrong_with(const std::string& text) {
  const YamlText yaml = read_yaml(text);
  std::vector<std::string> result;
  for (const auto& problems : yaml.document_problems)
    for (const YamlProblem& problem : problems) result.push_back(spell(problem));
  if (!yaml.complete) result.push_back(spell(yaml.end));
  return result;
}
using Texts = std::vector<std::string>;

Node plain(const std::string& text) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.plain = true;
  node.text = text;
  return node;
}

TEST(YamlTest, KeepsOrderKindsAndPlaces) {
  const YamlText yaml = read_yaml("b: 1\na:\n  - \"x\"\n  - {c: }\n---\nsecond\n");
  ASSERT_TRUE(yaml.complete);
  ASSERT_EQ(yaml.documents.size(), 2U);
  const Node& root = yaml.documents[0];
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_TRUE(root.entries[0].value.plain);
  const Node& list = root.find("a")->value;
  ASSERT_EQ(list.items.size(), 2U);
  EXPECT_FALSE(list.items[0].plain);
  EXPECT_EQ(list.items[0].line, 3);
  EXPECT_EQ(list.items[0].column, 5);
  const NodeEntry* nothing = list.items[1].find("c");
  EXPECT_EQ(nothing->value.kind, Node::Kind::null);
  EXPECT_EQ(nothing->value.line, 4);
  EXPECT_EQ(nothing->value.column, 6);
  EXPECT_EQ(yaml.documents[1].text, "second");
  EXPECT_EQ(root.find("z"), nullptr);
}

TEST(YamlTest, ReadsNothingFromAnEmptyText) {
  for (const char* text : {"", "# only a comment\n", "\n\n", "\xEF\xBB\xBF"}) {
    const YamlText yaml = read_yaml(text);
    EXPECT_TRUE(yaml.complete) << text;
    for (const Node& document : yaml.documents) EXPECT_EQ(document.kind, Node::Kind::null);
  }
}

TEST(YamlTest, EndsOnInputThatMakesTheParserLoopForEver) {
  for (const char* text : {",", "\"a\",", "--- ,", "a: 1\n---\n,", "]", "}"})
    EXPECT_FALSE(read_yaml(text).complete) << text;
  EXPECT_EQ(wrong_with(","), Texts{"1:1: is not YAML: nothing can begin here"});
}

TEST(YamlTest, KeepsDocumentsBeforeAnError) {
  const YamlText yaml = read_yaml("a: 1\n---\nb: [1\n");
  EXPECT_FALSE(yaml.complete);
  ASSERT_EQ(yaml.documents.size(), 1U);
  EXPECT_EQ(yaml.documents[0].find("a")->value.text, "1");
}

TEST(YamlTest, RefusesWhatMakesOneTextMeanTwoThings) {
  EXPECT_EQ(wrong_with("a: &x 1\nb: *x\n"),
            (Texts{"1:4: an anchor (&x) is not allowed: remove it",
                   "2:4: an alias (*name) is not allowed: write the value out"}));
  EXPECT_EQ(wrong_with("a: 1\nb: 2\na: 3\n"),
            Texts{"3:1: the key \"a\" is written twice: remove one"});
  EXPECT_EQ(wrong_with("a: !!binary aGk=\n"),
            Texts{"1:4: the tag \"tag:yaml.org,2002:binary\" is not allowed: remove it"});
  EXPECT_EQ(wrong_with("a: !own {b: 1}\n"),
            Texts{"1:4: the tag \"!own\" is not allowed: remove it"});
  EXPECT_EQ(wrong_with("{[1]: 2}\n"), Texts{"1:2: a key must be plain text"});
  EXPECT_EQ(wrong_with("<<: {a: 1}\n"),
            Texts{"1:1: a merge key (<<) is not allowed: write the fields out"});
  EXPECT_EQ(wrong_with("a: \"x\\0y\"\n"), Texts{"1:4: a NUL character is not allowed in a value"});
}

TEST(YamlTest, SurvivesACyclicAnchor) {
  EXPECT_FALSE(wrong_with("&x\n- *x\n").empty());
  EXPECT_FALSE(wrong_with("&x [*x]").empty());
}

TEST(YamlTest, RefusesBytesThatAreNoText) {
  EXPECT_EQ(wrong_with(std::string("a: \0b", 5)), Texts{"1:4: a NUL character is not allowed"});
  EXPECT_EQ(wrong_with("a: 1\nb: \xff\n"), Texts{"2:4: is not UTF-8: save the file as UTF-8"});
  for (const char* text :
       {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"})
    EXPECT_EQ(wrong_with(text), Texts{"1:1: is not UTF-8: save the file as UTF-8"});
  EXPECT_EQ(wrong_with("a: \x1b[0m\n"),
            Texts{"1:4: a control character is not allowed: remove it"});
  EXPECT_EQ(wrong_with("a: \xEF\xBB\xBF"),
            Texts{"1:4: a byte order mark is allowed at the start of the file only: remove it"});
  EXPECT_EQ(wrong_with("\xEF\xBB\xBF"
                       "a: ö\r\n"),
            Texts{});
}

TEST(YamlTest, HoldsEveryLimit) {
  const auto deep = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(wrong_with(deep(64)), Texts{});
  EXPECT_EQ(wrong_with(deep(65)), Texts{"1:65: is nested deeper than 64 levels"});
  EXPECT_EQ(wrong_with(deep(5000)), Texts{"1:65: is nested deeper than 64 levels"});
  EXPECT_EQ(wrong_with("a: " + std::string(8192, 'x')), Texts{});
  EXPECT_EQ(wrong_with("a: " + std::string(8193, 'x')), Texts{"1:4: is longer than 8192 bytes"});
  std::string many = "[";
  for (int i = 0; i < 60'000; ++i) many += "1,";
  EXPECT_EQ(wrong_with(many + "]").back(),
            "1:100000: has more than 50000 values: spread them over several files");
  std::string documents;
  for (int i = 0; i < 1001; ++i) documents += "--- 1\n";
  EXPECT_EQ(wrong_with(documents),
            Texts{"1001:1: has more than 1000 documents: spread them over several files"});
  EXPECT_EQ(wrong_with(std::string(256 * 1024 + 1, '#')),
            Texts{"1:1: is larger than 256 KiB: spread it over several files"});
}

TEST(YamlTest, TypesPlainScalarsByTheCoreSchema) {
  const std::pair<ScalarType, Texts> rows[]{
      {ScalarType::text,
       {"live", "v1.10", "1.2.3", "9fceb02d", "y", "n", "2026-12-01T00:00:00Z", "a:1"}},
      {ScalarType::null, {"", "~", "null", "NULL"}},
      {ScalarType::boolean, {"true", "False", "TRUE"}},
      {ScalarType::integer, {"0", "7", "-1", "+1", "014", "0x1F", "0o17"}},
      {ScalarType::real, {"1.10", "1.", ".5", "1e3", "-1E+3", ".inf", "-.INF", ".nan"}},
      {ScalarType::doubtful, {"yes", "No", "ON", "off", "1_000", "0b11", "12:30:45"}},
  };
  for (const auto& [type, texts] : rows)
    for (const std::string& text : texts) {
      EXPECT_EQ(type_of(plain(text)), type) << text;
      Node quoted = plain(text);
      quoted.plain = false;
      EXPECT_EQ(type_of(quoted), ScalarType::text) << text;
    }
}

}  // namespace
}  // namespace tidegate
