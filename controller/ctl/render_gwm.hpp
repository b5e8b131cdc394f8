// The answers of sasp-gwm as people read them. Pure: JSON in, text out, as in render.hpp.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace saspd::ctl::gwm {

// What is not healthy in an answer to "status", a sentence each; empty is healthy.
std::vector<std::string> problems(const boost::json::object& status);

std::string render_status(const boost::json::object& status, bool colors);
std::string render_lbs(const boost::json::object& lbs, bool colors);
std::string render_groups(const boost::json::object& groups, bool colors);
// A table per group.
std::string render_members(const boost::json::object& members, bool colors);
// A paragraph per group in which the member is.
std::string render_why(const boost::json::object& why, bool colors);
// What drain and undrain have done.
std::string render_done(const boost::json::object& done);

}  // namespace saspd::ctl::gwm
