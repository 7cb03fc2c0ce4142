#pragma once
// What Mirror asks its child process and what that answers: lines of "key value", the request ended
// by the end of stdin, the answer by its verdict. Internal to the folder.

#include <map>
#include <optional>
#include <string>

#include "schemas/result.h"

namespace tidegate {

struct TransferRequest {
  enum class Action {
    look,     ///< Tell the remote's references; touch nothing.
    refresh,  ///< Make the mirror at `mirror` say what the remote says.
    push,     ///< Make `reference` of the remote point to `commit` if it points to `expected`.
  };
  Action action = Action::look;
  std::string url{};
  std::string mirror{};  ///< Absolute path; made by `refresh` when missing.
  std::string username{}, password{}, key_file{}, known_hosts_file{};
  std::string reference{}, commit{}, expected{};  ///< push alone; expected "" = must not exist.
};

/// One reference of a remote: where it points, and what an annotated tag leads to in the end.
struct AdvertisedReference {
  std::string oid, peeled;  ///< `peeled` is "" where it is `oid` itself.
  bool operator==(const AdvertisedReference&) const = default;
  const std::string& target() const { return peeled.empty() ? oid : peeled; }
};
using AdvertisedReferences = std::map<std::string, AdvertisedReference>;  ///< By full name.

struct TransferAnswer {
  AdvertisedReferences references;  ///< look alone.
  bool changed = false;             ///< refresh alone.
};

/// invalid when a value holds a line break or NUL, naming the field and never the value.
Result<std::string> encode(const TransferRequest& request);
Result<TransferRequest> decode_request(const std::string& text);

std::string encode(const Result<TransferAnswer>& answer);
/// An error that was sent comes back as that error; what is no whole answer is transient.
Result<TransferAnswer> decode_answer(const std::string& text);

}  // namespace tidegate
