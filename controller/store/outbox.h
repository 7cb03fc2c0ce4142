#pragma once
// Notifications that are still to be delivered, and what their receivers were told last, written
// together so that no transition is told twice or not at all.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/store/file.h"

namespace tidegate {

struct OutboxMessage {
  std::string receiver;
  std::string id;  ///< Of the transition: the same for every receiver, and when it is sent again.
  Timestamp at{};
  std::string body;
  std::int64_t sequence = 0;  ///< Rises; ignored by put.
  bool operator==(const OutboxMessage&) const = default;
};

/// By environment, as texts; "" stands for the site itself.
using UnrestTexts = std::map<std::string, std::string>;

/// Any call from any thread; errors as Store's.
class Outbox {
 public:
  /// As open_store with StoreMode::read_write.
  static Result<std::unique_ptr<Outbox>> open(const std::string& path);

  /// In one transaction: what receivers know of a site from now on, and the messages that tell it.
  Result<void> put(const std::string& site, const UnrestTexts& unrest,
                   const std::vector<OutboxMessage>& messages);
  /// Messages that change nothing of what receivers know, in one transaction.
  Result<void> add(const std::vector<OutboxMessage>& messages);
  /// By site; sites of which nothing was put are not in it.
  Result<std::map<std::string, UnrestTexts>> unrest();

  /// The oldest message of a receiver.
  Result<std::optional<OutboxMessage>> first(const std::string& receiver);
  Result<void> remove(std::int64_t sequence);
  /// Removes the messages of all other receivers; gives their number.
  Result<std::size_t> keep_only(const std::vector<std::string>& receivers);

 private:
  explicit Outbox(std::string path) : file_(std::move(path), StoreMode::read_write) {}

  StoreFile file_;
};

}  // namespace tidegate
