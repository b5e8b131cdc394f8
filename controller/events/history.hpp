// SPDX-License-Identifier: Apache-2.0
// Events as text: how their time is written, which a question asks for, and the lines of the file
// that keeps them. Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "controller/base/error.hpp"
#include "controller/events/journal.hpp"

namespace saspd::events {

// "2026-01-02T03:04:05.678Z", which sorts as the time does; nothing: it is not in that form.
std::string time_text(WallTime time);
std::optional<WallTime> parse_time(std::string_view text);

bool fits(const report::Event& event, const Filter& filter);

// What a request for the history asks: "of" (a group, a member ADDR:PORT, or GROUP/ADDR:PORT),
// "since_s" (seconds ago), "after", "limit". `is_group`: whether there is such a group. Errors: not
// in that form.
Result<Filter> parse_filter(const boost::json::object& request, WallTime now);

// A line of the file for an event, and what the lines of one say; a line that is no event is left
// out: the last one of a program that was killed.
std::string line_of(const report::Event& event);
std::deque<report::Event> parse_lines(std::string_view text);

}  // namespace saspd::events
