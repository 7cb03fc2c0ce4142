#pragma once
// The store's file: made, opened, and opened anew when it is not the one at its path any more.

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "controller/store/sqlite.h"
#include "controller/store/store.h"

namespace tidegate {

/// A connection to the file at a path, whichever file that is by now.
class StoreFile {
 public:
  StoreFile(std::string path, StoreMode mode) : path_(std::move(path)), mode_(mode) {}

  /// Does `act` with the connection while no other thread can; opens it first where need be.
  template <class Act>
  std::invoke_result_t<Act, Connection&> use(Act&& act) {
    std::lock_guard lock(mutex_);
    if (auto ready = make_ready(); !ready) return std::move(ready.error());
    auto result = act(*connection_);
    if (connection_->broken()) close();
    return result;
  }

 private:
  /// Which file a path names.
  struct Identity {
    dev_t device;
    ino_t number;
    bool operator==(const Identity&) const = default;
  };

  Result<void> make_ready();
  Result<void> open_to_write();
  Result<void> open_to_read();
  Result<void> create();
  Result<std::optional<Identity>> identify() const;
  void close();

  const std::string path_;  // Absolute.
  const StoreMode mode_;
  std::mutex mutex_;  // For what follows.
  std::unique_ptr<Connection> connection_;
  std::optional<Identity> opened_;
  bool frozen_ = false;
};

}  // namespace tidegate
