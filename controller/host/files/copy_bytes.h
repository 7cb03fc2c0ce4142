#pragma once
// Copies what one open file holds into another, by the cheapest means both file systems know. For
// the files of this folder only.

#include <cstdint>
#include <functional>

namespace tidegate::files {

struct BytesCopied {
  int error = 0;  ///< errno; ECANCELED when stopped.
  std::uint64_t bytes = 0;
  bool reflinked = false;
};

/// Copies the `size` bytes that `from` had when it was looked at (less when it shrinks meanwhile)
/// into the empty file `to`: as a reflink, else by the kernel without passing through here, else by
/// hand. Holes stay holes.
BytesCopied copy_bytes(int from, int to, std::uint64_t size, bool sparse,
                       const std::function<bool()>& stop);

}  // namespace tidegate::files
