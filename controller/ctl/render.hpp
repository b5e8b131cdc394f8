// The answers of saspd as people read them. Pure: JSON in, text out. What an answer lacks is shown
// as "-"; text in it comes from peers and configuration, and is shown escaped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "controller/base/error.hpp"

namespace saspd::ctl {

inline constexpr std::int64_t schema_version = 1;

// Is it an answer of the kind that this program knows.
Result<void> check_schema(const boost::json::object& answer);

// What is not healthy in an answer to "status", a sentence each; empty is healthy.
std::vector<std::string> problems(const boost::json::object& status);

// Tables of the GWMs and of each group, then the problems; ends with a line break.
std::string render_status(const boost::json::object& status, bool colors);

// The tables alone: of the GWMs, of the groups, and of the members of each group.
std::string render_gwm(const boost::json::object& gwms, bool colors);
std::string render_groups(const boost::json::object& groups, bool colors);
std::string render_members(const boost::json::object& members, bool colors);

// A paragraph per group in which the member is.
std::string render_why(const boost::json::object& why, bool colors);

// A line per change.
std::string render_plan(const boost::json::object& plan);

// Whether the kernel took everything that an answer to "reconcile" tells of.
bool all_written(const boost::json::object& reconcile);

// A line per change that was written, and per one that was not; then what that comes to.
std::string render_reconcile(const boost::json::object& reconcile, bool colors);

// The way of a packet, a line for each thing that decided.
std::string render_trace(const boost::json::object& trace, bool colors);

// The rules as they are.
std::string render_export(const boost::json::object& rules);

// What undrain has done.
std::string render_undrain(const boost::json::object& done);

}  // namespace saspd::ctl
