#pragma once
// What the store forgets, and in pieces small enough that nobody waits for it.

#include "controller/store/file.h"

namespace tidegate {

/// See Store::prune. What is to go is looked for by `reader`; `writer` is taken once a slice.
Result<std::size_t> prune(StoreFile& reader, StoreFile& writer, Timestamp older_than,
                          std::size_t keep_per_site);

}  // namespace tidegate
