#pragma once
// One manifest file as typed documents. What a document leaves out is absent here: class, presets
// and defaults are merged by schemas/effective.h.

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schemas/fleet.h"
#include "schemas/policy.h"
#include "schemas/site.h"

namespace tidegate {

/// Where a value was written, for what can only be judged with other documents at hand.
struct Mark {
  int line = 1, column = 1;
  bool of_class = false;  ///< In the site's class, not in its own document.
};
template <class T>
struct Marked {
  T value;
  Mark mark;
};

/// Fields of Site.spec that a SiteClass may give too.
struct SiteFields {
  std::optional<Marked<std::string>> driver;
  std::optional<Marked<Repository>> repository;  ///< Where its url is written.
  std::optional<std::vector<Marked<std::string>>> stages;
  std::optional<bool> launched;
  std::optional<std::string> type, docroot;
  std::optional<std::vector<Marked<std::string>>> writable;
  std::map<std::string, SecretRef> build_secrets;
  std::map<std::string, std::vector<std::string>> commands;  ///< By their name in the manifest.
  std::optional<std::vector<Marked<DatabaseDeclaration>>> databases;
  std::optional<std::vector<Marked<FilesDeclaration>>> files;
};

/// Fields of Environment.spec, which a SiteClass may give below `environments`.
struct EnvironmentFields {
  std::optional<Marked<std::string>> driver;
  std::optional<Marked<CodeTarget>> code;
  std::optional<Marked<bool>> writable;  ///< There where code is.
  std::optional<Marked<ContentSource>> source;
  std::optional<std::uint64_t> generation;
  std::optional<std::pair<bool, bool>> include;  ///< databases, files
  std::optional<Marked<Refresh>> refresh;
  std::optional<std::string> url, preview_url;
  std::optional<bool> update, clear_cache, maintenance_always;
  std::optional<std::string> note;
  std::optional<Duration> timeout;
  std::optional<Marked<std::vector<HttpCheck>>> http;
  std::optional<Marked<std::size_t>> certificate;  ///< The first of `http` that asks for one.
  std::optional<std::vector<std::string>> verify_commands;
  std::optional<Marked<Comparison>> compare;
  std::optional<Marked<Soak>> soak;
  std::optional<Duration> again, retry_for;
  std::optional<bool> rollback;
  std::optional<Marked<bool>> restore_content;
  std::optional<RevertManifest> revert_manifest;  ///< Its branch with placeholders.
  std::map<std::string, std::string> variables;
  std::map<std::string, SecretRef> secrets;
  std::optional<Suspend> suspend;
};

struct SiteManifest {
  std::map<std::string, std::string> labels;
  std::optional<Marked<std::string>> site_class;
  SiteFields fields;
};
struct SiteClassManifest {
  SiteFields site;
  EnvironmentFields environments;
};

struct GrantManifest {
  Grant grant;
  Mark site, environment;
};

/// What a document is about. Orders by kind, then site (of an Environment), then name.
enum class DocumentKind { driver, site_class, site, environment, policy, freeze, grant };
const char* to_string(DocumentKind kind);  ///< As in manifests: "SiteClass".
struct DocumentKey {
  DocumentKind kind = DocumentKind::site;
  std::string site, name;
  auto operator<=>(const DocumentKey&) const = default;
  /// The site it belongs to; "" for the platform team's kinds.
  const std::string& owner() const { return kind == DocumentKind::site ? name : site; }
};

struct Document {
  DocumentKey key;
  std::string file;
  std::size_t position = 0;            ///< Among the file's documents.
  int line = 1, column = 1;            ///< Of metadata.name.
  int site_line = 1, site_column = 1;  ///< Of an Environment's metadata.site.
  std::vector<Problem> problems;
  bool good = true;  ///< No problem; exactly one of the following is there.
  std::shared_ptr<const HostDriverSpec> driver;
  std::shared_ptr<const SiteClassManifest> site_class;
  std::shared_ptr<const SiteManifest> site;
  std::shared_ptr<const EnvironmentFields> environment;
  std::shared_ptr<const Policy> policy;  ///< Of a broken one, what could be read.
  std::shared_ptr<const Freeze> freeze;  ///< The same.
  std::shared_ptr<const GrantManifest> grant;
};

struct ManifestFile {
  std::string path;
  std::vector<std::shared_ptr<Document>> documents;  ///< Those whose kind and name can be read.
  std::vector<Problem> problems;  ///< Of the file, and of documents that cannot be told apart.
  bool unreadable = false;        ///< Reading ended early: none of its documents may be used.
  std::vector<CommitId> commits;  ///< FileChange::commits.
};

/// Reads a file with everything wrong in it. Each document is judged on its own here.
ManifestFile read_manifest_file(const std::string& path, const std::string& text,
                                KnowsZone knows_zone = nullptr);

}  // namespace tidegate
