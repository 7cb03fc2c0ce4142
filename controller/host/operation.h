#pragma once
// One step carried out in one environment, from its lock to its end: prepared beside the running
// release, switched to with one link, undone when anything fails on the way (DESIGN § 4).
// Everything it does is written into the journal before it is done.

#include <atomic>
#include <chrono>
#include <vector>

#include "controller/host/builds.h"
#include "controller/host/files/content_links.h"
#include "controller/host/files/locks.h"
#include "controller/host/place.h"
#include "controller/host/verification.h"

namespace tidegate {

class HostOperation {
 public:
  /// `locks`: the target's, exclusive, and those of its sources, shared; held until it is
  /// destroyed. `stopping`: the controller wants to end; what has not switched is undone.
  HostOperation(Place place, Step step, EnvironmentRecord record, Journal journal,
                std::vector<EnvironmentLock> locks, const std::atomic<bool>& stopping);

  /// Carries the step out, or undoes what it began. Tells the log. Never throws.
  void run();
  /// Takes up the journal of an operation that lost its process: finishes what had switched, undoes
  /// what had not.
  void recover();

 private:
  // The way forward, in order.
  Result<void> forward();
  Result<void> ask_gate();
  Result<void> prepare_directories();
  Result<void> prepare_code();
  Result<void> prepare_content();
  Result<void> prepare_part(Part part);
  Result<void> about_to_make(const std::string& name, const std::string& directory);
  Result<void> about_to_make(const std::string& name, DatabaseEngine& engine,
                             const CreatedDatabase& database);
  Result<void> create_item(Part part, const std::string& name, ContentSet& set);
  Result<void> copy_part(const Sync& sync, ContentSet& set);
  Result<void> copy_database(const Sync& sync, const std::string& name, const ReleaseRecord& source,
                             const Place& from, ContentSet& set);
  Result<void> copy_directory(const std::string& name, const ReleaseRecord& source,
                              ContentSet& set);
  Result<void> link_code();
  Result<void> own_code();
  Result<void> keep_patch();
  Result<void> look_at_hand_made();
  Result<void> run_hooks();
  Result<bool> update_is_pending();
  Result<void> update_databases();
  Result<void> close_for_visitors();
  Result<void> shut_visitors_out();
  Result<void> save_databases();
  Result<void> remember_pages();
  Result<void> verified(const std::function<Result<void>(Verification&)>& look);
  bool ran_before() const;
  bool asks_configuration() const;
  Result<void> verify_prepared();
  Result<void> switch_over();
  Result<void> let_visitors_in();
  Result<void> after_switch();
  Result<void> verify_live();
  Result<void> soak();
  // The ends.
  void finish(bool healthy, const std::string& message);
  void give_up(const Error& error);
  Result<void> undo();
  Result<void> put_databases_back();
  bool restores_content() const;
  std::string loss() const;
  Result<void> restore_content();
  Result<void> go_back();
  Result<void> clear_cache_of(const ReleaseRecord& release);
  void leave_prepared();
  Result<void> drop_release();
  Result<void> drop_content();
  void end_failed(const Error& error);
  bool fails_content() const;
  void record_failure(const Error& error);
  void leave(const ReleaseRecord& release);
  void keep_and_retire(const std::string& id);
  void record_switch(bool healthy);
  void record_proof();
  bool was_finished() const;
  /// No manifest declares the environment any more: only what was interrupted is taken up.
  bool let_go() const { return !place_.site.find(place_.environment.name); }
  void end(const std::string& result, const std::string& message);

  Result<void> phase(const std::string& name);
  Result<void> commands(const char* what, const std::vector<std::string>& lines,
                        const ReleaseRecord& release);
  CommandRun command_run(const char* what, const ReleaseRecord& release);
  Result<void> load_variables(const ReleaseRecord& release);
  const Action* action_on(Part part) const;
  bool promotes() const;
  bool stopped() const { return stopping_.load(); }
  void say(const std::string& text);
  Result<std::shared_ptr<DatabaseEngine>> engine_of(Engine engine);

  Place place_;
  const Step step_;
  EnvironmentRecord record_;
  Journal journal_;
  std::vector<EnvironmentLock> locks_;
  const std::atomic<bool>& stopping_;
  std::chrono::steady_clock::time_point deadline_;
  ReleaseVariables variables_;
  Mask mask_;
  std::optional<Build> build_;
  bool blameless_ = false;  // Forbidden by now, or interrupted: no failure of the step.
  bool switched_ = false;
  bool undoing_ = false;  // Carried through even when the controller wants to end.
};

/// Whether visitors already see the release that a journal prepared.
bool has_switched(const EnvironmentLayout& layout, const Journal& journal);

}  // namespace tidegate
