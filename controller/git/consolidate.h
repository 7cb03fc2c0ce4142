#pragma once
// Keeps the number of a mirror's packs small: each fetch adds one, and reading slows with their
// number. Internal to the folder.

#include <cstddef>
#include <optional>
#include <string>

#include "schemas/result.h"

struct git_repository;

namespace tidegate {

/// Packs up to this size are put together once there are more than `small_packs_max` of them;
/// larger ones are never touched, so that the cost stays bounded.
inline constexpr std::size_t small_pack_bytes_max = 4 << 20;
inline constexpr std::size_t small_packs_max = 64;

/// Puts the small packs of the mirror into one when there are too many. Loses no object, reachable
/// or not. Only under the mirror's lock; readers in other processes find their objects again by
/// themselves.
std::optional<Error> consolidate(git_repository* mirror, const std::string& path);

}  // namespace tidegate
