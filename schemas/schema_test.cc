// The JSON Schemas and the program give the same verdict on the shape of one well-formed document.
// The one file that includes valijson.

#define VALIJSON_USE_EXCEPTIONS 1

#include <gtest/gtest.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "schemas/manifest.h"
#include "schemas/odd_shapes.h"

namespace tidegate {
namespace {

const std::filesystem::path source = TIDEGATE_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(c));
  return text;
}

Json schema_document(const std::string& name) {
  return Json::parse(read(source / "schemas" / (name + ".schema.json")));
}

/// A schema file, ready to judge documents.
class JsonSchema {
 public:
  explicit JsonSchema(const std::string& name) : document_(schema_document(name)) {
    valijson::adapters::NlohmannJsonAdapter adapter(document_);
    valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(adapter, schema_);
  }
  bool accepts(const Json& document) {
    valijson::adapters::NlohmannJsonAdapter adapter(document);
    return validator_.validate(schema_, adapter, nullptr);
  }

 private:
  Json document_;
  valijson::Schema schema_;
  valijson::Validator validator_;
};

bool schema_accepts(const Json& document) {
  static JsonSchema schema("manifest");
  return schema.accepts(document);
}

/// A plain YAML scalar as the core schema of YAML 1.2 types it.
Json typed(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const bool hexadecimal = text.starts_with("0x"), octal = text.starts_with("0o");
  const std::string digits = hexadecimal || octal ? text.substr(2) : text;
  std::size_t end = 0;
  try {
    const long long whole = std::stoll(digits, &end, hexadecimal ? 16 : octal ? 8 : 10);
    if (end == digits.size()) return whole;
    // stod reads more than YAML's numbers: "inf", "nan", "0x1p3".
    if (digits.find_first_not_of("0123456789+-.eE") != std::string::npos) return text;
    const double real = std::stod(digits, &end);
    // To JSON Schema 1e3 is an integer; to valijson only what the parser made one.
    const bool integral = std::abs(real) < 1e15 && real == std::floor(real);
    if (end == digits.size()) return integral ? Json(static_cast<long long>(real)) : Json(real);
  } catch (const std::exception&) {
    // No number, or one that no computer holds: a commit of digits alone is text.
  }
  return text;
}

/// YAML events to JSON, for text that the program read without a complaint about YAML itself.
class JsonBuilder : public YAML::EventHandler {
 public:
  std::vector<Json> documents;

  void OnDocumentStart(const YAML::Mark&) override { open_.clear(); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override { add({}); }
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { FAIL() << "an alias"; }
  void OnScalar(const YAML::Mark&, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    const bool key = !open_.empty() && open_.back().value.is_object() && !open_.back().key;
    if (key) {
      open_.back().key = value;
    } else {
      add(tag == "?" ? typed(value) : Json(value));
    }
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open_.push_back({Json::array(), {}});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open_.push_back({Json::object(), {}});
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Json value;
    std::optional<std::string> key;
  };
  void close() {
    Json whole = std::move(open_.back().value);
    open_.pop_back();
    add(std::move(whole));
  }
  void add(Json value) {
    if (open_.empty()) {
      documents.push_back(std::move(value));
    } else if (Open& into = open_.back(); into.value.is_array()) {
      into.value.push_back(std::move(value));
    } else {
      into.value[*into.key] = std::move(value);
      into.key.reset();
    }
  }
  std::vector<Open> open_;
};

std::vector<Json> json_documents(const std::string& yaml) {
  std::istringstream text(yaml);
  YAML::Parser parser(text);
  JsonBuilder builder;
  while (parser.HandleNextDocument(builder)) {
  }
  return builder.documents;
}

/// What the program says of a text's documents, each judged on its own. Rules that hold one value
/// against another are more than a schema can say: where nothing else is wrong, it may say either.
struct Verdict {
  bool accepted = true, beyond_a_schema = false;
  std::string problems;
};

Verdict program_verdict(const std::string& text) {
  static const char* const between_values[] = {
      "overlaps",       "is declared twice",     "is a variable too",
      "runs backwards", "never comes: no month", "is not after from"};
  const ManifestFile file = read_manifest_file("a.yaml", text);
  std::vector<Problem> problems = file.problems;
  for (const auto& document : file.documents)
    problems.insert(problems.end(), document->problems.begin(), document->problems.end());
  Verdict verdict;
  for (const Problem& problem : problems) {
    verdict.problems += to_string(problem) + "\n";
    bool beyond = problem.warning;
    for (const char* words : between_values)
      beyond = beyond || problem.text.find(words) != std::string::npos;
    verdict.beyond_a_schema |= beyond;
    verdict.accepted = verdict.accepted && beyond;
  }
  return verdict;
}

std::vector<std::filesystem::path> manifests(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(source / "manifests" / folder))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  EXPECT_FALSE(paths.empty());
  return paths;
}

TEST(SchemaTest, EachKindsFileSaysWhatTheWholeSays) {
  const Json whole = schema_document("manifest");
  const std::map<std::string, std::string> definition_of = {
      {"Driver", "driver"}, {"SiteClass", "siteClass"},
      {"Site", "site"},     {"Environment", "environment"},
      {"Policy", "policy"}, {"Freeze", "freeze"},
      {"Grant", "grant"}};
  for (const auto& [kind, definition] : definition_of) {
    Json part = schema_document(lower(kind));
    for (const auto& [name, body] : part["definitions"].items())
      EXPECT_EQ(body, whole["definitions"][name]) << kind << ": " << name;
    for (const char* own : {"$schema", "title", "definitions"}) part.erase(own);
    EXPECT_EQ(part, whole["definitions"][definition]) << kind;
  }
}

TEST(SchemaTest, AcceptsEveryExample) {
  for (const auto& path : manifests("examples")) {
    const std::string text = read(path);
    EXPECT_EQ(program_verdict(text).problems, "") << path;
    for (const Json& document : json_documents(text)) {
      EXPECT_TRUE(schema_accepts(document)) << path << document.dump(1);
      EXPECT_TRUE(JsonSchema(lower(document["kind"])).accepts(document)) << path;
    }
  }
}

/// The fields that a schema lets an Environment have, as JSON pointers.
void collect_fields(const Json& root, Json schema, const std::string& pointer,
                    std::set<std::string>& into) {
  if (!pointer.empty()) into.insert(pointer);
  std::vector<Json> parts{schema};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Json part = parts[i];
    if (part.contains("$ref"))
      parts.push_back(root.at(Json::json_pointer(part["$ref"].get<std::string>().substr(1))));
    for (const char* several : {"allOf", "anyOf", "oneOf"})
      if (part.contains(several))
        for (const Json& one : part[several]) parts.push_back(one);
    if (part.contains("items")) collect_fields(root, part["items"], pointer + "/0", into);
    if (part.contains("patternProperties")) into.insert(pointer + "/NAME");
    if (!part.contains("properties")) continue;
    for (const auto& [name, field] : part["properties"].items())
      if (!field.empty()) collect_fields(root, field, pointer + "/" + name, into);
  }
}

// A field that is new to Environments is named in pointer_checks.cc and in fieldPointer too.
TEST(SchemaTest, LetsARuleNameEveryFieldOfAnEnvironment) {
  const Json root = schema_document("environment");
  std::set<std::string> pointers;
  collect_fields(root, root["definitions"]["environmentSpec"], "/spec", pointers);
  EXPECT_GT(pointers.size(), 40u);
  Json document = json_documents(
      "apiVersion: tidegate/v1\nkind: Policy\nmetadata: {name: a}\n"
      "spec: {rules: [{name: a, require: {field: /spec}}]}\n")[0];
  for (const std::string& pointer : pointers) {
    document["spec"]["rules"][0]["require"]["field"] = pointer;
    EXPECT_EQ(program_verdict(document.dump(1)).problems, "") << pointer;
    EXPECT_TRUE(schema_accepts(document)) << pointer;
  }
}

// What YAML itself makes impossible never becomes a document that a schema could judge.
TEST(SchemaTest, RefusesEveryRejectedFileThatDoesNotSayWhyNot) {
  for (const auto& path : manifests("rejected")) {
    if (path.filename().string().starts_with("yaml-")) continue;
    const std::string text = read(path);
    bool accepted = true;
    for (const Json& document : json_documents(text))
      accepted &= document.is_null() || schema_accepts(document);
    const bool beyond = text.find("\n# beyond the schema: ") != std::string::npos;
    EXPECT_EQ(accepted, beyond) << path;
    EXPECT_TRUE(beyond || !program_verdict(text).accepted) << path;
  }
}

/// Asks both about one document; what they said, or nothing where either may be right.
std::optional<bool> agreed(const Json& document) {
  if (document.is_null()) return std::nullopt;  // An empty document is none.
  // JSON is YAML; its escapes are too.
  const std::string text = document.dump(1, ' ', true);
  const Verdict program = program_verdict(text);
  if (program.accepted && program.beyond_a_schema) return std::nullopt;
  EXPECT_EQ(schema_accepts(document), program.accepted) << text << "\n" << program.problems;
  return program.accepted;
}

/// The documents of a text, a Policy as often as it has rules, each time with one of them: odd
/// values are many, and a long document is long to judge.
std::vector<Json> one_by_one(const std::string& text) {
  std::vector<Json> result;
  for (const Json& document : json_documents(text)) {
    const Json rules = document["spec"].value("rules", Json::array({nullptr}));
    for (const Json& rule : rules) {
      result.push_back(document);
      if (!rule.is_null()) result.back()["spec"]["rules"] = Json::array({rule});
      // Judged with the first.
      if (&rule != &rules.front() && !rule.is_null()) result.back()["spec"].erase("select");
    }
  }
  return result;
}

TEST(SchemaTest, AgreesWithTheProgramOnEveryOddValueInEveryField) {
  int accepted = 0, refused = 0;
  std::set<std::string> fields;
  for (Json document : one_by_one(read(source / "manifests/examples/every-field.yaml"))) {
    const Json flat = document.flatten();
    for (const auto& [pointer, before] : flat.items()) {
      // One item stands for its list.
      std::string field = document["kind"];
      std::copy_if(pointer.begin(), pointer.end(), std::back_inserter(field),
                   [](unsigned char c) { return !std::isdigit(c); });
      if (!fields.insert(field).second || HasFailure()) continue;
      Json& value = document[Json::json_pointer(pointer)];
      for (std::size_t i = 0; i < std::size(odd_texts) + odd_values().size(); ++i) {
        value =
            i < std::size(odd_texts) ? Json(odd_texts[i]) : odd_values()[i - std::size(odd_texts)];
        if (const auto verdict = agreed(document)) ++(*verdict ? accepted : refused);
      }
      value = before;
    }
  }
  EXPECT_GT(fields.size(), 80u);
  EXPECT_GT(accepted, 1'500);
  EXPECT_GT(refused, 10'000);
}

TEST(SchemaTest, AgreesWithTheProgramOnGeneratedShapes) {
  std::vector<Json> documents;
  for (const auto& path : manifests("examples"))
    for (Json& document : json_documents(read(path))) documents.push_back(std::move(document));
  std::mt19937_64 random(20261121);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 6'000 && !HasFailure(); ++round) {
    Json document = documents[random() % documents.size()];
    for (auto changes = 1 + random() % 2; changes > 0; --changes) mutate(document, random);
    if (const auto verdict = agreed(document)) ++(*verdict ? accepted : refused);
  }
  EXPECT_GT(accepted, 500);
  EXPECT_GT(refused, 2'000);
}

}  // namespace
}  // namespace tidegate
