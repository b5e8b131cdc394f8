// SPDX-License-Identifier: Apache-2.0
// Health and history as people read them, as in render.hpp.
#pragma once

#include <string>
#include <vector>

#include "controller/report/events.hpp"

namespace saspd::ctl {

// Whether the answer has its health; those of an older saspd do not.
bool is_reported(const report::Health& health);
// Of an answer that lacks its health, which is none that is ok: failed.
report::HealthState state_of(const report::Health& health);

// The word in capitals and since when, then each problem, since when, and the command that helps.
std::string render(const report::Health& health, bool colors);

// A line for Nagios and its like: "WARNING - 1 of 2: ...".
std::string nagios_line(const report::Health& health);

// A line for each override in force.
std::string render_overrides(const std::vector<report::Override>& overrides, bool colors);

// A line for each event.
std::string render(const report::Event& event, bool colors);
std::string event_line(const report::Event& event, bool json, bool colors);
std::string render(const report::History& history, bool colors);

}  // namespace saspd::ctl
