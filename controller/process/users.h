#pragma once
// The machine's users, by name.

#include <string>

#include "schemas/result.h"

namespace tidegate {

struct SystemUser {
  unsigned uid = 0, gid = 0;
  std::string home;
};

/// Looks a user up. Errors: `invalid` when there is none, with the command that adds it, or when
/// no user can have that name; `transient` when the user database cannot be read.
Result<SystemUser> find_user(const std::string& name);

}  // namespace tidegate
