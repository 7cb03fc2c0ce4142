#pragma once
// Who wants to be told of transitions, and one attempt to tell them.

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/secrets/secrets.h"
#include "reconcilers/transitions.h"

namespace tidegate {

/// One of `notify` in the configuration file.
struct Receiver {
  std::string name;
  std::vector<std::string> command;  ///< Either its words, or
  std::string webhook;               ///< a URL.
  std::optional<SecretRef> secret;   ///< A webhook's: signs what is sent.
  std::set<TransitionType> on{TransitionType::failed, TransitionType::rolled_back,
                              TransitionType::held, TransitionType::normal};
  std::vector<std::string> sites{"*"};  ///< Globs.
  bool operator==(const Receiver&) const = default;
};

bool wants(const Receiver& receiver, const Transition& transition);

/// Hands `body` over: on stdin of the command, which has 30 s, or in a POST, which has 10 s. Good
/// is exit code 0, or an answer of 2xx. `cancelled` is asked about ten times a second. The error
/// has no word of what a command or a server said.
Result<void> deliver(const Receiver& receiver, const std::string& body, const Secrets& secrets,
                     const std::function<bool()>& cancelled);

}  // namespace tidegate
