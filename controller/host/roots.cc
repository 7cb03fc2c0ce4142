#include "controller/host/roots.h"

#include "controller/host/files/marks.h"

namespace tidegate {

std::string root_problem(RootMemory& memory, const std::string& root) {
  auto id = root_id(root);
  if (!id) return id.error().message;
  const auto known = memory.recall(root);
  if (!known) return "";
  if (!*id) return "root \"" + root + "\" lost what it held; is its file system mounted?";
  if (**id != *known) {
    return "root \"" + root + "\" is another one than before; is the right file system mounted?";
  }
  return "";
}

Result<void> claim_and_remember(RootMemory& memory, const std::string& root) {
  if (const std::string problem = root_problem(memory, root); !problem.empty()) {
    return Error{ErrorKind::transient, problem};
  }
  if (auto claimed = claim_root(root); !claimed) return claimed;
  auto id = root_id(root);
  if (!id) return std::move(id.error());
  if (*id) memory.remember(root, **id);
  return {};
}

}  // namespace tidegate
