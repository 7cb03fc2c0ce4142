// Effective values as YAML that reads back as the same value. Digests are made of it too: a changed
// spelling here lifts every quarantine.
#include <functional>

#include "schemas/effective.h"
#include "schemas/fleet.h"
#include "schemas/text.h"
#include "schemas/yaml.h"

namespace tidegate {
namespace {

std::string scalar(const std::string& text) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.plain = true;
  node.text = text;
  bool plain =
      !text.empty() && type_of(node) == ScalarType::text && (is_letter(text[0]) || text[0] == '/');
  for (const char c : text)
    plain = plain && (is_letter(c) || is_digit(c) ||
                      std::string_view("/._-").find(c) != std::string_view::npos);
  if (plain) return text;
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n')
      result += "\\n";
    else if (c == '\t')
      result += "\\t";
    else if (c == '\r')
      result += "\\r";
    else
      result += c;
  }
  return result + '"';
}

// Lines of a block mapping. What has no entries is left out.
class Writer {
 public:
  void text(const std::string& key, const std::string& value) { line(key + ": " + scalar(value)); }
  void bare(const std::string& key, const std::string& value) { line(key + ": " + value); }
  void flag(const std::string& key, bool value) { bare(key, value ? "true" : "false"); }
  void list(const std::string& key, const std::vector<std::string>& items) {
    if (items.empty()) return bare(key, "[]");
    line(key + ":");
    for (const std::string& item : items) line("  - " + scalar(item));
  }
  void map(const std::string& key, const std::function<void()>& entries) {
    line(key + ":");
    indent_ += 2;
    entries();
    indent_ -= 2;
  }
  void secrets(const std::string& key, const std::map<std::string, SecretRef>& entries) {
    if (entries.empty()) return;
    map(key, [&] {
      for (const auto& [name, secret] : entries) bare(name, scalar(secret.name) + scope(secret));
    });
  }
  // The scope cannot be written in a manifest, but two secrets of one name are not the same.
  static std::string scope(const SecretRef& secret) {
    return secret.scope == SecretRef::Scope::platform ? "  # the platform's" : "";
  }
  void line(const std::string& content) {
    result_ += std::string(static_cast<std::size_t>(indent_), ' ') + content + '\n';
  }
  std::string take() { return std::move(result_); }

 private:
  std::string result_;
  int indent_ = 0;
};

void write_commands(Writer& out, const Commands& commands) {
  out.map("commands", [&] {
    out.list("build", commands.build);
    out.list("afterCopy", commands.after_copy);
    out.list("updatePending", commands.update_pending);
    out.list("update", commands.update);
    if (!commands.config_status.empty()) out.list("configStatus", commands.config_status);
    out.list("clearCache", commands.clear_cache);
    out.list("install", commands.install);
    out.list("maintenanceOn", commands.maintenance_on);
    out.list("maintenanceOff", commands.maintenance_off);
  });
}

void write_site_content(Writer& out, const Site& site) {
  out.map("content", [&] {
    if (site.databases.empty()) out.bare("databases", "[]");
    if (!site.databases.empty()) out.line("databases:");
    for (const DatabaseDeclaration& database : site.databases)
      out.line("  - {name: " + scalar(database.name) +
               ", engine: " + (database.engine == Engine::mariadb ? "mariadb" : "sqlite") + "}");
    if (site.files.empty()) out.bare("files", "[]");
    if (!site.files.empty()) out.line("files:");
    for (const FilesDeclaration& files : site.files)
      out.line("  - {name: " + scalar(files.name) + ", path: " + scalar(files.path) + "}");
  });
}

void write_code(Writer& out, const Environment& environment) {
  struct Spelling {
    std::string operator()(const CommitId& commit) const { return "commit: \"" + commit.hex + '"'; }
    std::string operator()(const TagName& tag) const { return "tag: " + scalar(tag.text); }
    std::string operator()(const BranchName& branch) const {
      return "branch: " + scalar(branch.text);
    }
    std::string operator()(const ProvenIn& from) const {
      return "from: " + scalar(from.environment);
    }
  };
  out.bare("code", "{" + std::visit(Spelling{}, environment.code) +
                       (environment.writable ? ", writable: true}" : "}"));
}

void write_refresh(Writer& out, const Refresh& refresh) {
  out.map("refresh", [&] {
    if (refresh.on_promote && refresh.if_older_than == Duration{})
      out.flag("onPromote", true);
    else if (refresh.on_promote)
      out.bare("onPromote", "{ifOlderThan: " + to_string(refresh.if_older_than) + "}");
    if (refresh.every) out.bare("every", to_string(*refresh.every));
    if (refresh.schedule.empty()) return;
    out.text("schedule", refresh.schedule);
    out.text("timeZone", refresh.time_zone);
  });
}

void write_content(Writer& out, const ContentSpec& content) {
  out.map("content", [&] {
    out.text("source", to_string(content.source));
    if (content.generation > 0) out.bare("generation", std::to_string(content.generation));
    const char* both = content.databases && content.files ? ", " : "";
    out.bare("include", std::string("[") + (content.databases ? "databases" : "") + both +
                            (content.files ? "files" : "") + "]");
    if (content.refresh) write_refresh(out, *content.refresh);
  });
}

void write_deploy(Writer& out, const Deploy& deploy) {
  out.map("deploy", [&] {
    out.flag("update", deploy.update);
    out.flag("clearCache", deploy.clear_cache);
    out.bare("maintenance", deploy.maintenance_always ? "always" : "auto");
    if (!deploy.note.empty()) out.text("note", deploy.note);
    out.bare("timeout", to_string(deploy.timeout));
  });
}

std::string further_wishes(const HttpCheck& check) {
  std::string headers;
  for (const auto& [name, value] : check.header)
    headers += (headers.empty() ? "" : ", ") + scalar(name) + ": " + scalar(value);
  std::string item;
  if (!headers.empty()) item += ", header: {" + headers + "}";
  if (check.within) item += ", within: " + to_string(*check.within);
  if (check.certificate_valid_for)
    item += ", certificate: {validFor: " + to_string(*check.certificate_valid_for) + "}";
  return item;
}

void write_verify(Writer& out, const Environment& environment) {
  out.map("verify", [&] {
    // Without an address there is nothing to check, and nothing that could be written here.
    const bool reachable = !environment.url.empty() || !environment.preview_url.empty();
    if (environment.verify.http.empty() && reachable) out.bare("http", "[]");
    if (!environment.verify.http.empty()) out.line("http:");
    for (const HttpCheck& check : environment.verify.http) {
      std::string item = "  - {path: " + scalar(check.path);
      if (check.status) item += ", status: " + std::to_string(*check.status);
      if (!check.contains.empty()) item += ", contains: " + scalar(check.contains);
      out.line(item + further_wishes(check) + "}");
    }
    out.list("commands", environment.verify.commands);
    if (!environment.verify.compare.paths.empty())
      out.map("compare", [&] {
        out.list("paths", environment.verify.compare.paths);
        out.bare("titles", environment.verify.compare.titles ? "same" : "ignore");
      });
    if (const auto& soak = environment.verify.soak)
      out.bare("soak",
               "{for: " + to_string(soak->length) + ", every: " + to_string(soak->every) + "}");
    if (environment.verify.again) out.bare("again", to_string(*environment.verify.again));
    out.bare("retryFor", to_string(environment.verify.retry_for));
  });
}

void write_suspend(Writer& out, const Suspend& suspend) {
  out.map("suspend", [&] {
    out.text("reason", suspend.reason);
    if (!suspend.by.empty()) out.text("by", suspend.by);
    if (suspend.until) out.bare("until", to_rfc3339(*suspend.until));
  });
}

}  // namespace

std::string canonical_site(const Site& site) {
  Writer out;
  out.line("apiVersion: tidegate/v1");
  out.line("kind: Site");
  out.map("metadata", [&] {
    out.text("name", site.name);
    if (site.labels.empty()) return;
    out.map("labels", [&] {
      for (const auto& [key, value] : site.labels) out.bare(scalar(key), scalar(value));
    });
  });
  out.map("spec", [&] {
    out.map("repository", [&] {
      out.text("url", site.repository.url);
      if (const auto& secret = site.repository.credentials)
        out.bare("credentials", "{secret: " + scalar(secret->name) + "}" + Writer::scope(*secret));
    });
    out.list("stages", site.stages);
    out.flag("launched", site.launched);
    out.map("application", [&] {
      out.text("type", site.application.type);
      out.text("docroot", site.application.docroot.empty() ? "." : site.application.docroot);
      out.list("writable", site.application.writable);
      out.secrets("buildSecrets", site.application.build_secrets);
      write_commands(out, site.application.commands);
    });
    write_site_content(out, site);
  });
  return out.take();
}

std::string canonical_environment(const std::string& site, const Environment& environment,
                                  bool with_suspend) {
  Writer out;
  out.line("apiVersion: tidegate/v1");
  out.line("kind: Environment");
  out.map("metadata", [&] {
    out.text("name", environment.name);
    out.text("site", site);
  });
  out.map("spec", [&] {
    if (environment.driver) out.text("driver", environment.driver->name);
    write_code(out, environment);
    write_content(out, environment.content);
    if (!environment.url.empty()) out.text("url", environment.url);
    if (!environment.preview_url.empty()) out.text("previewUrl", environment.preview_url);
    write_deploy(out, environment.deploy);
    write_verify(out, environment);
    out.map("onFailure", [&] {
      out.flag("rollback", environment.rollback);
      out.bare("restoreContent", environment.restore_content ? "whenUpdated" : "never");
      const RevertManifest& revert = environment.revert_manifest;
      if (revert.branch.empty())
        out.flag("revertManifest", revert.wanted);
      else
        out.bare("revertManifest", "{branch: " + scalar(revert.branch) + "}");
    });
    if (!environment.variables.empty())
      out.map("variables", [&] {
        for (const auto& [name, value] : environment.variables) {
          // Always quoted: a value that looks like a number stays what was written.
          const std::string spelt = scalar(value);
          out.bare(name, spelt.front() == '"' ? spelt : '"' + spelt + '"');
        }
      });
    out.secrets("secrets", environment.secrets);
    if (with_suspend && environment.suspend) write_suspend(out, *environment.suspend);
  });
  return out.take();
}

std::string canonical_driver(const HostDriverSpec& driver) {
  Writer out;
  out.line("apiVersion: tidegate/v1");
  out.line("kind: Driver");
  out.map("metadata", [&] { out.text("name", driver.name); });
  out.map("spec", [&] {
    out.map("host", [&] {
      out.text("root", driver.root);
      if (!driver.run_as.empty()) out.text("runAs", driver.run_as);
      out.bare("isolation", driver.sandbox ? "sandbox" : "none");
      out.bare("keepReleases", std::to_string(driver.keep_releases));
      if (!driver.mariadb) return;
      const MariaDbServer& server = *driver.mariadb;
      out.map("mariadb", [&] {
        if (!server.socket.empty()) out.text("socket", server.socket);
        if (!server.host.empty()) out.text("host", server.host);
        if (!server.host.empty()) out.bare("port", std::to_string(server.port));
        out.text("user", server.user);
        if (server.password)
          out.bare("password", "{secret: " + scalar(server.password->name) + "}");
        out.text("prefix", server.prefix);
      });
    });
  });
  return out.take();
}

std::string effective_yaml(const Site& site) {
  std::string result = canonical_site(site);
  for (const std::string& stage : site.stages)
    if (const Environment* environment = site.find(stage))
      result += "---\n" + canonical_environment(site.name, *environment, true);
  return result;
}

}  // namespace tidegate
