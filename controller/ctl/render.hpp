// The answers of saspd as people read them. Pure: JSON in, text out. What an answer lacks is shown
// as
// "-"; text in it comes from peers and configuration, and is shown escaped.
#pragma once

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

// A paragraph per group in which the member is.
std::string render_why(const boost::json::object& why, bool colors);

}  // namespace saspd::ctl
