// A tree manifest as text: one line an entry, fields parted by tabs, paths last and escaped.

#include <algorithm>
#include <charconv>

#include "controller/host/files/durable.h"
#include "controller/host/files/handle.h"
#include "controller/host/files/tree.h"
#include "controller/host/files/tree_parts.h"

namespace tidegate {
namespace {

constexpr std::string_view heading = "tidegate tree 1";
/// About four million files.
constexpr std::size_t size_limit = std::size_t{1} << 30;

/// Percent signs and control characters as %XX, so that no path holds a tab or a newline.
void append_escaped(std::string& text, std::string_view raw) {
  for (const char byte : raw) {
    const auto value = static_cast<unsigned char>(byte);
    if (value >= 0x20 && value != 0x7f && value != '%') {
      text += byte;
      continue;
    }
    text += '%';
    text += "0123456789abcdef"[value >> 4];
    text += "0123456789abcdef"[value & 15];
  }
}

int digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool unescape(std::string_view escaped, std::string& raw) {
  for (std::size_t at = 0; at < escaped.size(); ++at) {
    if (escaped[at] != '%') {
      raw += escaped[at];
      continue;
    }
    if (at + 2 >= escaped.size()) return false;
    const int high = digit(escaped[at + 1]), low = digit(escaped[at + 2]);
    if (high < 0 || low < 0) return false;
    raw += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return true;
}

/// Takes fields off a line from the left.
struct Fields {
  std::string_view rest;
  bool good = true;

  std::string_view text() {
    const std::size_t end = std::min(rest.find('\t'), rest.size());
    const std::string_view field = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return field;
  }
  template <class Number>
  Number number(int base = 10) {
    const std::string_view field = text();
    Number value{};
    const auto read = std::from_chars(field.data(), field.data() + field.size(), value, base);
    good = good && read.ec == std::errc() && read.ptr == field.data() + field.size();
    return value;
  }
  std::string path() {
    std::string raw;
    good = unescape(text(), raw) && good;
    return raw;
  }
};

std::string line_of(const TreeEntry& entry) {
  std::string line(1, "FDL"[static_cast<int>(entry.kind)]);
  char mode[16];
  const auto end = std::to_chars(mode, mode + sizeof mode, entry.mode, 8).ptr;
  line.append("\t").append(mode, end);
  line += '\t' + std::to_string(entry.size) + '\t' + std::to_string(entry.inode) + '\t' +
          std::to_string(entry.mtime_ns) + '\t' + std::to_string(entry.ctime_ns) + '\t' +
          entry.sha256 + '\t';
  append_escaped(line, entry.target);
  line += '\t';
  append_escaped(line, entry.path);
  return line + '\n';
}

std::optional<TreeEntry> read_line(std::string_view line) {
  Fields fields{line};
  TreeEntry entry;
  const std::string_view kind = fields.text();
  const std::size_t index = kind.size() == 1 ? std::string_view("FDL").find(kind) : 3;
  if (index >= 3) return std::nullopt;
  entry.kind = static_cast<EntryKind>(index);
  entry.mode = fields.number<unsigned>(8);
  entry.size = fields.number<std::uint64_t>();
  entry.inode = fields.number<std::uint64_t>();
  entry.mtime_ns = fields.number<std::int64_t>();
  entry.ctime_ns = fields.number<std::int64_t>();
  entry.sha256 = fields.text();
  entry.target = fields.path();
  entry.path = fields.path();
  if (!fields.good || !fields.rest.empty() || entry.path.empty()) return std::nullopt;
  return entry;
}

std::optional<TreeManifest> parse(std::string_view text) {
  const auto next_line = [&text] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  if (next_line() != heading) return std::nullopt;
  TreeManifest manifest;
  manifest.digest = next_line();
  while (!text.empty()) {
    auto entry = read_line(next_line());
    if (!entry) return std::nullopt;
    manifest.entries.push_back(std::move(*entry));
  }
  if (files::digest_of(manifest.entries) != manifest.digest) return std::nullopt;
  return manifest;
}

}  // namespace

Result<void> save(const TreeManifest& manifest, const std::string& path) {
  std::string text = std::string(heading) + '\n' + manifest.digest + '\n';
  for (const TreeEntry& entry : manifest.entries) text += line_of(entry);
  return write_durably(path, text, 0600);
}

Result<std::optional<TreeManifest>> load_manifest(const std::string& path) {
  auto text = read_small(path, size_limit);
  if (!text) return std::move(text.error());
  if (!*text) return std::optional<TreeManifest>();
  auto manifest = parse(**text);
  if (manifest) return manifest;
  return Error{ErrorKind::invalid,
               "tree manifest " + files::quoted(path) +
                   " is damaged: remove it and its tree, and they are made anew"};
}

}  // namespace tidegate
