#pragma once
// For the store's tests: a directory of their own, and an open store in it.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "controller/store/store.h"

namespace tidegate {

constexpr Timestamp noon{std::chrono::seconds(1'795'000'000)};

class StoreFixture : public testing::Test {
 protected:
  StoreFixture() {
    char name[] = "/tmp/tidegate-store-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ / "state.db";
  }
  ~StoreFixture() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Store> open(StoreMode mode = StoreMode::read_write) {
    auto store = open_store(path_, mode);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  /// The message why the file cannot be opened; "opened" when it can.
  std::string refusal(StoreMode mode, ErrorKind kind = ErrorKind::invalid) {
    const auto store = open_store(path_, mode);
    if (store) return "opened";
    EXPECT_EQ(store.error().kind, kind);
    return store.error().message;
  }

  static OperationRecord operation(const std::string& id, const std::string& site,
                                   Timestamp started_at) {
    OperationRecord record;
    record.id = id;
    record.site = site;
    record.environment = "test";
    record.actions = {"promote", "sync"};
    record.started_at = started_at;
    return record;
  }
  static OperationRecord ended(const std::string& id, const std::string& site,
                               Timestamp started_at) {
    OperationRecord record = operation(id, site, started_at);
    record.ended_at = started_at + std::chrono::seconds(30);
    record.result = "succeeded";
    return record;
  }
  static EventRecord event(const std::string& site, const std::string& message,
                           Timestamp at = noon) {
    return {0, at, site, "live", "Promoted", message};
  }

  std::filesystem::path directory_;
  std::string path_;
};

}  // namespace tidegate
