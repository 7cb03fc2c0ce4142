#include "controller/signatures/signed_text.h"

#include <algorithm>
#include <string_view>

namespace tidegate {
namespace {

constexpr std::size_t mail_bytes_max = 320;

/// One line of the header, with the lines that go on from it (they begin with a space).
struct Field {
  std::string_view name, value;
  std::string_view whole;  ///< With its newlines.
};

/// Takes the first field away from `header`.
Field take_field(std::string_view& header) {
  std::size_t end = header.find('\n');
  while (end != header.npos && end + 1 < header.size() && header[end + 1] == ' ')
    end = header.find('\n', end + 1);
  const std::string_view whole = header.substr(0, end == header.npos ? end : end + 1);
  header.remove_prefix(whole.size());
  std::string_view line = whole;
  if (line.ends_with('\n')) line.remove_suffix(1);
  const std::size_t space = std::min(line.find(' '), line.size());
  return {line.substr(0, space), line.substr(std::min(space + 1, line.size())), whole};
}

/// "Name <mail> 1700000000 +0000".
std::string mail_in(std::string_view person) {
  const std::size_t end = person.rfind('>');
  const std::size_t begin = person.rfind('<', end);
  if (end == person.npos || begin == person.npos) return "";
  const std::string_view mail = person.substr(begin + 1, end - begin - 1);
  const bool plain = std::ranges::all_of(mail, [](unsigned char c) { return c > ' ' && c != 127; });
  return plain && mail.size() <= mail_bytes_max ? std::string(mail) : "";
}

std::string unfolded(std::string_view value) {
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    text += value[i];
    if (value[i] == '\n') ++i;  // The space that made it go on.
  }
  return text + "\n";
}

Error not_git(const std::string& what) {
  return {ErrorKind::invalid, "is not written as git writes it: " + what};
}

/// The header, and the message with the empty line before it.
Result<std::pair<std::string_view, std::string_view>> split(std::string_view object) {
  if (object.find('\0') != object.npos) return not_git("it holds a NUL byte");
  const std::size_t empty_line = object.find("\n\n");
  if (empty_line == object.npos) return not_git("no empty line ends its header");
  return std::pair(object.substr(0, empty_line + 1), object.substr(empty_line + 1));
}

}  // namespace

Result<SignedText> read_signed_commit(const std::string& object) {
  auto parts = split(object);
  if (!parts) return std::move(parts.error());
  SignedText out;
  auto [header, message] = *parts;
  bool committed = false;
  while (!header.empty()) {
    const Field field = take_field(header);
    if (field.name == "gpgsig") {
      if (!out.signature.empty()) return not_git("it holds two signatures");
      out.signature = unfolded(field.value);
      continue;
    }
    if (field.name == "gpgsig-sha256") continue;  // Of the same commit in a SHA-256 repository.
    if (field.name == "committer") {
      if (committed) return not_git("it holds two committers");
      committed = true;
      out.mail = mail_in(field.value);
    }
    out.text += field.whole;
  }
  out.text += message;
  return out;
}

Result<SignedText> read_signed_tag(const std::string& object) {
  auto parts = split(object);
  if (!parts) return std::move(parts.error());
  SignedText out;
  auto [header, message] = *parts;
  while (!header.empty()) {
    const Field field = take_field(header);
    if (field.name == "tag") out.tag = field.value;
    if (field.name == "tagger") out.mail = mail_in(field.value);
  }
  // A tag's signature ends it; a line like that may also stand in the message before.
  std::size_t begin = object.npos;
  for (const char* mark : {"\n-----BEGIN SSH SIGNATURE-----", "\n-----BEGIN PGP SIGNATURE-----"}) {
    const std::size_t found = object.rfind(mark);
    if (found != object.npos && (begin == object.npos || found > begin)) begin = found;
  }
  const bool has_signature = begin != object.npos && begin + 1 >= object.size() - message.size();
  out.text = has_signature ? object.substr(0, begin + 1) : object;
  if (has_signature) out.signature = object.substr(begin + 1);
  return out;
}

}  // namespace tidegate
