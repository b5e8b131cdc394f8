// SPDX-License-Identifier: Apache-2.0
// The answers of saspd as people read them. Pure. Text in an answer comes from peers and
// configuration, and is escaped by then (report::from_json). Text that is empty or absent is shown
// as "-".
#pragma once

#include <string>

#include "controller/report/saspd.hpp"

namespace saspd::ctl {

// The health, then tables of the GWMs and of each group; ends with a line break.
std::string render(const report::Status& status, bool colors);

// The tables alone: of the GWMs, of the groups, and of the members of each group.
std::string render(const report::Gwms& gwms, bool colors);
std::string render(const report::Groups& groups, bool colors);
std::string render(const report::Members& members, bool colors);

// A paragraph per group in which the member is.
std::string render(const report::Why& why, bool colors);

// A line per change.
std::string render(const report::Plan& plan, bool colors);

// A line per change that was written, and per one that was not; then what that comes to.
std::string render(const report::Reconcile& reconcile, bool colors);

// The way of a packet, a line for each thing that decided.
std::string render(const report::Trace& trace, bool colors);

// The rules as they are.
std::string render(const report::Export& rules, bool colors);

// A line per change that was taken over, or would be.
std::string render(const report::Reload& done, bool colors);

// What undrain and gwm retry have done.
std::string render(const report::Undrain& done, bool colors);
std::string render(const report::Overridden& done, bool colors);
std::string render(const report::GwmRetry& done, bool colors);

}  // namespace saspd::ctl
