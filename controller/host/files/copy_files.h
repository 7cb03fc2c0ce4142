#pragma once
// Copies a content directory (uploads) while pages keep writing to it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schemas/result.h"

namespace tidegate {

struct CopyOptions {
  /// Asked often, from several threads: true ends the copy with a transient error.
  using Stop = std::function<bool()>;
  /// Told from one thread at a time, with numbers that only rise. Costs a walk beforehand.
  using Progress = std::function<void(int percent)>;

  unsigned threads = 2;
  std::optional<std::pair<unsigned, unsigned>>
      owner;                      ///< User and group; absent: the caller's own.
  bool add_owner_access = false;  ///< Adds u+rw (directories u+rwx) to what the source has.
  bool outside_links = false;     ///< Keeps symbolic links that lead out of `from` too.
  bool durable = true;            ///< Everything is on disk on return (syncfs).
  Stop stop;
  Progress progress;
};

/// A count, and the first 20 of the names behind it in the order of their paths.
struct NamedCount {
  std::uint64_t count = 0;
  std::vector<std::string> first;  ///< Relative to `from`.
};

struct CopyReport {
  std::uint64_t files = 0, directories = 0, links = 0;
  std::uint64_t bytes = 0;
  std::uint64_t reflinked = 0;  ///< Of `files`, those that share their blocks with the source.
  NamedCount outside_links;     ///< Symbolic links that lead out of `from`: skipped.
  NamedCount special;           ///< Sockets, FIFOs, devices: skipped.
  NamedCount vanished;          ///< Listed, and gone when opened: skipped.
  NamedCount changing;          ///< Written to during both tries to read them: taken as read last.
};

/// Copies the tree `from` to `to`, which must not exist yet or be an empty directory; its parent
/// exists. A failed or stopped copy leaves a part behind that the caller removes before it tries
/// again.
///
/// Kept: permissions (not set-user-ID and set-group-ID of files: the owner changes), mtimes in
/// nanoseconds, symbolic links as written when they stay inside `from`, holes. Not kept: access
/// control lists and extended attributes. Hard links become files of their own. Each file is as it
/// was at one moment or, without reflinks, was read twice and is counted under `changing`; the tree
/// as a whole is not one moment. Nothing outside `from` is ever read and nothing outside `to`
/// written, whatever is swapped for symbolic links meanwhile.
///
/// Errors: `transient` for a full disk, I/O and being stopped; `invalid` for `to` in the way and
/// for paths beyond 4000 bytes.
Result<CopyReport> copy_files(const std::string& from, const std::string& to,
                              const CopyOptions& options = {});

}  // namespace tidegate
