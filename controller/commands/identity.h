#pragma once
// Who commits, as git would have it.

#include <optional>
#include <string>
#include <utility>

namespace tidegate {

/// What git itself says of `what` ("user.name") in a directory; "" when it says nothing.
std::string git_says(const std::string& directory, const char* what);

/// "Ada Lovelace <ada@example.org>" as name and mail; nothing when it is not written so.
std::optional<std::pair<std::string, std::string>> name_and_mail(const std::string& author);

}  // namespace tidegate
