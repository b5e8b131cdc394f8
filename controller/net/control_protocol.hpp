// What is said on a control socket: one JSON object per line asks, one per line answers. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "controller/base/error.hpp"
#include "controller/base/exit_codes.hpp"

namespace saspd::net {

// A request, without or with its line break. An error if it is no JSON object, or nested deeper
// than 8.
Result<boost::json::object> parse_control_request(std::string_view line);

// Does this request only look? A command that is not known here counts as one that changes
// something.
bool only_reads(const boost::json::object& request);

// An answer as it is sent, with its line break: clean UTF-8 whatever the names in it hold, so that
// every reader of JSON takes it. One of more than `max_answer` bytes becomes an error.
std::string control_line(const boost::json::object& answer, std::size_t max_answer);

// {"error": text, "exit_code": N}: what a client program prints, and the code it ends with.
boost::json::object control_error(ExitCode code, std::string_view text);

// Who may write beside root and the program's own user.
inline constexpr std::string_view admin_group = "saspd-admin";
// What others are answered.
boost::json::object control_forbidden(std::string_view command);

}  // namespace saspd::net
