#include "schemas/manifest.h"

#include <algorithm>

#include "schemas/checks.h"
#include "schemas/fields.h"
#include "schemas/manifest_kinds.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

const std::vector<std::string_view> kinds{"Driver", "SiteClass", "Site", "Environment",
                                          "Policy", "Freeze",    "Grant"};
const std::vector<std::string_view> kinds_later{"Sanitizer", "Notifier", "BranchEnvironments"};

DocumentKind kind_of(const std::string& word) {
  const auto found = std::find(kinds.begin(), kinds.end(), word);
  return static_cast<DocumentKind>(found - kinds.begin());
}

// One document of a file, from its tree to its typed spec.
class DocumentReader {
 public:
  DocumentReader(const Node& root, const std::string& file, std::size_t position,
                 KnowsZone knows_zone)
      : root_(root), knows_zone_(knows_zone), document_(std::make_shared<Document>()) {
    document_->file = file;
    document_->position = position;
    document_->line = root.line;
    document_->column = root.column;
  }

  void tell(const YamlProblem& problem) {
    problems_.push_back({document_->file, problem.line, problem.column, "", problem.text});
  }

  /// The document, or nothing when it cannot be told whose it is; its problems then go to `strays`.
  std::shared_ptr<Document> read(std::vector<Problem>& strays) {
    const bool known = read_head();
    if (spec_) read_spec();
    document_->good = problems_.empty();
    if (known) {
      document_->problems = std::move(problems_);
      return document_;
    }
    strays.insert(strays.end(), problems_.begin(), problems_.end());
    return nullptr;
  }

 private:
  Value value(const Node& node, const std::string& path) {
    return Value(node, path, document_->file, problems_);
  }

  // Reads all but the spec; whether kind and name tell what the document is about.
  bool read_head() {
    if (root_.kind != Node::Kind::map) {
      value(root_, "").wrong(
          "is no manifest: write a mapping of apiVersion, kind, metadata and spec");
      return false;
    }
    const Fields fields(value(root_, ""), {"apiVersion", "kind", "metadata", "spec"});
    if (const auto version = fields.need("apiVersion", "write tidegate/v1"))
      version->one_of({"tidegate/v1"});
    const auto kind = fields.need("kind", "write " + alternatives(kinds));
    const auto metadata = fields.need("metadata", "write metadata: {name: …}");
    const bool kind_known = kind && read_kind(*kind);
    if (kind_built_) spec_ = fields.need("spec", "write spec: {…}");
    return metadata && read_metadata(*metadata, kind_known) && kind_known;
  }

  // A kind that is only misspelt still tells whose site must wait for it.
  bool read_kind(const Value& kind) {
    const auto word = kind.text([](const std::string& text) {
      if (std::find(kinds_later.begin(), kinds_later.end(), text) != kinds_later.end())
        return quote(text) + " is not supported yet";
      if (std::find(kinds.begin(), kinds.end(), text) != kinds.end()) return std::string();
      return quote(text) + " is not " + alternatives(kinds) + did_you_mean(text, kinds);
    });
    kind_built_ = word.has_value();
    const std::string meant = word ? *word : nearest(kind.node().text, kinds);
    if (meant.empty()) return false;
    document_->key.kind = kind_of(meant);
    return true;
  }

  bool read_metadata(const Value& metadata, bool kind_known) {
    const bool of_site = kind_known && document_->key.kind == DocumentKind::environment;
    // Of a kind that is not known nothing but the name is looked at.
    std::vector<std::string_view> known{"name", "labels"};
    if (of_site || !kind_built_) known.push_back("site");
    const Fields fields(metadata, known);
    if (const auto labels = fields.find("labels")) read_labels(*labels);
    std::optional<std::string> owner, text;
    if (of_site)
      if (const auto site = fields.need("site", "write the name of its site")) {
        owner = site->text(wrong_name);
        document_->site_line = site->node().line;
        document_->site_column = site->node().column;
      }
    const auto name = fields.need("name", "write a name");
    if (name) {
      text = name->text(of_site ? wrong_environment_name : wrong_name);
      document_->line = name->node().line;
      document_->column = name->node().column;
    }
    document_->key.site = owner.value_or("");
    document_->key.name = text ? *text : name && of_site ? name->node().text : "";
    return of_site ? owner.has_value() : text.has_value();
  }

  void read_labels(const Value& labels) {
    for (const auto& [key, entry] : labels.entries(wrong_label_key))
      if (auto text = entry.text(wrong_label_value)) labels_[key] = std::move(*text);
  }

  void read_spec() {
    const std::string& name = document_->key.name;
    switch (document_->key.kind) {
      case DocumentKind::driver:
        document_->driver = std::make_shared<HostDriverSpec>(read_driver(*spec_, name));
        break;
      case DocumentKind::site_class:
        document_->site_class =
            std::make_shared<SiteClassManifest>(read_site_class(*spec_, knows_zone_));
        break;
      case DocumentKind::site: {
        auto site = std::make_shared<SiteManifest>(read_site(*spec_));
        site->labels = std::move(labels_);
        document_->site = std::move(site);
        break;
      }
      case DocumentKind::environment:
        document_->environment = std::make_shared<EnvironmentFields>(
            read_environment(*spec_, {.knows_zone = knows_zone_}));
        break;
      case DocumentKind::policy:
        document_->policy = std::make_shared<Policy>(read_policy(*spec_, name, knows_zone_));
        break;
      case DocumentKind::freeze:
        document_->freeze = std::make_shared<Freeze>(read_freeze(*spec_, name));
        break;
      case DocumentKind::grant:
        document_->grant = std::make_shared<GrantManifest>(read_grant(*spec_, name));
        break;
    }
  }

  const Node& root_;
  const KnowsZone knows_zone_;
  std::shared_ptr<Document> document_;
  std::vector<Problem> problems_;
  std::map<std::string, std::string> labels_;
  std::optional<Value> spec_;
  bool kind_built_ = false;
};

}  // namespace

const char* to_string(DocumentKind kind) { return kinds[static_cast<std::size_t>(kind)].data(); }

Mark mark_of(const Value& value, const Origin& origin) {
  return {value.node().line, value.node().column, origin.of_class};
}

std::optional<CommitId> read_commit(const Value& value) {
  const Node& node = value.node();
  const bool number = node.kind == Node::Kind::scalar && node.plain &&
                      type_of(node) != ScalarType::text && type_of(node) != ScalarType::null;
  // Digits alone, or digits around one "e", are a commit as well as a number.
  const std::string wrong = number ? wrong_commit(node.text) : "";
  if (!wrong.empty()) value.wrong(wrong);
  if (number) return wrong.empty() ? std::optional(CommitId{node.text}) : std::nullopt;
  auto text = value.text(wrong_commit);
  return text ? std::optional(CommitId{std::move(*text)}) : std::nullopt;
}

std::optional<Timestamp> read_time(const Value& value) {
  const auto text = value.text(wrong_time);
  return text ? parse_rfc3339(*text) : std::nullopt;
}

std::optional<std::string> read_time_zone(const Value& value, KnowsZone knows_zone) {
  auto name = value.text(wrong_time_zone);
  if (name && knows_zone && !knows_zone(*name)) {
    value.wrong(quote(*name) +
                " is no time zone that this machine knows: write one like \"Europe/Berlin\", or "
                "install tzdata");
  }
  return name;
}

std::optional<SecretRef> read_secret(const Value& value, const Origin& origin) {
  const Fields fields(value, {"secret"});
  const auto secret = fields.need("secret", "write {secret: NAME}");
  if (!secret) return std::nullopt;
  auto name = secret->hidden_text(wrong_secret_name);
  if (!name) return std::nullopt;
  return SecretRef{std::move(*name), origin.scope};
}

std::map<std::string, SecretRef> read_secrets(const Value& value, const Origin& origin) {
  std::map<std::string, SecretRef> secrets;
  for (const auto& [variable, entry] : value.entries(wrong_variable))
    if (auto name = entry.hidden_text(wrong_secret_name))
      secrets[variable] = SecretRef{std::move(*name), origin.scope};
  return secrets;
}

ManifestFile read_manifest_file(const std::string& path, const std::string& text,
                                KnowsZone knows_zone) {
  ManifestFile file;
  file.path = path;
  const YamlText yaml = read_yaml(text);
  for (std::size_t i = 0; i < yaml.documents.size(); ++i) {
    const Node& root = yaml.documents[i];
    if (root.kind == Node::Kind::null && yaml.document_problems[i].empty()) continue;
    DocumentReader reader(root, path, i, knows_zone);
    for (const YamlProblem& problem : yaml.document_problems[i]) reader.tell(problem);
    if (auto document = reader.read(file.problems)) file.documents.push_back(std::move(document));
  }
  file.unreadable = !yaml.complete;
  if (file.unreadable)
    file.problems.push_back({path, yaml.end.line, yaml.end.column, "", yaml.end.text});
  return file;
}

}  // namespace tidegate
