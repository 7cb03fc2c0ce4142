#pragma once
// The audit: what was decided and done, in a chain that shows when an entry was changed, taken out
// or put in afterwards. Nothing here is ever pruned.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "controller/store/file.h"

namespace tidegate {

/// An entry that was noted elsewhere: "HASH@SEQ".
struct AuditAnchor {
  std::string hash;
  std::int64_t seq = 0;
  bool operator==(const AuditAnchor&) const = default;
};
std::optional<AuditAnchor> parse_anchor(const std::string& text);
std::string to_string(const AuditAnchor& anchor);

/// What a walk along the chain found.
struct AuditWalk {
  std::int64_t entries = 0;
  std::string from, to;   ///< When the first and the last were written; "" when there is none.
  AuditAnchor head;       ///< The last entry.
  std::string problem{};  ///< The first one, with the number of its entry; "" when unbroken.
};

struct AuditFilter {
  std::optional<Timestamp> since{};
  std::string site{};  ///< "": of all.
};

/// Any call from any thread, and from several processes on one file; errors as Store's.
class AuditTrail {
 public:
  /// As open_store.
  static Result<std::unique_ptr<AuditTrail>> open(const std::string& path, StoreMode mode);

  /// Appends an entry: `facts`, a JSON object, with its place in the chain and the time. It has
  /// reached the disk when this returns. Before the first of a store goes one that says that the
  /// chain begins.
  Result<void> append(Timestamp at, const std::string& facts);

  /// Follows the chain from its first entry, up to the first problem. A chain that was cut short at
  /// its end is unbroken as far as it goes: only an anchor shows that.
  Result<AuditWalk> walk(const std::optional<AuditAnchor>& anchor = {});

  /// Each entry in its order as one line of JSON, with `previous` and `hash`. What is no JSON any
  /// more comes as it is. Gives the last entry of the chain, whether it was among them or not.
  Result<AuditAnchor> each(const AuditFilter& filter,
                           const std::function<void(const std::string& line)>& take);

 private:
  AuditTrail(std::string path, StoreMode mode) : mode_(mode), file_(std::move(path), mode) {}

  const StoreMode mode_;
  StoreFile file_;
};

}  // namespace tidegate
