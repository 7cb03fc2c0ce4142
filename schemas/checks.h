#pragma once
// What single values must look like. Each check returns "" for a good value, else what is wrong
// with it, the value quoted and the mend named. Pure; a value that may hold a secret is never
// repeated.

#include <string>

namespace tidegate {

/// A DNS label: lower-case letters, digits and inner hyphens, at most 63. Sites, environments,
/// classes, drivers, databases, files.
std::string wrong_name(const std::string& text);
/// A name, and none that content sources use: keep, empty, archive, backup, adopted.
std::string wrong_environment_name(const std::string& text);
/// A glob of names: what names are made of, `*` for any text and `?` for one character.
std::string wrong_name_pattern(const std::string& text);
/// A JSON pointer (RFC 6901) to a field that an effective Environment document may have.
std::string wrong_field_pointer(const std::string& text);
/// A point in time that parse_rfc3339 reads.
std::string wrong_time(const std::string& text);
/// 40 lower-case hex digits.
std::string wrong_commit(const std::string& text);
/// A branch or tag by git's own rules for ref names.
std::string wrong_ref(const std::string& text);
/// http(s)://, ssh://, file:// or an absolute path, without secrets and nothing a program could
/// take for an option or another transport.
std::string wrong_repository_url(const std::string& text);
/// An absolute http or https address, without user, query or fragment.
std::string wrong_web_url(const std::string& text);
/// A path below the code tree: relative, normalised, of letters, digits and ._-+@~=, only.
std::string wrong_relative_path(const std::string& text);
/// The same, or "." for the tree itself.
std::string wrong_docroot(const std::string& text);
/// An absolute, normalised path other than "/".
std::string wrong_absolute_path(const std::string& text);
/// The path of an HTTP check: begins with "/", printable ASCII without spaces and "#".
std::string wrong_http_path(const std::string& text);
/// The name of an HTTP header: letters, digits and hyphens, at most 64.
std::string wrong_http_header(const std::string& text);
/// A line of text for people: not empty, no control characters, at most 1024 bytes.
std::string wrong_line(const std::string& text);
/// A variable's or secret variable's name, none that CONTRACT gives a meaning.
std::string wrong_variable(const std::string& text);
/// A variable's value: no line break, no NUL. Never repeated.
std::string wrong_variable_value(const std::string& text);
/// The name of a secret: a file name of letters, digits, dots, hyphens and underscores. Never
/// repeated: people write the secret itself there.
std::string wrong_secret_name(const std::string& text);
std::string wrong_label_key(const std::string& text);
std::string wrong_label_value(const std::string& text);
/// An IANA time zone's name by its form; whether it exists is not asked here.
std::string wrong_time_zone(const std::string& text);
/// A schedule that parse_cron reads.
std::string wrong_schedule(const std::string& text);
/// A command line that split_command reads.
std::string wrong_command(const std::string& text);
/// A system user, {site} and {environment} standing for their names.
std::string wrong_run_as(const std::string& text);
std::string wrong_database_prefix(const std::string& text);
std::string wrong_database_user(const std::string& text);
std::string wrong_database_host(const std::string& text);

/// Whether one path is the other, or lies inside it. Both normalised.
bool paths_overlap(const std::string& left, const std::string& right);
/// Whether `path` is `folder`, or lies inside it.
bool path_inside(const std::string& path, const std::string& folder);

}  // namespace tidegate
