#pragma once
// The tables of the store, and how a file of an older program gets them.

#include <span>

#include "controller/store/sqlite.h"

namespace tidegate {

/// What a file lacks to be of version 1, 2, …; its length is the version this program knows.
std::span<const char* const> schema_steps();

/// Checks that a file is ours and not newer than `steps`. Writes nothing. True: nothing is missing.
Result<bool> check_schema(Connection& connection, const std::string& path,
                          std::span<const char* const> steps = schema_steps());

/// Brings a new or an older file to the version of `steps`, in one transaction. Several processes
/// may do so at once.
Result<void> prepare_schema(Connection& connection, const std::string& path,
                            std::span<const char* const> steps = schema_steps());

}  // namespace tidegate
