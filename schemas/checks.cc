#include "schemas/checks.h"

#include <algorithm>
#include <string_view>

#include "schemas/command_line.h"
#include "schemas/cron.h"
#include "schemas/text.h"
#include "schemas/time.h"

namespace tidegate {
namespace {

bool made_of(std::string_view text, bool (*fits)(char)) {
  return std::all_of(text.begin(), text.end(), fits);
}
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_name_char(char c) { return is_lower(c) || is_digit(c) || c == '-'; }
bool is_word_char(char c) { return is_letter(c) || is_digit(c) || c == '_'; }
bool is_file_char(char c) { return is_word_char(c) || c == '.' || c == '-'; }

bool begins_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}
bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string label_part(std::string_view text) {
  const bool inner = std::all_of(text.begin(), text.end(), is_file_char);
  const auto outer = [](char c) { return is_letter(c) || is_digit(c); };
  if (text.size() <= 63 && inner && outer(text.front()) && outer(text.back())) return "";
  return quote(text) +
         " is not a label: at most 63 letters, digits, '.', '_' and '-', a letter or digit at "
         "both ends";
}

}  // namespace

std::string wrong_name(const std::string& text) {
  if (text.size() > 63) return quote(text) + " is longer than 63 characters: choose a shorter name";
  if (!text.empty() && made_of(text, is_name_char) && text.front() != '-' && text.back() != '-')
    return "";
  return quote(text) +
         " is not a name: use lower-case letters, digits and '-', a letter or digit at both ends";
}

std::string wrong_environment_name(const std::string& text) {
  for (const char* reserved : {"keep", "empty", "archive", "backup", "adopted"})
    if (text == reserved)
      return quote(text) + " is a content source's word: choose another name for the environment";
  return wrong_name(text);
}

std::string wrong_name_pattern(const std::string& text) {
  const bool fits = !text.empty() && text.size() <= 63 &&
                    made_of(text, [](char c) { return is_name_char(c) || c == '*' || c == '?'; });
  return fits ? ""
              : quote(text) +
                    " is not a pattern of names: at most 63 lower-case letters, digits, '-', '*' "
                    "for any text and '?' for one character";
}

std::string wrong_time(const std::string& text) {
  return parse_rfc3339(text) ? ""
                             : quote(text) + " is not a time: write one like 2026-12-01T00:00:00Z";
}

std::string wrong_commit(const std::string& text) {
  if (text.size() == 40 && made_of(text, is_hex)) return "";
  if (text.size() == 40 &&
      made_of(text, [](char c) { return is_hex(c) || (c >= 'A' && c <= 'F'); }))
    return quote(text) + " is not a commit: write it in lower case";
  if (text.size() >= 4 && text.size() < 40 && made_of(text, is_hex))
    return quote(text) + " is a shortened commit: write all 40 digits (git rev-parse " + text + ")";
  return quote(text) +
         " is not a commit: write 40 hexadecimal digits, or follow a branch or tag instead";
}

std::string wrong_ref(const std::string& text) {
  const auto wrong = [&](const char* why) {
    return quote(text) + " is no name git allows: " + why;
  };
  if (text.empty()) return "is empty: write a name";
  if (text.size() > 255) return wrong("it is longer than 255 bytes");
  if (begins_with(text, "refs/")) return wrong("write it without refs/heads/ or refs/tags/");
  if (text.front() == '-') return wrong("it begins with '-'");
  if (text == "@" || text == "HEAD") return wrong("write the branch it stands for");
  if (has_control(text)) return wrong("it has a control character");
  const auto bad = text.find_first_of(" ~^:?*[\\");
  if (bad != std::string::npos) {
    const std::string why = "it has " + (text[bad] == ' ' ? "a space" : quote(text.substr(bad, 1)));
    return wrong(why.c_str());
  }
  for (const char* part : {"..", "@{", "//", "/."})
    if (text.find(part) != std::string::npos) return wrong(("it has " + quote(part)).c_str());
  if (text.front() == '/' || text.back() == '/') return wrong("it begins or ends with '/'");
  if (text.front() == '.' || text.back() == '.') return wrong("it begins or ends with '.'");
  if (ends_with(text, ".lock") || text.find(".lock/") != std::string::npos)
    return wrong("a part of it ends with \".lock\"");
  return "";
}

std::string wrong_relative_path(const std::string& text) {
  const auto wrong = [&](const std::string& why) { return quote(text) + " " + why; };
  if (text.empty()) return "is empty: write a path below the code tree";
  if (text.size() > 1024) return wrong("is longer than 1024 bytes");
  if (text.front() == '/') return wrong("is absolute: write it relative to the code tree");
  if (text.front() == '-') return wrong("begins with '-': commands would read an option");
  if (text.back() == '/') return wrong("ends with '/': write it without");
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('/', start), text.size());
    std::string part = text.substr(start, end - start);
    start = end + 1;
    if (part.empty()) return wrong("has \"//\": write one slash");
    if (part == "." || part == "..")
      return wrong("has a " + quote(part) +
                   " in it: write the path it stands for, inside the "
                   "code tree");
    if (part.size() > 255) return wrong("has a part that is longer than 255 bytes");
    std::transform(part.begin(), part.end(), part.begin(),
                   [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; });
    if (part == ".git") return wrong("leads into git's own folder: choose another");
  }
  const bool plain = made_of(text, [](char c) {
    return is_file_char(c) || std::string_view("/+@~=,").find(c) != std::string_view::npos;
  });
  return plain ? "" : wrong("has characters other than letters, digits and ._-+@~=,");
}

std::string wrong_docroot(const std::string& text) {
  return text == "." ? "" : wrong_relative_path(text);
}

std::string wrong_absolute_path(const std::string& text) {
  if (text.empty() || text.front() != '/') return quote(text) + " is not an absolute path";
  if (text == "/") return "\"/\" is the whole machine: name a directory of its own";
  const std::string below = wrong_relative_path(text.substr(1));
  if (below.empty()) return "";
  return quote(text) +
         " is not a normalised path: no \"//\", no \".\" or \"..\", no final slash, only letters, "
         "digits and ._-+@~=,";
}

std::string wrong_http_path(const std::string& text) {
  if (text.empty() || text.front() != '/') return quote(text) + " does not begin with \"/\"";
  if (text.size() > 2048) return quote(text) + " is longer than 2048 bytes";
  const bool plain = made_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
  return plain ? "" : quote(text) + " has characters an address cannot have: write them as %XX";
}

std::string wrong_http_header(const std::string& text) {
  const bool good = !text.empty() && text.size() <= 64 &&
                    made_of(text, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
  return good ? "" : quote(text) + " is not a header's name: write one like \"Cache-Control\"";
}

std::string wrong_line(const std::string& text) {
  if (text.empty()) return "is empty: write a few words, or remove the field";
  if (text.size() > 1024) return quote(text) + " is longer than 1024 bytes";
  return has_control(text) ? quote(text) + " has a control character: write one line" : "";
}

std::string wrong_variable(const std::string& text) {
  if (text.empty() || is_digit(text.front()) || !made_of(text, is_word_char) || text.size() > 255)
    return quote(text) + " is not a variable's name: letters, digits and '_', no digit first";
  const bool given = text == "PATH" || text == "HOME" || text == "LANG" ||
                     begins_with(text, "TIDEGATE_") || text == "DATABASE_URL" ||
                     ends_with(text, "_DATABASE_URL");
  return given ? quote(text) + " is set by Tidegate: choose another name" : "";
}

std::string wrong_variable_value(const std::string& text) {
  if (text.find('\n') != std::string::npos || text.find('\r') != std::string::npos)
    return "has a line break: a variable's value is one line";
  return text.find('\0') != std::string::npos ? "has a NUL character: remove it" : "";
}

std::string wrong_secret_name(const std::string& text) {
  if (!text.empty() && text.size() <= 253 && text.front() != '.' && made_of(text, is_file_char))
    return "";
  return "is not a secret's name: write the name of its file, of letters, digits, '.', '_' and "
         "'-', "
         "no dot first; never its value";
}

std::string wrong_label_key(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos)
    return text.empty() ? "a label's name is empty" : label_part(text);
  const std::string prefix = text.substr(0, slash), rest = text.substr(slash + 1);
  if (prefix.empty() || rest.empty()) return quote(text) + " is not a label: write prefix/name";
  const std::string wrong = label_part(prefix);
  return wrong.empty() ? label_part(rest) : wrong;
}

std::string wrong_label_value(const std::string& text) {
  return text.empty() ? "" : label_part(text);
}

std::string wrong_time_zone(const std::string& text) {
  const bool plain =
      made_of(text, [](char c) { return is_word_char(c) || c == '/' || c == '+' || c == '-'; });
  const bool fits = !text.empty() && text.size() <= 64 && plain && is_letter(text.front()) &&
                    text.back() != '/' && text.find("//") == std::string::npos;
  return fits ? "" : quote(text) + " is not a time zone: write one like \"Europe/Berlin\"";
}

std::string wrong_schedule(const std::string& text) {
  const auto cron = parse_cron(text);
  return cron ? "" : quote(text) + ": " + cron.error().message;
}

std::string wrong_command(const std::string& text) {
  const auto words = split_command(text);
  return words ? "" : quote(text) + " " + words.error().message;
}

std::string wrong_run_as(const std::string& text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool site = text.compare(i, 6, "{site}") == 0;
    const bool environment = text.compare(i, 13, "{environment}") == 0;
    name += site || environment ? 'x' : text[i];
    i += site ? 5 : environment ? 12 : 0;
  }
  const bool fits =
      !name.empty() && name.size() <= 32 && name.front() != '-' && !is_digit(name.front()) &&
      made_of(name, [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '_'; });
  return fits ? ""
              : quote(text) +
                    " is not a system user: lower-case letters, digits, '-' and '_', with {site} "
                    "and {environment} for their names";
}

std::string wrong_database_prefix(const std::string& text) {
  const bool fits = !text.empty() && text.size() <= 8 && is_lower(text.front()) &&
                    made_of(text, [](char c) { return is_lower(c) || is_digit(c); });
  return fits ? ""
              : quote(text) +
                    " is not a prefix: a lower-case letter, then up to 7 letters or digits";
}

std::string wrong_database_user(const std::string& text) {
  if (!text.empty() && text.size() <= 80 && text.front() != '-' && made_of(text, is_file_char))
    return "";
  return quote(text) + " is not a database user: letters, digits, '.', '_' and '-'";
}

std::string wrong_database_host(const std::string& text) {
  const bool fits =
      !text.empty() && text.size() <= 253 && text.front() != '-' && made_of(text, [](char c) {
        return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == ':';
      });
  return fits ? "" : quote(text) + " is not a host: write its name or address without a port";
}

bool path_inside(const std::string& path, const std::string& folder) {
  return path == folder || begins_with(path, folder + "/");
}

bool paths_overlap(const std::string& left, const std::string& right) {
  return path_inside(left, right) || path_inside(right, left);
}

}  // namespace tidegate
