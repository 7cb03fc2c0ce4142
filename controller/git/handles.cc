// Owning handles of libgit2, its start, and its errors as text.

#include "controller/git/handles.h"

#include <git2.h>

#include <cstdint>

namespace tidegate {

template <>
void GitRelease<git_blob>::operator()(git_blob* handle) const {
  git_blob_free(handle);
}
template <>
void GitRelease<git_commit>::operator()(git_commit* handle) const {
  git_commit_free(handle);
}
template <>
void GitRelease<git_diff>::operator()(git_diff* handle) const {
  git_diff_free(handle);
}
template <>
void GitRelease<git_index>::operator()(git_index* handle) const {
  git_index_free(handle);
}
template <>
void GitRelease<git_object>::operator()(git_object* handle) const {
  git_object_free(handle);
}
template <>
void GitRelease<git_odb>::operator()(git_odb* handle) const {
  git_odb_free(handle);
}
template <>
void GitRelease<git_odb_object>::operator()(git_odb_object* handle) const {
  git_odb_object_free(handle);
}
template <>
void GitRelease<git_packbuilder>::operator()(git_packbuilder* handle) const {
  git_packbuilder_free(handle);
}
template <>
void GitRelease<git_reference>::operator()(git_reference* handle) const {
  git_reference_free(handle);
}
template <>
void GitRelease<git_reference_iterator>::operator()(git_reference_iterator* handle) const {
  git_reference_iterator_free(handle);
}
template <>
void GitRelease<git_remote>::operator()(git_remote* handle) const {
  git_remote_free(handle);
}
template <>
void GitRelease<git_repository>::operator()(git_repository* handle) const {
  git_repository_free(handle);
}
template <>
void GitRelease<git_revwalk>::operator()(git_revwalk* handle) const {
  git_revwalk_free(handle);
}
template <>
void GitRelease<git_signature>::operator()(git_signature* handle) const {
  git_signature_free(handle);
}
template <>
void GitRelease<git_tree>::operator()(git_tree* handle) const {
  git_tree_free(handle);
}
template <>
void GitRelease<git_tree_entry>::operator()(git_tree_entry* handle) const {
  git_tree_entry_free(handle);
}

void use_libgit2() {
  static const bool started = [] {
    git_libgit2_init();
    // A person's ~/.gitconfig (insteadOf, autocrlf, proxies) must not change what a controller
    // does.
    for (int level : {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
                      GIT_CONFIG_LEVEL_GLOBAL})
      git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 1);
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_SYMBOLIC_REF_CREATION, 1);
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 1);
    git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, static_cast<ssize_t>(32) << 20);
    git_libgit2_opts(GIT_OPT_SET_USER_AGENT, "tidegate");
    return true;
  }();
  (void)started;
}

std::string libgit2_reason() {
  const git_error* error = git_error_last();
  if (!error || !error->message) return "unknown error";
  return clean_line(error->message, 400);
}

std::string to_hex(const git_oid& oid) {
  std::string hex(GIT_OID_HEXSZ, '0');
  git_oid_fmt(hex.data(), &oid);
  return hex;
}

bool from_hex(const std::string& hex, git_oid& oid) {
  if (hex.size() != GIT_OID_HEXSZ) return false;
  if (hex.find_first_not_of("0123456789abcdef") != std::string::npos) return false;
  return git_oid_fromstr(&oid, hex.c_str()) == 0;
}

namespace {

/// Length of the well-formed UTF-8 sequence at `at` (no overlong forms, no surrogates); 0 for none.
std::size_t utf8_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first > 0xF4) return 0;
  std::uint32_t point = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0u) != 0x80u) return 0;
    point = point << 6 | (byte(at + i) & 0x3Fu);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return overlong || surrogate || point > 0x10FFFF ? 0 : length;
}

bool is_utf8(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string from_latin1(const std::string& text) {
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xC0 | byte >> 6);
      utf8 += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return utf8;
}

}  // namespace

std::string clean_line(const std::string& text, std::size_t bytes_max) {
  const std::string utf8 = is_utf8(text) ? text : from_latin1(text);
  std::string line;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t length = utf8_length(utf8, at);
    if (line.size() + length > bytes_max) break;
    const auto first = static_cast<unsigned char>(utf8[at]);
    // U+0080–U+009F are control characters too: terminals act on them.
    const bool c1 = first == 0xC2 && static_cast<unsigned char>(utf8[at + 1]) < 0xA0;
    if (first < 0x20 || first == 0x7F || c1) {
      if (!line.empty() && line.back() != ' ') line += ' ';
    } else {
      line.append(utf8, at, length);
    }
    at += length;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace tidegate
