#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <thread>

#include "controller/commands/input.h"
#include "controller/commands/options.h"
#include "controller/commands/print.h"
#include "controller/host/layout.h"
#include "controller/service/installation.h"
#include "controller/service/saved_plan.h"

namespace tidegate {
namespace {

constexpr unsigned lookup_threads = 8;

/// Asks every repository for its refs, several at a time.
void look_up_all(Observer& observer, const std::vector<std::shared_ptr<const Site>>& sites) {
  std::set<std::string> asked;
  std::vector<const Site*> distinct;
  for (const auto& site : sites) {
    if (!mirrors_of(*site).empty() &&
        asked.insert(site->repository.url + "\n" + (site->repository.credentials ? site->name : ""))
            .second)
      distinct.push_back(site.get());
  }
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::min<std::size_t>(lookup_threads, distinct.size()); ++i) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < distinct.size(); at = next++) {
        const Site& site = *distinct[at];
        observer.repositories().look_now(site, mirrors_of(site));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

int exit_of(const std::vector<PlannedSite>& sites, bool broken) {
  bool pending = false, held = false;
  for (const auto& p : sites) {
    broken |= !p.problem.empty();
    pending |= !p.plan->ready.empty() || !p.plan->waiting.empty();
    held |= !p.plan->held.empty();
  }
  return broken ? exit_failed : pending ? exit_pending : held ? exit_held : exit_done;
}

std::string absolute_or_none(const std::string& path) {
  return path.empty() ? "" : std::filesystem::absolute(path).lexically_normal().string();
}

/// What `apply FILE` needs to plan the same again, by itself.
Result<void> save(const Options& options, const GivenFleet& given,
                  const std::vector<PlannedSite>& planned) {
  SavedPlan out;
  out.covers = bases_of(planned);
  out.id = digest_of(out.covers);
  if (options.manifests.empty())
    out.origin.config = absolute_or_none(options.config);
  else
    out.origin.manifests = absolute_manifests(options.manifests);
  out.origin.secrets = absolute_or_none(options.secrets);
  out.state = absolute_or_none(options.state);
  out.revision = given.fleet.revision();
  auto saved = save_plan(options.out, out, plan_json(planned, given.problems));
  if (!saved) return std::move(saved.error()).within("save the plan");
  std::cerr << "saved; to do exactly this: tidegate apply " << options.out << "\n";
  return {};
}

}  // namespace

int run_plan(const Options& options) {
  auto given = given_fleet(options);
  if (!given) return fail(given.error().message);
  auto secrets = secrets_directory(options);
  auto state = state_file(options);
  if (!secrets) return fail(secrets.error().message);
  if (!state) return fail(state.error().message);
  const auto& sites = given->sites;
  if (!options.site.empty() && sites.empty() && given->broken_sites.empty())
    return fail(no_such_site(given->fleet, options.site).message);
  Observer observer(*state, Secrets(*secrets));
  look_up_all(observer, sites);
  Reconciler reconciler(observer.driver(), observer.clock, observer.calendar);
  std::vector<Look> looks;
  for (const auto& site : sites) looks.push_back(reconciler.look(*site, {}, nullptr));
  std::vector<PlannedSite> planned;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    planned.push_back({sites[i].get(), &looks[i].observed, &looks[i].plan,
                       looks[i].problem ? looks[i].problem->message : ""});
    if (planned.back().problem.empty() && !looks[i].observed.repository_problem.empty() &&
        !looks[i].plan.converged()) {
      std::cerr << sites[i]->name << ": repository: " << looks[i].observed.repository_problem
                << "\n";
    }
  }
  for (const auto& site : given->broken_sites) planned.push_back(site.planned());
  if (options.json) {
    std::cout << plan_json(planned, given->problems) << "\n";
  } else {
    const Paint paint(options.color);
    for (const auto& p : planned) print_plan(std::cout, p, paint);
    if (planned.empty() && !given->broken) std::cerr << "no site is declared\n";
  }
  if (!options.out.empty())
    if (auto saved = save(options, *given, planned); !saved) return fail(saved.error().message);
  return exit_of(planned, given->broken);
}

}  // namespace tidegate
