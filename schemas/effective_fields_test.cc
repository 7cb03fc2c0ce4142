#include "schemas/effective_fields.h"

#include <gtest/gtest.h>

#include "schemas/effective.h"
#include "schemas/yaml.h"

namespace tidegate {
namespace {

class EffectiveFieldsTest : public testing::Test {
 protected:
  EffectiveFieldsTest() {
    site.name = "acme";
    environment.name = "live";
    environment.code = CommitId{std::string(40, '1')};
    environment.content.source = ContentSource::from("live");
    environment.content.generation = 7;
    environment.url = "https://acme.example";
    environment.verify.http = {{"/", 200, ""}};
    environment.variables["A"] = "yes";
  }
  std::string value(const std::string& pointer) const {
    const auto field = EffectiveFields(site, environment).at(pointer);
    if (!field) return "none";
    return field->plain ? "\"" + field->text + "\"" : field->empty ? "nothing" : "something";
  }
  Site site;
  Environment environment;
};

TEST_F(EffectiveFieldsTest, ReadsTheEffectiveDocumentByPointer) {
  struct Row {
    const char *pointer, *value;
  };
  for (const Row& row : std::vector<Row>{
           {"", "something"},
           {"/metadata/name", "\"live\""},
           {"/spec/code/commit", "\"1111111111111111111111111111111111111111\""},
           {"/spec/code/branch", "none"},
           {"/spec/content/generation", "\"7\""},
           {"/spec/content/include/1", "\"files\""},
           {"/spec/content/include/2", "none"},
           {"/spec/content/include/01", "none"},
           {"/spec/content/include/-", "none"},
           {"/spec/content/include/", "none"},
           {"/spec/verify/http", "something"},
           {"/spec/verify/http/0/status", "\"200\""},
           {"/spec/verify/commands", "nothing"},
           {"/spec/deploy/update", "\"true\""},
           {"/spec/variables/A", "\"yes\""},
           {"/spec/variables/a", "none"},
           {"/spec/url/x", "none"},
           {"spec/url", "none"},
           {"/spec~1url", "none"},
       }) {
    EXPECT_EQ(value(row.pointer), row.value) << row.pointer;
  }
}

/// Every node of a document, with its pointer.
void expect_all(const EffectiveFields& fields, const Node& node, const std::string& pointer) {
  const auto field = fields.at(pointer);
  ASSERT_TRUE(field) << pointer;
  EXPECT_EQ(field->text, node.text) << pointer;
  EXPECT_EQ(field->plain, node.kind == Node::Kind::scalar) << pointer;
  EXPECT_EQ(field->empty, node.text.empty() && node.entries.empty() && node.items.empty())
      << pointer;
  for (const NodeEntry& entry : node.entries)
    expect_all(fields, entry.value, pointer + "/" + entry.key);
  for (std::size_t i = 0; i < node.items.size(); ++i)
    expect_all(fields, node.items[i], pointer + "/" + std::to_string(i));
}

TEST_F(EffectiveFieldsTest, EveryFieldIsWhatTheWholeDocumentSays) {
  environment.variables = {{"A", "yes"}, {"B", "a: b # \"c\"\n d:"}, {"C", ""}, {"spec", "- x:"}};
  environment.secrets["KEY"] = {"key", SecretRef::Scope::platform};
  environment.verify.http.push_back({"/a", {}, "x: {y}", {{"X-A", "b, c"}}});
  environment.verify.commands = {"php -r 'echo 1:;'", "true"};
  environment.verify.compare.paths = {"/", "/b"};
  environment.suspend = Suspend{"because: of", "Ada", {}};
  environment.content.refresh = Refresh{};
  environment.content.refresh->schedule = "0 3 * * *";
  const YamlText text = read_yaml(canonical_environment(site.name, environment, true));
  ASSERT_EQ(text.documents.size(), 1u);
  expect_all(EffectiveFields(site, environment), text.documents[0], "");
}

TEST_F(EffectiveFieldsTest, AConditionAsksForPresenceOrAValue) {
  const EffectiveFields fields(site, environment);
  auto fit = [&](const FieldCondition& condition) { return fields.fit(condition); };
  EXPECT_TRUE(fit({"/spec/verify/http", {}, {}, {}}));
  EXPECT_FALSE(fit({"/spec/verify/commands", {}, {}, {}})) << "it is empty";
  EXPECT_FALSE(fit({"/spec/previewUrl", {}, {}, {}}));
  EXPECT_TRUE(fit({"/spec/onFailure/rollback", "true", {}, {}}));
  EXPECT_FALSE(fit({"/spec/onFailure/rollback", "false", {}, {}}));
  EXPECT_TRUE(fit({"/spec/content/source", {}, {"test", "live"}, {}}));
  EXPECT_FALSE(fit({"/spec/content/source", {}, {"test"}, {}}));
  EXPECT_TRUE(fit({"/spec/url", {}, {}, "https://*.example"}));
  EXPECT_FALSE(fit({"/spec/url", {}, {}, "http://*"}));
  EXPECT_FALSE(fit({"/spec/verify/http", {}, {}, "*"})) << "a list is no text";
}

}  // namespace
}  // namespace tidegate
