// The asking side of a control socket, for a program that does nothing else meanwhile.
#pragma once

#include <chrono>
#include <string>

#include <boost/json/object.hpp>

#include "controller/base/error.hpp"

namespace saspd::net {

// Connects, asks once and waits for the answer, for at most `timeout` in all. Errors name the path:
// no_such_file_or_directory, not_a_socket, connection_refused (nobody listens), permission_denied,
// timed_out, bad_message (the answer is no JSON object), or what the system says.
Result<boost::json::object> control_request(const std::string& path,
                                            const boost::json::object& request,
                                            std::chrono::milliseconds timeout);

}  // namespace saspd::net
