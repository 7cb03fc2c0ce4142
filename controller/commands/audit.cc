// `tidegate audit`: what was done and what it rested on, out of the store's chain.

#include <iostream>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/service/auditor.h"

namespace tidegate {
namespace {

Result<std::unique_ptr<AuditTrail>> given_trail(const Options& options) {
  auto store = given_store(options, StoreMode::read_only);
  if (!store) return std::move(store.error());
  const auto state = state_file(options);
  if (!state) return state.error();
  return AuditTrail::open(*state, StoreMode::read_only);
}

void print(const AuditWalk& walk) {
  if (!walk.problem.empty()) {
    std::cout << walk.problem << "\n";
    return;
  }
  std::cout << walk.entries << (walk.entries == 1 ? " entry" : " entries") << ", unbroken";
  if (walk.entries > 0) std::cout << ", from " << walk.from << " to " << walk.to;
  std::cout << "\n";
  if (walk.entries > 0)
    std::cerr << "head " << to_string(walk.head)
              << "\nnote it elsewhere: a chain that was cut short shows with --anchor alone\n";
}

}  // namespace

int run_audit_verify(const Options& options) {
  std::optional<AuditAnchor> anchor;
  if (!options.anchor.empty()) {
    anchor = parse_anchor(options.anchor);
    if (!anchor)
      return misused("--anchor \"" + options.anchor +
                     "\" is no head: write HASH@SEQ, as `tidegate audit verify` told it");
  }
  auto trail = given_trail(options);
  if (!trail) return fail(trail.error().message);
  const auto walk = (*trail)->walk(anchor);
  if (!walk) return fail(walk.error().message);
  if (options.json)
    std::cout << audit_json(*walk) << "\n";
  else
    print(*walk);
  return walk->problem.empty() ? exit_done : exit_failed;
}

int run_audit_export(const Options& options) {
  AuditFilter filter{{}, options.site};
  if (!options.since.empty()) {
    filter.since = parse_rfc3339(options.since);
    if (!filter.since)
      return misused("--since \"" + options.since + "\" is no time: write 2026-11-20T03:00:00Z");
  }
  auto trail = given_trail(options);
  if (!trail) return fail(trail.error().message);
  bool any = false;
  const auto head = (*trail)->each(filter, [&any](const std::string& line) {
    any = true;
    std::cout << line << "\n";
  });
  if (!head) return fail(head.error().message);
  if (!any) std::cerr << "no entry is of that site and time\n";
  if (head->seq > 0) std::cerr << "head " << to_string(*head) << "\n";
  return exit_done;
}

}  // namespace tidegate
