#pragma once
// Locks of environments, whose owners die with their processes: the kernel lets go of them.

#include <optional>
#include <string>

#include "schemas/result.h"

namespace tidegate {

/// A held lock; let go of by the destructor. One writer (an operation's target) or several readers
/// (its sources). Locks of one process exclude each other too. Not inherited by started programs.
class EnvironmentLock {
 public:
  /// Takes the lock or returns nothing at once when it is held. Creates the lock file; its
  /// directory exists. `owner` is for people: "controller, pid 812". One line.
  static Result<std::optional<EnvironmentLock>> try_exclusive(const std::string& path,
                                                              const std::string& owner);
  static Result<std::optional<EnvironmentLock>> try_shared(const std::string& path,
                                                           const std::string& owner);

  EnvironmentLock(EnvironmentLock&& other) noexcept;
  EnvironmentLock& operator=(EnvironmentLock&& other) noexcept;
  ~EnvironmentLock();

 private:
  EnvironmentLock(int descriptor, std::string path, std::string owner);
  static Result<std::optional<EnvironmentLock>> take(const std::string& path,
                                                     const std::string& owner, short type);
  void release() noexcept;

  int descriptor_ = -1;
  std::string path_, owner_;
};

struct LockState {
  bool exclusive = false, shared = false;
  /// Who holds it; with several readers one of them, "" when only those are left that did not come
  /// last.
  std::string owner;
  bool operator==(const LockState&) const = default;
};

/// Who holds the lock, without taking or writing anything. An absent lock file is a free lock.
Result<LockState> look(const std::string& path);

}  // namespace tidegate
