#pragma once
// Transitions and what was told, as JSON.

#include <optional>
#include <string>

#include "controller/store/outbox.h"
#include "reconcilers/transitions.h"

namespace tidegate {

/// Which manifest commit a transition is about; "" where there is none.
struct Origin {
  std::string revision, author;
};

/// What receivers get of a transition, without its receiver. Its id is the same whenever all it
/// says is, its time in milliseconds too.
OutboxMessage message_of(const Transition& transition, const Origin& origin, Timestamp at);

/// What a verification saw, as a JSON list: the same in messages and in what commands print.
std::string evidence_json(const std::vector<Evidence>& evidence);

UnrestTexts to_texts(const SiteUnrest& unrest);
/// What another version wrote is nothing that was told.
SiteUnrest unrest_from(const UnrestTexts& texts);

}  // namespace tidegate
