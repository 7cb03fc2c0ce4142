#pragma once
// Documents as people and machines get them wrong, for tests: values that are right in one field
// and wrong in the next, and changes by chance.

#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace tidegate {

using Json = nlohmann::json;

/// Texts that are right in one field and wrong in the next.
inline const char* const odd_texts[] = {"",
                                        " ",
                                        "a",
                                        "A",
                                        "0",
                                        "-",
                                        ".",
                                        "..",
                                        "/",
                                        "~",
                                        "-x",
                                        "x-",
                                        "a/b",
                                        "a//b",
                                        "/a",
                                        "a/",
                                        "../a",
                                        "a/../b",
                                        "./a",
                                        ".git",
                                        "a/.GIT/b",
                                        "a b",
                                        "a\nb",
                                        "a\tb",
                                        "a\u007f",
                                        "keep",
                                        "empty",
                                        "archive",
                                        "backup",
                                        "adopted",
                                        "live",
                                        "dev",
                                        "TIDEGATE_X",
                                        "PATH",
                                        "DATABASE_URL",
                                        "MAIN_DATABASE_URL",
                                        "A_1",
                                        "1A",
                                        "http://h",
                                        "https://h:70000/",
                                        "https://u:p@h/",
                                        "https://[::1]:8080/x",
                                        "ftp://h/",
                                        "ssh://git@h/x",
                                        "ssh://-o/x",
                                        "ssh://h/-x",
                                        "git@h:x",
                                        "ext::sh",
                                        "file:///x",
                                        "file://h/x",
                                        "1s",
                                        "0s",
                                        "00s",
                                        "01m",
                                        "59s",
                                        "60s",
                                        "1m",
                                        "601s",
                                        "10m",
                                        "24h",
                                        "25h",
                                        "1d",
                                        "3650d",
                                        "3651d",
                                        "87600h",
                                        "1.5h",
                                        "5",
                                        "ms",
                                        "999ms",
                                        "1000ms",
                                        "86400000ms",
                                        "86400001ms",
                                        "315360000000ms",
                                        "315360000001ms",
                                        "* * * * *",
                                        "0 3 * * *",
                                        "60 * * * *",
                                        "*/5 0-23/2 1,15 jan-MAR mon",
                                        "5/2 * * * *",
                                        "* * * * 8",
                                        "* * 0 * *",
                                        "*/60 * * * *",
                                        "  0003 3 * *   7 ",
                                        "UTC",
                                        "Europe/Berlin",
                                        "Etc/GMT+1",
                                        "/UTC",
                                        "Europe//X",
                                        "1X",
                                        "main",
                                        "feature/x",
                                        "v1.0",
                                        "@",
                                        "HEAD",
                                        "a@{b",
                                        "a..b",
                                        "a.lock",
                                        "a.lock/b",
                                        ".a",
                                        "a/.b",
                                        "a.",
                                        "refs/heads/main",
                                        "a^b",
                                        "a:b",
                                        "a[b",
                                        "a]b",
                                        "a\\b",
                                        "9fceb02d0ae598e95dc970b74767f19372d61af8",
                                        "9FCEB02D0AE598E95DC970B74767F19372D61AF8",
                                        "9fceb02",
                                        "{site}",
                                        "{site}-{environment}",
                                        "{user}",
                                        "www-data",
                                        "2026-12-01T00:00:00Z",
                                        "2026-12-01t23:59:59.5+02:00",
                                        "2026-12-01",
                                        "2026-02-29T00:00:00Z",
                                        "2028-02-29T00:00:00Z",
                                        "2026-12-01T24:00:00Z",
                                        "2026-12-01T00:00:00",
                                        "1969-12-31T23:59:59Z",
                                        "sh -c 'a && b'",
                                        "a && b",
                                        "a 'b",
                                        "a \"b\\\" c\"",
                                        "a \\",
                                        "''",
                                        "'' a",
                                        "a > b",
                                        "a>b",
                                        "a\n",
                                        "a\nb c",
                                        "/?q=%20",
                                        "/a#b",
                                        "?a",
                                        "wordpress",
                                        "custom",
                                        "mariadb",
                                        "sqlite",
                                        "mysql",
                                        "sandbox",
                                        "none",
                                        "auto",
                                        "always",
                                        "databases",
                                        "files",
                                        "tidegate/v1",
                                        "Site",
                                        "Environment",
                                        "Policy",
                                        "x.y/z",
                                        "x/y/z",
                                        "_x",
                                        "acme-*",
                                        "?",
                                        "[a]",
                                        "/spec",
                                        "/spec/verify/http/0/path",
                                        "/spec/verify/http/01",
                                        "/spec/verify/htp",
                                        "/spec/variables/A/B",
                                        "/spec/",
                                        "44640m",
                                        "44641m",
                                        "31d",
                                        "32d",
                                        "wipe",
                                        "required"};

inline const std::vector<Json>& odd_values() {
  static const std::vector<Json> values = {nullptr,
                                           true,
                                           false,
                                           0,
                                           1,
                                           -1,
                                           7,
                                           99,
                                           100,
                                           101,
                                           599,
                                           600,
                                           3306,
                                           65535,
                                           65536,
                                           9007199254740991,
                                           9007199254740992,
                                           1.5,
                                           Json::array(),
                                           Json::object(),
                                           Json::array({"files"}),
                                           Json::array({"files", "files"}),
                                           Json::array({"dev", "live"}),
                                           Json::array({1}),
                                           Json::array({nullptr}),
                                           Json::array({Json::array()}),
                                           Json{{"secret", "a"}},
                                           Json{{"ifOlderThan", "1h"}},
                                           Json{{"x", 1}}};
  return values;
}

inline Json odd_value(std::mt19937_64& random) {
  if (random() % 3) return odd_texts[random() % std::size(odd_texts)];
  return odd_values()[random() % odd_values().size()];
}

inline std::string odd_key(std::mt19937_64& random) {
  static const char* const keys[] = {"name",        "site",         "labels",
                                     "class",       "repository",   "url",
                                     "credentials", "stages",       "launched",
                                     "driver",      "application",  "type",
                                     "docroot",     "writable",     "buildSecrets",
                                     "commands",    "build",        "update",
                                     "content",     "databases",    "files",
                                     "path",        "engine",       "source",
                                     "generation",  "include",      "refresh",
                                     "onPromote",   "every",        "schedule",
                                     "timeZone",    "ifOlderThan",  "code",
                                     "commit",      "tag",          "branch",
                                     "from",        "previewUrl",   "deploy",
                                     "maintenance", "note",         "timeout",
                                     "verify",      "http",         "status",
                                     "contains",    "retryFor",     "onFailure",
                                     "rollback",    "variables",    "secrets",
                                     "suspend",     "reason",       "by",
                                     "until",       "host",         "root",
                                     "runAs",       "isolation",    "keepReleases",
                                     "mariadb",     "socket",       "port",
                                     "user",        "password",     "prefix",
                                     "sqlite",      "secret",       "environments",
                                     "spec",        "metadata",     "kind",
                                     "apiVersion",  "configStatus", "deletionPolicy",
                                     "sanitizer",   "beforeChange", "restoreContent",
                                     "ssh",         "pantheon",     "select",
                                     "rules",       "sites",        "names",
                                     "matchLabels", "authority",    "provenIn",
                                     "for",         "windows",      "allow",
                                     "deny",        "cron",         "duration",
                                     "limits",      "operations",   "backup",
                                     "newerThan",   "blastRadius",  "maxSites",
                                     "require",     "forbid",       "verbs",
                                     "field",       "equals",       "oneOf",
                                     "matches",     "message",      "except",
                                     "expires",     "promote",      "sync",
                                     "wipe",        "unlaunch",     "environment",
                                     "header",      "within",       "certificate",
                                     "validFor",    "compare",      "paths",
                                     "titles",      "soak",         "again",
                                     "restoreContent", "revertManifest"};
  if (random() % 4 == 0) return odd_texts[random() % std::size(odd_texts)];
  return keys[random() % std::size(keys)];
}

inline void collect(Json& value, std::vector<Json*>& into) {
  into.push_back(&value);
  if (value.is_structured()) {
    for (Json& item : value) collect(item, into);
  }
}

inline void change_text(std::string& text, std::mt19937_64& random) {
  static const std::string characters = "aZ09-_./:@ '\"\\*{}[]~^?#%,;=&|<>$\n\t\x01";
  const std::size_t at = text.empty() ? 0 : random() % text.size();
  const char c = characters[random() % characters.size()];
  switch (random() % 4) {
    case 0:
      text.insert(at, 1, c);
      break;
    case 1:
      if (!text.empty()) text.erase(at, 1);
      break;
    case 2:
      if (!text.empty()) text[at] = c;
      break;
    default:
      text += c;
  }
}

/// Changes one place of a document.
inline void mutate(Json& document, std::mt19937_64& random) {
  std::vector<Json*> values;
  collect(document, values);
  Json& value = *values[random() % values.size()];
  const auto what = random() % 6;
  if (value.is_string() && what < 3) {
    std::string text = value;
    change_text(text, random);
    value = text;
  } else if (value.is_object() && !value.empty() && what < 2) {
    value.erase(std::next(value.begin(), static_cast<long>(random() % value.size())).key());
  } else if (value.is_object() && what < 5) {
    value[odd_key(random)] =
        random() % 3 ? Json(*values[random() % values.size()]) : odd_value(random);
  } else if (value.is_array() && what < 4) {
    if (value.empty() || random() % 2) {
      value.push_back(value.empty() ? odd_value(random) : Json(value[random() % value.size()]));
    } else {
      value.erase(random() % value.size());
    }
  } else {
    value = random() % 4 ? odd_value(random) : Json(*values[random() % values.size()]);
  }
}

}  // namespace tidegate
