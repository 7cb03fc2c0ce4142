#pragma once
// What every use of libgit2 in this folder shares: owning handles, object ids, errors as text.
// Internal to the folder; libgit2's own headers are seen by its .cc files alone.

#include <cstddef>
#include <string>
#include <utility>

struct git_blob;
struct git_commit;
struct git_diff;
struct git_index;
struct git_object;
struct git_odb;
struct git_odb_object;
struct git_oid;
struct git_packbuilder;
struct git_reference;
struct git_reference_iterator;
struct git_remote;
struct git_repository;
struct git_revwalk;
struct git_signature;
struct git_tree;
struct git_tree_entry;

namespace tidegate {

/// Frees what libgit2 handed out.
template <class T>
struct GitRelease {
  void operator()(T* handle) const;
};
template <>
void GitRelease<git_blob>::operator()(git_blob* handle) const;
template <>
void GitRelease<git_commit>::operator()(git_commit* handle) const;
template <>
void GitRelease<git_diff>::operator()(git_diff* handle) const;
template <>
void GitRelease<git_index>::operator()(git_index* handle) const;
template <>
void GitRelease<git_object>::operator()(git_object* handle) const;
template <>
void GitRelease<git_odb>::operator()(git_odb* handle) const;
template <>
void GitRelease<git_odb_object>::operator()(git_odb_object* handle) const;
template <>
void GitRelease<git_packbuilder>::operator()(git_packbuilder* handle) const;
template <>
void GitRelease<git_reference>::operator()(git_reference* handle) const;
template <>
void GitRelease<git_reference_iterator>::operator()(git_reference_iterator*) const;
template <>
void GitRelease<git_remote>::operator()(git_remote* handle) const;
template <>
void GitRelease<git_repository>::operator()(git_repository* handle) const;
template <>
void GitRelease<git_revwalk>::operator()(git_revwalk* handle) const;
template <>
void GitRelease<git_signature>::operator()(git_signature* handle) const;
template <>
void GitRelease<git_tree>::operator()(git_tree* handle) const;
template <>
void GitRelease<git_tree_entry>::operator()(git_tree_entry* handle) const;

/// Owns one thing of libgit2: `git_commit_lookup(commit.out(), …)`.
template <class T>
class GitHandle {
 public:
  GitHandle() = default;
  GitHandle(GitHandle&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  GitHandle& operator=(GitHandle&& other) noexcept {
    if (this != &other) reset(std::exchange(other.raw_, nullptr));
    return *this;
  }
  ~GitHandle() { reset(); }
  T* get() const { return raw_; }
  explicit operator bool() const { return raw_ != nullptr; }
  void reset(T* raw = nullptr) {
    if (raw_) GitRelease<T>()(raw_);
    raw_ = raw;
  }
  /// Where a libgit2 function puts what it makes. What was held before is freed.
  T** out() {
    reset();
    return &raw_;
  }

 private:
  T* raw_ = nullptr;
};

/// Starts libgit2 once per process, hardened: no configuration of the user or the system,
/// everything verified, everything made durable. To be called before anything else of libgit2.
void use_libgit2();

/// libgit2's own words for this thread's last error, one line.
std::string libgit2_reason();

std::string to_hex(const git_oid& oid);
/// Whether `hex` is 40 lower-case hex digits; if so, `oid` is set.
bool from_hex(const std::string& hex, git_oid& oid);

/// Text of unknown origin as one line of valid UTF-8 without control characters, at most
/// `bytes_max`. What is not UTF-8 is read as Latin-1.
std::string clean_line(const std::string& text, std::size_t bytes_max);

}  // namespace tidegate
