#pragma once
// Result<T>: a value, or the reason there is none. (libstdc++ 12 has no std::expected in C++20.)

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace tidegate {

/// What the caller should do about an error. The kind decides; the message only explains.
enum class ErrorKind {
  invalid,    ///< Somebody must change something. Trying again cannot help.
  site,       ///< The site's own doing (a command, its verification): quarantined, not tried again.
  transient,  ///< The world may heal by itself: try again, later and later.
};

struct [[nodiscard]] Error {
  ErrorKind kind;
  std::string message;  ///< One line, cause first, values quoted, no secret.

  /// Prefixes what we were doing: "observe acme: connect 10.0.0.7: refused".
  Error within(std::string_view doing) && {
    message = std::string(doing) + ": " + message;
    return std::move(*this);
  }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  T& operator*() & { return std::get<T>(state_); }
  const T& operator*() const& { return std::get<T>(state_); }
  T&& operator*() && { return std::get<T>(std::move(state_)); }
  T* operator->() { return &std::get<T>(state_); }
  const T* operator->() const { return &std::get<T>(state_); }
  Error& error() { return std::get<Error>(state_); }
  const Error& error() const { return std::get<Error>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace tidegate
