#pragma once
// All references of a mirror as one file, replaced in one step: readers see the references of one
// moment of the remote, and a crash leaves the file before. Internal to the folder.

#include <optional>
#include <string>

#include "controller/git/transfer_protocol.h"
#include "schemas/result.h"

namespace tidegate {

/// The text of git's "packed-refs" for these references.
std::string packed_references(const AdvertisedReferences& references);

/// The mirror's present text; "" when there is none.
std::string read_packed_references(const std::string& mirror);

/// Replaces it, durably. transient: the disk.
std::optional<Error> write_packed_references(const std::string& mirror, const std::string& text);

}  // namespace tidegate
