#pragma once
// What must never happen and what must be in the end, judged on the truth and on manifests alone.
// Never asks make_plan() or diff(): the planner does not mark its own homework.

#include <optional>
#include <string>

#include "e2e/simulation/place.h"
#include "schemas/site.h"

namespace tidegate {

/// Why carrying out a step now would break a rule of DESIGN § 5, or nothing. Asked when a step
/// starts and when it switches.
std::optional<std::string> forbidden(const Site& site, const Estate& estate, const Step& step,
                                     Timestamp now);

/// Why what the platform team wrote keeps a step back now, or nothing. A window is asked of what
/// `begins` alone.
std::optional<std::string> kept_back(const Site& site, const Estate& estate, const Step& step,
                                     Timestamp now, bool begins);

/// Whether a Grant, neither expired nor used, is for just this.
bool is_granted(const Site& site, const Estate& estate, const std::string& e, const Action& action,
                Timestamp now);
/// Whether one moves the authority from the environment that has it to another.
bool may_take_over(const Site& site, const Estate& estate, const std::string& e, Timestamp now);

/// Whether a step that starts copies a database as if it were another engine's.
std::optional<std::string> mixes_engines(const Site& site, const Estate& estate, const Step& step);

/// What a failed step is remembered by: nothing of this may be the same when it is tried again.
std::string made_of(const Site& site, const std::string& inputs, const Step& step);
/// The same of a step whose content could not be brought; "" when it brings none.
std::string content_made_of(const Site& site, const std::string& inputs, const Step& step);

/// Whether the launched authority still has the content it had, in what visitors see.
std::optional<std::string> overwritten(const Estate& estate);

/// The time at which a refresh of content taken then falls due next; nothing without one.
std::optional<Timestamp> due_after(const Refresh& refresh, Timestamp taken_at);

/// What of a site is not as its manifest says, or nothing.
std::optional<std::string> unconverged(const Site& site, const Estate& estate,
                                       const std::map<std::string, std::string>& wanted_inputs);

}  // namespace tidegate
