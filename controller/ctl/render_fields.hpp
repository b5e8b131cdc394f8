// SPDX-License-Identifier: Apache-2.0
// An answer for which there is no form of its own.
#pragma once

#include <string>

#include <boost/json/object.hpp>

namespace saspd::ctl {

// A line for each value, by its path: "members[0].address  10.0.0.1". Text is escaped here, and
// absent values are "-".
std::string render_fields(const boost::json::object& answer, bool colors);

}  // namespace saspd::ctl
