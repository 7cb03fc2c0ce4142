#pragma once
// The words the rest of the program is written in: a site, its environments in the order of its
// stages, what each should run, and where its content should come from. Values only, valid once
// constructed by schemas/fleet.h: class, presets and defaults are merged in, names resolve.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "schemas/time.h"

namespace tidegate {

struct Governance;  // schemas/policy.h

/// 40 lower-case hex digits.
struct CommitId {
  std::string hex;
  auto operator<=>(const CommitId&) const = default;
  std::string brief() const { return hex.substr(0, 7); }
};

/// What an environment's code follows.
struct TagName {
  std::string text;
  auto operator<=>(const TagName&) const = default;
};
struct BranchName {
  std::string text;
  auto operator<=>(const BranchName&) const = default;
};
struct ProvenIn {
  std::string environment;
  auto operator<=>(const ProvenIn&) const = default;
};
using CodeTarget = std::variant<CommitId, TagName, BranchName, ProvenIn>;

/// The two parts content is made of. Each is named, stamped, kept and dropped on its own.
enum class Part : std::uint8_t { databases, files };
inline constexpr Part parts[]{Part::databases, Part::files};
const char* to_string(Part part);

/// Where content comes from, in manifests and in stamps; spelt as in CONTRACT: keep, empty,
/// adopted, or an environment's name. `adopted` occurs in stamps only.
struct ContentSource {
  enum class Kind : std::uint8_t { keep, empty, adopted, environment };
  Kind kind = Kind::keep;
  std::string environment;  ///< For Kind::environment alone.

  auto operator<=>(const ContentSource&) const = default;
  static ContentSource keep() { return {}; }
  static ContentSource empty() { return {Kind::empty, {}}; }
  static ContentSource adopted() { return {Kind::adopted, {}}; }
  static ContentSource from(std::string name) { return {Kind::environment, std::move(name)}; }
  /// Reads the spelling of `to_string`.
  static ContentSource parse(const std::string& text);
};
std::string to_string(const ContentSource& source);

/// When content that is as declared is taken anew at the same generation.
struct Refresh {
  bool on_promote = false;
  Duration if_older_than{};  ///< With on_promote: only content older than that. Zero: always.
  std::optional<Duration> every;
  std::string schedule;           ///< Five cron fields; "" for none.
  std::string time_zone = "UTC";  ///< IANA name, for schedule.
  bool operator==(const Refresh&) const = default;
};

struct ContentSpec {
  ContentSource source;
  std::uint64_t generation = 0;         ///< 0 with keep; at least 1 otherwise.
  bool databases = true, files = true;  ///< `include`.
  std::optional<Refresh> refresh;       ///< With environment sources only.
  bool includes(Part part) const { return part == Part::databases ? databases : files; }
  bool operator==(const ContentSpec&) const = default;
};

enum class Engine : std::uint8_t { mariadb, sqlite };
struct DatabaseDeclaration {
  std::string name;
  Engine engine = Engine::sqlite;
  bool operator==(const DatabaseDeclaration&) const = default;
};
struct FilesDeclaration {
  std::string name;
  std::string path;  ///< Relative to the code tree, normalised, never outside it.
  bool operator==(const FilesDeclaration&) const = default;
};

/// A secret by name. Looked up at the top of the secrets directory when a SiteClass or Driver names
/// it, below sites/SITE/ when a Site or Environment does.
struct SecretRef {
  enum class Scope : std::uint8_t { platform, site };
  std::string name;
  Scope scope = Scope::site;
  auto operator<=>(const SecretRef&) const = default;
};

/// Command lines as written; split by POSIX quoting where they are run.
struct Commands {
  std::vector<std::string> build, after_copy, update_pending, update, clear_cache, install;
  std::vector<std::string> config_status;
  std::vector<std::string> maintenance_on, maintenance_off;
  bool operator==(const Commands&) const = default;
};

struct Application {
  std::string type = "custom";  ///< wordpress | drupal | magento | custom.
  std::string docroot;          ///< Relative to the code tree; "" is the tree itself.
  std::vector<std::string>
      writable;  ///< Per release, writable by pages; never synced, never drift.
  std::map<std::string, SecretRef> build_secrets;  ///< By variable; for `build` alone.
  Commands commands;
  bool operator==(const Application&) const = default;
};

struct HttpCheck {
  std::string path = "/";
  std::optional<int> status;  ///< Absent: anything below 400.
  std::string contains;
  std::map<std::string, std::string> header{};  ///< Name in lower case → what its value contains.
  std::optional<Duration> within{};             ///< The whole answer, its connection included.
  std::optional<Duration> certificate_valid_for{};  ///< The server's own; of https alone.
  bool operator==(const HttpCheck&) const = default;
};
/// Pages that answered below 400 before the switch must do so after it.
struct Comparison {
  std::vector<std::string> paths;
  bool titles = true;  ///< And have the title that they had.
  bool operator==(const Comparison&) const = default;
};
/// The http checks are repeated for that long after the switch.
struct Soak {
  Duration length{}, every = std::chrono::seconds(10);
  bool operator==(const Soak&) const = default;
};
struct Verify {
  std::vector<HttpCheck> http;  ///< Empty without a url; the default check is filled in.
  std::vector<std::string> commands;
  Comparison compare;             ///< No paths: nothing is compared.
  std::optional<Soak> soak;       ///< With a url and http checks only.
  std::optional<Duration> again;  ///< How long after a verification the next one is due.
  Duration retry_for = std::chrono::seconds(10);
  bool operator==(const Verify&) const = default;
};
struct Deploy {
  bool update = true, clear_cache = true;
  bool maintenance_always = false;  ///< `maintenance: always`.
  std::string note;
  Duration timeout = std::chrono::minutes(30);
  bool operator==(const Deploy&) const = default;
};
struct Suspend {
  std::string reason, by;
  std::optional<Timestamp> until;
  bool operator==(const Suspend&) const = default;
};

/// The host driver's settings, from a Driver document.
struct MariaDbServer {
  std::string socket, host;  ///< Exactly one is set.
  int port = 3306;
  std::string user;
  std::optional<SecretRef> password;
  std::string prefix = "tg";  ///< Databases and users made here begin with it; no other is touched.
  bool operator==(const MariaDbServer&) const = default;
};
struct HostDriverSpec {
  std::string name;  ///< The Driver document's.
  std::string root;
  std::string run_as;   ///< Template with {site} and {environment}; "" = the controller's own user.
  bool sandbox = true;  ///< `isolation: sandbox | none`.
  int keep_releases = 3;
  std::optional<MariaDbServer> mariadb;
  bool operator==(const HostDriverSpec&) const = default;
};

/// `onFailure.revertManifest`: whether the controller writes the revert of a manifest commit that
/// asked for what failed where visitors look.
struct RevertManifest {
  bool wanted = false;
  std::string branch;  ///< Where it is proposed; "" for the branch the manifests are read from.
  bool operator==(const RevertManifest&) const = default;
};

struct Environment {
  std::string name;
  std::shared_ptr<const HostDriverSpec> driver;
  CodeTarget code;
  bool writable = false;  ///< code.writable: people change its code by hand.
  ContentSpec content;
  std::string url, preview_url;  ///< "" when absent.
  Deploy deploy;
  Verify verify;
  bool rollback = true;          ///< onFailure.rollback.
  bool restore_content = false;  ///< onFailure.restoreContent: whenUpdated.
  RevertManifest revert_manifest{};
  std::map<std::string, std::string> variables;
  std::map<std::string, SecretRef> secrets;
  std::optional<Suspend> suspend;
  std::string digest;  ///< sha256 hex of everything effective above but `suspend`: quarantine is
                       ///< tied to it.
};

struct Repository {
  std::string url;
  std::optional<SecretRef> credentials;
  bool operator==(const Repository&) const = default;
};

/// Whether an allowed signer vouches for a commit.
struct SignatureFact {
  bool valid = false;
  std::string signer;   ///< Of a valid one: "ada@example.org (SHA256:…)".
  std::string problem;  ///< Of any other: "commit 1234567 is not signed".
  bool operator==(const SignatureFact&) const = default;
};

/// A site as its manifests, its class and the presets say together.
struct Site {
  std::string name;
  std::map<std::string, std::string> labels;
  Repository repository;
  std::vector<std::string> stages;  ///< Lowest first; the last is the content authority.
  bool launched = true;
  Application application;
  std::vector<DatabaseDeclaration> databases;
  std::vector<FilesDeclaration> files;
  std::map<std::string, Environment> environments;  ///< By name; a stage may have none.
  std::string digest;  ///< sha256 hex of everything effective above but environments.

  /// What keeps this site from being read anew: its documents are broken, this is its last good
  /// state. "" when all is well.
  std::string invalid;
  /// Why it keeps what it was though its documents say otherwise: a manifest commit strikes too
  /// many sites. "" when nothing does. Set by who bounds commits, in no digest.
  std::string withheld;
  /// "file@revision" facts for history.
  std::string revision, author;
  /// What the platform team says about this site. Never null on a Site that a Fleet made; null
  /// reads as empty. In no digest: a policy lifts no quarantine.
  std::shared_ptr<const Governance> governance;
  /// Who vouches for the manifest commits it is made of, by the name of the list of allowed
  /// signers. Filled in by whoever read them; in no digest either.
  std::map<std::string, SignatureFact> manifest_signature;
  /// Commits that brought what its documents, its class, its drivers and its governance say now,
  /// sorted. Known only where a rule asks for signed manifests; an empty id stands for what no
  /// commit brought.
  std::vector<CommitId> manifest_commits;

  const std::string& authority() const { return stages.back(); }
  const Environment* find(const std::string& environment) const;
  /// Position in `stages`; stages.size() when it is none.
  std::size_t stage_of(const std::string& environment) const;
};

}  // namespace tidegate
