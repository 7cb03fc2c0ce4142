#include "schemas/field_of.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

class FieldOfTest : public testing::Test {
 protected:
  FieldOfTest() {
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
    const auto field = field_of(site, environment, pointer);
    if (!field) return "none";
    return field->plain ? "\"" + field->text + "\"" : field->empty ? "nothing" : "something";
  }
  Site site;
  Environment environment;
};

TEST_F(FieldOfTest, ReadsTheEffectiveDocumentByPointer) {
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

TEST_F(FieldOfTest, AConditionAsksForPresenceOrAValue) {
  auto fit = [&](const FieldCondition& condition) { return fits(condition, site, environment); };
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
