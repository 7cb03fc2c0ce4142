#include "schemas/effective.h"

#include <algorithm>

#include "schemas/checks.h"
#include "schemas/digest.h"
#include "schemas/policy.h"
#include "schemas/presets.h"
#include "schemas/text.h"

namespace tidegate {
namespace {

template <class T>
void replace(std::optional<T>& under, const std::optional<T>& over) {
  if (over) under = over;
}
template <class T>
void merge_keys(std::map<std::string, T>& under, const std::map<std::string, T>& over) {
  for (const auto& [key, value] : over) under[key] = value;
}

SiteFields merged(SiteFields under, const SiteFields& over) {
  replace(under.driver, over.driver);
  replace(under.repository, over.repository);
  replace(under.stages, over.stages);
  replace(under.launched, over.launched);
  replace(under.type, over.type);
  replace(under.docroot, over.docroot);
  replace(under.writable, over.writable);
  merge_keys(under.build_secrets, over.build_secrets);
  merge_keys(under.commands, over.commands);
  replace(under.databases, over.databases);
  replace(under.files, over.files);
  return under;
}

EnvironmentFields merged(EnvironmentFields under, const EnvironmentFields& over) {
  replace(under.driver, over.driver);
  replace(under.code, over.code);
  replace(under.writable, over.writable);
  replace(under.source, over.source);
  replace(under.generation, over.generation);
  replace(under.include, over.include);
  replace(under.refresh, over.refresh);
  replace(under.url, over.url);
  replace(under.preview_url, over.preview_url);
  replace(under.update, over.update);
  replace(under.clear_cache, over.clear_cache);
  replace(under.maintenance_always, over.maintenance_always);
  replace(under.note, over.note);
  replace(under.timeout, over.timeout);
  if (over.http) under.certificate = over.certificate;
  replace(under.http, over.http);
  replace(under.verify_commands, over.verify_commands);
  replace(under.compare, over.compare);
  replace(under.soak, over.soak);
  replace(under.again, over.again);
  replace(under.retry_for, over.retry_for);
  replace(under.rollback, over.rollback);
  replace(under.restore_content, over.restore_content);
  replace(under.revert_manifest, over.revert_manifest);
  replace(under.suspend, over.suspend);
  // A name is a variable or a secret, whichever was said last.
  for (const auto& [name, value] : over.variables) under.secrets.erase(name);
  for (const auto& [name, secret] : over.secrets) under.variables.erase(name);
  merge_keys(under.variables, over.variables);
  merge_keys(under.secrets, over.secrets);
  return under;
}

std::vector<std::string> values_of(const std::vector<Marked<std::string>>& marked) {
  std::vector<std::string> values;
  for (const auto& item : marked) values.push_back(item.value);
  return values;
}

Commands commands_of(const std::map<std::string, std::vector<std::string>>& by_name) {
  const auto get = [&](const char* name) {
    const auto found = by_name.find(name);
    return found == by_name.end() ? std::vector<std::string>{} : found->second;
  };
  return {get("build"),        get("afterCopy"),     get("updatePending"),
          get("update"),       get("clearCache"),    get("install"),
          get("configStatus"), get("maintenanceOn"), get("maintenanceOff")};
}

// Merges one site. Members below `input_` are what has been merged so far.
class Merger {
 public:
  explicit Merger(const SiteInput& input) : input_(input) {}

  Effective merge() {
    if (input_.site_class) fields_ = input_.site_class->site_class->site;
    fields_ = merged(std::move(fields_), input_.site->site->fields);
    fill_site();
    check_paths();
    check_site_driver();
    for (const Document* document : input_.environments) add_environment(*document);
    check_stages();
    Effective effective{std::move(site_), {}};
    effective.site.digest = sha256_hex(canonical_site(effective.site));
    std::sort(problems_.begin(), problems_.end());
    problems_.erase(std::unique(problems_.begin(), problems_.end()), problems_.end());
    effective.problems = std::move(problems_);
    return effective;
  }

 private:
  void fill_site() {
    site_.name = input_.site->key.name;
    site_.labels = input_.site->site->labels;
    if (fields_.repository) site_.repository = fields_.repository->value;
    if (!fields_.repository)
      missing(*input_.site, "repository", "write it here or in the site's class");
    if (fields_.stages) site_.stages = values_of(*fields_.stages);
    if (!fields_.stages) missing(*input_.site, "stages", "write the environments, lowest first");
    site_.launched = fields_.launched.value_or(true);
    Application& application = site_.application;
    application.type = fields_.type.value_or("custom");
    application.docroot = fields_.docroot.value_or(preset_docroot(application.type));
    application.build_secrets = fields_.build_secrets;
    auto commands = preset_commands(application.type);
    merge_keys(commands, fields_.commands);
    application.commands = commands_of(commands);
    for (const auto& database :
         fields_.databases.value_or(std::vector<Marked<DatabaseDeclaration>>{}))
      site_.databases.push_back(database.value);
    for (const auto& files : fields_.files.value_or(std::vector<Marked<FilesDeclaration>>{}))
      site_.files.push_back(files.value);
    if (fields_.writable)
      application.writable = values_of(*fields_.writable);
    else
      for (std::string& path : preset_writable(application.type, application.docroot))
        if (!is_content(path)) application.writable.push_back(std::move(path));
  }

  // What is content is writable anyway.
  bool is_content(const std::string& path) const {
    return std::any_of(site_.files.begin(), site_.files.end(),
                       [&](const auto& files) { return path_inside(path, files.path); });
  }

  void check_paths() {
    if (!fields_.files) return;
    for (std::size_t i = 0; i < fields_.files->size(); ++i) {
      const auto& [files, mark] = (*fields_.files)[i];
      const std::string place = "content.files[" + std::to_string(i) + "].path";
      const std::string& docroot = site_.application.docroot;
      if (!docroot.empty() && path_inside(docroot, files.path))
        tell(site_problem(mark, place,
                          quote(files.path) + " holds the docroot " + quote(docroot) +
                              ": content cannot hold code"));
      for (const std::string& writable : site_.application.writable)
        if (paths_overlap(files.path, writable))
          tell(site_problem(mark, place,
                            quote(files.path) + " overlaps the writable path " + quote(writable) +
                                ": keep one of them"));
    }
  }

  void check_site_driver() {
    if (!fields_.driver) return;
    resolve_driver(fields_.driver->value, [&](const std::string& text) {
      return site_problem(fields_.driver->mark, "driver", text);
    });
  }

  void add_environment(const Document& document) {
    EnvironmentFields fields;
    if (input_.site_class) fields = input_.site_class->site_class->environments;
    fields = merged(std::move(fields), *document.environment);
    Environment environment;
    environment.name = document.key.name;
    const std::size_t stage = site_.stage_of(environment.name);
    if (stage == site_.stages.size() && fields_.stages) {
      tell({document.file, document.line, document.column, "metadata.name",
            quote(environment.name) + " is in no stage of site " + quote(site_.name) +
                did_you_mean(environment.name, stage_names(site_.stages.size()))});
      return;
    }
    fill_driver(document, fields, environment);
    fill_code(document, fields, stage, environment);
    fill_content(document, fields, environment);
    fill_deploy(fields, environment);
    fill_on_failure(fields, stage, environment);
    fill_verify(document, fields, environment);
    environment.variables = std::move(fields.variables);
    environment.secrets = std::move(fields.secrets);
    environment.suspend = std::move(fields.suspend);
    environment.digest =
        sha256_hex(canonical_environment(site_.name, environment, false) +
                   (environment.driver ? "---\n" + canonical_driver(*environment.driver) : ""));
    site_.environments.emplace(document.key.name, std::move(environment));
  }

  void fill_driver(const Document& document, const EnvironmentFields& fields,
                   Environment& environment) {
    if (fields.driver) {
      environment.driver = resolve_driver(fields.driver->value, [&](const std::string& text) {
        return environment_problem(document, fields.driver->mark, "driver", text);
      });
    } else if (fields_.driver) {
      const auto found = input_.drivers->find(fields_.driver->value);
      if (found != input_.drivers->end()) environment.driver = found->second;
    } else {
      Problem problem{document.file, document.line, document.column, "spec.driver",
                      "is missing: name a Driver here, in the Site or in its class"};
      problem.warning = input_.drivers->empty();
      tell(std::move(problem));
    }
    if (!environment.driver || environment.driver->mariadb || !fields_.databases) return;
    for (std::size_t i = 0; i < fields_.databases->size(); ++i)
      if (site_.databases[i].engine == Engine::mariadb)
        tell(site_problem(
            (*fields_.databases)[i].mark, "content.databases[" + std::to_string(i) + "].engine",
            "environment " + quote(environment.name) + " has no MariaDB: add mariadb to Driver " +
                quote(environment.driver->name)));
  }

  template <class At>
  std::shared_ptr<const HostDriverSpec> resolve_driver(const std::string& name, At at) {
    const auto found = input_.drivers->find(name);
    if (found != input_.drivers->end()) {
      if (!found->second) tell(at("Driver " + quote(name) + " is broken: see its document"));
      return found->second;
    }
    std::vector<std::string_view> known;
    for (const auto& driver : *input_.drivers) known.push_back(driver.first);
    Problem problem = at("no Driver is called " + quote(name) + did_you_mean(name, known));
    problem.warning = known.empty();
    tell(std::move(problem));
    return nullptr;
  }

  void fill_code(const Document& document, EnvironmentFields& fields, std::size_t stage,
                 Environment& environment) {
    if (!fields.code) return missing(document, "code", "write commit, tag, branch or from");
    environment.code = std::move(fields.code->value);
    environment.writable = fields.writable && fields.writable->value;
    if (environment.writable && stage != 0 && fields_.stages)
      tell(environment_problem(document, fields.writable->mark, "code.writable",
                               "is for the lowest stage alone, " + quote(site_.stages.front()) +
                                   ": code goes up from there; remove it here"));
    const auto* from = std::get_if<ProvenIn>(&environment.code);
    if (from == nullptr || site_.stage_of(from->environment) < stage) return;
    const auto below = stage_names(stage);
    std::string text = quote(from->environment) + " is no stage below " + quote(document.key.name);
    text += below.empty() ? ": the lowest stage follows a branch, tag or commit"
                          : ": write " + alternatives(below);
    tell(environment_problem(document, fields.code->mark, "code.from", text));
  }

  void fill_content(const Document& document, EnvironmentFields& fields, Environment& environment) {
    ContentSpec& content = environment.content;
    if (fields.source) content.source = fields.source->value;
    if (content.source != ContentSource::keep()) content.generation = fields.generation.value_or(1);
    std::tie(content.databases, content.files) = fields.include.value_or(std::pair(true, true));
    const bool copied = content.source.kind == ContentSource::Kind::environment;
    if (copied) check_source(document, *fields.source);
    if (!fields.refresh) return;
    if (copied) {
      content.refresh = std::move(fields.refresh->value);
    } else if (!fields.refresh->mark.of_class) {
      tell(environment_problem(document, fields.refresh->mark, "content.refresh",
                               "goes with content from an environment only: remove it, or name "
                               "one in source"));
    }
  }

  void check_source(const Document& document, const Marked<ContentSource>& source) {
    const std::string& name = source.value.environment;
    const auto wrong = [&](const std::string& text) {
      tell(environment_problem(document, source.mark, "content.source", text));
    };
    if (name == document.key.name)
      return wrong(quote(name) + " is the environment itself: write keep to leave its content");
    if (site_.stage_of(name) < site_.stages.size() || !fields_.stages) return;
    auto known = stage_names(site_.stages.size());
    known.insert(known.end(), {"keep", "empty"});
    wrong(quote(name) + " is no environment of site " + quote(site_.name) +
          did_you_mean(name, known));
  }

  static void fill_deploy(EnvironmentFields& fields, Environment& environment) {
    Deploy& deploy = environment.deploy;
    environment.url = fields.url.value_or("");
    environment.preview_url = fields.preview_url.value_or("");
    deploy.update = fields.update.value_or(deploy.update);
    deploy.clear_cache = fields.clear_cache.value_or(deploy.clear_cache);
    deploy.maintenance_always = fields.maintenance_always.value_or(deploy.maintenance_always);
    deploy.note = fields.note.value_or("");
    deploy.timeout = fields.timeout.value_or(deploy.timeout);
    environment.rollback = fields.rollback.value_or(true);
  }

  /// What visitors of the last stage wrote is nothing that a class gives up for everybody.
  void fill_on_failure(const EnvironmentFields& fields, std::size_t stage,
                       Environment& environment) const {
    const bool last = stage + 1 == site_.stages.size();
    const auto& restore = fields.restore_content;
    environment.restore_content = restore && restore->value && !(last && restore->mark.of_class);
    environment.revert_manifest = fields.revert_manifest.value_or(RevertManifest{});
    std::string& branch = environment.revert_manifest.branch;
    branch = filled_in(branch, site_.name, environment.name);
  }

  void fill_verify(const Document& document, EnvironmentFields& fields, Environment& environment) {
    Verify& verify = environment.verify;
    verify.commands = fields.verify_commands.value_or(std::vector<std::string>{});
    verify.retry_for = fields.retry_for.value_or(verify.retry_for);
    const bool reachable = !environment.url.empty() || !environment.preview_url.empty();
    if (fields.http && reachable)
      verify.http = std::move(fields.http->value);
    else if (fields.http && !fields.http->mark.of_class && !fields.http->value.empty())
      tell(environment_problem(document, fields.http->mark, "verify.http",
                               "has no address to look at: write url or previewUrl"));
    else if (!fields.http && !environment.url.empty())
      verify.http = {HttpCheck{}};
    check_certificate(document, fields, environment);
    fill_longer_looks(document, fields, environment);
  }

  void check_certificate(const Document& document, const EnvironmentFields& fields,
                         const Environment& environment) {
    const std::string& url = environment.url.empty() ? environment.preview_url : environment.url;
    if (!fields.certificate || url.empty() || url.starts_with("https://")) return;
    const std::string place =
        "verify.http[" + std::to_string(fields.certificate->value) + "].certificate";
    tell(environment_problem(document, fields.certificate->mark, place,
                             quote(url) + " has none: write an address with https://, or remove "
                                          "it"));
  }

  /// What looks where visitors do, and for longer than once.
  void fill_longer_looks(const Document& document, EnvironmentFields& fields,
                         Environment& environment) {
    Verify& verify = environment.verify;
    verify.again = fields.again;
    const auto refuse = [&](const Mark& mark, const char* field, const char* why) {
      if (!mark.of_class) tell(environment_problem(document, mark, field, why));
    };
    const char* unreachable = "has no address to look at: write url";
    if (fields.compare && !environment.url.empty())
      verify.compare = std::move(fields.compare->value);
    else if (fields.compare)
      refuse(fields.compare->mark, "verify.compare", unreachable);
    if (!fields.soak) return;
    if (environment.url.empty()) return refuse(fields.soak->mark, "verify.soak", unreachable);
    if (verify.http.empty())
      return refuse(fields.soak->mark, "verify.soak", "repeats no check: write verify.http");
    verify.soak = fields.soak->value;
  }

  void check_stages() {
    if (!fields_.stages) return;
    for (std::size_t i = 0; i < fields_.stages->size(); ++i) {
      const auto& [stage, mark] = (*fields_.stages)[i];
      if (input_.environment_names.count(stage) > 0) continue;
      Problem problem = site_problem(mark, "stages[" + std::to_string(i) + "]",
                                     "no Environment " + quote(stage) + " of site " +
                                         quote(site_.name) + " is given: it is left alone");
      problem.warning = true;
      tell(std::move(problem));
    }
  }

  std::vector<std::string_view> stage_names(std::size_t count) const {
    const auto begin = site_.stages.begin();
    return {begin, begin + static_cast<std::ptrdiff_t>(std::min(count, site_.stages.size()))};
  }

  Problem site_problem(const Mark& mark, const std::string& path, std::string text) const {
    const Document& document = mark.of_class ? *input_.site_class : *input_.site;
    return {document.file, mark.line, mark.column, "spec." + path, std::move(text)};
  }
  Problem environment_problem(const Document& document, const Mark& mark, const std::string& path,
                              std::string text) const {
    if (!mark.of_class)
      return {document.file, mark.line, mark.column, "spec." + path, std::move(text)};
    return {input_.site_class->file, mark.line, mark.column, "spec.environments." + path,
            "for environment " + quote(document.key.name) + " of site " + quote(site_.name) + ": " +
                std::move(text)};
  }
  void missing(const Document& document, const std::string& field, const std::string& mend) {
    tell({document.file, document.line, document.column, "spec." + field, "is missing: " + mend});
  }
  void tell(Problem problem) { problems_.push_back(std::move(problem)); }

  const SiteInput& input_;
  SiteFields fields_;
  Site site_;
  std::vector<Problem> problems_;
};

}  // namespace

Effective make_effective(const SiteInput& input) { return Merger(input).merge(); }

bool same_documents(const Site& left, const Site& right) {
  const auto same = [](const auto& one, const auto& other) {
    return one.first == other.first && one.second.digest == other.second.digest &&
           one.second.suspend == other.second.suspend;
  };
  return left.digest == right.digest && left.environments.size() == right.environments.size() &&
         std::equal(left.environments.begin(), left.environments.end(), right.environments.begin(),
                    same);
}

bool same_value(const Site& left, const Site& right) {
  const Governance none;
  const Governance& one = left.governance ? *left.governance : none;
  const Governance& other = right.governance ? *right.governance : none;
  return same_documents(left, right) && one == other &&
         left.manifest_commits == right.manifest_commits;
}

}  // namespace tidegate
